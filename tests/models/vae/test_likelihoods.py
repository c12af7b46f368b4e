"""Counts and probabilities: what a likelihood other than the Gaussian is good for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

import atomscope as ats
from atomscope.data import Patches
from atomscope.data.params import FitParams
from atomscope.models import encode, fit
from atomscope.models.vae.likelihoods import LIKELIHOODS
from models.vae.motifs import circular_correlation, make

OFFSET, SCALE = torch.tensor([0.4]), torch.tensor([0.7])
DRAWN = torch.randn(3, 1, 4, 5, generator=torch.Generator().manual_seed(0))


def test_each_is_the_likelihood_that_scipy_has():
    counts = torch.poisson(torch.full((3, 1, 4, 5), 2.0), generator=torch.Generator().manual_seed(1))
    x, noise = (counts - OFFSET) / SCALE, torch.tensor([0.3])
    flat = (1, 2, 3)
    poisson = LIKELIHOODS["poisson"]
    wanted = -stats.poisson(poisson.mean(DRAWN, OFFSET, SCALE).numpy()).logpmf(counts.numpy()).sum(flat)
    np.testing.assert_allclose(poisson.nats(DRAWN, x, counts, noise, OFFSET)[0], wanted, rtol=1e-4)
    bits = (counts > 1).float()
    bernoulli = LIKELIHOODS["bernoulli"]
    wanted = -stats.bernoulli(bernoulli.mean(DRAWN, OFFSET, SCALE).numpy()).logpmf(bits.numpy()).sum(flat)
    np.testing.assert_allclose(bernoulli.nats(DRAWN, x, bits, noise, OFFSET)[0], wanted, rtol=1e-4)
    gaussian = LIKELIHOODS["gaussian"]
    wanted = -stats.norm(DRAWN.numpy(), 0.3**0.5).logpdf(x.numpy()).sum(flat)
    np.testing.assert_allclose(gaussian.nats(DRAWN, x, counts, noise, OFFSET)[0], wanted, rtol=1e-4)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_patches_scatter_round_what_is_expected_as_they_should(name):
    likelihood, generator = LIKELIHOODS[name], torch.Generator().manual_seed(0)
    mean = likelihood.mean(DRAWN[:1], OFFSET, SCALE)
    many = likelihood.scatter(mean.expand(20_000, -1, -1, -1), torch.tensor([0.25]), SCALE, generator)
    variance = {"gaussian": torch.full_like(mean, 0.25 * 0.49), "poisson": mean, "bernoulli": mean * (1 - mean)}[name]
    torch.testing.assert_close(many.mean(0, keepdim=True), mean, atol=0.1, rtol=0.03)
    torch.testing.assert_close(many.var(0, keepdim=True), variance, atol=0.02, rtol=0.1)


def counts(seed: int, dose: float):
    """Low-dose patches of two motifs and the rates that they are drawn from."""
    truth = make(2500, seed, window=(20, 20), snr=1e9, max_shift=1.0, count=2, sigma=1.6)
    rate = dose * (np.clip(truth.patches, 0, None) + 0.03)
    return truth, rate, np.random.default_rng(seed).poisson(rate).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_at_a_low_dose_the_poisson_model_recovers_rates_and_angles_better_than_the_gaussian(seed):
    truth, rate, x = counts(seed, dose=1.5)
    patches = Patches.from_array(x)
    error, angle = {}, {}
    for name in ("poisson", "gaussian"):
        model = fit(patches, ats.RVAE(likelihood=name, hidden=96), FitParams(epochs=40, batch_size=100, seed=seed))
        got = model.reconstruct(patches)
        error[name] = float(np.mean((np.clip(got, 0, None) - rate) ** 2))
        angle[name] = circular_correlation(encode(model, patches)["angle"].to_numpy(), truth.angle, truth.motif)
        if name == "poisson":
            assert (got > 0).all()
            assert got.mean() == pytest.approx(rate.mean(), rel=0.05)
    assert error["poisson"] < 0.9 * error["gaussian"], (error, angle)
    assert angle["poisson"] > angle["gaussian"] - 0.01, (error, angle)


def test_expectations_of_a_poisson_model_are_rates():
    _, rate, x = counts(0, dose=4.0)
    patches = Patches.from_array(x[:800])
    model = fit(patches, ats.RVAE(likelihood="poisson", hidden=48), FitParams(epochs=15, batch_size=50))
    got = model.reconstruct(patches)
    assert (got > 0).all()
    assert got.mean() == pytest.approx(rate[:800].mean(), rel=0.06)
    assert np.mean((got - rate[:800]) ** 2) < 0.5 * np.mean((x[:800] - rate[:800]) ** 2)
    assert (model.decode(np.zeros((2, 2))) > 0).all()


def test_expectations_of_a_bernoulli_model_are_probabilities():
    truth = make(800, 3, window=(20, 20), snr=1e9, max_shift=1.0, count=1, sigma=1.8)
    probability = np.clip(0.05 + 0.85 * truth.patches, 0.05, 0.9)
    x = (np.random.default_rng(0).random(probability.shape) < probability).astype(np.float32)
    patches = Patches.from_array(x)
    model = fit(patches, ats.RVAE(likelihood="bernoulli", hidden=48), FitParams(epochs=30, batch_size=50))
    got = model.reconstruct(patches)
    assert got.min() >= 0
    assert got.max() <= 1
    assert np.mean((got - probability) ** 2) < 0.4 * np.mean((x - probability) ** 2)
