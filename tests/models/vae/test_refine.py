"""Poses are refined on the drawing: as exact as the noise allows, never worse than what was read."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import atomscope as ats
from atomscope.data.params import VAESpec
from atomscope.errors import ParameterError
from atomscope.models.vae.network import build
from atomscope.models.vae.pose import Pose
from atomscope.models.vae.refine import refined, solve

FULL = {"rotation": True, "translation": True, "scaling": True}


def drawn(spec: VAESpec, n: int, noise: float, window=(24, 24), channels=1, seed=0):
    """A network that draws spots, patches of it in known poses, and a posterior that is a little off."""
    net = build(spec, window, channels, seed).eval()
    rng = torch.Generator().manual_seed(seed)
    rows, cols = (torch.arange(k) - (k - 1) / 2 for k in net.decoder.canvas)
    picture = sum(
        h * torch.exp(-((rows[:, None] - r) ** 2 + (cols - c) ** 2) / 8)
        for r, c, h in ((0, 5, 2.0), (4, -4, 1.5), (-5, 1, 1.0))
    ).expand(channels, -1, -1)
    with torch.no_grad():
        net.decoder.draw.weight.zero_()
        net.decoder.draw.bias.copy_(picture.flatten())

    def some(sd, *shape):
        return sd * torch.randn(n, *shape, generator=rng)

    curve = torch.tensor([float(window[0] > 1), 1.0])
    true = Pose(
        some(1.0) if spec.rotation else None,
        some(1.0, 2) * curve if spec.translation else None,
        some(0.15) if spec.scaling else None,
    )
    p = net.encode(some(1.0, channels, *window))
    near = [None if part is None else part + some(0.08, *part.shape[1:]) for part in true]
    p = p._replace(angle=near[0], shift=near[1], log_scale=near[2])
    x = net.decoder(torch.zeros(n, net.layout.size), true, None)
    return net, x + some(noise, channels, *window), p, true


def off(p, true) -> list[float]:
    return [float((a - b).square().mean().sqrt()) for a, b in zip(p.pose, true, strict=True) if a is not None]


@torch.no_grad()
@pytest.mark.parametrize("part", [*FULL, "all"])
@pytest.mark.parametrize("channels", [1, 2])
def test_without_noise_the_pose_is_exact(part, channels):
    parts = FULL if part == "all" else {name: name == part for name in FULL}
    net, x, p, true = drawn(VAESpec(**parts, refined=True), 40, 0.0, channels=channels)
    assert max(off(p, true)) > 0.05
    assert max(off(refined(net, x, p, None), true)) < 0.003


@torch.no_grad()
def test_with_noise_it_is_as_exact_as_the_noise_allows_and_never_draws_worse():
    net, x, p, true = drawn(VAESpec(**FULL, refined=True), 400, 0.3)
    got = refined(net, x, p, None)
    eps = 1e-2  # the bound: information is the derivatives' products over the variance of the noise
    at = torch.zeros(400, net.layout.size)
    steps = [(0, eps, None), (1, eps, 0), (1, eps, 1), (2, eps, None)]
    slopes = []
    for which, by, axis in steps:
        moved = [part.clone() for part in true]
        moved[which][..., slice(None) if axis is None else axis] += by
        slopes.append(((net.decoder(at, Pose(*moved), None) - net.decoder(at, true, None)) / by).flatten(1))
    by = torch.stack(slopes, 1)
    bound = (0.3**2 * torch.linalg.inv(by @ by.transpose(1, 2)).diagonal(dim1=1, dim2=2)).mean(0).sqrt()
    rms = np.array(off(got, true))
    wanted = np.array([bound[0], (0.5 * (bound[1] ** 2 + bound[2] ** 2)).sqrt(), bound[3]])
    assert (rms < 1.25 * wanted).all() and (rms > 0.75 * wanted).all()

    def error(q):
        return (x - net.decoder(at, q.pose, None)).square().sum((1, 2, 3))

    assert (error(got) <= error(p) * (1 + 1e-6)).all()


@torch.no_grad()
def test_a_patch_of_nothing_or_of_nan_is_left_where_it_was_and_harms_no_other():
    net, x, p, true = drawn(VAESpec(**FULL, refined=True), 6, 0.0)
    x[1] = float("nan")
    got = refined(net, x, p, None)
    assert all(torch.equal(a[1], b[1]) for a, b in zip(got.pose, p.pose, strict=True))
    keep = [0, 2, 3, 4, 5]
    assert max(off(got.part(keep), Pose(*(part[keep] for part in true)))) < 0.003
    net.decoder.draw.bias.zero_()  # a drawing without anything in it says nothing of a pose
    flat = refined(net, torch.zeros_like(x), p, None)
    assert all(torch.isfinite(part).all() for part in flat.pose)


@torch.no_grad()
def test_where_the_drawing_does_not_fit_the_pose_stays_near_what_was_read():
    net, x, p, _ = drawn(VAESpec(**FULL, refined=True), 300, 0.0)
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    for wrong in (noise, torch.zeros_like(x), -x, x.flip(0)):
        got = refined(net, wrong, p, None)
        assert (got.angle - p.angle).abs().max() <= 0.5
        assert ((got.shift - p.shift).abs() <= 0.5 * torch.tensor(net.reach)).all()
        assert (got.log_scale - p.log_scale).abs().max() <= np.log(net.spec.max_scale)
        assert off(got, p.pose)[1] > 0.01  # it did try


@torch.no_grad()
def test_a_curve_is_moved_along_its_length_only():
    spec = VAESpec(rotation=False, translation=True, refined=True)
    net, x, p, true = drawn(spec, 20, 0.0, window=(1, 48))
    p = p._replace(shift=p.shift * torch.tensor([0.0, 1.0]))
    got = refined(net, x, p, None)
    assert (got.shift[:, 0] == 0).all() and off(got, true)[0] < 0.003


def test_small_systems_are_solved():
    rng = torch.Generator().manual_seed(0)
    for k in (1, 2, 3, 4):
        root = torch.randn(50, k, k, generator=rng, dtype=torch.float64)
        matrix = root @ root.transpose(1, 2) + 0.1 * torch.eye(k, dtype=torch.float64)
        right = torch.randn(50, k, generator=rng, dtype=torch.float64)
        assert torch.allclose(solve(matrix, right), torch.linalg.solve(matrix, right))


def test_it_is_for_pictures_in_a_pose_and_is_on_where_a_scale_is_read():
    assert ats.RTSVAE().refined and ats.SVAE().refined and not ats.RVAE().refined
    assert not ats.RTSVAE(refined=False).refined
    assert not ats.RTSVAE(decoder="coordinate").refined and not ats.SVAE(likelihood="poisson").refined
    for parts in ({"decoder": "coordinate"}, {"likelihood": "poisson"}, {"rotation": False, "translation": False}):
        with pytest.raises(ParameterError, match="refined on a canvas"):
            VAESpec(refined=True, **parts)
