"""How well a path is known against its first frame."""

from __future__ import annotations

import numpy as np

#: So many groups of frames at most are weighed against each other.
_GROUPS = 128
#: Nothing is known better than this, however little noise there is.
_LEAST_PX = 0.005


def path_variance(path: np.ndarray, own: np.ndarray, shape: tuple[int, int], first: bool = False) -> np.ndarray:
    """Return the variance of each frame's shift against frame 0.

    Frames that show the same place hold each other; those far apart only through what lies between. Groups of frames
    are joined by springs, as stiff as what both show is large; how far a group can stray from the first is the
    inverse of that net's matrix.

    Parameters
    ----------
    path : array, shape (frames, 2), px
    own : array, shape (frames, 2), px^2
        Variance of each frame against all others that show the same; NaN where not known.
    shape : tuple of int
        Of a frame.
    first : bool
        Whether all were compared with frame 0 alone.

    Returns
    -------
    array, shape (frames, 2), px^2
        0 for the first frame.
    """
    if first:
        total = own.copy()
        total[0] = 0.0
        return total
    usual = np.nanmedian(own, axis=0) if np.isfinite(own).any() else np.full(2, np.nan)
    strayed, together = _strayed(path, shape)
    alone = own * (1 - 1 / np.maximum(together, 2))[:, None]  # without the noise of the others
    start = np.where(np.isfinite(alone[0]), alone[0], usual)
    total = alone + start + strayed[:, None] * usual + _LEAST_PX**2
    total[0] = 0.0
    return total


def _strayed(path: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return what the way from frame 0 adds to the variance of each frame, in units of a frame's, and how many see it.

    The first is 0 where all frames show the same place; the second counts frames by how much of the place they show.
    """
    group = np.arange(len(path)) * min(len(path), _GROUPS) // len(path)
    many = np.bincount(group).astype(np.float64)
    middle = np.column_stack([np.bincount(group, path[:, i]) / many for i in (0, 1)])
    apart = np.abs(middle[:, None] - middle[None])
    seen = np.prod(np.maximum(1 - apart / np.array(shape), 0), axis=2)
    together = seen @ many  # what shows the place of each group, in frames
    if len(many) == 1:
        return np.zeros(len(path)), together[group]
    springs = seen * np.outer(many, many) / np.sqrt(np.outer(together, together))
    np.fill_diagonal(springs, 0)
    net = np.diag(springs.sum(0)) - springs
    strayed = np.zeros(len(many))
    strayed[1:] = np.diag(np.linalg.pinv(net[1:, 1:])) - 1 / many[1:] - 1 / many[0]
    return np.maximum(strayed, 0)[group], together[group]
