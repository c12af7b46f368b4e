"""Sums over rings of pixels, for many patterns at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import sparse

_EXACT = 2.0**24
#: Patterns that are summed together: one line of the cache holds a pixel of all of them.
TOGETHER = 16


class RingSums:
    """Sums patterns over rings of pixels.

    Parameters
    ----------
    rings : numpy.ndarray of int, shape (rows, cols)
        The ring of each pixel, -1 where none.
    count : int
        Number of rings.
    """

    def __init__(self, rings: np.ndarray, count: int) -> None:
        flat = rings.reshape(-1)
        pixels = np.flatnonzero(flat >= 0)
        shape = (count, flat.size)
        self.matrix = sparse.csr_matrix((np.ones(pixels.size, np.float32), (flat[pixels], pixels)), shape)
        self.single = True

    def add(self, out: np.ndarray, tile: np.ndarray, double: Callable[[], np.ndarray]) -> None:
        """Add the sums of a tile.

        Parameters
        ----------
        out : numpy.ndarray of float64, shape (rings, n)
        tile : numpy.ndarray, shape (n, pixels)
            float32 of counts, or float64.
        double : callable
            Returns the tile in float64, when float32 cannot hold the sums.
        """
        if tile.dtype == np.float32 and self.single:
            sums = self.matrix @ np.ascontiguousarray(tile.T)
            if sums.max(initial=0) < _EXACT:
                out += sums
                return
            self.single = False
        out += self.matrix.astype(np.float64) @ np.ascontiguousarray(double().T)
