from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from atomscope.models.vae.pose import Pose, canvas_side, kl_circle, kl_normal, place, turn


def spot(window: tuple[int, int], row: float, col: float, sigma: float = 1.5) -> torch.Tensor:
    """A Gaussian at (row, col) px from the centre of a window."""
    r = torch.arange(window[0]) - (window[0] - 1) / 2
    c = torch.arange(window[1]) - (window[1] - 1) / 2
    return torch.exp(-((r[:, None] - row) ** 2 + (c[None] - col) ** 2) / (2 * sigma**2))[None, None]


def centroid(image: torch.Tensor) -> tuple[float, float]:
    rows, cols = image.shape[-2:]
    w = image[0, 0] / image.sum()
    r = torch.arange(rows) - (rows - 1) / 2
    c = torch.arange(cols) - (cols - 1) / 2
    return float((w.sum(1) * r).sum()), float((w.sum(0) * c).sum())


def test_a_quarter_turn_takes_plus_col_to_plus_row():
    out = place(spot((41, 41), 0.0, 6.0), (31, 31), Pose(torch.tensor([math.pi / 2])))
    assert centroid(out) == pytest.approx((6.0, 0.0), abs=0.01)


def test_the_shift_is_in_the_laboratory_frame_whatever_the_angle():
    angle = torch.tensor([0.7])
    out = place(spot((41, 41), 0.0, 4.0), (31, 31), Pose(angle, torch.tensor([[2.0, -3.0]])))
    assert centroid(out) == pytest.approx((4 * math.sin(0.7) + 2.0, 4 * math.cos(0.7) - 3.0), abs=0.02)


@pytest.mark.parametrize("window", [(16, 40), (40, 16), (25, 32)])
def test_a_window_that_is_not_square_does_not_shear(window):
    side = canvas_side(window, True, (2, 2))
    for a in np.linspace(-3, 3, 7):
        out = place(spot(side, 0.0, 4.0, 2.5), window, Pose(torch.tensor([a], dtype=torch.float32)))
        wanted = spot(window, 4 * math.sin(a), 4 * math.cos(a), 2.5)
        assert float((out - wanted).abs().max()) < 0.04  # bilinear blur


def test_zero_pose_returns_the_picture():
    x = torch.rand(3, 2, 9, 12)
    torch.testing.assert_close(place(x, (9, 12), Pose(torch.zeros(3), torch.zeros(3, 2))), x, atol=1e-5, rtol=0)


def test_turn_agrees_with_place():
    v = torch.tensor([[3.0, 1.0]])
    a = torch.tensor([2.1])
    moved = place(spot((41, 41), 3.0, 1.0), (31, 31), Pose(a))
    assert centroid(moved) == pytest.approx(tuple(turn(v, a)[0].tolist()), abs=0.01)


@pytest.mark.parametrize("sd", [0.01, 0.1, 0.5, 0.9, 0.999, 1.001, 1.3, 2.0, 5.0])
def test_kl_on_the_circle_is_that_of_the_integral(sd):
    k = np.arange(-60, 61)

    def density(x: float) -> float:
        return float((np.exp(-((x + 2 * np.pi * k) ** 2) / (2 * sd**2)) / (sd * np.sqrt(2 * np.pi))).sum())

    def integrand(x: float) -> float:
        p = density(x)
        return p * np.log(max(p, 1e-300) * 2 * np.pi)

    wanted = quad(integrand, -np.pi, np.pi, points=[0.0, -3 * sd, 3 * sd] if sd < 1 else None, limit=500)[0]
    got = float(kl_circle(torch.tensor(sd, dtype=torch.float64)))
    assert got == pytest.approx(wanted, abs=6e-3)


def test_kl_on_the_circle_has_a_finite_gradient_at_both_ends():
    sd = torch.tensor([1e-3, 0.5, 1.0, 7.0, 1e3], requires_grad=True)
    kl_circle(sd).sum().backward()
    assert sd.grad is not None and torch.isfinite(sd.grad).all()
    assert (kl_circle(sd) >= 0).all()


def test_kl_normal_is_that_of_torch():
    mean, log_sd = torch.randn(5, 3), torch.randn(5, 3)
    q, p = torch.distributions.Normal(mean, log_sd.exp()), torch.distributions.Normal(0.0, torch.tensor(2.5))
    wanted = torch.distributions.kl_divergence(q, p).sum(-1)
    torch.testing.assert_close(kl_normal(mean, log_sd, 2.5), wanted)
    torch.testing.assert_close(kl_normal(mean, log_sd, torch.full((3,), 2.5)), wanted)
