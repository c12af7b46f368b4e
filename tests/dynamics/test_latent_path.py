"""Planted paths through latent space: steps, lengths, mean squared displacements, gaps, latents that come round."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

import atomscope as ats
from atomscope.errors import InputError
from atomscope.pipeline.latent_path import latent_paths


def walk(step=0.3, tracks=300, frames=40, seed=0, missing=0.0):
    """A random walk in z1, z2 with a known step, rows in any order."""
    rng = np.random.default_rng(seed)
    z = rng.normal(0, step, (tracks, frames, 2)).cumsum(1) + rng.normal(0, 3, (tracks, 1, 2))
    track, frame = np.divmod(np.arange(tracks * frames), frames)
    table = pd.DataFrame({"site": np.arange(len(track)), "track": track, "frame": frame})
    table = table.assign(z1=z[..., 0].ravel(), z2=z[..., 1].ravel()).sample(frac=1, random_state=seed)
    return table[rng.random(len(table)) >= missing]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_a_planted_walk_has_its_steps_speed_and_spreading(seed, missing):
    found = latent_paths(walk(seed=seed, missing=missing), frame_time_s=0.5, scale="none")
    step = found.steps["step"]
    assert np.sqrt((step**2).mean()) == pytest.approx(0.3 * np.sqrt(2), rel=0.03)
    assert (found.steps["speed_per_s"].dropna() == step.dropna() / 0.5).all()
    truth = 2 * 0.3**2 * found.msd["lag"]
    assert found.msd["msd"].to_numpy() == pytest.approx(truth.to_numpy(), rel=0.1)
    off = (found.msd["msd"] - truth) / found.msd["msd_se"]
    assert off.abs().max() < 4.5
    assert found.time_unit == "s" and found.msd["lag_s"].iloc[1] == 1.0
    assert bool(found.notes) == bool(missing)


def test_a_straight_path_and_one_that_comes_back():
    turn = np.linspace(0, 2 * np.pi, 41)
    table = pd.DataFrame(
        {
            "track": np.repeat([4, 9], 41),
            "frame": np.tile(np.arange(41), 2),
            "z1": np.r_[np.linspace(0, 4, 41), np.cos(turn)],
            "z2": np.r_[np.linspace(0, 3, 41), np.sin(turn)],
        }
    )
    found = latent_paths(table, scale="none").table().set_index("track")
    assert found.loc[4, ["path", "net", "straightness"]].tolist() == pytest.approx([5, 5, 1])
    assert found.loc[9, "path"] == pytest.approx(2 * np.pi, rel=0.01) and found.loc[9, "net"] == pytest.approx(0)
    assert found.loc[4, "speed_per_frame"] == pytest.approx(5 / 40)


def test_gaps_are_not_bridged():
    table = pd.DataFrame({"track": 0, "frame": [0, 1, 2, 5, 6], "z1": [0.0, 1, 2, 12, 13]})
    table.loc[1, "z1"] = np.nan  # not encoded: as good as missing
    found = latent_paths(table, scale="none", max_lag=6)
    assert found.steps["frame"].tolist() == [0, 2, 5, 6]
    np.testing.assert_equal(found.steps["step"].to_numpy(), [np.nan, np.nan, np.nan, 1.0])
    row = found.tracks.iloc[0]
    assert (row["missing"], row["steps"], row["path"], row["net"]) == (3, 1, 1.0, 13.0) and np.isnan(
        row["straightness"]
    )
    msd = found.msd.set_index("lag")["msd"]
    assert msd[2] == 4 and msd[3] == 100 and msd[6] == 169  # both ends of such pairs were seen
    assert "gaps" in found.notes[0]


def test_a_latent_that_comes_round_goes_the_short_way_and_its_turns_add_up():
    frame = np.arange(50)
    theta = (0.4 * frame + np.pi) % (2 * np.pi) - np.pi
    table = pd.DataFrame({"track": 0, "frame": frame, "theta1": theta})
    found = latent_paths(table, scale="none", max_lag=10)
    assert found.steps["step"].dropna().to_numpy() == pytest.approx(0.4)
    assert found.tracks["net"][0] == pytest.approx(0.4 * 49)
    assert found.msd["msd"].to_numpy() == pytest.approx((0.4 * np.arange(1, 11)) ** 2)
    broken = latent_paths(table[table["frame"] != 20], scale="none", max_lag=10)
    assert np.isnan(broken.tracks["net"][0])  # how often it came round in between is not known
    assert broken.msd["msd"].to_numpy() == pytest.approx((0.4 * np.arange(1, 11)) ** 2)
    assert latent_paths(table).scales["theta1"] == pytest.approx(2 * np.pi / np.sqrt(12))


def test_the_angle_is_a_coordinate_up_to_the_symmetry_of_the_site():
    frame = np.arange(30)
    angle = (0.3 * frame + np.pi / 3) % (2 * np.pi / 3) - np.pi / 3
    table = pd.DataFrame({"track": 0, "frame": frame, "z1": 0.0, "angle": angle, "angle_order": 3})
    assert latent_paths(table, angle=True, scale="none").tracks["net"][0] == pytest.approx(0.3 * 29)
    assert latent_paths(table).columns == ("z1",)


def test_units_of_latents():
    table = walk().assign(z2=lambda t: t["z2"] * 1e-3)
    common = latent_paths(table)
    assert common.scales["z1"] == common.scales["z2"]
    each = latent_paths(table, scale="each")
    assert each.scales["z2"] == pytest.approx(table["z2"].std(ddof=0))
    assert each.steps["step"].mean() > common.steps["step"].mean()


def test_what_errors_of_reading_make_of_a_site_that_rests_is_said():
    rng = np.random.default_rng(0)
    table = walk(step=0.0).assign(z1_sd=0.1, z2_sd=0.1)
    table[["z1", "z2"]] += rng.normal(0, 0.1, (len(table), 2))
    found = latent_paths(table)
    assert found.noise_share == pytest.approx(1, abs=0.05) and "mostly noise" in found.notes[0]
    assert latent_paths(walk().assign(z1_sd=0.01, z2_sd=0.01)).notes == ()


def test_a_million_rows_take_seconds():
    table = walk(tracks=10_000, frames=100)
    began = time.perf_counter()
    found = latent_paths(table)
    assert time.perf_counter() - began < 20  # 3 s on an idle machine
    assert len(found.steps) == 1_000_000 and len(found.tracks) == 10_000


def test_sites_carry_the_time_of_a_frame():
    axes = (ats.Axis("frame", 0.25, "s", kind="navigation"), ats.Axis("row"), ats.Axis("col"))
    table = walk(tracks=3, frames=5)
    sites = ats.Sites.from_positions(
        np.zeros(len(table)), np.zeros(len(table)), table["frame"].to_numpy(), axes=axes,
        track=table["track"].to_numpy(), z1=table["z1"].to_numpy(),
    )  # fmt: skip
    assert latent_paths(sites).msd["lag_s"].iloc[0] == 0.25


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.drop(columns="track"), "link the sites"),
        (lambda t: t.drop(columns=["z1", "z2"]), "no latents"),
        (lambda t: t.assign(z1="a"), "numbers in column z1"),
        (lambda t: t.assign(z1=np.nan), "no site that can be used"),
        (lambda t: t.assign(track=np.arange(len(t))), "single site"),
        (lambda t: pd.concat([t, t.iloc[:1]]), "two sites in frame"),
        (lambda t: t.iloc[:0], "empty"),
    ],
)
def test_what_cannot_be_followed_is_said(change, words):
    with pytest.raises(InputError, match=words):
        latent_paths(change(walk(tracks=5, frames=6)))
    with pytest.raises(InputError, match="no column z7"):
        latent_paths(walk(tracks=5, frames=6), columns="z1 z7")
