"""What repeats in a neighbourhood, by its Fourier transform: a faint lattice stands out of the noise.

In each window only the waves are kept that are far stronger than most waves of the same length: those of a lattice.
Noise, amorphous texture and slow background go. A network sees this beside the image itself.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

#: Side of a window, px, and the step between windows.
WINDOW, STEP = 112, 56
#: A wave is kept when its power is this often the background's (of noise alone, exp(-7) is larger), and so much less.
_CLEAR = 7.0
#: Width of the rings in which waves are compared, in waves.
_RING = 2.0
#: The background of a ring is read off its weaker waves: a lattice holds few of a ring, what has no order all alike.
_WEAKER = 0.25
#: The window falls to this at its ends.
_END = 0.2
#: Windows that are transformed at a time: memory for an image of any size.
_TOGETHER = 256


class _Rings(NamedTuple):
    """Waves of about the same length: the few longest, slow background, are in no ring."""

    #: The waves of the flattened transform, ring after ring, those of no ring last.
    order: Tensor
    #: Where in ``order`` each ring begins, and where the last one ends.
    starts: list[int]
    #: Where in ``order`` each wave of the transform is.
    back: Tensor


def repeating(x: Tensor, rows_at: list[int] | None = None) -> Tensor:
    """Keep what stands out of its ring in the Fourier transform of each neighbourhood.

    Parameters
    ----------
    x : Tensor, shape (n, 1, rows, cols), float32
        Finite, of mean about 0.
    rows_at : list of int, optional
        Rows at which windows begin, for a band of a larger image (:func:`window_rows`).

    Returns
    -------
    Tensor, shape (n, 1, rows, cols), float32

    References
    ----------
    R. Kilaas, "Optimal and near-optimal filters in high-resolution electron microscopy", J. Microsc. 190 (1998) 45:
    subtraction of the average background; here in windows, for grains and defects.
    """
    rows, cols = x.shape[2:]
    side = (min(WINDOW, rows), min(WINDOW, cols))
    window, rings = _window(*side), _rings(*side)
    corners = [(r, c) for r in rows_at or window_rows(rows) for c in _starts(cols, side[1])]
    out, weight, share = torch.zeros_like(x[:, 0]), torch.zeros_like(x[0, 0]), window.square()
    for first in range(0, len(corners), _TOGETHER):
        some = corners[first : first + _TOGETHER]
        windows = torch.stack([x[:, 0, r : r + side[0], c : c + side[1]] for r, c in some], 1)  # (n, windows, side...)
        kept = _lattice(windows * window, rings) * window  # (n, windows, side, side)
        for k, (r, c) in enumerate(some):
            out[:, r : r + side[0], c : c + side[1]] += kept[:, k]
            weight[r : r + side[0], c : c + side[1]] += share
    return (out / weight)[:, None]


def _lattice(windows: Tensor, rings: _Rings) -> Tensor:
    """Keep the waves of windows, shape (n, windows, rows, cols), that stand out of their ring."""
    waves = torch.fft.rfft2(windows)  # (n, windows, rows, cols / 2 + 1)
    power = (waves.real.square() + waves.imag.square()).flatten(2)[..., rings.order]  # (n, windows, waves by ring)
    gain = torch.zeros_like(power)
    for first, last in pairwise(rings.starts):
        ring = power[..., first:last]  # (n, windows, waves of the ring)
        weak = ring.kthvalue(max(1, round(_WEAKER * (last - first))), dim=-1, keepdim=True).values
        # Powers of noise are distributed exponentially: their mean from a quantile.
        background = weak / -math.log(1 - _WEAKER)
        gain[..., first:last] = (1 - _CLEAR * background / ring.clamp(min=1e-20)).clamp(min=0)
    gain = gain[..., rings.back].view(waves.shape)
    return torch.fft.irfft2(waves * gain, s=windows.shape[2:])


def window_rows(rows: int) -> list[int]:
    """Return at which rows of an image windows begin."""
    return _starts(rows, min(WINDOW, rows))


def _starts(length: int, side: int) -> list[int]:
    """Return where windows begin: evenly, the last one at the end."""
    count = -(-(length - side) // STEP) + 1
    return [round(k * (length - side) / max(count - 1, 1)) for k in range(count)]


@lru_cache(maxsize=8)
def _window(rows: int, cols: int) -> Tensor:
    a, b = (_END + (1 - _END) * torch.hann_window(n, periodic=False).sqrt() for n in (rows, cols))
    return a[:, None] * b


@lru_cache(maxsize=8)
def _rings(rows: int, cols: int) -> _Rings:
    k = torch.hypot(*torch.meshgrid(torch.fft.fftfreq(rows), torch.fft.rfftfreq(cols), indexing="ij")).flatten()
    number = (k * max(rows, cols) / _RING - 0.75).floor().int()  # from 1.5 waves on
    number[number < 0] = number.max() + 1  # last of all, and in no ring
    order = torch.argsort(number, stable=True)
    counts = torch.bincount(number)[:-1]
    starts = [0, *counts[counts > 0].cumsum(0).tolist()]
    return _Rings(order, starts, torch.argsort(order))
