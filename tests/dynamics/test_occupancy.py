"""Occupancy through a movie: planted chains of places, seen through noise, are told better than frame by frame."""

from __future__ import annotations

import numpy as np
import pytest

from atomscope.dynamics.occupancy import follow_occupancy
from atomscope.errors import InputError, ShapeError

#: Noise at which single frames are told apart with d' = 3: one in fifteen is on the wrong side of the middle.
NOISE = 1 / 3


def chains(loss, gain, frames, places, seed):
    """Return which place is occupied when, from the start as in the long run."""
    rng = np.random.default_rng(seed)
    state = np.empty((frames, places), bool)
    state[0] = rng.random(places) < gain / (gain + loss)
    for t in range(1, frames):
        state[t] = np.where(state[t - 1], rng.random(places) >= loss, rng.random(places) < gain)
    return state


def seen(state, seed, noise=NOISE, rest=0.0, level=1.0):
    rng = np.random.default_rng(1000 + seed)
    return level * (np.where(state, 1.0, rest) + rng.normal(0, noise, state.shape))


def wrong(probability, state):
    return float(np.mean((probability >= 0.5) != state))


def test_the_whole_movie_tells_what_single_frames_do_not():
    ratios = []
    for seed in range(5):
        state = chains(0.02, 0.1, 60, 300, seed)
        values = seen(state, seed)
        found = wrong(follow_occupancy(values).probability, state)
        single = wrong(values, state)  # above and below the middle
        assert 0.05 < single < 0.09 and found < 0.02
        ratios.append(single / found)
    assert min(ratios) > 4


def test_probabilities_are_true():
    state = chains(0.05, 0.1, 80, 500, 0)
    share = follow_occupancy(seen(state, 0, noise=0.5)).probability
    for low, high in ((0.05, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 0.95)):
        group = (share > low) & (share < high)
        assert group.sum() > 200
        assert state[group].mean() == pytest.approx(share[group].mean(), abs=0.05)


@pytest.mark.parametrize(("loss", "gain"), [(0.02, 0.1), (0.005, 0.2), (0.05, 0.3)])
def test_rates_level_and_noise_are_those_planted(loss, gain):
    off = []
    for seed in range(5):
        found = follow_occupancy(seen(chains(loss, gain, 80, 400, seed), seed, level=250.0))
        off.append([found.loss / loss - 1, found.gain / gain - 1, found.level / 250 - 1, found.sd / (250 * NOISE) - 1])
    jumps = 79 * 400 * loss * gain / (loss + gain)  # each way; their number alone varies by its root
    worst = np.abs(off).max(0)
    assert worst[0] < 3.5 / np.sqrt(jumps) and worst[1] < 3.5 / np.sqrt(jumps)  # 28 %, 15 % and 9 %
    assert np.abs(np.mean(off, 0))[:2].max() < 4 / np.sqrt(5 * jumps)
    assert worst[2] < 0.01 and worst[3] < 0.02


def test_where_nothing_is_missing_hardly_anything_is_found():
    for seed in range(5):
        found = follow_occupancy(seen(np.ones((60, 300), bool), seed))
        assert np.mean(found.probability < 0.5) < 1e-3
        assert found.loss < 2e-3


def test_a_place_that_is_always_empty_is_empty_in_every_frame():
    state = np.ones((40, 100), bool)
    state[:, 7] = False
    share = follow_occupancy(seen(state, 0)).probability
    assert (share[:, 7] < 0.5).all() and (share[:, np.arange(100) != 7] >= 0.5).mean() > 0.999


def test_frames_without_a_measurement_are_bridged():
    state = np.ones((30, 50), bool)
    state[10:20, 4] = False
    values = seen(state, 0)
    values[13:16] = np.nan  # lost for all
    values[:4, 9] = np.nan  # not yet in the field
    values[:, 11] = np.nan  # never
    found = follow_occupancy(values)
    assert np.isfinite(found.probability).all()
    assert (found.probability[11:19, 4] < 0.5).all()
    assert (found.probability[13:16, [0, 1, 2, 9]] > 0.9).all() and (found.probability[:4, 9] > 0.9).all()
    assert found.probability[:, 11] == pytest.approx(found.gain / (found.gain + found.loss), abs=0.02)
    blank = np.isnan(values)
    without = follow_occupancy(np.where(blank, np.nan, values))
    assert without.level == pytest.approx(1, abs=0.03)


def test_many_holes_cost_little():
    state = chains(0.02, 0.1, 60, 300, 3)
    values = seen(state, 3)
    holes = np.random.default_rng(0).random(values.shape) < 0.3
    found = follow_occupancy(np.where(holes, np.nan, values))
    assert wrong(found.probability, state) < 0.03
    assert found.loss == pytest.approx(0.02, rel=0.2) and found.gain == pytest.approx(0.1, rel=0.2)


def test_one_of_two_atoms_that_stays_is_an_empty_place():
    state = chains(0.02, 0.1, 60, 300, 5)
    values = seen(state, 5, noise=NOISE / 2, rest=0.5)  # d' = 3 between one and two
    found = follow_occupancy(values, rest=0.5)
    assert wrong(found.probability, state) < 0.02
    assert found.level == pytest.approx(1, abs=0.01)
    assert found.loss == pytest.approx(0.02, rel=0.15) and found.gain == pytest.approx(0.1, rel=0.15)
    assert wrong(follow_occupancy(values, rest=0.0).probability, state) > 0.05  # one of two is not none


def test_the_unit_of_brightness_does_not_matter():
    values = seen(chains(0.02, 0.1, 40, 100, 6), 6)
    one, other = follow_occupancy(values), follow_occupancy(1e5 * values)
    assert other.probability == pytest.approx(one.probability, abs=1e-6)
    assert other.level == pytest.approx(1e5 * one.level)


def test_without_noise_nothing_breaks():
    state = chains(0.05, 0.2, 40, 60, 7)
    assert wrong(follow_occupancy(state.astype(float)).probability, state) == 0
    assert (follow_occupancy(np.ones((10, 5))).probability > 0.5).all()
    assert follow_occupancy(np.array([[1.0, 1.1, 0.9, 1.0]])).probability.shape == (1, 4)


def test_what_cannot_be_followed_is_refused():
    with pytest.raises(ShapeError, match=r"\(frames, places\)"):
        follow_occupancy(np.ones(5))
    with pytest.raises(InputError, match="no brightness is known"):
        follow_occupancy(np.full((5, 3), np.nan))
    with pytest.raises(InputError, match="not bright"):
        follow_occupancy(-np.ones((5, 3)))
    for rest in (1.0, -0.1, float("nan")):
        with pytest.raises(InputError, match="from 0 to below 1"):
            follow_occupancy(np.ones((5, 3)), rest)
