"""A few patterns at a time, converted in memory that stays in the cache."""

from __future__ import annotations

import threading

import numpy as np

_held = threading.local()


def scratch(rows: int, cols: int, dtype: type) -> np.ndarray:
    """Return memory of the calling thread, shape (rows, cols): new memory costs as much as half a conversion."""
    size = rows * cols * np.dtype(dtype).itemsize
    held = getattr(_held, "bytes", None)
    if held is None or held.size < size:
        held = _held.bytes = np.empty(size, np.uint8)
    return held[:size].view(dtype).reshape(rows, cols)


class Tile:
    """A few patterns as they were converted, and in float64 when that is asked for."""

    def __init__(self, tile: np.ndarray, raw: np.ndarray, largest: float | None) -> None:
        self.tile, self.raw, self.largest = tile, raw, largest
        self._double: np.ndarray | None = None

    def in_double(self) -> np.ndarray:
        """Return :attr:`double`."""
        return self.double

    @property
    def double(self) -> np.ndarray:
        """The patterns in float64, shape (n, pixels)."""
        if self.tile.dtype == np.float64:
            return self.tile
        if self._double is None:
            self._double = self.raw.astype(np.float64, order="C").reshape(self.tile.shape)
        return self._double
