"""Frames out of a chunked array: a chunk that holds several frames is decoded once for all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from atomscope.data import compute
from atomscope.io.readers.layout import Layout

#: A chunk that holds several frames is kept while its frames are read, up to this many bytes.
_KEEP_BYTES = 256 * 2**20


class ArrayFrames:
    """Reads frames of an array-like (zarr, HDF5, dask) through a :class:`Layout`.

    Parameters
    ----------
    opener : callable
        Takes nothing and returns the array-like; called at the first read and again after pickling.
    layout : Layout

    Notes
    -----
    Reading frame by frame through chunks of fifty frames would decode every chunk fifty times. The last block read (the
    chunks along the navigation axes that hold the frame) is therefore kept when it is small enough. Neither the
    values nor the chunks that are touched depend on it.
    """

    def __init__(self, opener: Callable[[], Any], layout: Layout) -> None:
        self.opener, self.layout = opener, layout
        self.array: Any = None
        self.together: dict[int, int] = {}
        self.start: tuple[int, ...] | None = None
        self.held: np.ndarray | None = None

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        return ArrayFrames, (self.opener, self.layout)

    def _open(self) -> None:
        array = self.opener()
        chunks = getattr(array, "chunks", None)
        navigation = self.layout.order[:-2]
        if chunks is not None and navigation and all(isinstance(c, int) for c in chunks):
            block = {a: min(chunks[a], array.shape[a]) for a in navigation}
            frames = int(np.prod(list(block.values()), dtype=np.int64))
            pixels = int(np.prod(self.layout.shape(array.shape)[-2:], dtype=np.int64))
            if frames > 1 and frames * pixels * array.dtype.itemsize <= _KEEP_BYTES:
                self.together = block
        self.array = array

    @property
    def chunks(self) -> tuple[int, ...] | None:
        """What is stored together, as a size along each axis of the stack."""
        if self.array is None:
            self._open()
        stored = getattr(self.array, "shards", None) or getattr(self.array, "chunks", None)
        if stored is None or not self.layout.order or not all(isinstance(c, int) for c in stored):
            return None
        return tuple(stored[axis] for axis in self.layout.order)

    def block(self, index: tuple[slice, ...]) -> np.ndarray:
        """Return a block of the stack: a slice per axis."""
        if self.array is None:
            self._open()
        order = self.layout.order
        if not order:
            return self.layout.frame(self.array, ())[index]
        read = getattr(self.array, "block", None)
        where: list[Any] = [slice(0, 1)] * (self.layout.ndim or len(order))
        for axis, part in zip(order, index, strict=True):
            where[axis] = part
        got = compute(self.array[tuple(where)]) if read is None else read(tuple(where))
        left_out = [axis for axis in range(got.ndim) if axis not in order]
        return got.transpose([*order, *left_out]).reshape([got.shape[axis] for axis in order])

    def __call__(self, where: tuple[int, ...]) -> np.ndarray:
        """Return the frame at the navigation indices ``where``, shape (rows, cols)."""
        if self.array is None:
            self._open()
        if not self.together:
            return self.layout.frame(self.array, where)
        order = self.layout.order
        start = tuple(i // self.together[a] * self.together[a] for a, i in zip(order, where, strict=False))
        if self.start != start or self.held is None:
            index: list[Any] = [slice(None)] * len(self.array.shape)
            for axis, first in zip(order, start, strict=False):
                index[axis] = slice(first, first + self.together[axis])
            self.held = compute(self.array[tuple(index)])
            self.start = start
        return self.layout.frame(self.held, tuple(i - s for i, s in zip(where, start, strict=True)))
