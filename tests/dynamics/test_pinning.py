"""Pins are found where walls hang, and not where all of a wall stops or nothing holds it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from atomscope.data import Axis, Sites
from atomscope.errors import InputError, ParameterError, Stopped
from atomscope.pipeline.wall_motion import pinning, wall_motion

AXES = (Axis("frame", 0.5, "s", kind="navigation"), Axis("row", 2.0, "nm"), Axis("col", 2.0, "nm"))
SIZE, FRAMES = 200, 40


def movie(
    seed=0,
    pins=((70.0, 60.0, 12), (85.0, 140.0, 8)),
    rest=(20, 26),
    noise=0.3,
    step=1.5,
    frames=FRAMES,
    turns=1,
):
    """Sites of a wall that goes down by ``step`` a frame, with a cusp at each pin (row, col, frames that it holds)."""
    rng = np.random.default_rng(seed)
    cols = np.arange(2.0, SIZE, 4.0)
    front, lag, held = 50.0, np.zeros(len(pins)), np.zeros(len(pins))
    parts = []
    for t in range(frames):
        way = -1.0 if (t * turns // frames) % 2 else 1.0
        bent = sum(lag[k] * np.exp(-np.abs(cols - pin[1]) / 12) for k, pin in enumerate(pins))
        row = front - way * bent + rng.normal(0, noise, len(cols))
        parts.append(pd.DataFrame({"frame": t, "row": row, "col": cols}))
        if t and turns > 1 and (t + 1) * turns // frames != t * turns // frames:
            held[:], lag[:] = 0, 0
        if rest[0] <= t < rest[1]:
            continue
        for k, (at, _, hold) in enumerate(pins):
            if held[k] < hold and (held[k] or abs(front - at) <= step / 2):
                lag[k], held[k] = lag[k] + step, held[k] + 1
            else:
                lag[k] *= 0.6
        front += way * step
    table = pd.concat(parts, ignore_index=True)
    arc = np.tile(np.arange(len(cols)) * 4.0 + 2, frames)
    core = [table.pop(n).to_numpy() for n in ("row", "col", "frame")]
    sites = Sites.from_positions(*core, kind="wall", axes=AXES, shape=(frames, SIZE, SIZE))
    return sites.with_table(sites.table.assign(wall=0, arc_px=arc, length_px=4.0, closed=False))


def near(found, row, col, within=9.0):
    return found.pins[np.hypot(found.pins["row"] - row, found.pins["col"] - col) < within]


@pytest.mark.parametrize("seed", range(5))
def test_planted_pins_are_found_and_nothing_else(seed):
    found = pinning(wall_motion(movie(seed)))
    for row, col, hold in ((70.0, 60.0, 12), (85.0, 140.0, 8)):
        pin = near(found, row, col)
        assert len(pin) == 1
        assert pin["p_value"].iloc[0] < 0.05
        assert 0.5 * hold < pin["retardation_frames"].iloc[0] < 1.2 * hold
        assert pin["retardation_s"].iloc[0] == pytest.approx(0.5 * pin["retardation_frames"].iloc[0])
        assert pin["row_nm"].iloc[0] == pytest.approx(2 * pin["row"].iloc[0])
        assert pin["visits"].iloc[0] == 1
    assert len(found.pins) == 2


def test_a_wall_that_rests_as_a_whole_is_not_pinned():
    chances = [len(pinning(wall_motion(movie(seed, pins=(), rest=(10, 25)))).pins) for seed in range(12)]
    assert np.count_nonzero(chances) <= 2  # .05 each


def test_a_wall_that_comes_back_counts_twice():
    found = pinning(wall_motion(movie(1, pins=((65.0, 100.0, 7),), rest=(0, 0), frames=60, turns=2)))
    pin = near(found, 65, 100)
    assert len(pin) == 1 and pin["visits"].iloc[0] == 2 and pin["retardation_frames"].iloc[0] > 7


def test_maps_say_where_walls_were_and_for_how_long():
    found = pinning(wall_motion(movie(0)))
    assert found.score.shape == found.lag_px.shape == found.dwell_frames.shape == (SIZE, SIZE)
    assert np.isnan(found.score[150:]).all() and (found.dwell_frames[150:] == 0).all()  # no wall came there
    assert found.dwell_frames[70, 60] > found.dwell_frames[70, 100] + 6
    assert found.dwell_s[70, 60] == pytest.approx(0.5 * found.dwell_frames[70, 60])
    assert found.score_at(np.array([[70.0, 60.0]]))[0] > 5 > found.score_at(np.array([[70.0, 100.0]]))[0]
    assert np.isnan(found.score_at(np.array([[190.0, 100.0], [-50.0, -50.0]]))).all()
    assert {"lag_px"} <= set(found.sites.table.columns) and len(found.sites) == len(movie(0))
    assert np.allclose(found.noise_px, 0.3 * np.sqrt(2), rtol=0.25)


def test_a_coarser_grid_finds_the_same():
    fine, coarse = (pinning(wall_motion(movie(2)), grid_px=g) for g in (1.0, 2.5))
    assert coarse.score.shape == (80, 80)
    for one in (fine, coarse):  # the two surest
        assert len(near(one, 70, 60)) == len(near(one, 85, 140)) == 1 and set(one.pins["pin"][:2]) == {0, 1}


def test_drift_does_not_blur_pins_when_it_is_taken_out():
    still = movie(3)
    drift = np.cumsum(np.random.default_rng(3).normal(0, 1.0, (FRAMES, 2)), axis=0)
    drift -= drift[0]
    frame = still.table["frame"].to_numpy()
    moved = still.table.assign(row=still.table["row"] + drift[frame, 0], col=still.table["col"] + drift[frame, 1])
    found = pinning(wall_motion(still.with_table(moved), drift=drift))
    assert len(near(found, 70, 60)) == len(near(found, 85, 140)) == 1


def test_duplicated_frames_and_rows_make_no_pin():
    sites = movie(4, pins=(), noise=0.2)
    table = sites.table
    twice = table[table["frame"] == 7].assign(frame=8, site=table.loc[table["frame"] == 8, "site"].to_numpy())
    table = pd.concat([table[table["frame"] != 8], twice], ignore_index=True)
    table = pd.concat([table, table.iloc[:50].assign(site=np.arange(50) + 10**6)], ignore_index=True)
    assert len(pinning(wall_motion(sites.with_table(table))).pins) == 0


def test_dropped_frames_are_not_hanging():
    sites = movie(5, pins=())
    table = sites.table[~sites.table["frame"].isin([12, 13, 30])]
    assert len(pinning(wall_motion(sites.with_table(table))).pins) == 0


def test_walls_that_were_not_followed_are():
    assert len(pinning(movie(0)).pins) == 2


def test_times_without_a_unit_are_in_frames():
    sites = movie(0)
    bare = Sites(sites.table, (Axis("frame", kind="navigation"), Axis("row"), Axis("col")), sites.shape)
    found = pinning(bare)
    assert found.pins["retardation_s"].isna().all() and found.pins["retardation_frames"].notna().all()
    assert found.pins["row_nm"].isna().all() and np.isnan(found.dwell_s).all()
    told = pinning(bare, frame_time_s=2.0, pixel_nm=1.0)
    assert told.pins["retardation_s"].to_numpy() == pytest.approx(2 * told.pins["retardation_frames"].to_numpy())


def test_what_cannot_be_used_is_refused():
    sites = movie(0)
    for few in (sites.table[sites.table["frame"] == 0], sites.table.iloc[:0]):
        with pytest.raises(InputError, match="consecutive"):
            pinning(sites.with_table(few))
    with pytest.raises(InputError, match="find_walls"):
        pinning(Sites.from_positions(np.zeros(3), np.arange(3.0)))
    with pytest.raises(ParameterError, match="neighbours_px"):
        pinning(sites, neighbours_px=5.0)
    with pytest.raises(Stopped):
        pinning(wall_motion(sites), should_stop=lambda: True)


def test_a_wall_too_short_for_neighbours_is_not_judged():
    sites = movie(0)
    found = pinning(wall_motion(sites.with_table(sites.table[sites.table["col"].between(54, 66)])))
    assert len(found.pins) == 0 and any("too short" in line for line in found.notes)
