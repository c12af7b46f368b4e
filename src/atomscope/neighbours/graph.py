"""The neighbour graph of one frame: bonds, and which of them make a planar net."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import Delaunay, QhullError, cKDTree

from atomscope.errors import InputError

#: Two triangles whose angles opposite to their common side sum to more than this lie on one circle, so to say.
_ROUND = np.deg2rad(160.0)
_MOST_BONDS = 30  # a site; more is no neighbour graph


@dataclass(frozen=True)
class Graph:
    """Bonds between n points.

    Attributes
    ----------
    bonds : numpy.ndarray, shape (m, 2), int64
        Pairs i < j.
    planar : numpy.ndarray, shape (m,), bool
        Bonds that are Delaunay sides too: no two of these cross.
    """

    bonds: np.ndarray
    planar: np.ndarray


def bond_graph(points: np.ndarray, radius: float, method: str = "cut") -> Graph:
    """Join neighbours.

    Parameters
    ----------
    points : numpy.ndarray, shape (n, 2)
        Finite, no two alike.
    radius : float
        Longest bond.
    method : {"cut", "delaunay"}
        ``delaunay`` leaves out the diagonals of cells whose corners lie on one circle (squares, hexagons), which
        Delaunay's triangulation draws in arbitrary directions.

    Raises
    ------
    InputError
        If the radius is so large that sites have tens of neighbours.
    """
    if len(points) < 2 or not np.isfinite(radius):
        return Graph(np.zeros((0, 2), np.int64), np.zeros(0, bool))
    sides, flat = delaunay_sides(points)
    if method == "delaunay":
        sides = sides[~flat]
        short = np.linalg.norm(points[sides[:, 0]] - points[sides[:, 1]], axis=1) <= radius
        return Graph(sides[short], np.ones(int(short.sum()), bool))
    tree = cKDTree(points)
    if tree.count_neighbors(tree, radius) > (2 * _MOST_BONDS + 1) * len(points):
        raise InputError(
            f"bonds: within {radius:.3g} px sites have more than {2 * _MOST_BONDS} neighbours; "
            "give a smaller spacing or bond cut"
        )
    pairs = np.sort(tree.query_pairs(radius, output_type="ndarray").astype(np.int64).reshape(-1, 2), axis=1)
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    return Graph(pairs, np.isin(_key(pairs, len(points)), _key(sides, len(points))))


def delaunay_sides(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sides of Delaunay's triangles, shape (m, 2), sorted, and which are diagonals of a round cell.

    Fewer than three points, or points on a line, are joined to a chain.
    """
    n = len(points)
    try:
        triangles = Delaunay(points).simplices.astype(np.int64) if n > 2 else None
    except QhullError:
        triangles = None
    if triangles is None:
        order = np.lexsort((points[:, 1], points[:, 0]))
        chain = np.sort(np.stack([order[:-1], order[1:]], axis=1), axis=1).reshape(-1, 2)
        return chain, np.zeros(len(chain), bool)
    corner = points[triangles]
    pairs, opposite = [], []
    for k in range(3):
        a, b, c = k, (k + 1) % 3, (k + 2) % 3
        u, v = corner[:, b] - corner[:, a], corner[:, c] - corner[:, a]
        pairs.append(np.sort(triangles[:, [b, c]], axis=1))
        opposite.append(np.arctan2(np.abs(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]), np.sum(u * v, axis=1)))
    sides, which = np.unique(_key(np.concatenate(pairs), n), return_inverse=True)
    total = np.bincount(which, np.concatenate(opposite))
    inner = np.bincount(which) == 2
    return np.stack([sides // n, sides % n], axis=1), inner & (total > _ROUND)


def bond_angles(points: np.ndarray, bonds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the angles between adjacent bonds of a site.

    Returns
    -------
    who : numpy.ndarray, shape (k, 3), int64
        (site, first, second): the second bond is the next one clockwise on screen.
    angle : numpy.ndarray, shape (k,), rad
        Between 0 and pi: a gap of more than half a turn is no bond angle.
    """
    u, v, direction, begin, count = fans(points, bonds)
    if not len(u):
        return np.zeros((0, 3), np.int64), np.zeros(0)
    place = np.arange(len(u))
    after = begin[u] + (place - begin[u] + 1) % count[u]
    angle = np.mod(direction[after] - direction, 2 * np.pi)
    keep = (count[u] > 1) & (angle < np.pi + 1e-9) & (angle > 0)
    return np.stack([u, v, v[after]], axis=1)[keep], angle[keep]


def fans(points: np.ndarray, bonds: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return both directions of every bond, sorted by site and then by direction.

    Returns
    -------
    u, v : numpy.ndarray, shape (2 m,), int64
    direction : numpy.ndarray, shape (2 m,), rad
    begin, count : numpy.ndarray, shape (n,), int64
        Where the bonds of each site begin, and how many it has.
    """
    u, v = np.concatenate([bonds, bonds[:, ::-1]]).T.reshape(2, -1)
    way = points[v] - points[u]
    direction = np.arctan2(way[:, 0], way[:, 1])
    order = np.lexsort((direction, u))
    count = np.bincount(u, minlength=len(points))
    return u[order], v[order], direction[order], np.cumsum(count) - count, count


def neighbour_mean(values: np.ndarray, bonds: np.ndarray, n: int) -> np.ndarray:
    """Return the mean of a bond's number over the bonds of each of n sites; NaN where there is none."""
    count = degree(bonds, n)
    total = np.bincount(bonds[:, 0], values, n) + np.bincount(bonds[:, 1], values, n)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def degree(bonds: np.ndarray, n: int) -> np.ndarray:
    """Return the number of bonds of each of n sites."""
    return np.bincount(bonds.ravel(), minlength=n)


def _key(pairs: np.ndarray, n: int) -> np.ndarray:
    return pairs[:, 0] * n + pairs[:, 1]
