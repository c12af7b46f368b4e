"""Convergent-beam disks on a camera: round, with a soft edge, at any sub-pixel place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

#: Beyond so many widths of the edge a disk is below 4e-6 of its height.
_TAIL = 4.5


@dataclass(frozen=True)
class SoftDisk:
    """A disk blurred by a Gaussian, as a table over the squared distance; make it with :func:`soft_disk`.

    Its integral is 1. A disk that is sampled every pixel and blurred by 0.7 px has its centre of mass where its centre
    is, to 1e-5 px: the spectrum ends before the sampling frequency.

    Attributes
    ----------
    table : numpy.ndarray, float32
        Height at squared distances from i to i + 1 over per_px2, 1/px^2; the last is 0.
    per_px2 : float
    reach_px : float
        Where it ends.
    """

    table: np.ndarray
    per_px2: float
    reach_px: float


def soft_disk(radius_px: float, edge_px: float) -> SoftDisk:
    """Return a disk of that radius blurred by a Gaussian of standard deviation ``edge_px``.

    References
    ----------
    A disk blurred by a round Gaussian is the distribution function of a noncentral chi-square variable of two degrees
    of freedom: the chance that a point that scatters round a place r lies within the radius.
    """
    reach = radius_px + _TAIL * edge_px
    n = 2**16 if radius_px < 16 else 2**18
    per_px2 = (n - 2) / reach**2
    squared = (np.arange(n) + 0.5) / per_px2  # the middle of what is rounded down to it
    height = stats.ncx2.cdf((radius_px / edge_px) ** 2, 2, squared / edge_px**2) / (np.pi * radius_px**2)
    height[-1] = 0.0
    return SoftDisk(height.astype(np.float32), per_px2, reach)


def draw_disks(centres_px: np.ndarray, weights: np.ndarray, disk: SoftDisk, shape: tuple[int, int]) -> np.ndarray:
    """Sum disks on each of several patterns.

    Parameters
    ----------
    centres_px : array, shape (patterns, disks, 2), px
        (row, col); disks outside the camera are cut or missing.
    weights : array, shape (patterns, disks)
        Integral of each disk.
    disk : SoftDisk
    shape : tuple of int
        (rows, cols) of a pattern.

    Returns
    -------
    numpy.ndarray, shape (patterns, rows, cols), float32
    """
    frames = np.zeros((len(centres_px), *shape), np.float32)
    scale = np.float64(disk.per_px2) ** 0.5
    low, high = centres_px.min(0), centres_px.max(0)
    # One disk on all patterns at a time: it is about in the same place on each, so that one window holds them all.
    first = np.maximum(np.ceil(low - disk.reach_px), 0).astype(int)
    last = np.minimum(np.floor(high + disk.reach_px), np.array(shape) - 1).astype(int)
    for i in np.flatnonzero((first <= last).all(1)):
        (r0, c0), (r1, c1) = first[i], last[i] + 1
        rows = ((np.arange(r0, r1) - centres_px[:, i, :1]) * scale).astype(np.float32)
        cols = ((np.arange(c0, c1) - centres_px[:, i, 1:]) * scale).astype(np.float32)
        squared = np.square(rows)[:, :, None] + np.square(cols)[:, None, :]
        window = disk.table.take(squared.astype(np.int32), mode="clip")
        window *= weights[:, i, None, None].astype(np.float32)
        frames[:, r0:r1, c0:c1] += window
    return frames
