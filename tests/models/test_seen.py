"""What a network is shown: the image with even contrast, and what repeats in it."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
import torch

from atomscope.models.bragg import repeating
from atomscope.models.contrast import even_contrast
from atomscope.simulate import image

bragg = importlib.import_module("atomscope.models.bragg")


def standard(x):
    """As tensor, mean 0, standard deviation 1."""
    return torch.from_numpy(((x - x.mean()) / x.std()).astype(np.float32))[None, None]


def test_thick_and_thin_are_shown_alike():
    rng = np.random.default_rng(0)
    texture = rng.normal(size=(256, 256))
    thickness = np.linspace(1, 10, 256)[:, None]
    even = even_contrast(standard(50 * thickness + thickness * texture))[0, 0].numpy()
    # Away from the edges: there the mirrored slope is a ridge.
    spread = [even[k : k + 32].std() for k in (64, 112, 160)]
    assert max(spread) / min(spread) < 1.2
    assert max(abs(even[k : k + 32].mean()) for k in (64, 112, 160)) < 0.2


def test_a_constant_image_has_no_contrast_and_no_nan():
    for x in (torch.zeros(1, 1, 32, 32), torch.zeros(1, 1, 8, 8)):
        assert even_contrast(x).abs().max() == 0
        assert repeating(x).abs().max() == 0


@pytest.mark.parametrize("seed", range(3))
def test_a_lattice_comes_out_of_noise_that_hides_it(seed):
    noisy, _ = image("graphene", size_px=256, dose=0.5, seed=seed)
    clean, _ = image("graphene", size_px=256, dose=1e6, seed=seed)
    wanted = clean.frame(0)[32:-32, 32:-32].ravel()
    shown = repeating(standard(noisy.frame(0)))[0, 0].numpy()[32:-32, 32:-32].ravel()
    before = np.corrcoef(noisy.frame(0)[32:-32, 32:-32].ravel(), wanted)[0, 1]
    after = np.corrcoef(shown, wanted)[0, 1]
    assert before < 0.5
    assert after > 0.75


def test_noise_alone_does_not_repeat():
    noise = torch.randn(1, 1, 256, 256, generator=torch.Generator().manual_seed(0))
    assert repeating(noise).std() < 0.1


def test_images_of_any_size_are_shown_and_batches_as_one_by_one(monkeypatch):
    x = torch.randn(3, 1, 136, 200, generator=torch.Generator().manual_seed(0))
    together = repeating(x)
    assert together.shape == x.shape
    for k in range(3):
        torch.testing.assert_close(repeating(x[k : k + 1])[0], together[k], atol=1e-5, rtol=1e-4)
    for shape in ((8, 8), (16, 104), (96, 96)):
        assert torch.isfinite(repeating(torch.randn(1, 1, *shape))).all()
