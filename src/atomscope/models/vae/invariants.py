"""Invariants: numbers of a patch that its pose does not change, read off without any network.

A shift leaves the amplitudes of the Fourier transform as they are; a turn moves what lies on a circle along it, which
leaves the amplitudes of its angular harmonics; a magnification does the same along the logarithm of the radius. Each is
used only where the model has that part of the pose.

References
----------
D. Casasent and D. Psaltis, "Position, rotation, and scale invariant optical correlation", Appl. Opt. 15 (1976) 1795.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from atomscope.data.params import VAESpec

#: Circles, angles on each, and harmonics that are kept.
CIRCLES, ANGLES, HARMONICS = 14, 32, 8
#: Frequencies up to this part of the highest: above it there is noise.
HIGHEST = 0.7


def invariants(x: Tensor, spec: VAESpec) -> Tensor:
    """Return numbers of patches that do not change with their pose.

    Parameters
    ----------
    x : Tensor, shape (n, channels, rows, cols)
    spec : VAESpec
        Says what a pose is: any of a turn, a shift and a magnification.

    Returns
    -------
    Tensor, shape (n, features)
    """
    circles = spec.rotation or spec.scaling
    if circles:
        x = (x - x.mean((2, 3), keepdim=True)) * _disc(x.shape[2], x.shape[3]).to(x)  # corners do not turn with it
    if not spec.translation:
        picture, span = x, 2 * math.pi
    else:
        picture, span = _amplitudes(x, square=circles), math.pi  # the half plane of frequencies says all
    if not circles:
        return picture.flatten(1)
    rings = _rings(picture, span, logarithmic=spec.scaling)  # (n, channels, circles, angles)
    if spec.rotation:
        rings = torch.fft.rfft(rings, dim=3).abs()[..., :HARMONICS]  # (n, channels, circles, harmonics)
    if spec.scaling:
        rings = torch.fft.rfft(rings, dim=2).abs()  # (n, channels, circles / 2 + 1, harmonics)
    return rings.flatten(1)


def _disc(rows: int, cols: int) -> Tensor:
    """Return 1 inside the circle that fits the longer side, softly to 0 outside, shape (rows, cols)."""
    half = max(rows, cols) / 2
    row, col = (torch.arange(k) - (k - 1) / 2 for k in (rows, cols))  # (rows,), (cols,)
    radius = torch.hypot(row[:, None], col) / half  # (rows, cols)
    return ((1.05 - radius) / 0.15).clamp(0, 1)


def _amplitudes(x: Tensor, square: bool) -> Tensor:
    """Return square roots of Fourier amplitudes, zero frequency in the middle, shape (n, channels, height, width).

    The root brings the few bright frequencies nearer to the many that tell shapes apart.
    """
    rows, cols = x.shape[2:]
    if not square:
        x = x - x.mean((2, 3), keepdim=True)
        f = torch.fft.rfft2(x).abs().sqrt()  # (n, channels, rows, cols / 2 + 1)
        high, wide = math.ceil(HIGHEST * rows / 2), math.ceil(HIGHEST * (cols // 2 + 1))
        return torch.cat((f[:, :, : high + 1, :wide], f[:, :, rows - high + 1 :, :wide]), 2)
    side = 2 * max(rows, cols)
    f = torch.fft.fftshift(torch.fft.fft2(x, (side, side)).abs(), (2, 3))  # (n, channels, side, side)
    f = torch.cat((f, f[:, :, :1]), 2)
    return torch.cat((f, f[..., :1]), 3).sqrt()  # odd, so that zero lies at the middle


def _rings(picture: Tensor, span: float, logarithmic: bool) -> Tensor:
    """Sample pictures on circles about their middle, shape (n, channels, circles, angles)."""
    reach = HIGHEST if span < 2 * math.pi else 1.0  # of half the longer side
    step = torch.arange(1, CIRCLES + 1) / CIRCLES  # (circles,)
    radius = reach * (10 ** (step - 1) if logarithmic else step)  # (circles,)
    angle = torch.arange(ANGLES) * (span / ANGLES)  # (angles,)
    half = (max(picture.shape[2:]) - 1) / 2
    row, col = ((k - 1) / 2 / half for k in picture.shape[2:])
    along = radius[:, None] * torch.cos(angle) / col, radius[:, None] * torch.sin(angle) / row  # (circles, angles)
    grid = torch.stack(along, 2)[None].to(picture)  # (1, circles, angles, 2)
    return grid_sample(picture, grid.expand(len(picture), -1, -1, -1), align_corners=True)
