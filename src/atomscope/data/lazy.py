"""The one way to turn a lazy array into numbers."""

from __future__ import annotations

from typing import Any

import numpy as np


def compute(array: Any) -> np.ndarray:
    """Return ``array`` as a numpy array, safely beside napari.

    napari registers a process-wide dask cache that is not thread-safe; passing an empty list of
    callbacks keeps our worker threads away from it (dask issue 10396).
    """
    if hasattr(array, "__dask_graph__"):
        return np.asarray(array.compute(callbacks=()))
    return np.asarray(array)
