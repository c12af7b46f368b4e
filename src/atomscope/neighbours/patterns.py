"""Odd rings in a net of hexagons: 5-7 pairs, Stone-Wales groups."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from atomscope.neighbours.rings import Rings

STONE_WALES = "stone-wales"
_HONEYCOMB = 6


def odd_rings(rings: Rings, at_edge: np.ndarray, empty: np.ndarray, spacing: float, points: np.ndarray) -> np.ndarray:
    """Say which rings are unlike those of a net of hexagons.

    Rings with sites at the edge and rings round an empty place are not: those are edges and vacancies. In nets of
    other rings none is odd, since there defects are told by places and coordination.

    Returns
    -------
    numpy.ndarray, shape (r,), bool
    """
    out = np.zeros(len(rings.size), bool)
    if not len(out) or np.bincount(rings.size).argmax() != _HONEYCOMB:
        return out
    ring, corner = rings.corners()
    on_edge = np.bincount(ring, at_edge[corner], len(out)) > 0
    out = (rings.size != _HONEYCOMB) & ~on_edge
    if len(empty):
        tree = cKDTree(rings.centre)
        for place, near in zip(empty, tree.query_ball_point(empty, 3 * spacing), strict=True):
            for r in near:
                if out[r] and _inside(place, points[rings.members[r]]):
                    out[r] = False
    return out


def name_rings(rings: Rings, odd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Name groups of odd rings that share bonds.

    Returns
    -------
    group : numpy.ndarray, shape (r,), int64
        -1 for rings that are not odd.
    pattern : numpy.ndarray, shape (r,), object
        ``stone-wales`` for two heptagons that share a bond whose ends lie in a pentagon each, and these; else the
        sizes of the rings of the group, such as ``5-7``; empty for rings that are not odd.
    """
    group = np.full(len(odd), -1, np.int64)
    pattern = np.full(len(odd), "", dtype=object)
    if not odd.any():
        return group, pattern
    first, second, u, v = shared_bonds(rings)
    both = odd[first] & odd[second]
    n = len(odd)
    graph = coo_matrix((np.ones(both.sum()), (first[both], second[both])), shape=(n, n))
    label = connected_components(graph, directed=False)[1]
    group[odd] = np.unique(label[odd], return_inverse=True)[1]
    of_site: dict[int, set[int]] = {}
    for r in np.flatnonzero(odd):
        for site in rings.members[r].tolist():
            of_site.setdefault(site, set()).add(int(r))
    whole = np.zeros(n, bool)
    heptagons = both & (rings.size[first] == 7) & (rings.size[second] == 7)
    for a, b, i, j in zip(first[heptagons], second[heptagons], u[heptagons], v[heptagons], strict=True):
        ends = [of_site[int(k)] - {int(a), int(b)} for k in (i, j)]
        if all(len(e) == 1 and rings.size[next(iter(e))] == 5 for e in ends):
            whole[[a, b, *ends[0], *ends[1]]] = True
    pattern[whole] = STONE_WALES
    for g in range(int(group.max()) + 1):
        rest = np.flatnonzero((group == g) & ~whole)
        if len(rest):
            pattern[rest] = "-".join(str(s) for s in sorted(rings.size[rest].tolist()))
    return group, pattern


def shared_bonds(rings: Rings) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the bonds between two rings: (ring, ring, point, point), arrays of the same length."""
    ring, corner = rings.corners()
    after = np.concatenate([np.roll(m, -1) for m in rings.members])
    low, high = np.minimum(corner, after), np.maximum(corner, after)
    order = np.lexsort((high, low))
    ring, low, high = ring[order], low[order], high[order]
    same = np.flatnonzero((low[1:] == low[:-1]) & (high[1:] == high[:-1]))
    return ring[same], ring[same + 1], low[same], high[same]


def _inside(place: np.ndarray, corners: np.ndarray) -> bool:
    """Say whether a place lies in a polygon (even-odd rule)."""
    a, b = corners, np.roll(corners, -1, axis=0)
    crosses = (a[:, 0] > place[0]) != (b[:, 0] > place[0])
    rise = np.where(crosses, b[:, 0] - a[:, 0], 1.0)
    col = a[:, 1] + (place[0] - a[:, 0]) / rise * (b[:, 1] - a[:, 1])
    return bool(np.count_nonzero(crosses & (col > place[1])) % 2)
