"""A small trained model that several tests share."""

from __future__ import annotations

import pytest

from atomscope.data import Patches
from atomscope.data.params import RVAE, FitParams
from atomscope.models import fit
from models.vae.motifs import make


@pytest.fixture(scope="session")
def small_truth():
    """Two motifs, 24 x 24, high SNR."""
    return make(2500, 7, window=(24, 24), snr=8, max_shift=1.5, count=2)


@pytest.fixture(scope="session")
def small_model(small_truth):
    """An rVAE trained for a few seconds on them."""
    return fit(Patches.from_array(small_truth.patches), RVAE(hidden=96), FitParams(epochs=60, batch_size=100, seed=1))
