"""Frames in order, each chunk of the data read once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from atomscope.data import Stack, compute
from atomscope.data.stack import _SOURCE

#: Frames of one chunk are read together up to this size, and chunks of one frame up to that.
_CHUNK_BYTES = 64 * 2**20
_SINGLES_BYTES = 8 * 2**20


def read_frames(stack: Stack, frames: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (index, frame) for each wanted frame, in order.

    A chunk that holds several frames is decoded whole whichever of them is asked for; so those of one chunk along the
    last navigation axis are read together while they are small. So are a few chunks of one frame each, since every
    question to dask costs 2 ms: half the time of cutting. An array that the Stack asks without dask is read frame by
    frame.

    Parameters
    ----------
    stack : Stack
    frames : numpy.ndarray, shape (k,), int64
        Flat frame indices, increasing and different.
    """
    if not stack.navigation_shape:
        for index in frames:
            yield int(index), stack.frame(int(index))
        return
    length = stack.navigation_shape[-1]
    ends = np.cumsum(stack.data.chunks[-3])  # the first index after each chunk
    frame_bytes = stack.frame_shape[0] * stack.frame_shape[1] * stack.data.dtype.itemsize
    singles = max(stack.data.chunks[-3]) == 1
    limit = max(1, (_SINGLES_BYTES if singles else _CHUNK_BYTES) // frame_bytes)
    if hasattr(stack.data, _SOURCE):
        limit = 1
    outer, last = np.divmod(frames, length)
    chunk = np.searchsorted(ends, last, side="right")
    i = 0
    while i < len(frames):
        j = i + 1
        while (
            j < len(frames)
            and outer[j] == outer[i]
            and (singles or chunk[j] == chunk[i])
            and last[j] == last[j - 1] + 1
            and j - i < limit
        ):
            j += 1
        if j == i + 1:
            yield int(frames[i]), stack.frame(int(frames[i]))
        else:
            where = np.unravel_index(int(outer[i]), stack.navigation_shape[:-1]) if stack.data.ndim > 3 else ()
            group = compute(stack.data[(*(int(w) for w in where), slice(int(last[i]), int(last[j - 1]) + 1))])
            for k in range(j - i):
                yield int(frames[i + k]), group[k]
        i = j
