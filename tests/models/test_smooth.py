from __future__ import annotations

import numpy as np
import pytest

from atomscope.models.smooth import beta_curve, on_curve


@pytest.mark.parametrize("seed", range(3))
def test_a_planted_curve_comes_back_from_its_steps(seed):
    rng = np.random.default_rng(seed)
    planted = np.array([rng.uniform(0.4, 2), rng.uniform(0.4, 2), rng.uniform(-2, 2)])
    heights = np.linspace(0.01, 0.99, 200)
    steps = np.round(on_curve(planted, heights) * 12) / 12
    found = on_curve(beta_curve(heights, steps), heights)
    np.testing.assert_allclose(found, on_curve(planted, heights), atol=0.05)
    assert (np.diff(found) > 0).all()


def test_uncalibrated_heights_are_their_own_probabilities():
    h = np.linspace(0.05, 0.95, 19)
    np.testing.assert_allclose(on_curve(beta_curve(np.array([0.0, 1.0]), np.array([0.0, 1.0])), h), h, atol=0.05)


def test_a_calibration_that_falls_is_made_flat():
    curve = beta_curve(np.linspace(0, 1, 50), np.linspace(0.9, 0.1, 50))
    assert (np.diff(on_curve(curve, np.linspace(0, 1, 50))) >= -1e-12).all()
