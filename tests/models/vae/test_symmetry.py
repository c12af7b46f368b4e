from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from atomscope.data import Patches
from atomscope.data.params import RVAE, FitParams
from atomscope.models import encode, fit
from atomscope.models.vae.encoders import Posterior
from atomscope.models.vae.pose import equivalents, leaning
from atomscope.models.vae.posteriors import choose, draw, kl_parts
from atomscope.models.vae.symmetry import find_symmetry


def wheels(n, order, seed, *, missing=0.0, snr=8.0, window=24, reach=7.0):
    """Draw a centre and its ``order`` neighbours, turned at random; some lack the one that the angle points at."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(-np.pi, np.pi, n)
    lacks = rng.random(n) < missing
    at = np.arange(window) - (window - 1) / 2
    out = np.exp(-0.5 * (at[:, None] ** 2 + at**2) / 1.6**2)[None].repeat(n, 0)
    for k in range(order):
        a = angle + 2 * np.pi * k / order
        row, col = reach * np.sin(a), reach * np.cos(a)
        spot = np.exp(-0.5 * ((at[None, :, None] - row[:, None, None]) ** 2) / 1.6**2) * np.exp(
            -0.5 * ((at[None, None, :] - col[:, None, None]) ** 2) / 1.6**2
        )
        out += spot * np.where(lacks & (k == 0), 0.0, 0.7)[:, None, None]
    out += rng.normal(0, 1 / snr, out.shape)
    return out.astype(np.float32), angle, lacks


@pytest.mark.parametrize("order", [2, 3, 4, 6])
def test_the_order_of_most_patches_is_found(order):
    patches, _, _ = wheels(400, order, order, missing=0.2, snr=5.0)
    assert find_symmetry(torch.from_numpy(patches)[:, None]) == order


def test_patches_without_symmetry_have_order_one(small_truth):
    rng = np.random.default_rng(0)
    noise = torch.from_numpy(rng.normal(size=(300, 1, 16, 20)).astype(np.float32))
    assert find_symmetry(noise) == 1
    assert find_symmetry(torch.from_numpy(small_truth.patches)[:, None]) == 1
    assert find_symmetry(torch.ones(10, 1, 9, 9)) == 1
    assert find_symmetry(noise[:1, :, :2, :2]) == 1


def posterior(angle, lean):
    n = len(angle)
    zero = torch.zeros(n)
    return Posterior(torch.zeros(n, 2), torch.zeros(n, 2), angle, zero - 5, None, None, lean)


def test_the_lean_decides_between_equivalent_angles_and_where_it_says_nothing_that_nearest_zero_is_taken():
    angle = torch.tensor([0.2, 0.2, -0.9])
    lean = torch.stack((torch.sin(angle + 2 * math.pi / 3), torch.cos(angle + 2 * math.pi / 3)), 1) * 8
    lean[1:] = 0
    got = choose(posterior(angle + 4 * math.pi / 3, lean), 3).angle
    torch.testing.assert_close(got, torch.tensor([0.2 + 2 * math.pi / 3, 0.2, -0.9]), atol=1e-5, rtol=0)


def test_draws_follow_the_weights_and_the_kl_knows_them():
    n, order = 4000, 3
    angle = torch.full((n,), 0.3)
    lean = torch.tensor([[0.7, 0.4]]).expand(n, 2)
    p = posterior(angle, lean)
    weights = leaning(equivalents(angle[:1], order), lean[:1]).softmax(1)[0]
    chance = torch.rand(n, generator=torch.Generator().manual_seed(0))
    drawn = draw(p, torch.zeros(n, 5), order, chance).angle
    turns = torch.round((drawn - angle) * order / (2 * math.pi)).long()
    assert torch.allclose(torch.bincount(turns, minlength=order) / n, weights, atol=0.03)
    one = posterior(angle[:1], torch.zeros(1, 2))
    known = float(kl_parts(posterior(angle[:1], lean[:1] * 100), (1.0, 1.0), order)["kl_angle"])
    unknown = float(kl_parts(one, (1.0, 1.0), order)["kl_angle"])
    assert known - unknown == pytest.approx(math.log(order), abs=1e-3)


def test_symmetric_sites_have_one_place_in_the_latents_and_broken_ones_their_whole_angle():
    patches, angle, lacks = wheels(3000, 3, 7, missing=0.4)
    model = fit(Patches.from_array(patches), RVAE(hidden=64), FitParams(epochs=40, batch_size=100))
    assert model.spec.symmetry == 3
    table = encode(model, Patches.from_array(patches))
    assert (table["angle_order"] == 3).all()
    off = table["angle"].to_numpy() - angle
    assert abs(np.exp(3j * off[~lacks]).mean()) > 0.98
    assert abs(np.exp(1j * off[lacks]).mean()) > 0.95
    z = table[["z1", "z2"]].to_numpy()
    apart = np.linalg.norm(z[lacks].mean(0) - z[~lacks].mean(0))
    assert apart > 3 * np.sqrt(z[~lacks].var(0).sum())


def test_a_given_order_is_kept_and_none_is_looked_for_without_rotation():
    patches, _, _ = wheels(100, 3, 1)
    given = fit(Patches.from_array(patches), RVAE(hidden=8, symmetry=1), FitParams(epochs=1))
    assert given.spec.symmetry == 1
    still = fit(Patches.from_array(patches), RVAE(hidden=8, rotation=False), FitParams(epochs=1))
    assert still.spec.symmetry == 1
    assert "angle_order" not in encode(given, Patches.from_array(patches))
