"""Poses found by search: each patch compared with its drawing in every turn and at every place.

Where an encoder has got it wrong, the gradient of the bound does not say so: a patch upside down is best drawn upside
down. A search does. It is made for a few patches at each step, in the first part of a run, and the encoder is taught
what was found where it fits better than what it said.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from atomscope.models.vae.dreams import off
from atomscope.models.vae.network import VAE
from atomscope.models.vae.pose import Pose

#: Turns that are tried.
TURNS = 16
#: How much better a pose must fit to be taken, nats.
MARGIN = 3.0


def search_error(net: VAE, x: Tensor, code: Tensor, pose: Pose) -> Tensor:
    """Return how far poses of patches are from those that a search prefers, mean, scalar; 0 where it does not.

    Parameters
    ----------
    net : VAE
    x : Tensor, shape (n, channels, rows, cols), standardised
    code : Tensor, shape (n, code)
        What is to be drawn.
    pose : Pose
        What the encoder says.
    """
    best, gain = best_pose(net, x, code, pose)
    return (off(net, pose, best) * (gain > MARGIN)).mean()


@torch.no_grad()
def best_pose(net: VAE, x: Tensor, code: Tensor, pose: Pose) -> tuple[Pose, Tensor]:
    """Return the poses in which drawings fit best, and by how many nats better than in those given, shape (n,).

    All of ``TURNS`` turns from the given angle, and all shifts of whole pixels up to the largest one, by Fourier
    transforms. The magnification stays. Arguments as of :func:`search_error`.
    """
    n, device = len(x), x.device
    weight = 0.5 / net.noise_var[:, None, None]  # (channels, 1, 1), nats
    given = ((_seen(net, code, pose) - x).square() * weight).flatten(1).sum(1)  # (n,)
    turns = TURNS if pose.angle is not None and net.spec.angle_sd is None else 1
    still = Pose(*(None if part is None else part.repeat_interleave(turns, 0) for part in pose))  # n turns of them
    if still.angle is not None:
        still = still._replace(angle=still.angle + torch.arange(n * turns, device=device) * (2 * math.pi / turns))
    if still.shift is not None:
        still = still._replace(shift=torch.zeros_like(still.shift))
    drawn = _seen(net, code, still, turns).unflatten(0, (n, turns))  # (n, turns, channels, rows, cols)
    least, at = misfits(x, drawn, weight, net.reach if still.shift is not None else (0.0, 0.0)).flatten(1).min(1)
    down, right = (2 * math.floor(r) + 1 if still.shift is not None else 1 for r in net.reach)
    turn_no = at // (down * right)  # (n,)
    if pose.angle is not None and still.angle is not None:
        pose = pose._replace(angle=still.angle.view(n, turns).gather(1, turn_no[:, None])[:, 0])
    if pose.shift is not None:
        where = at % (down * right)  # (n,)
        shift = torch.stack((where // right - down // 2, where % right - right // 2), 1)  # (n, 2)
        pose = pose._replace(shift=shift.to(x))
    return pose, given - least


def misfits(x: Tensor, drawn: Tensor, weight: Tensor, reach: tuple[float, float]) -> Tensor:
    """Return how far patches are from drawings moved by every shift, weighed squares, summed.

    Parameters
    ----------
    x : Tensor, shape (n, channels, rows, cols)
    drawn : Tensor, shape (n, m, channels, rows, cols)
        Outside of their window they are 0.
    weight : Tensor, shape (channels, 1, 1)
    reach : tuple of float
        Largest shift, (row, col) px.

    Returns
    -------
    Tensor, shape (n, m, 2 row + 1, 2 col + 1)
        Shifts from -row to +row, and from -col to +col, whole pixels.
    """
    rows, cols = x.shape[2:]
    row, col = (math.floor(r) for r in reach)
    size = (_even(rows + row), _even(cols + col))  # so that nothing comes round
    seen = torch.fft.rfft2(x * weight, s=size).conj()[:, None]  # (n, 1, channels, height, half)
    cross = seen * torch.fft.rfft2(drawn, s=size)  # (n, m, channels, height, half)
    cross = torch.fft.irfft2(cross.sum(2) if x.shape[1] > 1 else cross[:, :, 0], s=size)  # at minus the shift
    down, right = (torch.arange(k, -k - 1, -1, device=x.device) % s for k, s in zip((row, col), size, strict=True))
    cross = cross[:, :, down[:, None], right]  # (n, m, 2 row + 1, 2 col + 1)
    square = (drawn.square() * weight).sum(2)  # (n, m, rows, cols)
    square = _kept(rows, row).to(x) @ square @ _kept(cols, col).to(x).t()  # (n, m, 2 row + 1, 2 col + 1)
    return square - 2 * cross + (x.square() * weight).flatten(1).sum(1)[:, None, None, None]


@lru_cache(maxsize=64)
@torch.inference_mode(False)
def _kept(n: int, reach: int) -> Tensor:
    """Return 1 for each of n pixels that is still in a window of n when it is moved, shape (2 reach + 1, n)."""
    moved = torch.arange(n) + torch.arange(-reach, reach + 1)[:, None]  # (2 reach + 1, n)
    return ((moved >= 0) & (moved < n)).float()


def _even(n: int) -> int:
    """Return the next multiple of 16: Fourier transforms of such lengths are quick."""
    return -(-n // 16) * 16


def _seen(net: VAE, code: Tensor, pose: Pose, times: int = 1) -> Tensor:
    """Return what is expected of codes in so many poses each, standardised, shape (times n, channels, rows, cols)."""
    drawn = net.decode(code, pose, times)
    return drawn if net.spec.likelihood == "gaussian" else net.standardise(net.restore(drawn))
