"""Who meets whom: the best one-to-one pairs of two point sets."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components, min_weight_full_bipartite_matching
from scipy.spatial import cKDTree

#: Clumps of at most so many possible pairs are solved as a full table.
_DENSE = 1 << 22


def match(
    a: np.ndarray,
    b: np.ndarray,
    radius: float,
    kind_a: np.ndarray | None = None,
    kind_b: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the best one-to-one pairs of two point sets, closer than a radius.

    Parameters
    ----------
    a, b : numpy.ndarray, shape (n, 2) and (m, 2), px
    radius : float, px
    kind_a, kind_b : numpy.ndarray, optional
        Only points of the same kind may be a pair, when both are given.

    Returns
    -------
    i, j : numpy.ndarray, int
        ``a[i]`` meets ``b[j]``; ascending in ``i``.

    References
    ----------
    R. Jonker and A. Volgenant, "A shortest augmenting path algorithm for dense and sparse linear assignment
    problems", Computing 38, 325 (1987).
    """
    nothing = np.zeros(0, np.int64)
    if not len(a) or not len(b):
        return nothing, nothing
    near = cKDTree(a).sparse_distance_matrix(cKDTree(b), radius, output_type="coo_matrix")
    i, j, cost = near.row.astype(np.int64), near.col.astype(np.int64), near.data**2
    if kind_a is not None and kind_b is not None:
        same = kind_a[i] == kind_b[j]
        i, j, cost = i[same], j[same], cost[same]
    if not len(i):
        return nothing, nothing
    # Most sites see one partner that sees them alone: only the rest is a problem.
    alone = (np.bincount(i)[i] == 1) & (np.bincount(j)[j] == 1)
    rest_i, rest_j = _assign(i[~alone], j[~alone], cost[~alone], radius)
    out_i, out_j = np.r_[i[alone], rest_i], np.r_[j[alone], rest_j]
    order = np.argsort(out_i, kind="stable")
    return out_i[order], out_j[order]


def _assign(i: np.ndarray, j: np.ndarray, cost: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Assign what competes, clump by clump: every point of the first set gets a partner or stays alone, at a price."""
    if not len(i):
        return i, j
    rows, r = np.unique(i, return_inverse=True)
    cols, c = np.unique(j, return_inverse=True)
    graph = coo_matrix((np.ones(len(r)), (r, c + len(rows))), shape=(len(rows) + len(cols),) * 2)
    clump = connected_components(graph, directed=False)[1][r]
    order = np.argsort(clump, kind="stable")
    out_i, out_j = [], []
    for part in np.split(order, np.flatnonzero(np.diff(clump[order])) + 1):
        left, right = _solve(r[part], c[part], cost[part], radius)
        out_i.append(rows[left])
        out_j.append(cols[right])
    return np.concatenate(out_i), np.concatenate(out_j)


def _solve(r: np.ndarray, c: np.ndarray, cost: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Solve one clump of candidate pairs."""
    rows, r = np.unique(r, return_inverse=True)
    cols, c = np.unique(c, return_inverse=True)
    n, m = len(rows), len(cols)
    # To stay alone costs more than all that a clump could win by it: as many pairs as possible come first.
    price = radius**2 * (1.0 + min(n, m))
    if n * m <= _DENSE:
        table = np.full((n, m), price)
        table[r, c] = cost
        left, right = linear_sum_assignment(table)
        real = table[left, right] < price
    else:
        tiny = 1e-9 * radius**2  # the solver takes a cost of 0 for no pair
        values = np.r_[cost + tiny, np.full(n, price)]
        where = np.r_[r, np.arange(n)], np.r_[c, m + np.arange(n)]
        left, right = min_weight_full_bipartite_matching(csr_matrix((values, where), shape=(n, m + n)))
        real = right < m
    return rows[left[real]], cols[right[real]]
