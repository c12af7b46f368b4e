"""Sub-pixel windows of one frame, many at a time.

Every window has one fraction for all of its pixels, so that bilinear and bicubic sampling are separable sums of
shifted copies of a block one (three) pixels larger than the window. Each value depends on its own window only and is
made by the same elementwise operations, whatever the block: results are equal to the bit for every chunking.

References
----------
R. Keys, "Cubic convolution interpolation for digital image processing", IEEE Trans. ASSP 29 (1981) 1153: the
cubic kernel (a = -1/2). It is local, so that a bad pixel harms only the windows that hold it.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

#: float32 values in a block: about what stays in a core's second-level cache.
_BLOCK_VALUES = 1 << 16
_SUPPORT = {"nearest": (0, 0), "linear": (0, 1), "cubic": (1, 2)}  # pixels needed before and after a sample


class FrameSampler:
    """One frame, padded by its edge values, from which windows are read.

    Parameters
    ----------
    shape : tuple of int
        (rows, cols) of every frame.
    window : tuple of int
        (rows, cols) of every window.
    interpolation : {"nearest", "linear", "cubic"}
    beyond : bool
        Whether windows may leave the image (their centres do not).
    """

    def __init__(self, shape: tuple[int, int], window: tuple[int, int], interpolation: str, *, beyond: bool) -> None:
        self.shape, self.window, self.interpolation = shape, window, interpolation
        # Two pixels for the support of the kernel; a window that leaves reaches at most its half, and one, further.
        self._margin = tuple(2 + (n // 2 + 2 if beyond else 0) for n in window)
        rows, cols = (size + 2 * m for size, m in zip(shape, self._margin, strict=True))
        self._padded = np.empty((rows, cols), np.float32)
        self.bad: np.ndarray | None = None

    def load(self, frame: np.ndarray) -> None:
        """Take the next frame, shape (rows, cols), any real dtype; non-finite pixels become NaN."""
        (mr, mc), p = self._margin, self._padded
        inner = p[mr : mr + self.shape[0], mc : mc + self.shape[1]]
        with np.errstate(over="ignore"):
            inner[...] = frame
        if frame.dtype.kind == "f":
            finite = np.isfinite(inner)
            self.bad = None if finite.all() else ~finite
            if self.bad is not None:
                inner[self.bad] = np.nan
        else:
            self.bad = None
        p[mr : mr + self.shape[0], :mc] = inner[:, :1]
        p[mr : mr + self.shape[0], mc + self.shape[1] :] = inner[:, -1:]
        p[:mr] = p[mr]
        p[mr + self.shape[0] :] = p[mr + self.shape[0] - 1]

    @property
    def pixels(self) -> np.ndarray:
        """The frame as float32, shape (rows, cols)."""
        mr, mc = self._margin
        return self._padded[mr : mr + self.shape[0], mc : mc + self.shape[1]]

    def read(self, top: np.ndarray, left: np.ndarray, out: np.ndarray) -> None:
        """Read windows into ``out``, shape (k, rows, cols), float32.

        Parameters
        ----------
        top, left : numpy.ndarray, shape (k,), float64
            Image coordinates of the first pixel of each window.
        """
        corners = (np.floor(top).astype(np.intp), np.floor(left).astype(np.intp))
        fractions = ((top - corners[0]).astype(np.float32), (left - corners[1]).astype(np.float32))
        if self.bad is None:
            self._read(corners, fractions, out)
            return
        # Where the fraction is 0 the neighbour has no weight, and if it is NaN it must not be touched.
        for whole in ((True, True), (True, False), (False, True), (False, False)):
            these = np.flatnonzero(((fractions[0] == 0) == whole[0]) & ((fractions[1] == 0) == whole[1]))
            part = np.empty((len(these), *self.window), np.float32)
            self._read((corners[0][these], corners[1][these]), (fractions[0][these], fractions[1][these]), part)
            out[these] = part

    def _read(
        self, corners: tuple[np.ndarray, np.ndarray], fractions: tuple[np.ndarray, np.ndarray], out: np.ndarray
    ) -> None:
        # Every kernel reproduces the pixels where all fractions are 0: then a plain copy gives the same bits.
        kernels = [self.interpolation if f.any() else "nearest" for f in fractions]
        before, after = zip(*(_SUPPORT[kernel] for kernel in kernels), strict=True)
        h, w = (n + b + a for n, b, a in zip(self.window, before, after, strict=True))
        view = sliding_window_view(self._padded, (h, w))
        r, c = (first - b + m for first, b, m in zip(corners, before, self._margin, strict=True))
        step = max(1, _BLOCK_VALUES // (h * w))
        half = np.empty((min(step, len(out)), self.window[0], w), np.float32)
        term = np.empty_like(half)
        for i in range(0, len(out), step):
            piece = slice(i, min(i + step, len(out)))
            k = piece.stop - i
            if kernels == ["nearest", "nearest"]:
                out[piece] = view[r[piece], c[piece]]
                continue
            rows = view[r[piece], c[piece]]  # (k, h, w)
            if kernels[0] != "nearest":
                _KERNELS[kernels[0]](rows, fractions[0][piece], 1, half[:k], term[:k])
                rows = half[:k]  # (k, rows, w)
            if kernels[1] == "nearest":
                out[piece] = rows
            else:
                _KERNELS[kernels[1]](rows, fractions[1][piece], 2, out[piece], term[:k, :, : self.window[1]])


def _linear(block: np.ndarray, fraction: np.ndarray, axis: int, out: np.ndarray, term: np.ndarray) -> None:
    """Take ``a + f (b - a)`` along ``axis``; exact where a = b."""
    n = block.shape[axis] - 1
    a, b = (block[:, i : i + n] if axis == 1 else block[:, :, i : i + n] for i in (0, 1))
    np.subtract(b, a, out=term)
    np.multiply(term, fraction[:, None, None], out=term)
    np.add(term, a, out=out)


def _cubic(block: np.ndarray, fraction: np.ndarray, axis: int, out: np.ndarray, term: np.ndarray) -> None:
    """Take Keys's cubic along ``axis``, written as b + sum of w_i (x_i - b) so that a constant stays exact."""
    n = block.shape[axis] - 3
    x = [block[:, i : i + n] if axis == 1 else block[:, :, i : i + n] for i in range(4)]
    f = fraction.astype(np.float64)
    weights = {
        0: -0.5 * f + f**2 - 0.5 * f**3,
        2: 0.5 * f + 2.0 * f**2 - 1.5 * f**3,
        3: -0.5 * f**2 + 0.5 * f**3,
    }
    out[...] = x[1]
    for i, weight in weights.items():
        np.subtract(x[i], x[1], out=term)
        np.multiply(term, weight.astype(np.float32)[:, None, None], out=term)
        np.add(out, term, out=out)


_KERNELS = {"linear": _linear, "cubic": _cubic}


def inside(start: np.ndarray, n: int, size: int) -> np.ndarray:
    """Return which of the n samples of each window lie in an axis of ``size`` pixels, shape (k, n), bool."""
    where = start[:, None] + np.arange(n)
    return (where >= 0) & (where <= size - 1)
