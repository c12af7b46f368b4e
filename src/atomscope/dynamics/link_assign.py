"""Who goes with whom: one-to-one pairs of two sets of points that gain the most, exactly."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, min_weight_full_bipartite_matching
from scipy.spatial import cKDTree

#: A point is weighed against so many of its nearest at most: dense points and a large radius stay affordable.
_NEAREST = 16
#: Contested pairs are solved as a full matrix up to so many entries, as a sparse one beyond.
_FULL = 40_000
#: Small groups of contested pairs are solved side by side, so many pairs at a time.
_TOGETHER = 150


def pair_up(
    one: np.ndarray,
    other: np.ndarray,
    radius: float,
    labels: np.ndarray | None = None,
    other_labels: np.ndarray | None = None,
    disagree_cost: float | None = None,
) -> np.ndarray:
    """Pair points one-to-one so that the sum of squared distances, with radius^2 for each point left alone, is least.

    Parameters
    ----------
    one : array, shape (n, 2)
        Where things are expected.
    other : array, shape (m, 2)
        Where things are.
    radius : float
        Pairs are nearer than this.
    labels, other_labels : arrays of int, shape (n, k) and (m, k), optional
        What should be the same; -1 is unknown and agrees with all.
    disagree_cost : float, optional
        Cost of each label that differs, in radius^2; None: such pairs are not made.

    Returns
    -------
    numpy.ndarray, shape (n,), int64
        Index into ``other``, -1 where there is no partner.
    """
    partner = np.full(len(one), -1, np.int64)
    if not len(one) or not len(other):
        return partner
    # No partner lies beyond the field, however large the radius.
    k = min(_NEAREST, len(other))
    distance, which = cKDTree(other).query(one, k=k, distance_upper_bound=radius)
    distance, which = distance.reshape(len(one), k), which.reshape(len(one), k)
    near = np.isfinite(distance)
    i, j = np.nonzero(near)[0], which[near]
    gain = radius**2 - distance[near] ** 2
    if labels is not None and other_labels is not None and labels.shape[1]:
        a, b = labels[i], other_labels[j]
        differ = ((a != b) & (a >= 0) & (b >= 0)).sum(1)
        gain = np.where(differ > 0, -1.0, gain) if disagree_cost is None else gain - disagree_cost * differ * radius**2
    good = gain > 0
    return best_pairs(i[good], j[good], gain[good], len(one), len(other))


def best_pairs(i: np.ndarray, j: np.ndarray, gain: np.ndarray, n: int, m: int) -> np.ndarray:
    """Return the one-to-one pairs of largest total gain.

    A pair that gains at least as much as the next best of both its ends together is in a best solution, so it is
    taken at once (Brownian particles: nearly all); only what is left goes to a solver.

    Parameters
    ----------
    i, j, gain : arrays, shape (pairs,)
        Possible pairs, each once, and their gains > 0.
    n, m : int
        How many there are on each side.

    Returns
    -------
    numpy.ndarray, shape (n,), int64
        Partner of each i; -1: none.
    """
    partner = np.full(n, -1, np.int64)
    taken = np.zeros(m, bool)
    while len(i):
        best_of_i, next_of_i = _best_two(i, gain, n)
        best_of_j, next_of_j = _best_two(j, gain, m)
        edge = np.arange(len(i))
        clear = (best_of_i[i] == edge) & (best_of_j[j] == edge) & (gain >= next_of_i[i] + next_of_j[j])
        if not clear.any():
            break
        partner[i[clear]] = j[clear]
        taken[j[clear]] = True
        left = (partner[i] < 0) & ~taken[j]
        i, j, gain = i[left], j[left], gain[left]
    for part in _parts(i, j, n, m):
        rows, row = np.unique(i[part], return_inverse=True)
        cols, col = np.unique(j[part], return_inverse=True)
        solve = _full if len(rows) * len(cols) <= _FULL else _sparse
        a, b = solve(row, col, gain[part], len(rows), len(cols))
        partner[rows[a]] = cols[b]
    return partner


def _parts(i: np.ndarray, j: np.ndarray, n: int, m: int) -> list[np.ndarray]:
    """Return which pairs are solved together: connected ones, and small groups of them side by side."""
    if len(i) <= _TOGETHER:
        return [np.arange(len(i))] if len(i) else []
    graph = coo_array((np.ones(len(i), np.int8), (i, n + j)), shape=(n + m, n + m))
    group = connected_components(graph, directed=False)[1][i]
    order = np.argsort(group, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(group[order])) + 1, len(i))
    parts, start, last = [], 0, 0
    for end in ends:
        if end - start > _TOGETHER and last > start:
            parts.append(order[start:last])
            start = last
        last = end
    return [*parts, order[start:]]


def _best_two(group: np.ndarray, gain: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the index of the best of each group (-1: empty) and the gain of its second best (0: none)."""
    order = np.lexsort((-gain, group))
    sorted_group = group[order]
    first = np.flatnonzero(np.r_[True, sorted_group[1:] != sorted_group[:-1]])
    best, following = np.full(n, -1, np.int64), np.zeros(n)
    best[sorted_group[first]] = order[first]
    second = first + 1
    second = second[second < len(order)]
    second = second[sorted_group[second] == sorted_group[second - 1]]
    following[sorted_group[second]] = gain[order[second]]
    return best, following


def _full(row: np.ndarray, col: np.ndarray, gain: np.ndarray, n: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    matrix = np.zeros((n, m))
    matrix[row, col] = gain
    a, b = linear_sum_assignment(matrix, maximize=True)
    real = matrix[a, b] > 0
    return a[real], b[real]


def _sparse(row: np.ndarray, col: np.ndarray, gain: np.ndarray, n: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    """Solve with a column of its own for each row that stays alone, so that there is always a solution."""
    alone = 2.0 * gain.max()
    rows, cols = np.r_[row, np.arange(n)], np.r_[col, m + np.arange(n)]
    cost = np.r_[alone - gain, np.full(n, alone)]
    a, b = min_weight_full_bipartite_matching(coo_array((cost, (rows, cols)), shape=(n, m + n)).tocsr())
    real = b < m
    return a[real], b[real]
