"""The same place at another time: moved by the drift, or where its track is."""

from __future__ import annotations

import numpy as np
import pytest

import atomscope as ats
from atomscope import simulate
from atomscope.data.params import DelayParams
from atomscope.errors import CalibrationError, InputError, ParameterError, ShapeError, Stopped
from atomscope.patches import crop, later_places
from atomscope.patches.delay import displacements


def noise(frames=6, side=40, seed=0):
    return np.random.default_rng(seed).normal(size=(frames, side, side)).astype(np.float32)


def drifting(frames=6, step=(1.5, -0.75), n=20, side=60, seed=0):
    """Sites that move together, and how far they are in each frame."""
    rng = np.random.default_rng(seed)
    home = np.stack(np.meshgrid(np.arange(5), np.arange(4), indexing="ij"), -1).reshape(-1, 2)[:n] * 10.0 + 12
    home = home + rng.uniform(-1, 1, home.shape)
    path = np.arange(frames)[:, None] * np.array(step)
    place = home + path[:, None]
    table = ats.Sites.from_positions(
        place[..., 0].ravel(),
        place[..., 1].ravel(),
        np.repeat(np.arange(frames), n),
        shape=(frames, side, side),
        track=np.tile(np.arange(n), frames),
    )
    return table, path


@pytest.mark.parametrize("lag", [1, 3, -2])
@pytest.mark.parametrize("tracked", [True, False])
def test_the_drift_is_that_of_the_sites(lag, tracked):
    sites, path = drifting()
    table = sites.table if tracked else sites.table.drop(columns="track")
    table = table.drop(index=table.index[::7])  # some were missed
    moved = displacements(table, lag, 6)
    for t in range(6):
        wanted = path[t + lag] - path[t] if 0 <= t + lag < 6 else np.zeros(2)
        np.testing.assert_allclose(moved[t], wanted, atol=1e-6)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_drift_of_a_simulated_movie_is_found_without_tracks(seed):
    stack, truth = simulate.movie("graphene", frames=8, size_px=256, drift_nm=0.02, displacement_nm=0.003, seed=seed)
    path = np.array(stack.metadata["drift_px"])
    moved = displacements(truth.table.drop(columns="track"), 3, 8)
    assert np.abs(moved[:5] - (path[3:] - path[:-3])).max() < 0.2


def test_sites_that_jump_do_not_pull_the_others_along():
    sites, path = drifting()
    table = sites.table.copy()
    jump = (table["track"] == 3) & (table["frame"] >= 3)
    table.loc[jump, "row"] += 8.0
    np.testing.assert_allclose(displacements(table, 1, 6)[:5], np.diff(path, axis=0), atol=1e-6)


def test_pairs_are_windows_of_the_same_place_and_keep_the_ids():
    sites, path = drifting()
    movie = ats.Stack.from_array(noise(6, 60))
    now, later = ats.delayed(movie, sites, lag=2, window_px=8, normalise="none")
    assert (now.site == later.site).all()
    table = sites.table.set_index("site").loc[now.site]
    assert (table["frame"] < 4).all()
    there = table.reset_index().assign(site=np.arange(len(table)))
    there["frame"] += 2
    there[["row", "col"]] = there[["row", "col"]].to_numpy() + path[there["frame"]] - path[there["frame"] - 2]
    alone = crop(movie, sites.with_table(there), ats.CropParams(window_px=8, normalise="none"))
    np.testing.assert_allclose(later.values, alone.values, atol=1e-5)
    joined = sites.join(now.flag_table())
    assert len(joined) == len(sites)
    assert (joined.table.loc[joined.table["frame"] >= 4, "flag"] == "no later frame").all()
    assert now.provenance.params["lag"] == 2


def test_a_negative_lag_looks_back():
    sites, _ = drifting()
    now, before = ats.delayed(noise(6, 60), sites, lag=-1, window_px=8)
    assert set(sites.join(before.flag_table()).in_frame(0)["flag"]) == {"no earlier frame"}
    assert (sites.table.set_index("site").loc[now.site, "frame"] >= 1).all()


def test_a_given_drift_and_none_at_all():
    sites, path = drifting()
    own, _ = later_places(sites, 1, 6)
    given, _ = later_places(sites, 1, 6, drift=path)
    still, _ = later_places(sites, 1, 6, "nothing")
    np.testing.assert_allclose(own.positions, given.positions, atol=1e-6)
    assert (still.positions == sites.positions[sites.table["frame"] < 5]).all()


