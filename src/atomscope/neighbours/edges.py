"""Edges between sites, weighed so that the sum over those that a wall cuts is the wall's length.

References
----------
Y. Boykov and V. Kolmogorov, "Computing geodesics and minimal surfaces via graph cuts", ICCV 2003: the formula of
Cauchy and Crofton on a grid, w = (area a site) (angle an edge stands for) / (2 length of the edge). Here area and angle
are each site's own, so that the sites may lie anyhow.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import Delaunay, QhullError, cKDTree

from atomscope.data.edges import Edges
from atomscope.errors import InputError

#: Neighbours are sites within so many spacings: 16 of a square lattice, 12 of a hexagonal one and of a honeycomb.
REACH = 2.3
#: More neighbours than these say no more about directions.
_MOST = 24
#: A site in the direction of a nearer one stands for nothing of its own; rad.
_HIDDEN = np.deg2rad(9.0)
#: A gap between directions counts as at most so many mean gaps: beyond the edge of the field there is nobody.
_WIDEST = 2.0
_BLOCK = 20_000
_BITS = 16


def site_edges(
    rows: np.ndarray,
    cols: np.ndarray,
    frames: np.ndarray | int = 0,
    *,
    pixel: tuple[float, float] = (1.0, 1.0),
    unit: str = "px",
    reach: float = REACH,
) -> Edges:
    """Join neighbouring sites of each frame, on a grid or anywhere.

    Parameters
    ----------
    rows, cols : array, shape (n,), px
        Sites without a place (NaN) have no neighbours.
    frames : array, shape (n,), or int
        Sites of different frames are not neighbours.
    pixel : tuple of float
        (row, col) size of a pixel, in ``unit``.
    reach : float
        Neighbours lie within so many spacings (median of the mean distance of a site's nearest three).

    Returns
    -------
    Edges
        Of all n sites. The lengths that they give are those inside the outline of the sites of a frame.

    Raises
    ------
    InputError
        If two sites of a frame lie at one place, or no frame has three sites that are not on a line.
    """
    places = np.stack((np.asarray(rows, np.float64) * pixel[0], np.asarray(cols, np.float64) * pixel[1]), 1)
    n = len(places)
    frame = np.broadcast_to(np.asarray(frames, np.int64), n)
    known = np.isfinite(places).all(1)
    members = [np.flatnonzero(known & (frame == f)) for f in np.unique(frame[known])]
    members = [m for m in members if len(m) > 2]
    nearest = [cKDTree(places[m]).query(places[m], k=min(4, len(m)))[0][:, 1:] for m in members]
    spacing = float(np.median(np.concatenate([near.mean(1) for near in nearest]))) if members else 0.0
    for m, near in zip(members, nearest, strict=True):
        if (near[:, 0] < 1e-6 * max(spacing, 1e-12)).any():
            raise InputError(f"edges: two sites of frame {frame[m[0]]} lie at one place; drop one of them")
    pairs, weights = [], []
    for m in members:
        of_frame, weight = _frame_edges(places[m], reach * spacing)
        pairs.append(m[of_frame])
        weights.append(weight)
    if not sum(len(p) for p in pairs):
        raise InputError(
            f"edges: wanted at least three sites in a frame, not on one line, got {n} sites in {len(members)} frames"
        )
    both, weight = np.concatenate(pairs), np.concatenate(weights)
    both.sort(axis=1)
    sort = np.lexsort((both[:, 1], both[:, 0]))
    return Edges(both[sort], weight[sort], curve_order(places, frame), spacing, unit)


def _frame_edges(points: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs (m, 2) of one frame's points and the length of wall that each stands for."""
    area = _areas(points, 1.5 * radius)
    n = len(points)
    if not area.any():
        return np.zeros((0, 2), np.int64), np.zeros(0)
    tree, ends, halves = cKDTree(points), [], []
    for start in range(0, n, _BLOCK):
        own = np.arange(start, min(start + _BLOCK, n))
        length, other = tree.query(points[own], k=min(_MOST + 1, n), distance_upper_bound=radius)
        length, other = length[:, 1:], other[:, 1:]  # without itself; a missing neighbour is n, at infinity
        there = np.isfinite(length)
        way = points[np.where(there, other, 0)] - points[own][:, None]
        share = _shares(np.arctan2(way[..., 0], way[..., 1]), there)
        half = area[own][:, None] * share / (4 * np.where(there, length, 1.0))
        who, which = np.nonzero(share > 0)
        ends.append(np.stack((own[who], other[who, which]), 1))
        halves.append(half[who, which])
    both = np.sort(np.concatenate(ends), axis=1)
    key, back = np.unique(both[:, 0] * n + both[:, 1], return_inverse=True)
    return np.stack((key // n, key % n), 1), np.bincount(back, np.concatenate(halves))


def _shares(angle: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Return the angle that each neighbour stands for, rad, shape (n, k); a site's sum to a full turn.

    Neighbours come by distance, the nearest first; one that hides behind a nearer one stands for nothing.
    """
    n, k = angle.shape
    seen = there.copy()
    for j in range(1, k):
        off = np.abs(np.angle(np.exp(1j * (angle[:, :j] - angle[:, j : j + 1]))))
        seen[:, j] &= ~((off < _HIDDEN) & seen[:, :j]).any(1)
    count = seen.sum(1)  # (n,)
    around = np.where(seen, np.mod(angle, 2 * np.pi), np.inf)
    order = np.argsort(around, axis=1, kind="stable")
    by = np.take_along_axis(around, order, 1)  # (n, k), inf at the end
    rank = np.arange(k)
    last = rank == count[:, None] - 1
    following = np.where(last, by[:, :1] + 2 * np.pi, np.roll(by, -1, 1))
    with np.errstate(invalid="ignore"):
        gap = np.where(rank < count[:, None], following - by, 0.0)  # (n, k): to the next one
    mean = 2 * np.pi / np.maximum(np.median(count), 1)
    gap = np.minimum(gap, _WIDEST * mean)
    before = np.where(rank == 0, np.take_along_axis(gap, np.maximum(count - 1, 0)[:, None], 1), np.roll(gap, 1, 1))
    share = np.where(rank < count[:, None], (gap + before) / 2, 0.0)
    share *= 2 * np.pi / np.maximum(share.sum(1, keepdims=True), 1e-12)
    out = np.zeros((n, k))
    np.put_along_axis(out, order, share, 1)
    return np.where(seen, out, 0.0)


def _areas(points: np.ndarray, longest: float) -> np.ndarray:
    """Return the area that belongs to each point, shape (n,): of the parts of Delaunay's triangles nearest to it.

    Triangles with a side longer than ``longest`` span a hole. All areas sum to that of the others.

    References
    ----------
    M. Meyer et al., "Discrete differential-geometry operators for triangulated 2-manifolds", VisMath 2002: a triangle's
    part of a Voronoi cell, and what takes its place where an angle is obtuse.
    """
    try:
        triangles = Delaunay(points).simplices
    except QhullError:  # all on a line
        return np.zeros(len(points))
    corner = points[triangles]  # (t, 3, 2)
    side = np.roll(corner, -1, 1) - corner  # from corner k to the next
    square = (side**2).sum(2)  # (t, 3)
    whole = 0.5 * np.abs(side[:, 0, 0] * side[:, 1, 1] - side[:, 0, 1] * side[:, 1, 0])  # (t,)
    keep = (square.max(1) <= longest**2) & (whole > 1e-9 * square.max(1))
    triangles, square, whole = triangles[keep], square[keep], whole[keep]
    opposite = np.roll(square, -1, 1)  # of each corner's angle
    beside = square.sum(1, keepdims=True) - opposite
    cot = (beside - opposite) / (4 * whole[:, None])  # (t, 3), of the angle at each corner
    before, after = np.roll(cot, 1, 1), np.roll(cot, -1, 1)
    part = (square * before + np.roll(square, 1, 1) * after) / 8
    blunt = cot < 0
    halves = whole[:, None] * np.where(blunt, 0.5, 0.25)
    part = np.where(blunt.any(1)[:, None], halves, part)
    return np.bincount(triangles.ravel(), part.ravel(), minlength=len(points))


def curve_order(places: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """Return site numbers along Hilbert's curve through each frame, frame by frame, shape (n,).

    Runs of it are tiles. Sites without a place come last.

    References
    ----------
    D. Hilbert, "Ueber die stetige Abbildung einer Linie auf ein Flaechenstueck", Math. Ann. 38 (1891) 459.
    """
    known = np.isfinite(places).all(1)
    if not known.any():
        return np.arange(len(places))
    low = places[known].min(0)
    extent = max(float((places[known].max(0) - low).max()), 1e-300)
    cell = np.where(known[:, None], (places - low) / extent * (2**_BITS - 1), 0).astype(np.int64)
    y, x = cell.T.copy()
    along = np.zeros(len(places), np.int64)
    for bit in range(_BITS - 1, -1, -1):
        right, down = (x >> bit) & 1, (y >> bit) & 1
        along += ((3 * right) ^ down) << (2 * bit)
        flip = (down == 0) & (right == 1)
        x, y = (
            np.where(flip, (1 << bit) - 1 - (x & ((1 << bit) - 1)), x),
            np.where(flip, (1 << bit) - 1 - (y & ((1 << bit) - 1)), y),
        )
        x, y = np.where(down == 0, y, x), np.where(down == 0, x, y)
        x, y = x & ((1 << bit) - 1), y & ((1 << bit) - 1)
    return np.lexsort((along, frame, ~known))
