"""One item of a series that is read like the series."""

from __future__ import annotations

from typing import Any

import numpy as np


class Part:
    """Item ``index`` of the first axis of an array on disk, as an array of one axis less; nothing is read yet.

    Parameters
    ----------
    source : array-like
    index : int
    """

    def __init__(self, source: Any, index: int) -> None:
        self._source, self._index = source, index
        self.shape = tuple(source.shape[1:])
        self.ndim = len(self.shape)
        self.dtype = source.dtype
        for name in ("shards", "chunks"):
            size = getattr(source, name, None)
            setattr(self, name, tuple(size[1:]) if size is not None and len(size) == len(source.shape) else None)

    @property
    def mapped(self) -> np.ndarray | None:
        """The item of the array mapped into memory, where there is one."""
        whole = getattr(self._source, "mapped", None)
        return whole[self._index] if isinstance(whole, np.ndarray) and whole.shape[1:] == self.shape else None

    def __getitem__(self, index: Any) -> Any:
        return self._source[(self._index, *(index if isinstance(index, tuple) else (index,)))]

    def block(self, index: tuple[slice, ...]) -> np.ndarray:
        """Read a block, one slice per axis."""
        whole = (slice(self._index, self._index + 1), *index)
        read = getattr(self._source, "block", None)
        return np.asarray(self._source[whole] if read is None else read(whole))[0]
