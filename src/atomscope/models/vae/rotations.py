"""Rotations in space: unit quaternions, their matrices, and a posterior round one of them."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import normalize

#: Standard deviation of the rotation vector of an orientation as uncertain as can be, rad: a wider normal comes round
#: the other way and is less like the uniform distribution again.
BROADEST_TURN = 1.6
#: From here on, and how, the KL is taken from a polynomial in (sd - 1.6), highest power first.
_BROAD = 0.75
_POLYNOMIAL = (1.5381, 2.6038, -0.2496, 0.3514, -0.0316, 0.0104)


def quaternion_of(six: Tensor) -> Tensor:
    """Return unit quaternions (n, 4) of two 3-vectors each (n, 6), made orthonormal: no jump anywhere.

    References
    ----------
    Y. Zhou et al., "On the continuity of rotation representations in neural networks", CVPR 2019.
    """
    a, b = six[:, :3], six[:, 3:]  # (n, 3) twice
    x = normalize(a, dim=1)  # (n, 3)
    y = normalize(b - (x * b).sum(1, keepdim=True) * x, dim=1)  # (n, 3)
    m = torch.stack((x, y, torch.linalg.cross(x, y)), 2)  # (n, 3, 3), columns
    # Of the four numbers, that which is largest is safe to divide by (Shepperd's method).
    d = torch.stack((m[:, 0, 0] + m[:, 1, 1] + m[:, 2, 2], m[:, 0, 0], m[:, 1, 1], m[:, 2, 2]), 1)  # (n, 4)
    w = torch.stack((1 + d[:, 0], m[:, 2, 1] - m[:, 1, 2], m[:, 0, 2] - m[:, 2, 0], m[:, 1, 0] - m[:, 0, 1]), 1)
    i = torch.stack(
        (m[:, 2, 1] - m[:, 1, 2], 1 + 2 * d[:, 1] - d[:, 0], m[:, 0, 1] + m[:, 1, 0], m[:, 0, 2] + m[:, 2, 0]), 1
    )
    j = torch.stack(
        (m[:, 0, 2] - m[:, 2, 0], m[:, 0, 1] + m[:, 1, 0], 1 + 2 * d[:, 2] - d[:, 0], m[:, 1, 2] + m[:, 2, 1]), 1
    )
    k = torch.stack(
        (m[:, 1, 0] - m[:, 0, 1], m[:, 0, 2] + m[:, 2, 0], m[:, 1, 2] + m[:, 2, 1], 1 + 2 * d[:, 3] - d[:, 0]), 1
    )
    every = torch.stack((w, i, j, k), 1)  # (n, 4, 4)
    best = d.argmax(1)[:, None, None].expand(-1, 1, 4)  # (n, 1, 4)
    return normalize(every.gather(1, best)[:, 0], dim=1)  # (n, 4)


def matrix_of(quaternion: Tensor) -> Tensor:
    """Return the rotation matrices of unit quaternions (n, 4) (w, x, y, z), flattened, shape (n, 9)."""
    w, x, y, z = quaternion.unbind(1)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return torch.stack([entry for row in rows for entry in row], 1)


def turned_frame(frame: Tensor, vector: Tensor) -> Tensor:
    """Turn unit quaternions (n, 4) by rotation vectors (n, 3), rad, in their own frames; shape (n, 4)."""
    half = vector / 2  # (n, 3)
    length = half.norm(dim=1, keepdim=True)  # (n, 1)
    v = half * torch.sinc(length / math.pi)  # (n, 3)
    w0, v0, w1 = frame[:, :1], frame[:, 1:], torch.cos(length)  # (n, 1), (n, 3), (n, 1)
    w = w0 * w1 - (v0 * v).sum(1, keepdim=True)  # (n, 1)
    return torch.cat((w, w0 * v + w1 * v0 + torch.linalg.cross(v0, v)), 1)  # (n, 4)


def kl_rotation(sd: Tensor) -> Tensor:
    """Return KL(a rotation turned by a normal rotation vector of standard deviation ``sd``, uniform), nats.

    The uniform density is 1 / (8 pi^2) of rotation vectors near 0, and falls as (sin(r / 2) / (r / 2))^2 with their
    length r. For a narrow normal KL = ln(8 pi^2) - 3 (ln sd + ln(2 pi e) / 2) + E[-2 ln(sin(r / 2) / (r / 2))], of
    which the first two powers are kept; above .75 rad, where turns come round, a polynomial fitted to the integral
    over the angle. Right to .002 nats up to ``BROADEST_TURN``, where .01 is left.

    References
    ----------
    L. Falorsi, P. de Haan, T. R. Davidson and P. Forre, "Reparameterizing distributions on Lie groups", AISTATS 2019.
    """
    narrow = math.log(8 * math.pi**2) - 3 * (torch.log(sd) + 0.5 * math.log(2 * math.pi * math.e))
    square = sd.clamp(max=_BROAD).square()
    narrow = narrow + square / 4 + square.square() / 96
    broad = torch.zeros_like(sd)
    for factor in _POLYNOMIAL:
        broad = broad * (sd.clamp(_BROAD, BROADEST_TURN) - BROADEST_TURN) + factor
    return torch.where(sd < _BROAD, narrow, broad)
