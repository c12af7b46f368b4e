"""Weights times tiles of patterns, and tiles summed, in float32 as long as that is exact.

For weights and counts that are whole and not negative a float32 product below 2**24 is exact, since every sum on the
way is a whole number below it. A product that is not is made again in parts of the pattern, and in float64 when parts
do not help.
"""

from __future__ import annotations

import numpy as np

from atomscope.scan4d.tile import Tile

#: Whole numbers below this are exact in float32.
EXACT = 2.0**24
#: Parts of a pattern that are tried before float64.
_MOST_PARTS = 32


class Column:
    """One set of weights over a window, flat, and in how many parts its products are made.

    Parameters
    ----------
    weights : numpy.ndarray, shape (rows, cols)
        bool or float64.
    """

    def __init__(self, weights: np.ndarray) -> None:
        flat = np.ascontiguousarray(weights, np.float64).reshape(-1)
        self.double = flat
        self.single = flat.astype(np.float32)
        self.whole = bool((flat >= 0).all() and (flat == np.rint(flat)).all() and flat.max(initial=0) < EXACT)
        self.parts = 1

    def times(self, tile: np.ndarray, largest: float | None = None) -> np.ndarray | None:
        """Return the exact products of a tile of whole numbers; None when float32 cannot hold them.

        Parameters
        ----------
        tile : numpy.ndarray of float32, shape (n, pixels)
        largest : float, optional
            Largest magnitude in the tile, where numbers may be negative: sums may cancel, so that a small sum does not
            say that it is exact.

        Returns
        -------
        numpy.ndarray of float64, shape (n,), or None
        """
        while self.parts <= _MOST_PARTS:
            step = -(-tile.shape[1] // self.parts)
            out = np.zeros(len(tile))
            for start in range(0, tile.shape[1], step):
                part = slice(start, start + step)
                product = np.dot(tile[:, part], self.single[part])
                bound = product.max(initial=0) if largest is None else largest * self.double[part].sum()
                if not bound < EXACT:
                    break
                out += product
            else:
                return out
            self.parts *= 2
        return None

    def product(self, work: Tile) -> np.ndarray:
        """Return the products of a tile, in float64 where nothing less is exact, shape (n,)."""
        exact = self.times(work.tile, work.largest) if work.tile.dtype == np.float32 and self.whole else None
        return exact if exact is not None else np.asarray(np.dot(work.double, self.double))


class RunningSum:
    """The sum of tiles of counts over their patterns.

    Parameters
    ----------
    pixels : int
    largest : int
        No count is larger; decides how many patterns float32 can add.
    """

    def __init__(self, pixels: int, largest: int) -> None:
        self.most = int(EXACT // largest)
        self._whole = np.zeros(pixels)
        self._part, self._line = np.zeros((2, pixels), np.float32)
        self._held = 0

    def add(self, tile: np.ndarray) -> None:
        """Add a tile, float32 of shape (n, pixels)."""
        step = max(1, self.most)
        for start in range(0, len(tile), step):
            some = tile[start : start + step]
            if self._held + len(some) > self.most:
                self.total()
            np.dot(np.ones(len(some), np.float32), some, out=self._line)
            self._part += self._line
            self._held += len(some)

    def total(self) -> np.ndarray:
        """Return the sum so far, float64 of shape (pixels,)."""
        self._whole += self._part
        self._part[:] = 0.0
        self._held = 0
        return self._whole
