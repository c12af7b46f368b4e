from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch

from atomscope.data import Patches
from atomscope.data.params import VAESpec
from atomscope.models import encode
from atomscope.models.vae.align import ENOUGH_DEG, compare, polar, synchronise
from atomscope.models.vae.codes import mean_code
from atomscope.models.vae.gauge import settle, settle_order, settle_scales
from atomscope.models.vae.known import NOTHING
from atomscope.models.vae.network import build
from atomscope.models.vae.pose import Pose, place

ATOMS = ((0.0, 6.0, 1.0), (7.0, -2.0, 0.7), (-5.0, -4.0, 0.5), (-4.0, 4.0, 0.6))


def drawings(atoms, deformation: np.ndarray, angle: np.ndarray, side: int = 33) -> torch.Tensor:
    """Pictures (n, 1, side, side) of Gaussians whose second atom moves, each turned by its angle."""
    u = np.arange(side) - (side - 1) / 2
    out = np.zeros((len(deformation), side, side))
    for k, (row, col, height) in enumerate(atoms):
        r, c = row + (2 * deformation if k == 1 else 0 * deformation), np.full(len(deformation), col)
        row_of, col_of = np.sin(angle) * c + np.cos(angle) * r, np.cos(angle) * c - np.sin(angle) * r
        gr, gc = (np.exp(-0.5 * ((u - x[:, None]) / 1.7) ** 2) for x in (row_of, col_of))
        out += height * gr[:, :, None] * gc[:, None, :]
    return torch.from_numpy(out).float()[:, None]


def turns_of(pictures: torch.Tensor) -> np.ndarray:
    return synchronise(compare(polar(pictures, 15)))


@pytest.mark.parametrize("jump_deg", [60, 110, 180])
def test_a_family_drawn_in_two_orientations_is_brought_into_one(jump_deg):
    deformation = np.linspace(-1, 1, 80)
    angle = np.where(deformation > 0.3, math.radians(jump_deg), 0.0)
    after = np.exp(1j * (angle + turns_of(drawings(ATOMS, deformation, angle))))
    assert np.abs(after.mean()) > 0.99
    assert np.degrees(np.abs(np.angle(after[0]))) < ENOUGH_DEG  # the larger part stays


def test_drawings_that_agree_are_left_alone_and_so_are_symmetric_ones():
    rng = np.random.default_rng(0)
    deformation = rng.uniform(-1, 1, 80)
    assert not turns_of(drawings(ATOMS, deformation, rng.normal(0, 0.05, 80))).any()
    triangle = tuple(
        (6 * math.sin(a), 6 * math.cos(a), 1.0) for a in (0.1, 0.1 + 2 * math.pi / 3, 0.1 + 4 * math.pi / 3)
    )
    pictures = drawings(triangle, np.zeros(80), rng.choice([0, 2 * math.pi / 3], 80))
    assert not turns_of(pictures + 0.02 * torch.randn(pictures.shape, generator=torch.Generator().manual_seed(0))).any()


def test_settling_leaves_every_drawing_as_it_was(small_model, small_truth):
    net = copy.deepcopy(small_model.net)
    x = torch.from_numpy(small_truth.patches[:500])[:, None]
    with torch.no_grad():
        p = net.encode(net.standardise(x))
        before = net.decode(p.z, p.pose)
        net.turn_at[:] = p.z[: len(net.turn_at)]
        net.turn[:] = torch.linspace(-3, 3, len(net.turn))
        q = net.encode(net.standardise(x))
        torch.testing.assert_close(net.decode(q.z, q.pose), before, atol=1e-4, rtol=0)
        assert not torch.allclose(q.angle, p.angle, atol=0.5)
        assert float(q.angle.abs().max()) <= math.pi
        torch.testing.assert_close(q.shift, p.shift, atol=1e-4, rtol=0)  # it turns about its own centre
        settle(net, [(x, NOTHING)])
        r = net.encode(net.standardise(x))
        torch.testing.assert_close(net.decode(r.z, r.pose), before, atol=1e-4, rtol=0)
    assert not net.training


