from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.spatial.transform import Rotation

from atomscope.models.vae.rotations import BROADEST_TURN, kl_rotation, matrix_of, quaternion_of, turned_frame
from models.vae.planted import random_rotations


def density(r: float, sd: float) -> float:
    """Return the density, over the uniform one, of rotations by an angle r: all ways to get there are added."""
    ways = np.abs(r + 2 * np.pi * np.arange(-30, 31))
    normal = np.exp(-(ways**2) / (2 * sd**2)) / (2 * np.pi * sd**2) ** 1.5
    return float((normal * 8 * np.pi**2 * ways**2 / (4 * np.sin(r / 2) ** 2)).sum())


@pytest.mark.parametrize("sd", [0.02, 0.1, 0.4, 0.74, 0.76, 1.0, 1.3, 1.6])
def test_kl_of_an_orientation_is_that_of_the_integral(sd):
    def integrand(r: float) -> float:
        f = density(r, sd)
        return (2 / np.pi) * np.sin(r / 2) ** 2 * f * np.log(max(f, 1e-300))

    points = [k * sd for k in (1, 3, 6) if k * sd < np.pi]
    wanted = quad(integrand, 1e-6, np.pi, points=points, limit=500)[0]
    assert float(kl_rotation(torch.tensor(sd, dtype=torch.float64))) == pytest.approx(wanted, abs=4e-3)


@pytest.mark.parametrize("sd", [0.1, 0.6, 1.2])
def test_kl_of_an_orientation_is_that_of_a_random_draw(sd):
    draws = sd * np.random.default_rng(0).normal(size=(20_000, 3))
    angle = Rotation.from_rotvec(draws).magnitude()
    wanted = np.mean([math.log(density(r, sd)) for r in angle])
    assert float(kl_rotation(torch.tensor(sd))) == pytest.approx(wanted, abs=0.04)


def test_kl_of_an_orientation_is_never_negative_and_falls_to_nothing():
    sd = torch.linspace(0.001, BROADEST_TURN, 2000, dtype=torch.float64).requires_grad_()
    kl = kl_rotation(sd)
    assert (kl >= 0).all()
    assert (kl.diff() < 1e-3).all()
    assert float(kl[-1]) < 0.02
    kl.sum().backward()
    assert torch.isfinite(sd.grad).all()


def test_quaternions_matrices_and_turns_are_those_of_scipy():
    rng = np.random.default_rng(1)
    q, v = random_rotations(200, rng), rng.normal(size=(200, 3))
    mine, scipy = torch.from_numpy(q), Rotation.from_quat(q[:, [1, 2, 3, 0]])
    np.testing.assert_allclose(matrix_of(mine).view(-1, 3, 3), scipy.as_matrix(), atol=1e-12)
    six = torch.from_numpy(scipy.as_matrix()[:, :, :2].transpose(0, 2, 1).reshape(-1, 6) * 3.0)
    same = (quaternion_of(six) * mine).sum(1).abs()
    np.testing.assert_allclose(same, 1, atol=1e-12)
    turned = Rotation.from_quat(turned_frame(mine, torch.from_numpy(v)).numpy()[:, [1, 2, 3, 0]])
    np.testing.assert_allclose((turned.inv() * scipy * Rotation.from_rotvec(v)).magnitude(), 0, atol=1e-7)
