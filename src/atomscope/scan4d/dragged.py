"""A copy of a scan with the detector first, for masks that are dragged: only pixels that changed are read.

The image of a mask is a sum over its pixels, and in this order each pixel of the detector is one run of memory. When
patterns are too large for the memory that is allowed, neighbouring pixels are added up first.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from atomscope.data import OnProgress, ShouldStop, Stack, attention, check_stop, report
from atomscope.errors import InputError
from atomscope.scan4d.blas import one_thread
from atomscope.scan4d.blocks import Forgetting, plan
from atomscope.scan4d.masks import as_weights
from atomscope.scan4d.run import THREADS

#: Bytes of the copy, at most, unless another number is given.
BUDGET = 2 * 10**9
#: Rows of the copy that are converted at a time, and positions.
_ROWS, _POSITIONS = 128, 8192


class DetectorFirst:
    """The patterns of a scan, binned to fit into memory, with the detector first.

    Parameters
    ----------
    stack : Stack
        Patterns, shape (*navigation, rows, cols).
    budget : int
        Bytes that the copy may take.
    on_progress, should_stop : callables, optional

    Attributes
    ----------
    bin : int
        Pixels that are added up along rows and along columns. With 1, images are exact for whole numbers.

    Raises
    ------
    InputError
        If even a single pixel a pattern does not fit.
    """

    def __init__(
        self,
        stack: Stack,
        budget: int = BUDGET,
        *,
        on_progress: OnProgress | None = None,
        should_stop: ShouldStop | None = None,
    ) -> None:
        self.frame_shape, self.navigation = stack.frame_shape, stack.navigation_shape
        self.bin, dtype = self._fitting(stack, budget)
        self.shape = (-(-self.frame_shape[0] // self.bin), -(-self.frame_shape[1] // self.bin))
        self._data = np.empty((self.shape[0] * self.shape[1], stack.n_frames), dtype)
        self._weights = np.zeros(self.shape[0] * self.shape[1])
        self._image = np.zeros(stack.n_frames)
        self._fill(stack, on_progress, should_stop)

    @property
    def nbytes(self) -> int:
        """Bytes of the copy."""
        return int(self._data.nbytes)

    def image(self, mask: np.ndarray) -> np.ndarray:
        """Return the image of a mask; it is fastest when the mask differs little from the last one.

        Parameters
        ----------
        mask : numpy.ndarray, shape (rows, cols)
            Booleans or weights over the patterns as they are. Of binned pixels the mean weight counts.

        Returns
        -------
        numpy.ndarray of float64, shape (*navigation)
        """
        flat, change = self._change(mask)
        if change is flat:
            self._image = np.zeros_like(self._image)
        self._add(np.flatnonzero(change), change)
        self._weights = flat.copy()
        return self._image.reshape(self.navigation).copy()

    def cost(self, mask: np.ndarray) -> int:
        """Return the bytes that the image of a mask would be made from, after the last one."""
        change = np.count_nonzero(self._change(mask)[1])
        return int(change) * self._data.shape[1] * self._data.dtype.itemsize

    def _change(self, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the weights of a mask, and what is to be added to the last image; the weights to begin anew."""
        flat = (self._binned(as_weights(mask, self.frame_shape).astype(np.float64)) / self.bin**2).reshape(-1)
        change = flat - self._weights
        return flat, flat if np.count_nonzero(change) > np.count_nonzero(flat) else change

    def _add(self, pixels: np.ndarray, change: np.ndarray) -> None:
        exact = self._data.dtype.itemsize <= 2 and np.isin(change[pixels], (-1.0, 1.0)).all()
        kind = np.float32 if exact else np.float64  # at most 128 numbers of 16 bits: below 2**24

        def add(start: int) -> None:
            part = slice(start, start + _POSITIONS)
            for first in range(0, len(pixels), _ROWS):
                rows = pixels[first : first + _ROWS]
                self._image[part] += change[rows].astype(kind) @ self._data[rows, part].astype(kind)

        with one_thread(), ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(add, range(0, self._data.shape[1], _POSITIONS)))

    def _fill(self, stack: Stack, on_progress: OnProgress | None, should_stop: ShouldStop | None) -> None:
        rows, cols = self.frame_shape
        out = self._data.reshape(-1, *self.navigation)
        blocks, done = plan(stack, (slice(0, rows), slice(0, cols))), 0
        whole = [b for b in blocks if b.window == (slice(0, rows), slice(0, cols))]
        if len(whole) < len(blocks):  # chunks too large to be read whole: pattern by pattern is slow, but fits
            for index, frame in stack.frames():
                check_stop(should_stop)
                self._data[:, index] = self._binned(self._number(frame)).reshape(-1)
                report(on_progress, index + 1, stack.n_frames, "patterns")
            return
        forgetting = Forgetting(stack)
        for block in blocks:
            check_stop(should_stop)
            attention.give_way()
            values = self._binned(self._number(block.read(stack)))
            flat = values.reshape(*values.shape[:-2], -1)
            out[(slice(None), *block.navigation)] = np.moveaxis(flat, -1, 0)
            done += block.positions
            forgetting.read(block.pixels * stack.data.dtype.itemsize)
            report(on_progress, done, stack.n_frames, "patterns")

    def _number(self, values: np.ndarray) -> np.ndarray:
        """Return values without NaN."""
        if values.dtype.kind != "f":
            return values
        return np.where(np.isfinite(values), values, 0)

    def _binned(self, values: np.ndarray) -> np.ndarray:
        """Return the sums of squares of pixels, shape (..., *shape)."""
        if self.bin == 1:
            return values
        wide = np.float64 if values.dtype.kind == "f" else np.int64 if values.dtype.kind == "i" else np.uint64
        pad = [(0, 0)] * (values.ndim - 2) + [
            (0, s * self.bin - n) for s, n in zip(self.shape, values.shape[-2:], strict=True)
        ]
        padded = np.pad(values, pad)
        parts = padded.reshape(*values.shape[:-2], self.shape[0], self.bin, self.shape[1], self.bin)
        return np.asarray(parts.sum((-3, -1), dtype=wide))

    def _fitting(self, stack: Stack, budget: int) -> tuple[int, np.dtype]:
        """Return the smallest binning that fits into the budget, and the type of its numbers."""
        own = stack.data.dtype.newbyteorder("=")
        own = np.dtype(np.uint8) if own.kind == "b" else own
        if own.kind == "f":
            wide = np.dtype(np.float32)
            own = wide if own.itemsize > 4 else own
        else:
            wide = np.dtype(f"{own.kind}{min(8, 2 * own.itemsize)}")
        for binning in range(1, max(stack.frame_shape) + 1):
            kind = own if binning == 1 else np.dtype(f"{wide.kind}{min(8, max(4, wide.itemsize))}")
            pixels = (-(-stack.frame_shape[0] // binning)) * (-(-stack.frame_shape[1] // binning))
            if pixels * stack.n_frames * kind.itemsize <= budget:
                return binning, kind
        raise InputError(
            f"{stack.name}: one pixel of each of {stack.n_frames} patterns does not fit into {budget} bytes"
        )
