"""Places where the lattice round them wants a site and there is none."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

#: Neighbours up to so many spacings away tell what the lattice is.
_REACH = 2.65
#: A step belongs to the lattice when so many of the sites near by can take it, and a place when so many call for it.
_COMMON, _CALLED = 0.7, 0.7
#: Two places within this many spacings are one; a gap has no site within so many; steps are counted in cells.
_SAME, _EMPTY, _CELL = 0.35, 0.65, 0.08
#: Side of the part of a frame that is looked at as one lattice, spacings, and the fewest sites it must hold.
_PART, _FEWEST = 14.0, 12
#: Sites of a part that are asked whether a step is of the lattice.
_ASKED = 60
#: Nothing is looked for nearer to the edges than this many spacings.
_EDGE = 0.5


def find_gaps(place: np.ndarray, shape: tuple[int, int], spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """Find lattice places without a site.

    In overlapping parts of the frame, steps from site to site that nearly all sites can take are those of the
    lattice (of the same sublattice, whatever the motif). A site whose step ends where there is nothing calls for a
    site there. A place that is called for by most of the sites that could is a gap; beyond the edge of a crystal at
    most half of them call. Where there is no lattice there are no gaps.

    Parameters
    ----------
    place : numpy.ndarray, shape (n, 2), px
    shape : tuple of int
        Of the frame, px.
    spacing : float
        Nearest-neighbour distance, px.

    Returns
    -------
    gaps : numpy.ndarray, shape (k, 2), px
    called : numpy.ndarray, shape (k,)
        Share of the lattice steps that call for it, 0.7 to 1.
    """
    calls, shares = [np.zeros((0, 2))], [np.zeros(0)]
    step = _PART * spacing / 2
    tree = cKDTree(place) if len(place) else None
    if tree is None or len(place) < _FEWEST:
        return calls[0], shares[0]
    starts = [np.arange(-step, max(n - step, 1), step) for n in shape]
    for top in starts[0]:
        for left in starts[1]:
            corner = np.array([top, left])
            inside = np.flatnonzero(((place >= corner) & (place < corner + 2 * step)).all(axis=1))
            if len(inside) < _FEWEST:
                continue
            # What lies in the middle of this part is in no other part's middle.
            middle = corner + step / 2, corner + 1.5 * step
            where, share = _gaps_of_part(place, inside, tree, np.array(shape), spacing, middle)
            mine = ((where >= middle[0]) & (where < middle[1])).all(axis=1)
            calls.append(where[mine])
            shares.append(share[mine])
    return _merge(np.concatenate(calls), np.concatenate(shares), _SAME * spacing)


def _gaps_of_part(
    place: np.ndarray,
    inside: np.ndarray,
    tree: cKDTree,
    shape: np.ndarray,
    spacing: float,
    middle: tuple[np.ndarray, np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Return the gaps in the middle of one part that its sites call for."""
    own = cKDTree(place[inside])
    pairs = own.sparse_distance_matrix(tree, _REACH * spacing, output_type="ndarray")
    pairs = pairs[pairs["v"] > 0]
    steps = _common_steps(place, place[pairs["j"]] - place[inside][pairs["i"]], inside, tree, shape, spacing)
    if not len(steps):
        return np.zeros((0, 2)), np.zeros(0)
    ends = (place[inside][:, None] + steps).reshape(-1, 2)
    empty = _within(ends, shape, _EDGE * spacing)
    empty &= ((ends > middle[0] - spacing) & (ends < middle[1] + spacing)).all(axis=1)
    ends = ends[empty]
    ends = ends[~np.isfinite(tree.query(ends, distance_upper_bound=_EMPTY * spacing)[0])] if len(ends) else ends
    if not len(ends):
        return np.zeros((0, 2)), np.zeros(0)
    seats = cKDTree(ends)
    crowd = np.array([len(n) for n in seats.query_ball_point(ends, _SAME * spacing)])
    where, taken = [], np.zeros(len(ends), bool)
    for k in np.argsort(-crowd, kind="stable"):
        if taken[k]:
            continue
        together = [n for n in seats.query_ball_point(ends[k], _SAME * spacing) if not taken[n]]
        taken[together] = True
        where.append((ends[together].mean(axis=0), len(together)))
    gaps, count = np.array([w for w, _ in where]), np.array([c for _, c in where], float)
    # Near the edge of the frame some of the callers lie outside.
    callers = np.array([_within(g - steps, shape, 0.0).sum() for g in gaps], float)
    share = count / np.maximum(callers, 1)
    keep = (share >= _CALLED) & (count >= 3)
    return gaps[keep], np.minimum(share[keep], 1.0)


def _common_steps(
    place: np.ndarray, steps: np.ndarray, inside: np.ndarray, tree: cKDTree, shape: np.ndarray, spacing: float
) -> np.ndarray:
    """Return the steps, shape (k, 2), that most sites of a part can take and end on a site."""
    cell, reach = _CELL * spacing, _REACH * spacing
    n = 2 * int(np.ceil(reach / cell)) + 1
    at = np.rint(steps / cell).astype(np.int64) + n // 2
    crowd = np.bincount(at[:, 0] * n + at[:, 1], minlength=n * n).reshape(n, n).astype(np.float64)
    crowd = ndimage.uniform_filter(crowd, 5, mode="constant") * 25
    peaks = (crowd == ndimage.maximum_filter(crowd, 5, mode="constant")) & (crowd >= 0.25 * len(inside))
    seats = (np.argwhere(peaks) - n // 2) * cell
    if not len(seats):
        return np.zeros((0, 2))
    near, which = cKDTree(seats).query(steps, distance_upper_bound=2.5 * cell)
    which = which[np.isfinite(near)]
    many = np.bincount(which, minlength=len(seats))
    own = steps[np.isfinite(near)]
    centres = (
        np.stack([np.bincount(which, own[:, k], len(seats)) for k in (0, 1)], axis=1) / np.maximum(many, 1)[:, None]
    )
    _, first = np.unique(np.rint(centres / (2 * cell)).astype(np.int64), axis=0, return_index=True)
    centres = centres[np.sort(first)]
    ends = place[inside[:: max(1, len(inside) // _ASKED)]][:, None] + centres  # (sites, steps, 2)
    seen = ((ends >= 0) & (ends <= shape - 1)).all(axis=2)
    hit = np.isfinite(tree.query(ends, distance_upper_bound=_SAME * spacing)[0]) & seen
    enough = seen.sum(axis=0) >= _FEWEST // 2
    return centres[enough & (hit.sum(axis=0) >= _COMMON * np.maximum(seen.sum(axis=0), 1))]


def _within(place: np.ndarray, shape: np.ndarray, margin: float) -> np.ndarray:
    return np.asarray(((place >= margin) & (place <= shape - 1 - margin)).all(axis=1))


def _merge(place: np.ndarray, share: np.ndarray, distance: float) -> tuple[np.ndarray, np.ndarray]:
    """Of places nearer than a distance keep the one that most call for, in raster order."""
    keep = np.ones(len(place), bool)
    if len(place) > 1:
        for a, b in sorted(cKDTree(place).query_pairs(distance)):
            if keep[a] and keep[b]:
                keep[b if share[a] >= share[b] else a] = False
    place, share = place[keep], share[keep]
    order = np.lexsort((place[:, 1], place[:, 0]))
    return place[order], share[order]
