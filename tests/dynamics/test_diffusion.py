"""Planted diffusion comes back with an interval that holds it: free walks, walks with gaps and drift, hops."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from atomscope.data import Axis, Sites
from atomscope.dynamics.diffusion import best_lags
from atomscope.errors import CalibrationError, InputError, ParameterError
from atomscope.pipeline.dynamics import diffusion

PIXEL_NM, FRAME_S = 0.02, 0.5
KNOWN = {"pixel_nm": PIXEL_NM, "frame_time_s": FRAME_S}


def table_of(places, first=0):
    """A table of places (tracks, frames, 2)."""
    tracks, frames, _ = places.shape
    track, frame = np.divmod(np.arange(tracks * frames), frames)
    return pd.DataFrame(
        {"track": track, "frame": frame + first, "row": places[..., 0].ravel(), "col": places[..., 1].ravel()}
    )


def walks(D, sigma=0.015, tracks=200, frames=60, seed=0, fine=1):
    """Free walks in px; D in nm^2/s, the error in nm; exposed over the whole frame when ``fine`` > 1."""
    rng = np.random.default_rng(seed)
    place = rng.normal(0, np.sqrt(2 * D * FRAME_S / fine), (tracks, frames * fine, 2)).cumsum(1)
    place = place.reshape(tracks, frames, fine, 2).mean(2)
    return table_of((place + rng.normal(0, sigma, place.shape)) / PIXEL_NM)


def hops(back, chance=0.5, tracks=400, frames=200, seed=0):
    """Hops on a square lattice of 10 px, of which a part goes straight back."""
    rng = np.random.default_rng(seed)
    ways = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])
    last = rng.integers(0, 4, tracks)
    steps = np.zeros((tracks, frames, 2))
    for t in range(1, frames):
        way = np.where(rng.random(tracks) < back, (last + 2) % 4, rng.integers(0, 4, tracks))
        go = rng.random(tracks) < chance
        last = np.where(go, way, last)
        steps[:, t] = ways[way] * go[:, None]
    return table_of(10 * steps.cumsum(1))


@pytest.mark.parametrize("method", ["auto", "covariance", "fit"])
@pytest.mark.parametrize("sigma", [0.01, 0.02])
@pytest.mark.parametrize("D", [3e-4, 6e-4])
def test_planted_diffusion_is_found(D, sigma, method):
    found = [diffusion(walks(D, sigma, seed=seed), method=method, **KNOWN) for seed in range(5)]
    off = [abs(f.D / D - 1) for f in found]
    assert np.median(off) < 0.05 and max(off) < 0.1
    assert np.median([f.sigma for f in found]) == pytest.approx(sigma, rel=0.05)
    assert found[0].unit == "nm^2/s" and found[0].n_tracks == 200 and not found[0].notes


def test_the_interval_holds_the_truth_nineteen_times_in_twenty():
    held = 0
    for seed in range(120):
        low, high = diffusion(walks(3e-4, tracks=60, frames=30, seed=100 + seed), resamples=400, **KNOWN).ci
        held += low <= 3e-4 <= high
    assert 107 <= held <= 119  # 114 +- 2.4


def test_gaps_and_the_order_of_rows_change_little_and_nothing():
    whole = walks(6e-4)
    some = whole.sample(frac=0.8, random_state=1)
    one, other = diffusion(some, **KNOWN), diffusion(some.sort_values(["track", "frame"]), **KNOWN)
    assert abs(one.D / (6e-4) - 1) < 0.1
    assert one.D == other.D and one.ci == other.ci
    lags = one.msd["lag"].to_numpy()
    place = whole[["row", "col"]].to_numpy().reshape(200, 60, 2) * PIXEL_NM
    there = np.zeros((200, 60), bool)
    there[some["track"], some["frame"]] = True
    for lag in lags:
        both = there[:, lag:] & there[:, :-lag]
        square = ((place[:, lag:] - place[:, :-lag]) ** 2).sum(-1)[both]
        row = one.msd.iloc[lag - 1]
        assert row["pairs"] == both.sum() and row["msd_nm2"] == pytest.approx(square.mean())
    assert (one.msd["msd_se_nm2"] > 0).all()


def test_the_error_of_places_is_told_from_the_blur_of_an_open_shutter():
    D, sigma = 6e-4, 0.01
    blurred = walks(D, sigma, 600, seed=3, fine=12)
    for method in ("covariance", "fit"):
        found = diffusion(blurred, method=method, exposure=1.0, **KNOWN)
        assert abs(found.D / (D) - 1) < 0.05
        assert found.sigma == pytest.approx(sigma, rel=0.08)
    assert diffusion(blurred, exposure=0.0, **KNOWN).sigma != pytest.approx(sigma, rel=0.15)


def test_pixels_need_not_be_square():
    table = walks(3e-4)
    table["col"] *= 2
    axes = (Axis("frame", FRAME_S, "s", kind="navigation"), Axis("row", 0.2, "angstrom"), Axis("col", 0.01, "nm"))
    sites = Sites.from_positions(
        table["row"].to_numpy(), table["col"].to_numpy(), table["frame"].to_numpy(), axes=axes, track=table["track"]
    )
    assert np.isclose(diffusion(sites).D, diffusion(walks(3e-4), **KNOWN).D)


def test_without_units_lengths_are_px_and_times_are_frames():
    found = diffusion(walks(3e-4))
    assert found.unit == "px^2/frame"
    assert abs(found.D / (3e-4 * FRAME_S / PIXEL_NM**2) - 1) < 0.1
    assert "D_px2_per_frame" in found.table() and {"lag_frame", "msd_px2"} <= set(found.msd)


def test_a_common_drift_is_said_and_can_be_removed():
    table = walks(3e-4, tracks=40)
    moved = table.assign(row=table["row"] + 0.5 * table["frame"])
    seen = diffusion(moved, **KNOWN)
    assert seen.D > 4e-4 and "move together" in seen.notes[0]
    removed = diffusion(moved, drift="remove", **KNOWN)
    assert abs(removed.D / (3e-4) - 1) < 0.1 and not removed.notes
    assert not diffusion(table, **KNOWN).notes


def test_hops_that_are_taken_back_are_measured_at_long_lags():
    D = 0.5 * 10**2 / 4
    free = diffusion(hops(0.0), localisation="none", hop_distance=10)
    back = diffusion(hops(0.5), localisation="none", hop_distance=10, max_lag=30)
    assert free.method == back.method == "fit" and free.sigma == 0
    assert abs(free.D / (D) - 1) < 0.1
    assert abs(back.D / (D / 3) - 1) < 0.1  # correlation factor (1 - 1/2) / (1 + 1/2)
    table = back.table().set_index("estimator")
    assert table.loc["fit", "correlation_factor"] == pytest.approx(1 / 3, rel=0.1)
    assert table.loc["covariance", "D_px2_per_frame"] == pytest.approx(D, rel=0.03)
    assert table.loc["hops", "D_px2_per_frame"] == pytest.approx(D, rel=0.03)


def test_few_tracks_have_a_coefficient_but_no_interval():
    found = diffusion(walks(3e-4, tracks=5, frames=400), **KNOWN)
    assert abs(found.D / (3e-4) - 1) < 0.3
    assert np.isnan(found.ci).all() and "too few" in found.notes[0]
    assert len(found.tracks) == 5


def test_more_noise_wants_more_lags():
    assert best_lags(0.0, 1000) == 2 < best_lags(10.0, 1000) < best_lags(100.0, 1000) < 30
    assert best_lags(np.inf, 10) <= 10


def test_sites_that_do_not_move_have_no_diffusion():
    still = table_of(np.zeros((20, 30, 2)))
    assert diffusion(still).D == 0
    assert diffusion(still, localisation="none").D == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.drop(columns="track"), "link"),
        (lambda t: t.assign(track=-1), "link"),
        (lambda t: t.assign(track=np.arange(len(t))), "single site"),
        (lambda t: pd.concat([t, t.iloc[:1]]), "track 0 has two sites in frame 0"),
        (lambda t: t.assign(frame=t["frame"] * 0.5), "whole numbers"),
        (lambda t: t.assign(frame=t["frame"] * 2), "successive"),
        (lambda t: t[t["frame"] < 2], "three successive"),
        (lambda t: t.iloc[:0], "empty"),
    ],
)
def test_what_cannot_be_measured_is_said(change, words):
    with pytest.raises(InputError, match=words):
        diffusion(change(walks(3e-4, tracks=20, frames=10)), **KNOWN, method="covariance")


def test_units_that_cannot_be_are_refused():
    table = walks(3e-4, tracks=20, frames=10)
    with pytest.raises(CalibrationError, match="positive"):
        diffusion(table, frame_time_s=0)
    with pytest.raises(CalibrationError, match="positive"):
        diffusion(table, pixel_nm=(1, -1))
    with pytest.raises(CalibrationError, match="do not increase"):
        diffusion(table.assign(t=-table["frame"]), time_column="t")
    with pytest.raises(CalibrationError, match="uneven"):
        diffusion(table.assign(t=table["frame"] ** 2.0), time_column="t")
    assert diffusion(table.assign(t=table["frame"] * 0.5), time_column="t").unit == "px^2/s"
    axes = (Axis("frame", 1.0, "um", kind="navigation"), Axis("row"), Axis("col"))
    sites = Sites.from_positions(table["row"], table["col"], table["frame"], axes=axes, track=table["track"])
    with pytest.raises(CalibrationError, match="no time"):
        diffusion(sites)
    with pytest.raises(ParameterError, match="fit_lags"):
        diffusion(table, fit_lags=(3, 3))


def test_what_is_told_has_an_interval_only_where_there_is_one():
    many, few = (diffusion(walks(3e-4, tracks=n, frames=30), **KNOWN) for n in (40, 5))
    assert f"{many.ci[0]:.4g} to {many.ci[1]:.4g}" in many.told() and "40 tracks" in many.told()
    assert "no interval" in few.told() and "nan" not in few.told()
