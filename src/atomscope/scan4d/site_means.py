"""Mean patterns of the positions round sites of a virtual image, a bounded number of sites at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from atomscope.data import Stack
from atomscope.scan4d.bands import bands
from atomscope.scan4d.prepare import Preparation

#: Bytes of the sums that are held at once.
_SUMS = 64 * 2**20


def near_positions(
    places: np.ndarray, frame: np.ndarray, shape: tuple[int, ...], radius_px: tuple[float, float] | None
) -> csr_array:
    """Return which positions of a scan belong to each site.

    Parameters
    ----------
    places : numpy.ndarray, shape (n, 2)
        (row, col) of the sites, in scan positions.
    frame : numpy.ndarray of int, shape (n,)
        Flat index over the axes before the scan.
    shape : tuple of int
        Navigation axes; the last two are the scan.
    radius_px : tuple of float, optional
        Along rows and along columns; an ellipse. The nearest position when absent, and where none is so near.

    Returns
    -------
    scipy.sparse.csr_array of float32, shape (n, positions)
        1 where a position belongs to a site. Empty rows for sites outside the scan.
    """
    rows, cols = shape[-2:]
    many = int(np.prod(shape[:-2], dtype=np.int64))
    good = np.isfinite(places).all(1) & (frame >= 0) & (frame < many)
    nearest = np.rint(np.where(good[:, None], places, -1.0)).astype(np.int64)
    good &= (nearest >= 0).all(1) & (nearest[:, 0] < rows) & (nearest[:, 1] < cols)
    site, index = [], []
    lists: list[list[int]] = [[] for _ in range(len(places))]
    if radius_px is not None and min(radius_px) > 0:
        grid = np.stack([a.ravel() for a in np.indices((rows, cols))], -1) / radius_px
        found = cKDTree(grid).query_ball_point(places[good] / radius_px, 1.0 + 1e-9)
        for i, here in zip(np.flatnonzero(good), found, strict=True):
            lists[i] = here
    for i in np.flatnonzero(good):
        here = lists[i] or [int(nearest[i, 0] * cols + nearest[i, 1])]
        site += [i] * len(here)
        index += [int(frame[i]) * rows * cols + j for j in here]
    ones = np.ones(len(site), np.float32)
    return csr_array((ones, (site, index)), shape=(len(places), many * rows * cols))


def site_means(
    stack: Stack, preparation: Preparation, near: csr_array, tick: Callable[[int], None]
) -> Iterator[np.ndarray]:
    """Yield the mean windows of sites, in their order, in counts, shape (k, rows, cols), float32.

    Sites that are taken together are read in one pass over the positions near them; sites in the order of the scan read
    nearly nothing twice.

    Parameters
    ----------
    stack : Stack
    preparation : Preparation
    near : scipy.sparse.csr_array, shape (n, positions)
        See :func:`near_positions`; no row is empty.
    tick : callable
        See :func:`~atomscope.scan4d.bands`.
    """
    h, w = preparation.window
    parts = _parts(preparation, near)
    for part in parts:
        over = np.zeros(near.shape[1], bool)
        over[part.indices] = True
        sums = np.zeros((part.shape[0], h * w))
        by_position = part.tocsc()
        for band in bands(stack, preparation, over.reshape(stack.navigation_shape), tick):
            sums += by_position[:, band.position] @ band.windows.reshape(len(band.windows), -1).astype(np.float64)
        count = np.diff(part.indptr)
        yield (sums / count[:, None]).astype(np.float32).reshape(-1, h, w)


def positions_read(preparation: Preparation, near: csr_array) -> int:
    """Return how many patterns :func:`site_means` reads."""
    return sum(len(np.unique(part.indices)) for part in _parts(preparation, near))


def _parts(preparation: Preparation, near: csr_array) -> list[csr_array]:
    """Return the sites that are taken together."""
    h, w = preparation.window
    step = max(1, _SUMS // (h * w * 8))
    return [near[i : i + step] for i in range(0, near.shape[0], step)]
