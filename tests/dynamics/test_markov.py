"""A planted transition matrix comes back, with intervals that hold it; memory and short tracks are seen through."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from atomscope.dynamics.markov import overlap, rates_of, stationary_shares
from atomscope.errors import InputError
from atomscope.pipeline.dynamics import transitions

MATRIX = np.array([[0.80, 0.15, 0.05], [0.10, 0.85, 0.05], [0.02, 0.08, 0.90]])
QUICK = {"lags": (1,), "steps": ()}


def chains(matrix, tracks=100, frames=200, seed=0, first=None):
    matrix = np.asarray(matrix)
    rng, k = np.random.default_rng(seed), len(matrix)
    state = np.empty((frames, tracks), int)
    share = np.linalg.matrix_power(matrix, 1000)[0]
    state[0] = rng.choice(k, tracks, p=share) if first is None else first
    for t in range(1, frames):
        state[t] = (rng.random(tracks)[:, None] > matrix.cumsum(1)[state[t - 1]][:, :-1]).sum(1)
    frame, track = np.divmod(np.arange(frames * tracks), tracks)
    return pd.DataFrame({"frame": frame, "track": track, "cluster": state.ravel()})


@pytest.mark.parametrize("seed", range(5))
def test_a_planted_matrix_is_found(seed):
    found = transitions(chains(MATRIX, seed=seed), frame_time_s=0.5)
    assert np.abs(found.matrix - MATRIX).max() < 0.02
    assert np.abs(found.stationary - np.linalg.matrix_power(MATRIX, 1000)[0]).max() < 0.04
    assert np.allclose(found.rates.sum(1), 0, atol=1e-9) and found.rate_unit == "1/s"
    assert found.rates[0, 1] == pytest.approx(rates_of(MATRIX, 0.5)[0][0, 1], rel=0.15)
    assert found.chapman_kolmogorov["agrees"].all() and not found.notes
    slowest = -1 / np.log(np.sort(np.linalg.eigvals(MATRIX).real)[-2])
    assert found.timescales["timescale"].to_numpy() == pytest.approx(slowest, rel=0.25)
    assert list(found.table()["from"]) == [0, 0, 0, 1, 1, 1, 2, 2, 2]


@pytest.mark.parametrize(("lag", "counting"), [(1, "sliding"), (4, "sliding"), (4, "strided")])
def test_intervals_hold_the_truth_nineteen_times_in_twenty(lag, counting):
    truth, held = np.linalg.matrix_power(MATRIX, lag), []
    for seed in range(60):
        found = transitions(chains(MATRIX, 50, 60, 100 + seed), lag=lag, counting=counting, **QUICK)
        held.append((found.low <= truth) & (truth <= found.high))
    assert 0.92 < np.mean(held) < 0.98  # 540 entries, three or so of each row's nine free


def test_counting_overlapping_pairs_as_independent_would_be_too_sure():
    slow = np.array([[0.97, 0.03], [0.03, 0.97]])
    truth, held, naive = np.linalg.matrix_power(slow, 8), [], []
    for seed in range(60):
        found = transitions(chains(slow, 20, 60, seed), lag=8, **QUICK)
        held.append((found.low <= truth) & (truth <= found.high))
        n = found.counts.sum(1, keepdims=True)
        naive.append(np.abs(found.matrix - truth) < 1.96 * np.sqrt(truth * (1 - truth) / n))
    assert np.mean(held) > 0.88 > 0.7 > np.mean(naive)
    assert (overlap(slow, 8) > 3).all() and overlap(None, 8) == 8


def test_the_mean_of_the_matrices_of_short_tracks_is_biased_and_pooled_counts_are_not():
    truth = np.array([[0.8, 0.2], [0.0, 1.0]])
    table = chains(truth, tracks=4000, frames=4, first=0)
    state = table.sort_values(["track", "frame"])["cluster"].to_numpy().reshape(-1, 4)
    left = ((state[:, :-1] == 0) & (state[:, 1:] == 1)).sum(1) / (state[:, :-1] == 0).sum(1)
    assert left.mean() == pytest.approx(0.33, abs=0.02)
    found = transitions(table, **QUICK)
    assert found.matrix[0, 1] == pytest.approx(0.2, abs=0.01)
    assert found.low[0, 1] < 0.2 < found.high[0, 1]
    assert found.high[1, 0] < 0.01 and found.low[1, 0] == 0
    assert np.isnan(found.stationary).all() and "long run" in found.notes[-1]


def test_states_that_are_misread_fail_the_chapman_kolmogorov_test():
    table = chains([[0.97, 0.03], [0.03, 0.97]], tracks=200)
    wrong = np.random.default_rng(1).random(len(table)) < 0.05
    table.loc[wrong, "cluster"] = 1 - table.loc[wrong, "cluster"]
    found = transitions(table)
    assert not found.chapman_kolmogorov["agrees"].all()
    assert "remember" in found.notes[0]


def test_the_chapman_kolmogorov_test_lets_memoryless_jumps_pass():
    passed = [
        transitions(chains(MATRIX, 60, 80, seed), lags=(1,)).chapman_kolmogorov["agrees"].all() for seed in range(30)
    ]
    assert np.mean(passed) >= 0.9


def test_gaps_break_no_pairs_that_are_there_and_make_none():
    table = chains(MATRIX, 200)
    some = table.sample(frac=0.7, random_state=0)
    found = transitions(some, lag=2, **QUICK)
    there = set(zip(some["track"], some["frame"], strict=True))
    assert found.counts.sum() == sum((t, f + 2) in there for t, f in there)
    assert np.abs(found.matrix - MATRIX @ MATRIX).max() < 0.03


def test_names_are_states_and_negative_numbers_are_none():
    table = chains(MATRIX)
    named = table.assign(cluster=np.array(["cub", "rho", "tet"])[table["cluster"]])
    assert list(transitions(named, **QUICK).states) == ["cub", "rho", "tet"]
    without = table.assign(cluster=table["cluster"].where(table["frame"] % 10 > 0, -1))
    assert list(transitions(without, **QUICK).states) == [0, 1, 2]


def test_a_state_that_is_only_seen_last_has_no_probabilities():
    table = pd.DataFrame({"track": 0, "frame": range(6), "cluster": [0, 0, 1, 0, 0, 2]})
    found = transitions(table, **QUICK)
    assert np.isnan(found.matrix[2]).all() and (found.low[2] == 0).all() and (found.high[2] == 1).all()
    assert "from 2" in found.notes[0]


def test_shares_and_rates_of_a_known_matrix():
    assert stationary_shares(np.array([[0.9, 0.1], [0.3, 0.7]])) == pytest.approx([0.75, 0.25])
    rates, exact = rates_of(np.array([[0.5, 0.5], [0.5, 0.5]]) * 0.5 + 0.5 * np.eye(2), 2.0)
    assert exact and rates[0, 1] == pytest.approx(-np.log(0.5) / 2 / 2)
    assert not rates_of(np.array([[0.1, 0.9], [0.9, 0.1]]), 1.0)[1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.drop(columns="track"), "link"),
        (lambda t: t.drop(columns="cluster"), "no column cluster"),
        (lambda t: t.assign(cluster=-1), "no site of a track has a state"),
        (lambda t: t.assign(track=np.arange(len(t))), "1 frames apart"),
        (lambda t: pd.concat([t, t.iloc[:1]]), "two sites in frame"),
    ],
)
def test_what_cannot_be_counted_is_said(change, words):
    with pytest.raises(InputError, match=words):
        transitions(change(chains(MATRIX, 5, 10)))
