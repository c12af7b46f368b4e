"""Frames in order, each chunk of the data read once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from atomscope.data import Stack, compute

#: Frames of one chunk are kept together only up to this size.
_GROUP_BYTES = 64 * 2**20


def read_frames(stack: Stack, frames: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (index, frame) for each wanted frame, in order.

    A chunk that holds several frames is decoded whole whichever of them is asked for; so those of one chunk along the
    last navigation axis are read together while they are small.

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
    limit = max(1, _GROUP_BYTES // frame_bytes)
    outer, last = np.divmod(frames, length)
    chunk = np.searchsorted(ends, last, side="right")
    i = 0
    while i < len(frames):
        j = i + 1
        while (
            j < len(frames)
            and outer[j] == outer[i]
            and chunk[j] == chunk[i]
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
