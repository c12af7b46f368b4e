"""What walls do at each place, added up over a movie: a value at the sites of walls becomes a map.

A step of a site from x to x + d is spread over the path between the two. A place gets from each frame what the
nearest piece of a wall has (between two sites, a part of both), with the weight exp(-r^2 / 2 reach^2) of its distance
r; so neither how dense the sites are nor how they lie matters.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree
from scipy.special import erf

#: Weights beyond so many times the reach are left out.
_REACHES = 3.0
#: Cells are looked for in blocks of so many by so many.
_BLOCK = 8
#: Cells of a map, at most, when nobody says how large a cell is.
CELLS = 1 << 18


def grid_of(low: np.ndarray, high: np.ndarray, cell: float | None) -> tuple[tuple[int, int], float]:
    """Return the shape of a map over places from low to high, (2,) each, px, and the side of its cells, px."""
    size = np.maximum(high - low, 0) + 1
    side = float(max(1.0, np.sqrt(np.prod(size) / CELLS))) if cell is None else cell
    rows, cols = np.maximum(np.ceil(size / side - 1e-9), 1).astype(int)
    return (int(rows), int(cols)), side


def weights(
    places: np.ndarray,
    normals: np.ndarray,
    moved: np.ndarray,
    spacing: float,
    origin: np.ndarray,
    shape: tuple[int, int],
    side: float,
    reach: float,
) -> sparse.csr_matrix:
    """Return how much each cell gets of each site of a frame: shape (cells, sites).

    Parameters
    ----------
    places, normals : numpy.ndarray, shape (n, 2), px
        Sites, and unit vectors across the wall.
    moved : numpy.ndarray, shape (n,), px
        How far they move along these until the next frame.
    spacing : float, px
        How far a site stands for the wall to either side of it, along the wall.
    origin : numpy.ndarray, shape (2,), px
        Place of cell (0, 0).
    shape : (int, int)
    side, reach : float, px
    """
    middle = places + 0.5 * moved[:, None] * normals
    along, longest = max(spacing, 1.0), float(np.abs(moved).max())
    most = _REACHES * reach + along + 0.5 * longest
    cells = _near(middle, origin, shape, side, most)
    at = origin + side * cells
    far, which = cKDTree(middle).query(at, k=2, distance_upper_bound=most)
    near = np.flatnonzero(np.isfinite(far[:, 0]))
    far, which = far[near], np.where(np.isfinite(far[near]), which[near], which[near][:, :1])
    off = at[near][:, None] - places[which]  # (cells, 2 sites, 2)
    across = (off * normals[which]).sum(-1)
    aside = np.sqrt(np.maximum((off**2).sum(-1) - across**2, 0))
    # A cell beside two sites has a part of both, so that it does not jump from one to the other as they come nearer.
    # (What is measured at a place adds up to little only along one and the same path.)
    both = (which[:, 0] != which[:, 1]) & (far[:, 1] < far[:, 0] + 1.5 * along)
    part = np.where(both, aside[:, 1] / np.maximum(aside.sum(1), 1e-9), 1.0)
    beyond = np.maximum(aside.min(1) - 0.5 * along, 0)  # between two sites the wall is nearer than either
    weight = np.exp(-0.5 * (beyond / reach) ** 2)[:, None] * _mean_gaussian(across / reach, moved[which] / reach)
    weight *= np.c_[part, 1 - part]
    number = np.repeat(cells[near, 0] * shape[1] + cells[near, 1], 2)
    keep = weight.ravel() > 1e-4
    return sparse.csr_matrix(
        (weight.ravel()[keep], (number[keep], which.ravel()[keep])), shape=(shape[0] * shape[1], len(places))
    )


def _mean_gaussian(at: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Return the mean of exp(-x^2 / 2) for x from ``at`` to ``at - step``."""
    size = np.where(np.abs(step) < 1e-3, 1e-3, step)
    return np.asarray(np.sqrt(np.pi / 2) / size * (erf(at / np.sqrt(2)) - erf((at - size) / np.sqrt(2))))


def _near(places: np.ndarray, origin: np.ndarray, shape: tuple[int, int], side: float, reach: float) -> np.ndarray:
    """Return the cells in blocks that lie within reach (px) of places, shape (n, 2), int64."""
    blocks = np.unique(np.floor((places - origin) / (side * _BLOCK)).astype(np.int64), axis=0)
    n = int(np.ceil(reach / (side * _BLOCK)))
    blocks = np.unique((blocks[:, None] + _square(np.arange(-n, n + 1))).reshape(-1, 2), axis=0)
    cells = (blocks[:, None] * _BLOCK + _square(np.arange(_BLOCK))).reshape(-1, 2)
    return np.asarray(cells[np.all((cells >= 0) & (cells < np.array(shape)), axis=1)])


def _square(steps: np.ndarray) -> np.ndarray:
    return np.stack(np.meshgrid(steps, steps, indexing="ij"), -1).reshape(-1, 2)
