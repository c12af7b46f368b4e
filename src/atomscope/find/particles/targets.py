"""What a network is to learn from painted labels: the particles, and the inner part of each."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.segmentation import find_boundaries

#: What the network answers.
CHANNELS = ("particle", "inside")
#: The inner part of a particle begins this far from its edge, as a fraction of its half width, but a pixel at least.
_INSIDE = 0.35
#: Beyond the painted part of a frame nobody said what is there; this far round it is no particle, px.
_ROUND = 3


def targets(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what to answer and where that is known.

    All particles inside the bounding box of what is painted count as painted; outside it nothing is known.

    Parameters
    ----------
    labels : numpy.ndarray, shape (rows, cols), int
        A number a particle, 0 between them. Touching particles have different numbers.

    Returns
    -------
    target : numpy.ndarray, shape (2, rows, cols), float32
    weight : numpy.ndarray, shape (rows, cols), float32
    """
    painted = labels > 0
    target, weight = np.zeros((2, *labels.shape), np.float32), np.zeros(labels.shape, np.float32)
    if not painted.any():
        return target, weight
    # Inner pixels of each label keep their distance from other labels as from the background; the edge is neither.
    apart = painted & ~find_boundaries(labels, mode="inner", connectivity=1)
    depth = ndimage.distance_transform_edt(np.pad(apart, 1, mode="edge"))[1:-1, 1:-1] + 1.0 * apart
    deepest = ndimage.maximum(depth, labels, index=np.arange(labels.max() + 1))
    target[0] = painted
    target[1] = painted & (depth > np.maximum(_INSIDE * deepest, 1.0)[labels])
    rows, cols = np.flatnonzero(painted.any(1)), np.flatnonzero(painted.any(0))
    box = tuple(slice(max(0, i[0] - _ROUND), i[-1] + _ROUND + 1) for i in (rows, cols))
    weight[box] = 1.0
    return target, weight
