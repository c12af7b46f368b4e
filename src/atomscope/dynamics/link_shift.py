"""How far points moved together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial import cKDTree

#: So many points tell the shift well enough.
_ENOUGH = 500
#: With fewer pairs than this a median says more of the single ones than of what they have in common.
FEWEST = 10
#: A later start must bring the points nearer by so much to be believed.
_BETTER = 0.95


def shift_between(
    before: np.ndarray, after: np.ndarray, reach: float, starts: Sequence[np.ndarray], tree: cKDTree | None = None
) -> np.ndarray:
    """Return by what ``after`` is shifted against ``before``: the median over the points that lie nearest.

    Parameters
    ----------
    before, after : arrays, shape (n, 2) and (m, 2)
    reach : float
        Points farther apart than this are not the same.
    starts : sequence of arrays, shape (2,)
        First guesses. A lattice looks the same from several of them: then the first is taken.
    tree : cKDTree, optional
        Of ``before``.

    Returns
    -------
    numpy.ndarray, shape (2,)
        The first start, where too few points lie near.
    """
    tree = cKDTree(before) if tree is None else tree
    some = after[:: max(1, -(-len(after) // _ENOUGH))]
    best, least = np.asarray(starts[0], np.float64), np.inf
    for start in starts:
        shift = np.asarray(start, np.float64)
        for _ in range(8):
            distance, which = tree.query(some - shift, distance_upper_bound=reach)
            near = np.isfinite(distance)
            if near.sum() < FEWEST:
                break
            left = float(np.minimum(distance, reach).mean())
            change = np.median(some[near] - shift - before[which[near]], axis=0)
            if left < _BETTER * least or start is starts[0]:
                best, least = shift + change, min(left, least)
            shift = shift + change
            if np.abs(change).max() < 2e-3 * reach:
                break
    return best