def test_a_latent_that_says_nothing_is_one_number_and_a_rare_defect_keeps_its_latent(small_model, small_truth):
    net = copy.deepcopy(small_model.net)
    x = torch.from_numpy(small_truth.patches[:500])[:, None]
    with torch.no_grad():
        head = net.encoder.head
        head.weight[1] *= 1e-2  # the mean of z2
        head.weight[3], head.bias[3] = 0.0, 0.0  # its log standard deviation
        settle(net, [(x, NOTHING)])
        z = net.encode(net.standardise(x)).z
        assert net.idle.tolist() == [0, 1]
        assert len(z[:, 1].unique()) == 1
        assert float(z[:, 0].std()) > 0.1
        odd = torch.cat((x, 1e4 * x[:1]))
        settle(net, [(odd, NOTHING)])
        assert net.idle.tolist() == [0, 0]
        head.weight[:2] *= 1e-3
        settle(net, [(x, NOTHING)])
        assert net.idle.tolist() == [0, 0]  # nothing is said yet


def test_the_first_latent_says_most_and_no_drawing_changes(small_model, small_truth):
    net = copy.deepcopy(small_model.net)
    x = torch.from_numpy(small_truth.patches[:500])[:, None]
    with torch.no_grad():
        first = int(net.encode(net.standardise(x)).z.var(0).argmax())
        net.encoder.head.weight[first] *= 1e-3  # now the other one says more
        p = net.encode(net.standardise(x))
        before = net.decode(p.z, p.pose)
        settle_order(net, [(x, NOTHING)])
        q = net.encode(net.standardise(x))
        torch.testing.assert_close(net.decode(q.z, q.pose), before, atol=1e-4, rtol=0)
        assert float(q.z[:, 0].var()) > float(q.z[:, 1].var())
        torch.testing.assert_close(q.z, p.z[:, [1 - first, first]])
        torch.testing.assert_close(q.z_log_sd, p.z_log_sd[:, [1 - first, first]])


def test_the_gauge_travels_with_the_model(small_model, small_truth):
    model = copy.deepcopy(small_model)
    model.net.turn_at[:, 0] = torch.linspace(-2, 2, len(model.net.turn))
    model.net.turn[: len(model.net.turn) // 2] = 2.0
    patches = Patches.from_array(small_truth.patches[:100])
    again = type(model).from_state(model.to_state())
    a, b = encode(model, patches), encode(again, patches)
    np.testing.assert_array_equal(a["angle"], b["angle"])
    z, angle, shift = a[["z1", "z2"]].to_numpy(), a["angle"].to_numpy(), a[["shift_row", "shift_col"]].to_numpy()
    np.testing.assert_allclose(model.decode(z, angle, shift), small_model.reconstruct(patches), atol=1e-4)


def test_place_moves_a_picture_whose_own_centre_is_elsewhere():
    picture = drawings(((0.0, 5.0, 1.0),), np.zeros(1), np.zeros(1))
    centred = place(picture, (21, 21), Pose(torch.tensor([1.0]), torch.zeros(1, 2)), torch.tensor([[0.0, 5.0]]))
    assert np.unravel_index(int(centred.argmax()), (21, 21)) == (10, 10)


@torch.no_grad()
def test_the_scale_keeps_what_latents_say_less_surely_than_they_lean():
    """One latent says a shape that is drawn larger; another leans with the scale, inside its own uncertainty."""
    net = build(VAESpec(scaling=True), (16, 16), 1, 0).eval()
    rng = torch.Generator().manual_seed(0)
    n = 3000
    true = 0.2 * torch.randn(n, generator=rng)
    z = torch.stack((torch.randn(n, generator=rng), 0.5 * true), 1)
    p = net.encode(torch.randn(n, 1, 16, 16, generator=rng))
    said = p._replace(z=z, z_log_sd=torch.tensor([0.05, 0.3]).log().expand(n, 2), log_scale=true - 0.3 * z[:, 0])
    net.encode = lambda *_, **__: said
    settle_scales(net, [(torch.zeros(n, 1, 16, 16), NOTHING)])
    found = said.log_scale + net.own(mean_code(said, None))[1]
    assert float((found - true).square().mean() / true.var()) < 0.1
    slope = float((found * true).sum() / true.square().sum())
    assert slope > 0.9
