"""Two columns 1.2 FWHM apart stay two, whichever way they lean."""

from __future__ import annotations

import numpy as np
import pytest

import atomscope as ats
from atomscope.simulate import render_columns
from truth import match

SIGMA, FWHM = 2.5, 2.3548 * 2.5


def pairs(seed, angle, apart):
    rng = np.random.default_rng([seed, round(100 * angle)])
    middle = np.stack(np.meshgrid(*[np.arange(30, 170, 35.0)] * 2, indexing="ij"), -1).reshape(-1, 2)
    middle = middle + rng.uniform(-1, 1, middle.shape)
    half = apart * FWHM / 2 * np.array([np.sin(angle), np.cos(angle)])
    places = np.concatenate([middle - half, middle + half])
    frame = render_columns(places[:, 0], places[:, 1], np.ones(len(places)), SIGMA, (200, 200))
    return frame + rng.normal(0, 0.1, frame.shape), places


@pytest.mark.parametrize("degrees", [0, 30, 45, 90, 120])
@pytest.mark.parametrize("method", ["peaks", "network"])
def test_two_columns_stay_two(method, degrees):
    for seed in range(3):
        frame, places = pairs(seed, np.radians(degrees), 1.2)
        # Lone pairs look like wide columns to the measurement of scale: their distance is given.
        found = match(ats.find_atoms(frame, method=method, spacing_px=1.2 * FWHM), places, 0.5 * FWHM)
        assert found.recall >= 0.97, (seed, found.recall)
