"""A first look at a scan of any size: patterns at few positions, from which any mask makes a coarse image."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from atomscope.data import ShouldStop, Stack, check_stop
from atomscope.scan4d.blocks import expect
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
    on_first : callable, optional
        Called with this object after the first look, which takes a moment.

    Attributes
    ----------
    mean : numpy.ndarray of float64, shape (rows, cols)
        Mean of the patterns that were read, NaN left out.
    whole : bool
        Whether every position was read.
    """

    def __init__(
        self,
        stack: Stack,
        seconds: float = 1.5,
        *,
        should_stop: ShouldStop | None = None,
        on_first: Callable[[Coarse], None] | None = None,
    ) -> None:
        self.frame_shape, self.navigation = stack.frame_shape, stack.navigation_shape
        self._bin = -(-max(self.frame_shape) // _PIXELS)
        self._end = time.monotonic() + seconds
        self._seen: tuple[np.ndarray, list[np.ndarray], list[np.ndarray]] | None = None
        for number, side in enumerate(_SIDES):
            grids = [np.unique(np.linspace(0, n - 1, min(side, n)).round().astype(int)) for n in self.navigation]
            if number and self.sides == tuple(len(g) for g in grids):
                break
            if not self._look(stack, grids, number > 0, should_stop):
                break
            if not number and on_first is not None:
                on_first(self)
        self.whole = self.sides == self.navigation and self._bin == 1

    @property
    def sides(self) -> tuple[int, ...]:
        """Number of positions along each axis of the scan."""
        assert self._seen is not None  # the first look is always finished
        return tuple(len(g) for g in self._seen[1])

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
        assert self._seen is not None
        cube, grids, near = self._seen  # a finer look may take its place meanwhile
        image = (cube @ weights.reshape(-1).astype(np.float32)).astype(np.float64).reshape([len(g) for g in grids])
        return np.asarray(image[np.ix_(*near)])

    def _look(self, stack: Stack, grids: list[np.ndarray], may_end: bool, should_stop: ShouldStop | None) -> bool:
        where = np.stack(np.meshgrid(*grids, indexing="ij"), -1).reshape(-1, len(grids))
        order = np.ravel_multi_index(tuple(where.T), self.navigation)
        total, seen = np.zeros(self.frame_shape), np.zeros(self.frame_shape)
        cube = None
        expect(stack, order)
        for start in range(0, len(order), len(grids[-1])):  # a row of the scan at a time
            check_stop(should_stop)
            if may_end and time.monotonic() > self._end:
                return False
            part = slice(start, start + len(grids[-1]))
            frames = np.stack([stack.frame(int(i)) for i in order[part]])
            if frames.dtype.kind == "f":
                good = np.isfinite(frames)
                frames = np.where(good, frames, 0)
                seen += good.sum(0)
            else:
                seen += len(frames)
            total += frames.sum(0, dtype=np.float64)
            binned = self._binned(frames)
            if cube is None:
                cube = np.empty((len(order), binned[0].size), np.float32)
            cube[part] = binned.reshape(len(frames), -1)
        assert cube is not None
        near = [
            np.abs(np.arange(n)[:, None] - g[None, :]).argmin(1) for n, g in zip(self.navigation, grids, strict=True)
        ]
        self._seen = cube, grids, near
        self.mean = np.where(seen > 0, total / np.maximum(seen, 1), np.nan)
        return True

    def _binned(self, values: np.ndarray) -> np.ndarray:
        """Return the sums of squares of pixels, shape (..., rows, cols)."""
        if self._bin == 1:
            return values
        shape = [-(-n // self._bin) for n in values.shape[-2:]]
        pad = [(0, 0)] * (values.ndim - 2) + [
            (0, s * self._bin - n) for s, n in zip(shape, values.shape[-2:], strict=True)
        ]
        parts = np.pad(values, pad).reshape(*values.shape[:-2], shape[0], self._bin, shape[1], self._bin)
        return np.asarray(parts.sum((-3, -1), dtype=np.float64))
