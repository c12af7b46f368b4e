"""Timescales of planted jumps come back, from states and from states read with errors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import atomscope as ats
from atomscope import simulate
from atomscope.errors import InputError
from atomscope.latent import implied_timescales, pooled_counts


def chains(matrix, tracks=100, frames=300, seed=0):
    """Tracks of a Markov chain."""
    rng, k = np.random.default_rng(seed), len(matrix)
    state = np.empty((frames, tracks), int)
    state[0] = rng.integers(0, k, tracks)
    for t in range(1, frames):
        state[t] = (rng.random(tracks)[:, None] > np.cumsum(np.asarray(matrix)[state[t - 1]], 1)[:, :-1]).sum(1)
    frame, track = np.divmod(np.arange(frames * tracks), tracks)
    return pd.DataFrame({"frame": frame, "track": track, "cluster": state.ravel()})


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("lag", [1, 3])
def test_the_timescale_of_two_states_is_found(seed, lag):
    a, b = 0.06, 0.04
    table = chains([[1 - a, a], [b, 1 - b]], seed=seed).sample(frac=1, random_state=seed)
    row = implied_timescales(table, lag).iloc[0]
    truth = -1 / np.log(1 - a - b)
    assert row["timescale"] == pytest.approx(truth, rel=0.1)
    assert abs(row["timescale"] - truth) < 4 * row["timescale_sd"]
    assert row["jumps"] == 100 * (300 - lag)


def test_the_slowest_of_three_states_is_found():
    matrix = np.array([[0.85, 0.14, 0.01], [0.14, 0.85, 0.01], [0.005, 0.005, 0.99]])
    truth = -1 / np.log(np.sort(np.linalg.eigvals(matrix).real)[-2])
    assert implied_timescales(chains(matrix, 300), 2)["timescale"][0] == pytest.approx(truth, rel=0.1)


def test_many_short_tracks_are_as_good_as_few_long_ones():
    table = chains([[0.9, 0.1], [0.1, 0.9]], tracks=1, frames=20_000)
    table["track"], table["frame"] = table["frame"] // 4, table["frame"] % 4
    assert implied_timescales(table, 1)["timescale"][0] == pytest.approx(-1 / np.log(0.8), rel=0.1)


def test_wrongly_read_states_show_in_the_lag_test():
    table = chains([[0.97, 0.03], [0.03, 0.97]], tracks=200)
    wrong = np.random.default_rng(1).random(len(table)) < 0.05
    table.loc[wrong, "cluster"] = 1 - table.loc[wrong, "cluster"]
    t = implied_timescales(table, [1, 5, 20])["timescale"].to_numpy()
    truth = -1 / np.log(0.94)
    assert t[0] < t[1] < t[2]
    assert t[0] < 0.6 * truth < 0.8 * truth < t[2]


def test_gaps_and_sites_without_a_state_break_a_track():
    table = pd.DataFrame({"frame": [0, 1, 3, 4, 5], "track": [0] * 5, "cluster": [0, 1, 1, -1, 0]})
    counts, states = pooled_counts(table, 1)
    assert states.tolist() == [0, 1] and counts.sum(0).tolist() == [[0, 1], [0, 0]]
    assert pooled_counts(table, 2)[0].sum(0).tolist() == [[0, 0], [1, 1]]
    names = table.assign(cluster=["a", "b", "b", None, "a"])
    assert pooled_counts(names, 1)[0].sum() == 1
    assert np.isnan(implied_timescales(table.assign(cluster=0), 1)["timescale"][0])
    assert np.isnan(implied_timescales(table.iloc[:0], 1)["timescale"][0])


def test_what_is_missing_is_said():
    table = chains([[0.9, 0.1], [0.1, 0.9]], 2, 10)
    with pytest.raises(InputError, match="no column track"):
        implied_timescales(table.drop(columns="track"))
    with pytest.raises(InputError, match="at least one frame, got 0"):
        implied_timescales(table, 0)
    with pytest.raises(InputError, match="two sites in frame"):
        implied_timescales(table.assign(track=0))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_planted_process_of_a_simulated_movie_has_its_timescale(seed):
    stack, truth, _ = simulate.switching(sites=100, frames=300, seed=seed, frame_time_s=0.5)
    got = ats.implied_timescales(truth, [1, 4], column="state")
    assert got["timescale"].to_numpy() == pytest.approx(stack.metadata["timescale_frames"], rel=0.1)
    assert got["timescale_s"].to_numpy() == pytest.approx(0.5 * got["timescale"].to_numpy())
