"""Objects that lie far off the middle: looking twice, searches for poses, dreams."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import atomscope as ats
from atomscope.data import Patches
from atomscope.data.params import FitParams
from atomscope.models import Model, fit
from atomscope.models.vae.dreams import anywhere, dreamt, off
from atomscope.models.vae.glance import Glance, moved_back
from atomscope.models.vae.network import build
from atomscope.models.vae.onnx import EncoderGraph, _plain
from atomscope.models.vae.pose import Pose
from atomscope.models.vae.posing import best_pose, misfits
from models.vae.test_pose_groups import analytic


def test_a_patch_is_moved_back_by_whole_pixels_and_what_comes_in_is_nothing():
    x = torch.randn(6, 2, 9, 12)
    by = torch.tensor([[0, 0], [3, 0], [0, -4], [-2, 5], [8, 11], [1, 1]])
    got = moved_back(x, by, (8, 11))
    for one, (row, col), moved in zip(x, by.tolist(), got, strict=True):
        wanted = torch.zeros_like(one)
        for r in range(9):
            for c in range(12):
                if 0 <= r + row < 9 and 0 <= c + col < 12:
                    wanted[:, r, c] = one[:, r + row, c + col]
        torch.testing.assert_close(moved, wanted)


def test_a_patch_near_the_middle_is_read_as_it_is():
    look = Glance((16, 16), 1, (4.0, 4.0))
    with torch.no_grad():
        for p in look.parameters():
            p.zero_()
        look.scatter.fill_(100.0)  # nothing stands out: the network alone speaks
        look.say.bias.copy_(torch.tensor([math.atanh(0.4 / 5.2), math.atanh(-3.9 / 5.2)]))
        x = torch.randn(3, 1, 16, 16)
        lies, by, moved = look(x)
        torch.testing.assert_close(lies, torch.tensor([[0.4, -3.9]] * 3))
        assert by.tolist() == [[0, -4]] * 3
        torch.testing.assert_close(moved, moved_back(x, by, (4, 4)))
        look.say.bias.zero_()
        torch.testing.assert_close(look(x)[2], x, atol=0, rtol=0)


def test_the_first_look_goes_to_what_stands_out():
    at = torch.tensor([[0.0, 0.0], [3.0, -4.5], [-5.0, 2.0]])
    grid = torch.arange(24) - 11.5
    blobs = torch.exp(-0.5 * ((grid[None, :, None] - at[:, :1, None]) ** 2 + (grid - at[:, 1:, None]) ** 2) / 4)
    noise = 0.1 * torch.randn(3, 1, 24, 24, generator=torch.Generator().manual_seed(0))
    for sign in (1, -1):  # bright or dark
        x = 7 + sign * blobs[:, None] + noise
        look = Glance((24, 24), 1, (5.0, 5.0))
        look.get_used_to(x)
        torch.testing.assert_close(look.middle(x), at, atol=0.3, rtol=0.15)
    assert look.middle(7 + noise).abs().max() < 3  # nothing there: no more than chance


def test_a_model_that_looks_twice_has_a_graph_for_other_programs():
    """What is moved depends on the patches: nothing of it may be fixed by those that the graph was made with."""
    model = fit(
        Patches.from_array(np.random.default_rng(0).normal(size=(80, 12, 12)).astype(np.float32)),
        ats.RTSVAE(hidden=8),
        FitParams(epochs=1),
    )
    graph = EncoderGraph(model).eval()
    with torch.no_grad():
        model.net.encoder.glance.say.weight.mul_(50)
        one, other = torch.randn(3, 1, 12, 12), torch.randn(9, 1, 12, 12)
        lies = model.net.encoder.glance(model.net.standardise(other))[1]
        assert (lies != 0).any()
        with _plain(model.net):
            exported = torch.export.export(graph, (one,), dynamic_shapes=({0: torch.export.Dim("n", min=1)},)).module()
            torch.testing.assert_close(exported(other), graph(other))


def test_the_misfit_of_every_shift_is_that_of_moving_the_drawing():
    x, drawn = torch.randn(2, 2, 8, 10), torch.randn(2, 3, 2, 8, 10)
    weight = torch.tensor([0.5, 2.0])[:, None, None]
    got = misfits(x, drawn, weight, (2.4, 1.0))
    assert got.shape == (2, 3, 5, 3)
    for i, row in enumerate(range(-2, 3)):
        for j, col in enumerate((-1, 0, 1)):
            by = torch.tensor([[-row, -col]]).expand(6, 2)
            moved = moved_back(drawn.flatten(0, 1), by, (2, 1)).view(drawn.shape)
            wanted = ((x[:, None] - moved).square() * weight).flatten(2).sum(2)
            torch.testing.assert_close(got[:, :, i, j], wanted, rtol=1e-4, atol=1e-3)


def one_picture() -> torch.nn.Module:
    """Return a network that draws three spots, whatever its latents."""
    net = build(ats.RVAE(hidden=8), (28, 28), 1).eval()
    with torch.no_grad():
        net.decoder.draw.weight.zero_()
        net.decoder.draw.bias.copy_(analytic(net.decoder.canvas, 0.0, (0.0, 0.0), 1.0).flatten())
        net.noise_var.fill_(0.01)
    return net


def test_a_search_finds_what_is_upside_down_or_elsewhere_and_leaves_what_is_right():
    net = one_picture()
    with torch.no_grad():
        code = torch.zeros(40, net.layout.size)
        true = anywhere(net, 40, torch.Generator().manual_seed(0))
        true = true._replace(shift=(0.5 * true.shift).round())
        x = dreamt(net, code, true, torch.Generator().manual_seed(1))
        wrong = true._replace(angle=true.angle + math.pi, shift=-true.shift)
        best, gain = best_pose(net, x, code, wrong)
        assert off(net, wrong, true).min() > 1.9
        assert off(net, best, true).max() < 1e-3 and (gain > 3).all()
        best, gain = best_pose(net, x, code, true._replace(angle=true.angle + 0.3))
        assert off(net, best, true).max() < 0.2
        _, gain = best_pose(net, x, code, true)
        assert (gain <= 3).all()


def test_dreams_lie_where_the_model_expects_patches():
    generator = torch.Generator().manual_seed(0)
    pose = anywhere(build(ats.RTSVAE(), (20, 30), 1), 4000, generator)
    assert abs(torch.exp(1j * pose.angle).mean()) < 0.05
    assert pose.shift.abs().amax(0).tolist() == pytest.approx([5, 7.5], rel=0.01)  # a quarter of the window
    assert 0.8 < float(pose.log_scale.max()) / math.log(1.5) < 0.86
    near = anywhere(build(ats.RVAE(angle_sd=0.1, translation=False), (20, 20), 1), 4000, generator)
    assert float(near.angle.std()) == pytest.approx(0.1, rel=0.1) and near.shift is None
    one = Pose(torch.tensor([0.1]), torch.tensor([[1.0, 2.0]]))
    assert float(off(build(ats.RVAE(symmetry=2), (20, 20), 1), one, one._replace(angle=one.angle + math.pi))) < 1e-5


def test_a_model_of_before_is_read_as_it_was():
    state = fit(
        Patches.from_array(np.random.default_rng(0).normal(size=(80, 12, 12)).astype(np.float32)),
        ats.RVAE(hidden=8, glance=False),
        FitParams(epochs=1),
    ).to_state()
    del state.spec["glance"], state.tensors["doubt"]
    assert not Model.from_state(state).spec.glance
