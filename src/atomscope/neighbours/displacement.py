"""Displacement of sites from the centre of their neighbours: polarisation of a cage, off-centring."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

_CAGE = 1.25  # over the nearest distance: the sites of a cage
_MOST = 8


def from_neighbours(points: np.ndarray, bonds: np.ndarray, sound: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Return the displacement of each site from the centre of its bonded neighbours.

    Parameters
    ----------
    points : numpy.ndarray, shape (n, 2)
    bonds : numpy.ndarray, shape (m, 2)
    sound : numpy.ndarray, shape (n,), bool
        Sites whose surroundings are seen whole.
    label : numpy.ndarray, shape (n,), int64
        Species: what is usual is told for each apart.

    Returns
    -------
    numpy.ndarray, shape (n, 2)
        (row, col); NaN where a neighbour is missing or there is one too many.
    """
    n = len(points)
    i, j = np.concatenate([bonds, bonds[:, ::-1]]).T.reshape(2, -1)
    count = np.bincount(i, minlength=n)
    total = np.stack([np.bincount(i, points[j, axis], n) for axis in (0, 1)], axis=1)
    return _displaced(points, total, count, sound, label)


def from_cage(points: np.ndarray, cage: np.ndarray, sound: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Return the displacement of each site that is no cage site from the centre of the cage round it.

    Parameters
    ----------
    cage : numpy.ndarray, shape (n,), bool
        The sites of the cages.
    points, sound, label
        As for :func:`from_neighbours`.
    """
    n = len(points)
    walls, inner = points[cage], np.flatnonzero(~cage)
    out = np.full((n, 2), np.nan)
    if len(walls) < 3 or not len(inner):
        return out
    k = min(_MOST, len(walls))
    distance, index = cKDTree(walls).query(points[inner], k=k)
    near = distance <= _CAGE * np.median(distance[:, 0])
    total = np.where(near[..., None], walls[index], 0.0).sum(axis=1)
    out[inner] = _displaced(points[inner], total, near.sum(axis=1), sound[inner], label[inner])
    return out


def _displaced(
    points: np.ndarray, total: np.ndarray, count: np.ndarray, sound: np.ndarray, label: np.ndarray
) -> np.ndarray:
    good = sound & (count > 1)
    for kind in np.unique(label[good]):
        of_kind = good & (label == kind)
        good &= ~of_kind | (count == np.bincount(count[of_kind]).argmax())
    out = points - total / np.maximum(count, 1)[:, None]
    out[~good] = np.nan
    return out