def test_a_track_is_followed_where_it_goes_and_flagged_where_it_ends():
    sites, _ = drifting()
    table = sites.table[~((sites.table["track"] == 4) & (sites.table["frame"] == 2))].copy()
    table.loc[(table["track"] == 5) & (table["frame"] == 2), "row"] += 7.25
    sites = sites.with_table(table)
    places, flags = later_places(sites, 1, 6, "track")
    gone = table[(table["track"] == 4) & (table["frame"] == 1)]["site"].iloc[0]
    assert flags[gone] == "no site of its track there"
    moved = table[(table["track"] == 5) & (table["frame"] == 1)]["site"].iloc[0]
    there = table[(table["track"] == 5) & (table["frame"] == 2)]
    assert places.table.set_index("site").loc[moved, "row"] == there["row"].iloc[0]
    with pytest.raises(InputError, match="column 'track'"):
        later_places(sites.with_table(table.drop(columns="track")), 1, 6, "track")
    with pytest.raises(InputError, match="two sites in frame"):
        later_places(sites.with_table(table.assign(track=0)), 1, 6, "track")


@pytest.mark.parametrize("chunk", [1, 2, 5])
def test_pairs_are_equal_for_every_chunking_and_on_disk(chunk, tmp_path):
    import dask.array as da

    sites, _ = drifting()
    data = noise(6, 60)
    data[3, 20, 20] = np.nan  # a bad pixel takes a window from one side of some pairs only
    one = ats.delayed(data, sites, lag=1, window_px=8)
    other = ats.delayed(ats.Stack.from_array(da.from_array(data, chunks=(chunk, 31, 17))), sites, lag=1, window_px=8)
    kept = ats.delayed(data, sites, lag=1, window_px=8, out=tmp_path / "pairs")
    for a, b, c in zip(one, other, kept, strict=True):
        assert (a.values == b.values).all()
        assert (a.values == np.asarray(c.values[0 : len(c)])).all()
        assert (a.site == b.site).all() and (a.site == c.site).all()
        assert a.flags == b.flags == c.flags
    assert not np.isnan(one[1].values).any()


def test_a_lag_in_seconds():
    sites, _ = drifting()
    axes = (ats.Axis("frame", 0.5, "s", kind="navigation"), ats.Axis("row"), ats.Axis("col"))
    movie = ats.Stack.from_array(noise(6, 60), axes)
    one, _ = ats.delayed(movie, sites, lag_s=1.0, window_px=8)
    assert (one.provenance.params["lag"], one.provenance.params["lag_s"]) == (2, 1.0)
    assert ats.delayed(movie, sites, lag=3, window_px=8)[0].provenance.params["lag_s"] == 1.5
    with pytest.raises(InputError, match="less than half a frame"):
        ats.delayed(movie, sites, lag_s=0.1, window_px=8)
    with pytest.raises(CalibrationError, match="lag in frames"):
        ats.delayed(noise(6, 60), sites, lag_s=1.0, window_px=8)


def test_what_does_not_fit_is_said():
    sites, path = drifting()
    with pytest.raises(ParameterError, match="not 0"):
        DelayParams(lag=0)
    with pytest.raises(ShapeError, match="lag of 6 frames in a movie of 6"):
        ats.delayed(noise(6, 60), sites, lag=6, window_px=8)
    with pytest.raises(ShapeError, match="wanted a movie"):
        ats.delayed(noise(1, 60)[0], sites, window_px=8)
    with pytest.raises(ShapeError, match=r"\(6, 2\)"):
        ats.delayed(noise(6, 60), sites, drift=path[:3], window_px=8)


def test_a_stop_hands_over_the_pairs_that_are_finished():
    sites, _ = drifting()
    seen = []
    with pytest.raises(Stopped) as stop:
        ats.delayed(noise(6, 60), sites, window_px=8, on_progress=seen.append, should_stop=lambda: len(seen) >= 7)
    now, later = stop.value.partial
    assert 0 < len(now) == len(later) < 100
    assert [p.done for p in seen] == list(range(1, 8)) and seen[-1].total == 10
