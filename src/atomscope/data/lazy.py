"""The one way to turn a lazy array into numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

#: More frames than this are put together in chunks, about so many of them, with no more bytes than this each.
_MANY, _FEW, _CHUNK_BYTES = 2**14, 2**13, 4 * 2**20


def compute(array: Any) -> np.ndarray:
    """Return ``array`` as a numpy array, safely beside napari.

    napari registers a process-wide dask cache that is not thread-safe; passing an empty list of
    callbacks keeps our worker threads away from it (dask issue 10396).
    """
    if hasattr(array, "__dask_graph__"):
        return np.asarray(array.compute(callbacks=()))
    return np.asarray(array)


def frame_chunks(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Return chunks of one frame; of several, where there are so many that dask would be slow.

    Slicing costs dask time for every chunk that there is: 0.5 s of 760 000. A slice is asked of the array as it is, not
    by chunks, so that one frame is still all that is read for one frame.

    Parameters
    ----------
    shape : tuple of int
        (*navigation, rows, cols).
    itemsize : int
        Bytes of a value.
    """
    navigation, frame = shape[:-2], shape[-2:]
    chunks = [1] * len(navigation)
    frames = math.prod(navigation)
    if frames > _MANY:
        room = max(1, min(frames // _FEW, _CHUNK_BYTES // max(1, math.prod(frame) * itemsize)))
        for axis in reversed(range(len(navigation))):
            chunks[axis] = min(room, navigation[axis])
            room //= chunks[axis]
            if chunks[axis] < navigation[axis] or room < 2:
                break
    return (*chunks, *frame)
