"""Many weights times the same tiles: one by one, or a few patterns times all weights, whichever is faster here."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache

import numpy as np

#: Products that a library of matrices does without packing, where it can do small ones without.
_SMALL = 10**6


class Together:
    """Products of weights with the tiles of a run of patterns, in float32.

    Parameters
    ----------
    weights : numpy.ndarray of float32, shape (k, pixels)
    patterns : int
        Of the run.
    tile : int
        Of a tile.
    """

    def __init__(self, weights: np.ndarray, patterns: int, tile: int) -> None:
        self.weights = weights
        k, pixels = weights.shape
        self.group = best_group(k, pixels, tile) if k > 1 else 0
        self._made = np.empty((patterns, k) if self.group else (k, patterns), np.float32)

    def add(self, at: slice, tile: np.ndarray) -> None:
        """Multiply a tile, shape (n, pixels), whose patterns are at a place of the run."""
        if self.group:
            _few(tile, self.weights, self.group, self._made[at])
        else:
            _singly(tile, self.weights, self._made[:, at])

    def of(self, row: int) -> np.ndarray:
        """Return the products of one set of weights, shape (patterns,)."""
        return self._made[:, row] if self.group else self._made[row]


def _singly(tile: np.ndarray, weights: np.ndarray, out: np.ndarray) -> None:
    for row, made in zip(weights, out, strict=True):
        np.dot(tile, row, out=made)


def _few(tile: np.ndarray, weights: np.ndarray, group: int, out: np.ndarray) -> None:
    for start in range(0, len(tile), group):
        some = slice(start, start + group)
        np.dot(tile[some], weights.T, out=out[some])


@lru_cache(maxsize=64)
def best_group(k: int, pixels: int, tile: int) -> int:
    """Return how many patterns to multiply with all weights at a time; 0 for one set of weights after the other.

    It is tried, since some processors have a way for small matrices and others only the one that copies them first.
    Which one is taken cannot be seen in whole numbers, where both are exact.
    """
    group = min(tile, max(1, _SMALL // (k * pixels)))
    if group < 2:
        return 0
    group = -(-tile // -(-tile // group))  # no small rest
    weights, patterns = np.ones((k, pixels), np.float32), np.ones((tile, pixels), np.float32)
    by_rows, by_patterns = np.empty((k, tile), np.float32), np.empty((tile, k), np.float32)
    singly = _fastest(lambda: _singly(patterns, weights, by_rows))
    few = _fastest(lambda: _few(patterns, weights, group, by_patterns))
    return group if few < singly else 0


def _fastest(call: Callable[[], None]) -> float:
    took = []
    for _ in range(4):
        start = time.perf_counter()
        call()
        took.append(time.perf_counter() - start)
    return min(took)
