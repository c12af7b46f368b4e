"""Blob detection: scale-normalised Laplacian of Gaussian and its local maxima."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from scipy import fft
from scipy.spatial import cKDTree

from atomscope.find.prepare import pad_for_fft

#: Pixels that are searched for maxima at a time: memory for an image of any size.
_BAND_PIXELS = 1 << 20


def laplacian(image: np.ndarray, sigma: float) -> np.ndarray:
    """Scale-normalised, sign-turned Laplacian of Gaussian: positive on bright blobs.

    A Gaussian column of unit height and standard deviation ``w`` answers with
    ``2 (s w)**2 / (s**2 + w**2)**2`` at its centre, one half where ``s`` equals ``w``.

    Parameters
    ----------
    image : numpy.ndarray, shape (rows, cols), float32
    sigma : float, px

    Returns
    -------
    numpy.ndarray, shape (rows, cols), float32

    References
    ----------
    Lindeberg, Int. J. Comput. Vis. 30, 79 (1998).
    """
    margin = int(4 * sigma) + 2
    padded = pad_for_fft(image, margin)
    spectrum = fft.rfft2(padded)
    k_row = (2 * np.pi * fft.fftfreq(padded.shape[0])).astype(np.float32)[:, None]
    k_col = (2 * np.pi * fft.rfftfreq(padded.shape[1])).astype(np.float32)[None, :]
    s2 = np.float32(sigma**2)
    gain_row, gain_col = np.exp(-0.5 * s2 * k_row**2), np.exp(-0.5 * s2 * k_col**2)
    spectrum *= s2 * (k_row**2 + k_col**2) * gain_row * gain_col
    out = fft.irfft2(spectrum, s=padded.shape, overwrite_x=True)
    return np.ascontiguousarray(out[margin : margin + image.shape[0], margin : margin + image.shape[1]])


def local_maxima(response: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Integer places of 3 x 3 local maxima, edges included. Two int arrays, shape (n,), in raster order.

    On a plateau of exactly equal values the first pixel in raster order counts.
    """
    rows, cols = response.shape
    step = max(1, _BAND_PIXELS // max(cols, 1))
    found = [_maxima_of_rows(response, top, min(top + step, rows)) for top in range(0, rows, step)]
    row, col = np.concatenate(found, axis=1) if found else np.zeros((2, 0), np.intp)
    return row, col


def _maxima_of_rows(response: np.ndarray, top: int, end: int) -> np.ndarray:
    """Return the places of the local maxima of some rows, shape (2, n)."""
    rows, cols = response.shape
    here, before, after = response[top:end], min(top, 1), min(rows - end, 1)
    big = np.full((end - top + 2, cols + 2), -np.inf, dtype=response.dtype)
    big[1 - before : end - top + 1 + after, 1:-1] = response[top - before : end + after]
    peak = np.ones(here.shape, dtype=bool)
    for dr in (-1, 0, 1):
        for dc in (-1, 0, 1):
            if dr == 0 and dc == 0:
                continue
            other = big[1 + dr : end - top + 1 + dr, 1 + dc : cols + 1 + dc]
            peak &= here > other if (dr, dc) < (0, 0) else here >= other
    row, col = np.nonzero(peak)
    return np.stack((row + top, col))


@dataclass(frozen=True)
class Maxima:
    """The maxima of a map.

    Attributes
    ----------
    place : numpy.ndarray, shape (n, 2), float64, px
        In raster order of their pixels.
    height : numpy.ndarray, shape (n,)
        Of their pixels, in the map's own type.
    shape : tuple of int
        Of the map, (rows, cols).
    """

    place: np.ndarray
    height: np.ndarray
    shape: tuple[int, int]


def maxima_of_strips(strips: Iterable[np.ndarray]) -> Maxima:
    """Return the maxima of a map that comes strip by strip, to the last bit what the whole map would give.

    Parameters
    ----------
    strips : iterable of numpy.ndarray, shape (some rows, cols)
        One below the other; at least one.
    """
    places, heights = [], []
    ahead = iter(strips)
    held, before, first = next(ahead), 0, 0  # a strip, how many rows of the one above it shows, its own first row
    for below in chain(ahead, [None]):
        seen = held if below is None else np.concatenate([held, below[:1]])
        row, col = local_maxima(seen)
        own = (row >= before) & (row < len(held))
        row, col = row[own], col[own]
        moved_row, moved_col = _moved(seen, row, col)
        places.append(np.c_[row + (first - before) + moved_row, col + moved_col])
        heights.append(seen[row, col])
        first += len(held) - before
        if below is not None:
            held, before = np.concatenate([held[-1:], below]), 1
    return Maxima(np.concatenate(places), np.concatenate(heights), (first, held.shape[1]))


def subpixel(response: np.ndarray, row: np.ndarray, col: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Refine integer maxima by a quadratic through the 3 x 3 neighbourhood; at most half a pixel."""
    moved_row, moved_col = _moved(response, row, col)
    return row + moved_row, col + moved_col


def _moved(response: np.ndarray, row: np.ndarray, col: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows, cols = response.shape
    up, down = np.maximum(row - 1, 0), np.minimum(row + 1, rows - 1)
    left, right = np.maximum(col - 1, 0), np.minimum(col + 1, cols - 1)

    def f(r: np.ndarray, c: np.ndarray) -> np.ndarray:
        return np.asarray(response[r, c], np.float64)

    here = f(row, col)
    gr, gc = (f(down, col) - f(up, col)) / 2, (f(row, right) - f(row, left)) / 2
    hrr = f(down, col) + f(up, col) - 2 * here
    hcc = f(row, right) + f(row, left) - 2 * here
    hrc = (f(down, right) + f(up, left) - f(down, left) - f(up, right)) / 4
    det = hrr * hcc - hrc**2
    ok = (det > 1e-12 * np.maximum(hrr * hcc, 1e-30)) & (hrr < 0)
    safe = np.where(ok, det, 1.0)
    dr = np.where(ok, -(hcc * gr - hrc * gc) / safe, 0.0)
    dc = np.where(ok, -(hrr * gc - hrc * gr) / safe, 0.0)
    return np.clip(dr, -0.5, 0.5), np.clip(dc, -0.5, 0.5)


def drop_close(positions: np.ndarray, strength: np.ndarray, distance: float) -> np.ndarray:
    """Say which sites stay when, of any two closer than ``distance``, the weaker goes. Bool, shape (n,)."""
    keep = np.ones(len(positions), dtype=bool)
    if len(positions) < 2 or distance <= 0:
        return keep
    pairs: Any = cKDTree(positions).query_pairs(distance, output_type="ndarray")
    if not len(pairs):
        return keep
    # Strongest first; ties fall to raster order, so that the result does not depend on anything else.
    rank = np.empty(len(positions), dtype=np.int64)
    rank[np.lexsort((np.arange(len(positions)), -strength))] = np.arange(len(positions))
    pairs = np.where((rank[pairs[:, 0]] < rank[pairs[:, 1]])[:, None], pairs, pairs[:, ::-1])
    for winner, loser in pairs[np.lexsort((rank[pairs[:, 1]], rank[pairs[:, 0]]))]:
        if keep[winner]:
            keep[loser] = False
    return keep
