"""Which point lies near a place: a map of the plane that is asked millions of times."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

_MOST_CELLS = 40_000_000
_MARGIN = 10  # tolerances round the points: places further out must not be asked for


class Lookup:
    """Nearest point within a tolerance.

    A map of small cells, each of which knows the point nearest to its middle; much faster than a tree for points
    that are spread over a field. Points strewn over a plane too large for a map are asked of a tree.

    Parameters
    ----------
    points : numpy.ndarray, shape (n, 2)
        Finite.
    tolerance : float
    """

    def __init__(self, points: np.ndarray, tolerance: float) -> None:
        self._tolerance = tolerance
        step = tolerance / 2
        self._low = points.min(axis=0) - _MARGIN * tolerance
        shape = np.ceil((points.max(axis=0) + _MARGIN * tolerance - self._low) / step) + 1
        self._tree: cKDTree | None = None
        if shape.prod() > max(_MOST_CELLS, 400 * len(points)):
            self._tree = cKDTree(points)
            return
        # In cells from here on, single precision: a cell is some pixels, and hundreds of cells make a field.
        place = (points - self._low) / step
        self._row, self._col = np.append(place.T, [[-1e6], [-1e6]], axis=1).astype(np.float32)
        self._scale, self._limit = np.float32(1 / step), np.float32((tolerance / step) ** 2)
        self._columns = int(shape[1])
        reach = np.arange(-3, 4)
        offsets = np.stack(np.meshgrid(reach, reach, indexing="ij"), -1).reshape(-1, 2)
        cells = np.floor(place).astype(np.int64)[:, None] + offsets
        away = np.linalg.norm(cells + 0.5 - place[:, None], axis=2).ravel()
        good = away <= tolerance / step + 1
        flat = (cells[..., 0] * self._columns + cells[..., 1]).ravel()[good]
        who = np.repeat(np.arange(len(points)), len(offsets))[good]
        order = np.argsort(-away[good], kind="stable")  # the nearest is written last
        self._map = np.full(int(shape.prod()), -1, np.int32)
        self._map[flat[order]] = who[order]

    def __call__(self, row: np.ndarray, col: np.ndarray) -> np.ndarray:
        """Return the index of the point near each place, -1 for none; two arrays of the same shape."""
        if self._tree is not None:
            places = np.stack([row, col], axis=-1)
            _, who = self._tree.query(places, distance_upper_bound=self._tolerance)
            return np.where(who == self._tree.n, -1, who).astype(np.int32)
        row = (row - self._low[0]).astype(np.float32) * self._scale
        col = (col - self._low[1]).astype(np.float32) * self._scale
        who = self._map[row.astype(np.int32) * np.int64(self._columns) + col.astype(np.int32)]
        row -= self._row[who]  # of nobody (-1): far away
        col -= self._col[who]
        row *= row
        col *= col
        row += col
        who[row > self._limit] = -1
        return np.asarray(who)
