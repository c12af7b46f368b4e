"""Frames that are read before somebody asks for them: a few, in a bounded place."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

#: Frames that are held at most, and their bytes together.
_FRAMES, _BYTES = 4, 64 * 2**20


class Ahead:
    """An array of frames, some of which were read ahead; it slices like the array that it stands for.

    Whoever goes through all frames asks the array itself. This is for a window, in which the next frame is likely to be
    a neighbour of this one.

    Parameters
    ----------
    source : array-like, shape (frames, rows, cols)
        May be read from any thread.
    """

    def __init__(self, source: Any) -> None:
        self.source = source
        self.shape: tuple[int, ...] = tuple(int(n) for n in source.shape)
        self.dtype = np.dtype(source.dtype)
        self.ndim = len(self.shape)
        self._held: dict[int, np.ndarray] = {}
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {"source": self.source}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["source"])  # type: ignore[misc]

    def __getitem__(self, index: Any) -> Any:
        parts = index if isinstance(index, tuple) else (index,)
        first, rest = parts[0], parts[1:]
        if isinstance(first, slice) and first.step in (None, 1) and first.start is not None and first.stop is not None:
            wanted, many = (int(first.start), True) if first.stop - first.start == 1 else (-1, True)
        else:
            wanted, many = (int(first), False) if isinstance(first, int | np.integer) else (-1, False)
        held = self._held.get(wanted)
        if held is None:
            return self.source[index]
        return (held[None] if many else held)[(slice(None), *rest) if many else rest]

    def fetch(self, frame: int) -> None:
        """Read a frame and hold it; the frames held longest go. One that is held, is not there or is huge is left."""
        size = self.dtype.itemsize * self.shape[1] * self.shape[2]
        if frame in self._held or not 0 <= frame < self.shape[0] or size * 2 > _BYTES:
            return
        value = np.asarray(self.source[frame])
        value.setflags(write=False)
        with self._lock:
            self._held[frame] = value
            while len(self._held) > min(_FRAMES, _BYTES // size):
                self._held.pop(next(iter(self._held)))

    def held(self) -> tuple[int, ...]:
        """Return the frames that are held."""
        return tuple(self._held)
