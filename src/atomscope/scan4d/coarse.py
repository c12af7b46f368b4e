"""A first look at a scan of any size: patterns at few positions, from which any mask makes a coarse image."""

from __future__ import annotations

import time

import numpy as np

from atomscope.data import ShouldStop, Stack, check_stop
from atomscope.scan4d.masks import as_weights

#: Positions along each side of the scan, one look after the other, and the side to which patterns are binned.
_SIDES, _PIXELS = (8, 16, 32, 48), 64


class Coarse:
    """Patterns at positions spread evenly over a scan, binned.

    The looks become finer until the time is over; the first one is always finished.

    Parameters
    ----------
    stack : Stack
        Patterns, shape (scan rows, scan cols, rows, cols).
    seconds : float
        No finer look is begun or finished after this time.
    should_stop : callable, optional

    Attributes
    ----------
    mean : numpy.ndarray of float64, shape (rows, cols)
        Mean of the patterns that were read, NaN left out.
    whole : bool
        Whether every position was read.
    """

    def __init__(self, stack: Stack, seconds: float = 1.5, *, should_stop: ShouldStop | None = None) -> None:
        self.frame_shape, self.navigation = stack.frame_shape, stack.navigation_shape
        self._bin = -(-max(self.frame_shape) // _PIXELS)
        self._end = time.monotonic() + seconds
        for number, side in enumerate(_SIDES):
            grids = [np.unique(np.linspace(0, n - 1, min(side, n)).round().astype(int)) for n in self.navigation]
            if number and all(len(g) == len(old) for g, old in zip(grids, self._grids, strict=True)):
                break
            if not self._look(stack, grids, number > 0, should_stop):
                break
        self.whole = all(len(g) == n for g, n in zip(self._grids, self.navigation, strict=True)) and self._bin == 1
        self._near = [
            np.abs(np.arange(n)[:, None] - g[None, :]).argmin(1)
            for n, g in zip(self.navigation, self._grids, strict=True)
        ]

    @property
    def sides(self) -> tuple[int, ...]:
        """Number of positions along each axis of the scan."""
        return tuple(len(g) for g in self._grids)

    def image(self, mask: np.ndarray) -> np.ndarray:
        """Return the image of a mask, each position showing the nearest one that was read.

        Parameters
        ----------
        mask : numpy.ndarray, shape (rows, cols)
            Booleans or weights; of binned pixels the mean weight counts.

        Returns
        -------
        numpy.ndarray of float64, shape (scan rows, scan cols)
        """
        weights = self._binned(as_weights(mask, self.frame_shape).astype(np.float64)) / self._bin**2
        image = (self._cube @ weights.reshape(-1).astype(np.float32)).astype(np.float64).reshape(self.sides)
        return np.asarray(image[np.ix_(*self._near)])

    def _look(self, stack: Stack, grids: list[np.ndarray], may_end: bool, should_stop: ShouldStop | None) -> bool:
        where = np.stack(np.meshgrid(*grids, indexing="ij"), -1).reshape(-1, len(grids))
        total, seen = np.zeros(self.frame_shape), np.zeros(self.frame_shape)
        cube = None
        for i, index in enumerate(np.ravel_multi_index(tuple(where.T), self.navigation)):
            check_stop(should_stop)
            if may_end and time.monotonic() > self._end:
                return False
            frame = stack.frame(int(index)).astype(np.float64)
            good = np.isfinite(frame)
            frame = np.where(good, frame, 0.0)
            total += frame
            seen += good
            binned = self._binned(frame).reshape(-1)
            if cube is None:
                cube = np.empty((len(where), binned.size), np.float32)
            cube[i] = binned
        assert cube is not None
        self._cube, self._grids = cube, grids
        self.mean = np.where(seen > 0, total / np.maximum(seen, 1), np.nan)
        return True

    def _binned(self, values: np.ndarray) -> np.ndarray:
        if self._bin == 1:
            return values
        shape = [-(-n // self._bin) for n in values.shape]
        padded = np.pad(values, [(0, s * self._bin - n) for s, n in zip(shape, values.shape, strict=True)])
        return np.asarray(padded.reshape(shape[0], self._bin, shape[1], self._bin).sum((1, 3)))
