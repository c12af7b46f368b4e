"""Periodic latents: parts of a patch that turn each by itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import atomscope as ats
from atomscope.data import Patches
from atomscope.data.params import FitParams
from atomscope.models import encode, fit
from atomscope.models.vae.unfold import blurred, first_angles, unfolds
from models.vae.planted import torus_scores, two_hands


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)])
def test_the_first_angles_are_those_of_the_parts_up_to_sign_and_zero(seed):
    x, angle = two_hands(1000, 100 + seed, side=16)
    found = first_angles(torch.from_numpy(x)[:, None], 2, torch.Generator().manual_seed(seed)).numpy()
    assert torus_scores(found, angle)[0].min() > 0.98


def test_a_blur_is_that_of_scipy():
    from scipy.ndimage import gaussian_filter

    x = np.random.default_rng(0).normal(size=(3, 2, 9, 14)).astype(np.float32)
    wanted = gaussian_filter(x, (0, 0, 1.5, 1.5), mode="nearest", truncate=3.4)
    np.testing.assert_allclose(blurred(torch.from_numpy(x), 1.5), wanted, atol=0.01)


def test_only_models_whose_latents_are_angles_alone_unfold():
    assert unfolds(ats.TorusVAE(3))
    assert unfolds(ats.TorusVAE(1, latent_dim=2))
    assert not unfolds(ats.RVAE(circles=1))
    assert not unfolds(ats.VAE())


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)])
def test_two_parts_that_turn_have_an_angle_each(seed):
    x, angle = two_hands(2000, 100 + seed, side=16)
    patches = Patches.from_array(x)
    model = fit(patches, ats.TorusVAE(2, hidden=64), FitParams(epochs=30, batch_size=100, seed=seed))
    table = encode(model, patches)
    got = table[["theta1", "theta2"]].to_numpy()
    correlation, which = torus_scores(got, angle)
    assert correlation.min() > 0.98
    assert np.abs(which).sum(1).tolist() == [1, 1]
    drawn = model.decode(np.zeros((len(x), 0)), circles=got)
    np.testing.assert_allclose(drawn, model.reconstruct(patches), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2, 3, 4])
def test_two_parts_pass_the_bar_by_default(seed):
    x, angle = two_hands(20_000, 200 + seed, side=32)
    patches = Patches.from_array(x)
    table = encode(fit(patches, ats.TorusVAE(2), FitParams(seed=seed)), patches)
    assert torus_scores(table[["theta1", "theta2"]].to_numpy(), angle)[0].min() >= 0.98
