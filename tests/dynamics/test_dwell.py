"""Dwell times: runs that are cut off are neither lost nor taken for whole."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from atomscope.dynamics.dwell import runs_of_states, survival
from atomscope.errors import CalibrationError, InputError
from atomscope.pipeline.dynamics import dwell_times


def tracks_of(*states):
    """A table with a track a sequence; None is a missing frame."""
    rows = [(i, f, s) for i, one in enumerate(states) for f, s in enumerate(one) if s is not None]
    return pd.DataFrame(rows, columns=["track", "frame", "cluster"])


def chains(stay, tracks, frames, seed):
    """Two states that are kept with these chances."""
    rng = np.random.default_rng(seed)
    state = np.empty((tracks, frames), int)
    state[:, 0] = rng.random(tracks) < (1 - stay[0]) / (2 - stay[0] - stay[1])
    for t in range(1, frames):
        state[:, t] = state[:, t - 1] ^ (rng.random(tracks) > np.asarray(stay)[state[:, t - 1]])
    return tracks_of(*state.tolist())


def test_runs_are_what_an_eye_counts():
    runs = runs_of_states(tracks_of([0, 0, 1, 1, 1, 0, 0], [1, 1, None, 1, 0, None, 1]))
    assert runs["frames"].tolist() == [2, 3, 2, 2, 1, 1, 1]
    assert runs["began"].tolist() == [False, True, True, False, False, True, False]
    assert runs["ended"].tolist() == [True, True, False, False, True, False, False]


def test_a_short_gap_can_be_bridged():
    runs = runs_of_states(tracks_of([0, 1, 1, None, 1, 0], [0, 1, None, None, 1, 0], [0, 1, None, 0, 0, 0]), max_gap=1)
    first = runs[(runs["track"] == 0) & (runs["state"] == 1)]
    assert first["frames"].tolist() == [4] and first["ended"].all()
    assert len(runs[(runs["track"] == 1) & (runs["state"] == 1)]) == 2
    other = runs[(runs["track"] == 2) & (runs["state"] == 1)]
    assert not other["ended"].any()  # nobody saw when it ended


def test_dwell_times_are_found_though_most_runs_are_cut_off():
    table = chains((0.95, 0.9), 4000, 15, seed=0)
    found = dwell_times(table, frame_time_s=0.2)
    assert found["mean_s"].to_numpy() == pytest.approx([20 * 0.2, 10 * 0.2], rel=0.12)
    assert found["rate_per_s"].to_numpy() == pytest.approx(-np.log([0.95, 0.9]) / 0.2, rel=0.12)
    runs = runs_of_states(table)
    whole = runs[runs["began"] & runs["ended"] & (runs["state"] == 0)]["frames"].mean()
    assert whole < 10  # what leaving out the cut-off ones would say of 20 frames


def test_intervals_hold_the_truth_nineteen_times_in_twenty():
    held = []
    for seed in range(100):
        found = dwell_times(chains((0.9, 0.7), 30, 25, seed))
        truth = np.array([10, 1 / 0.3])
        held.append((found["mean_low_frames"] <= truth) & (truth <= found["mean_high_frames"]))
    assert 0.9 <= np.mean(held) <= 0.985  # 200 intervals


def test_survival_follows_the_truth():
    runs = runs_of_states(chains((0.9, 0.8), 500, 20, seed=1))
    some = runs[runs["began"] & (runs["state"] == 0)]
    curve = survival(some["frames"].to_numpy(), some["ended"].to_numpy()).iloc[:12]
    off = (curve["survival"] - 0.9 ** curve["frames"]) / curve["survival_sd"]
    assert off.abs().max() < 3.5
    median = dwell_times(chains((0.9, 0.8), 500, 20, seed=1))["median_frames"]
    assert abs(median[0] - 7) <= 1 and abs(median[1] - 4) <= 1


def test_a_state_that_is_never_left_has_no_upper_end():
    found = dwell_times(tracks_of([0, 1, 1, 1], [0, 1, 1, 1])).set_index("state")
    assert np.isinf(found.loc[1, "mean_frames"]) and np.isinf(found.loc[1, "mean_high_frames"])
    assert 1 < found.loc[1, "mean_low_frames"] < 10 and found.loc[1, "rate_per_frame"] == 0
    assert found.loc[0, "runs"] == 0 and found.loc[0, "left_out"] == 2 and np.isnan(found.loc[0, "mean_frames"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.drop(columns="track"), "link"),
        (lambda t: t.drop(columns="cluster"), "no column cluster"),
        (lambda t: t.assign(cluster=np.nan), "no site"),
        (lambda t: pd.concat([t, t.iloc[:1]]), "two sites in frame"),
    ],
)
def test_what_cannot_be_measured_is_said(change, words):
    with pytest.raises(InputError, match=words):
        dwell_times(change(tracks_of([0, 1, 1, 0])))


def test_times_and_gaps_must_be_possible():
    with pytest.raises(CalibrationError, match="positive"):
        dwell_times(tracks_of([0, 1, 1, 0]), frame_time_s=-1)
    with pytest.raises(InputError, match="max_gap"):
        dwell_times(tracks_of([0, 1, 1, 0]), max_gap=-1)
