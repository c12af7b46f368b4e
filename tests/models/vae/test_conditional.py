"""Conditional models: what is known is not learnt again, and is drawn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

import atomscope as ats
from atomscope.data import Given, Patches
from atomscope.data.params import FitParams
from atomscope.models import encode, fit
from models.vae.motifs import make


def explained(z: np.ndarray, known: np.ndarray) -> float:
    """Return the held-out R2 of what is known from the latents, of the better of two regressions."""
    half = len(z) // 2
    test = known[half:]
    worst = -np.inf
    for model in (KNeighborsRegressor(25), LinearRegression()):
        guess = model.fit(z[:half], known[:half]).predict(z[half:])
        worst = max(worst, 1 - ((test - guess) ** 2).mean() / test.var())
    return float(worst)


def latents(table) -> np.ndarray:
    return table[["z1", "z2"]].to_numpy()


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)])
def test_latents_do_not_say_what_is_known(seed):
    truth = make(2000, 20 + seed, window=(20, 20), snr=8, max_shift=1, count=2, sigma=1.5)
    patches = Patches.from_array(truth.patches)
    given = Given(condition=truth.deformation[:, None].astype(np.float32))
    model = fit(
        patches, ats.RVAE(conditions=("dose",), hidden=64), FitParams(epochs=30, batch_size=100, seed=seed), given=given
    )
    z = latents(encode(model, patches, given=given))
    said = explained(z, truth.deformation)
    assert said <= 0.1, said
    # It is drawn, though: by the right dose better than by another.
    low, high = (model.decode(z[:100], condition=[c]) for c in (-0.9, 0.9))
    assert np.abs(high - low).max() > 0.2 * np.abs(high).max()
    wrong = Given(condition=-given.condition)
    far = np.abs(truth.deformation) > 0.5
    error = [((model.reconstruct(patches, g) - truth.patches) ** 2)[far].mean() for g in (given, wrong)]
    assert error[0] < error[1]
    # And the latents have room for what is not known.
    half = len(z) // 2
    assert KNeighborsClassifier(15).fit(z[:half], truth.motif[:half]).score(z[half:], truth.motif[half:]) > 0.9


def test_categories_that_are_known_are_not_in_the_latents():
    truth = make(2000, 31, window=(20, 20), snr=8, max_shift=1, count=2, sigma=1.5)
    patches = Patches.from_array(truth.patches)
    table = truth_table(truth)
    model = ats.fit(
        patches, ats.RVAE(conditions=("sample",), hidden=64), FitParams(epochs=30, batch_size=100), table=table
    )
    z = latents(ats.encode(model, patches, table=table))
    assert explained(z, truth.motif.astype(float)) <= 0.1
    pictures = model.decode(np.zeros((2, 2)), condition=np.eye(2))
    assert np.corrcoef(pictures.reshape(2, -1))[0, 1] < 0.9


def truth_table(truth):
    import pandas as pd

    return pd.DataFrame({"site": np.arange(len(truth.motif)), "sample": np.array(["left", "right"])[truth.motif]})


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2, 3, 4])
def test_three_motifs_with_a_known_dose_pass_the_bar(seed):
    truth = make(20_000, 100 + seed)
    patches = Patches.from_array(truth.patches)
    given = Given(condition=truth.deformation[:, None].astype(np.float32))
    model = fit(patches, ats.RVAE(conditions=("dose",)), FitParams(seed=seed), given=given)
    assert explained(latents(encode(model, patches, given=given)), truth.deformation) <= 0.1
