"""Any subset of angle, shift and scale: geometry, gauge, and motifs with planted poses."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch

import atomscope as ats
from atomscope.data import Patches
from atomscope.data.params import FitParams, VAESpec
from atomscope.models import encode, fit
from atomscope.models.vae.encoders import Posterior
from atomscope.models.vae.gauge import open_gauge, settle
from atomscope.models.vae.known import NOTHING
from atomscope.models.vae.pose import Pose, canvas_side, place
from atomscope.models.vae.views import pose_disagreement, turned_copy
from models.vae.planted import pose_scores, posed

SPOTS = ((0.0, 4.0, 1.0), (3.0, -2.0, 0.6), (-4.0, -1.0, 0.8))


def analytic(window, angle, shift, scale, sigma=2.5, centre=(0.0, 0.0)) -> torch.Tensor:
    """The picture of ``SPOTS``, turned, magnified and shifted, in closed form."""
    r, c = (torch.arange(k, dtype=torch.float64) - (k - 1) / 2 for k in window)
    out = torch.zeros(window, dtype=torch.float64)
    for row, col, height in SPOTS:
        row, col = row - centre[0], col - centre[1]
        at_row = scale * (math.sin(angle) * col + math.cos(angle) * row) + shift[0]
        at_col = scale * (math.cos(angle) * col - math.sin(angle) * row) + shift[1]
        far = (r[:, None] - at_row) ** 2 + (c - at_col) ** 2
        out += height * torch.exp(-far / (2 * (scale * sigma) ** 2))
    return out.float()[None, None]


def pose(angle, shift, scale) -> Pose:
    return Pose(torch.tensor([angle]), torch.tensor([list(shift)]), torch.tensor([math.log(scale)]))


@pytest.mark.parametrize("scale", [0.7, 1.0, 1.4])
@pytest.mark.parametrize(("angle", "shift"), [(0.0, (0.0, 0.0)), (0.8, (2.0, -3.0)), (-2.5, (-1.5, 0.5))])
def test_a_picture_is_turned_magnified_and_shifted_as_in_closed_form(angle, shift, scale):
    window = (28, 34)
    canvas = analytic(canvas_side(window, True, (2, 2), 0.7), 0.0, (0.0, 0.0), 1.0)
    got = place(canvas, window, pose(angle, shift, scale))
    assert float((got - analytic(window, angle, shift, scale)).abs().max()) < 0.04  # bilinear blur


def test_a_picture_off_its_canvas_s_centre_is_magnified_about_its_own():
    window = (28, 28)
    canvas = analytic((45, 45), 0.0, (2.0, -1.0), 1.0)
    got = place(canvas, window, pose(0.8, (1.0, 2.0), 1.3), torch.tensor([[2.0, -1.0]]))
    assert float((got - analytic(window, 0.8, (1.0, 2.0), 1.3)).abs().max()) < 0.04


def test_a_canvas_holds_what_a_window_sees_of_small_pictures_and_a_curve_has_one_row():
    assert canvas_side((20, 30), False, (2.0, 3.0), 0.5) == (44, 66)
    assert canvas_side((1, 30), False, (0.0, 3.0), 0.5) == (1, 66)
    height, width = canvas_side((20, 20), True, (2.0, 2.0), 0.5)
    assert height == width >= 20 / 0.5 * math.sqrt(2)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_copy_has_the_pose_of_the_patch_moved_by_what_is_said(seed):
    generator, rng = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    own = (float(rng.uniform(-3, 3)), tuple(rng.uniform(-2, 2, 2)), float(rng.uniform(0.8, 1.2)))
    copy_, moved = turned_copy(analytic((41, 41), *own, sigma=3.5), True, (2.0, 2.0), 0.2, generator)
    a, d, s = float(moved.angle), moved.shift[0].tolist(), float(moved.log_scale.exp())
    col, row = own[1][1], own[1][0]
    shift = (
        s * (math.sin(a) * col + math.cos(a) * row) + d[0],
        s * (math.cos(a) * col - math.sin(a) * row) + d[1],
    )
    there = (own[0] + a, shift, s * own[2])
    assert float((copy_ - analytic((41, 41), *there, sigma=3.5)).abs().max()) < 0.04

    def said(p) -> Posterior:
        zero, placed = torch.zeros(1), pose(*p)
        known = Posterior(zero[:, None], zero[:, None], placed.angle, zero, placed.shift, zero[:, None])
        return known._replace(log_scale=placed.log_scale, scale_log_sd=zero)

    assert float(pose_disagreement(said(own), said(there), moved, (2.0, 2.0))) < 1e-4
    assert float(pose_disagreement(said(own), said(own), moved, (2.0, 2.0))) > 0.1


@pytest.fixture(scope="module")
def scaled():
    truth = posed(2000, 3, window=(24, 24), count=2, turn=0, scales=(0.7, 1.4), snr=8)
    patches = Patches.from_array(truth.patches)
    return truth, fit(patches, ats.SVAE(hidden=96), FitParams(epochs=50, batch_size=100))


def test_settling_the_scale_leaves_every_drawing_as_it_was_and_brings_shapes_to_one_size(scaled):
    truth, model = scaled
    net = copy.deepcopy(model.net)
    x = torch.from_numpy(truth.patches[:1000])[:, None]
    with torch.no_grad():
        open_gauge(net)
        p = net.encode(net.standardise(x))
        before = net.decode(p.z, p.pose)
        net.magnified[-1] = 0.3
        q = net.encode(net.standardise(x))
        torch.testing.assert_close(q.log_scale, p.log_scale + 0.3)
        torch.testing.assert_close(net.decode(q.z, q.pose), before, atol=1e-4, rtol=0)
        settle(net, [(x, NOTHING)])
        r = net.encode(net.standardise(x))
        torch.testing.assert_close(net.decode(r.z, r.pose), before, atol=1e-4, rtol=0)
    for m in (0, 1):
        here = truth.motif[:1000] == m
        offset = float((r.log_scale.numpy() - np.log(truth.scale[:1000]))[here].mean())
        assert abs(offset) < 0.04


def test_a_magnification_is_found_and_decode_takes_it(scaled):
    truth, model = scaled
    patches = Patches.from_array(truth.patches)
    table = encode(model, patches)
    assert pose_scores(truth, table)["scale_linear_r2"] > 0.95
    z, scale = table[["z1", "z2"]].to_numpy(), table["scale"].to_numpy()
    np.testing.assert_allclose(model.decode(z, scale=scale), model.reconstruct(patches), atol=1e-4)
    assert (table["scale_sd"] > 0).all()


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)])
def test_shifts_over_a_fifth_of_the_window_are_found(seed):
    truth = posed(2500, seed, window=(24, 24), count=2, turn=0, part=0.2)
    patches = Patches.from_array(truth.patches)
    model = fit(patches, ats.TVAE(hidden=96), FitParams(epochs=40, batch_size=100, seed=seed))
    assert pose_scores(truth, encode(model, patches))["shift"] < 0.5


def test_the_uncertainty_of_an_angle_is_of_the_size_of_what_it_is_wrong_by(small_model, small_truth):
    table = encode(small_model, Patches.from_array(small_truth.patches))
    d = np.angle(np.exp(1j * (table["angle"] - small_truth.angle)))
    for m in np.unique(small_truth.motif):
        here = small_truth.motif == m
        off = np.angle(np.exp(1j * (d[here] - np.angle(np.exp(1j * d[here]).mean()))))
        ratio = np.median(np.abs(off) / table["angle_sd"][here]) / 0.6745
        assert 0.5 < ratio < 2


def test_angles_near_zero_are_a_prior():
    truth = posed(2000, 5, window=(24, 24), count=1, turn=0.15)
    patches = Patches.from_array(truth.patches)
    model = fit(patches, ats.RVAE(angle_sd=0.1, hidden=96), FitParams(epochs=40, batch_size=100))
    table = encode(model, patches)
    assert np.abs(table["angle"]).max() < 0.6
    assert np.corrcoef(table["angle"], truth.angle)[0, 1] > 0.9


SUBSETS = {
    "t": (ats.TVAE(), {"turn": 0, "part": 0.2}),
    "s": (ats.SVAE(), {"turn": 0, "scales": (0.7, 1.4)}),
    "ts": (ats.RTSVAE(rotation=False), {"turn": 0, "part": 0.2, "scales": (0.7, 1.4)}),
    "rs": (VAESpec(translation=False, scaling=True), {"scales": (0.7, 1.4)}),
    "rts": (ats.RTSVAE(), {"part": 0.2, "scales": (0.7, 1.4)}),
}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", SUBSETS)
def test_three_motifs_pass_every_bar_of_the_pose(name, seed):
    spec, planted = SUBSETS[name]
    truth = posed(20_000, 100 + seed, radius=0.22 if "scales" in planted else 0.3, **planted)
    patches = Patches.from_array(truth.patches)
    got = pose_scores(truth, encode(fit(patches, spec, FitParams(seed=seed)), patches))
    assert got.get("shift", 0) <= 0.3, got
    assert got.get("scale_linear_r2", 1) >= 0.9, got
    assert got.get("angle", 1) >= 0.98, got
