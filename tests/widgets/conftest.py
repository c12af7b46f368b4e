"""Real windows on a virtual display, and a small crystal to press the buttons on."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def crystal() -> np.ndarray:
    """A square lattice of Gaussian columns, 12 px apart, with a little noise: 3 frames of 96 x 96."""
    rng = np.random.default_rng(0)
    rows, cols = np.mgrid[:96, :96]
    frame = np.zeros((96, 96))
    for r in range(6, 96, 12):
        for c in range(6, 96, 12):
            frame += np.exp(-((rows - r) ** 2 + (cols - c) ** 2) / (2 * 2.2**2))
    return (frame + rng.normal(0, 0.05, (3, 96, 96))).astype(np.float32)
