"""Where the labels of a movie lie while they are made: in memory when they are small, else compressed on disk."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from typing import Any

import numpy as np

_IN_MEMORY = 256 * 2**20


def label_store(shape: tuple[int, int, int]) -> Any:
    """Return an array of zeros, shape (frames, rows, cols), uint16, that takes ``store[frame] = labels``.

    A large one is a zarr array in a temporary folder that is removed when the program ends.
    """
    if int(np.prod(shape, dtype=np.int64)) * 2 <= _IN_MEMORY:
        return np.zeros(shape, np.uint16)
    import zarr

    folder = tempfile.mkdtemp(prefix="atomscope_labels_")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return zarr.create_array(folder, shape=shape, chunks=(1, *shape[1:]), dtype=np.uint16, fill_value=0)
