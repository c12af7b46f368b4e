"""Rings: the cells of the planar bond net."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix

from atomscope.neighbours.graph import degree, fans


@dataclass(frozen=True)
class Rings:
    """Rings of one frame.

    Attributes
    ----------
    members : list of numpy.ndarray
        Points in order round each ring, clockwise on screen, the smallest first.
    size : numpy.ndarray, shape (r,), int64
    centre : numpy.ndarray, shape (r, 2)
    area : numpy.ndarray, shape (r,)
    minimal : numpy.ndarray, shape (r,), bool
        No two of its points are joined by a path shorter than the ring between them.
    """

    members: list[np.ndarray]
    size: np.ndarray
    centre: np.ndarray
    area: np.ndarray
    minimal: np.ndarray

    def corners(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (ring, point) of every corner, two arrays of the same length."""
        if not self.members:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        return np.repeat(np.arange(len(self.size)), self.size), np.concatenate(self.members)


def find_rings(points: np.ndarray, bonds: np.ndarray, largest: int = 12) -> Rings:
    """Find the cells of a planar net.

    Parameters
    ----------
    points : numpy.ndarray, shape (n, 2)
    bonds : numpy.ndarray, shape (m, 2)
        No two cross.
    largest : int
        Cells with more corners are holes and left out.

    References
    ----------
    Shortest-path rings: Franzblau, Phys. Rev. B 44, 4925 (1991).
    """
    n = len(points)
    bonds = _without_tails(bonds, n)
    members: list[np.ndarray] = []
    centre, area, minimal = [np.zeros((0, 2))], [np.zeros(0)], [np.zeros(0, bool)]
    reach = _Reach(bonds, n)
    for cells in _cells(points, bonds, largest):
        corner = points[cells]  # (cells, size, 2)
        middle = corner.mean(axis=1, keepdims=True)
        y, x = np.moveaxis(corner - middle, 2, 0)
        cross = x * np.roll(y, -1, axis=1) - np.roll(x, -1, axis=1) * y
        signed = cross.sum(axis=1) / 2
        # Negative: the outside of an island. A corner met twice: two cells that touch in one point.
        simple = (np.diff(np.sort(cells, axis=1), axis=1) > 0).all(axis=1)
        good = (signed > 0) & simple
        cells, cross, signed = cells[good], cross[good], signed[good]
        moment = [((q + np.roll(q, -1, axis=1))[good] * cross).sum(axis=1) / (6 * signed) for q in (y, x)]
        members += list(cells)
        centre.append(middle[good, 0] + np.stack(moment, axis=1))
        area.append(signed)
        minimal.append(reach.minimal(cells))
    size = np.array([len(m) for m in members], np.int64)
    return Rings(members, size, np.concatenate(centre), np.concatenate(area), np.concatenate(minimal))


def _without_tails(bonds: np.ndarray, n: int) -> np.ndarray:
    """Drop bonds that end in nothing, again and again: they lie in no ring."""
    while len(bonds):
        keep = (degree(bonds, n)[bonds] > 1).all(axis=1)
        if keep.all():
            break
        bonds = bonds[keep]
    return bonds


def _cells(points: np.ndarray, bonds: np.ndarray, largest: int) -> list[np.ndarray]:
    """Return the walks round all cells, an array of points (cells, size) for each size from 3 to ``largest``."""
    if not len(bonds):
        return []
    n = len(points)
    u, v, _, begin, count = fans(points, bonds)
    key = u * n + v
    order = np.argsort(key)
    twin = order[np.searchsorted(key[order], v * n + u)]
    # Round a cell, clockwise on screen: from u to v, then along the bond of v that lies before the way back.
    after = begin[v] + (twin - begin[v] - 1) % count[v]
    first = np.arange(len(u))
    now, least, size = after.copy(), np.minimum(first, after), np.zeros(len(u), np.int64)
    for step in range(1, largest + 1):
        size[(now == first) & (size == 0)] = step
        now = after[now]
        least = np.where(size == 0, np.minimum(least, now), least)
    out = []
    for s in range(3, largest + 1):
        walk = np.flatnonzero((size == s) & (least == first))
        corners = np.empty((len(walk), s), np.int64)
        for k in range(s):
            corners[:, k] = u[walk]
            walk = after[walk]
        out.append(corners)
    return out


class _Reach:
    """Which points are joined by a path of at most so many bonds."""

    def __init__(self, bonds: np.ndarray, n: int) -> None:
        i, j = np.concatenate([bonds, bonds[:, ::-1]]).T.reshape(2, -1)
        self._steps: list[csr_matrix] = [coo_matrix((np.ones(len(i), np.int32), (i, j)), shape=(n, n)).tocsr()]

    def within(self, steps: int) -> csr_matrix:
        while len(self._steps) < steps:
            more = self._steps[-1] @ self._steps[0] + self._steps[-1]
            more.data[:] = 1
            self._steps.append(more)
        return self._steps[steps - 1]

    def minimal(self, cells: np.ndarray) -> np.ndarray:
        """Say of each ring, shape (cells, size), whether no path is shorter than the ring."""
        out = np.ones(len(cells), bool)
        if not len(cells):
            return out
        for apart in range(2, cells.shape[1] // 2 + 1):
            joined = self.within(apart - 1)
            for k in range(cells.shape[1]):
                other = (k + apart) % cells.shape[1]
                out &= np.asarray(joined[cells[:, k], cells[:, other]]).ravel() == 0
        return out
