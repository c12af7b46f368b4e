"""Kinds of places by brightness, and places that are dimmer than their kind."""

import numpy as np
import pytest

from atomscope.dynamics.brightness import evened, kinds_of


@pytest.mark.parametrize("seed", range(5))
def test_two_kinds_with_a_few_between_are_two(seed):
    rng = np.random.default_rng(seed)
    bright = np.concatenate([rng.normal(170, 15, 390), rng.normal(66, 10, 380), rng.uniform(85, 130, 15)])
    kind = kinds_of(bright)
    assert kind.max() == 1
    assert (kind[:390] == 0).all()
    assert (kind[390:770] == 1).mean() > 0.98


@pytest.mark.parametrize("seed", range(5))
def test_one_wide_kind_is_one(seed):
    bright = np.random.default_rng(seed).normal(140, 25, 600)
    assert kinds_of(bright).max() == 0


def test_three_kinds_and_few_places():
    bright = np.repeat([100.0, 30.0, 8.0], [20, 20, 20]) * np.random.default_rng(0).normal(1, 0.05, 60)
    np.testing.assert_array_equal(kinds_of(bright), np.repeat([0, 1, 2], 20))
    assert (kinds_of(np.array([5.0, 4.0])) == 0).all()
    assert kinds_of(np.zeros(0)).shape == (0,)


def test_a_place_that_is_empty_for_half_of_the_movie_is_as_bright_as_when_it_is_not():
    rng = np.random.default_rng(0)
    height = rng.normal(1.0, 0.08, (40, 30))
    height[20:, 3] -= 0.95
    height[5:, 4] -= 0.97
    height[:, 7] *= 0.6
    level = evened(height, 0.0)
    assert np.median(level[:20, 3]) == pytest.approx(1, abs=0.1)
    assert np.abs(np.median(level[20:, 3])) < 0.15
    assert np.abs(np.median(level[5:, 4])) < 0.15
    assert np.median(level[:, 7]) == pytest.approx(1, abs=0.1)


def test_what_the_mean_shows_is_not_empty_however_dim():
    height = np.random.default_rng(0).normal(1.0, 0.05, (30, 20))
    height[:, 5] *= 0.3
    seen = np.ones(20, bool)
    assert np.median(evened(height, 0.0)[:, 5]) < 0.4
    assert np.median(evened(height, 0.0, seen)[:, 5]) == pytest.approx(1, abs=0.1)
