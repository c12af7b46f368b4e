"""Sub-pixel windows of one frame, many at a time.

Every window has one fraction for all of its pixels, so that bilinear and bicubic sampling go along one axis after the
other: ``x_0 + sum over s of w_s (x_s - x_0)``, where x_s is the window moved by s pixels. Written so, a constant stays
exact. Each value depends on its own window only and is made by the same elementwise operations, whatever the block:
results are equal to the bit for every chunking.

References
----------
R. Keys, "Cubic convolution interpolation for digital image processing", IEEE Trans. ASSP 29 (1981) 1153: the
cubic kernel (a = -1/2). It is local, so that a bad pixel harms only the windows that hold it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

#: Interpolation along one axis: shift, in pixels, and its weight as a function of the fraction.
_Kernel = dict[int, Callable[[np.ndarray], np.ndarray]]
_KERNELS: dict[str, _Kernel] = {
    "nearest": {},
    "linear": {1: lambda f: f},
    "cubic": {
        -1: lambda f: -0.5 * f + f**2 - 0.5 * f**3,
        1: lambda f: 0.5 * f + 2.0 * f**2 - 1.5 * f**3,
        2: lambda f: -0.5 * f**2 + 0.5 * f**3,
    },
}


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
        # At each pixel an item of bytes: the row of a window that begins there. To take rows like this needs 0.7 of the
        # time of taking windows from a sliding view.
        size = self._padded.itemsize
        row = np.dtype((np.void, size * window[1]))
        self._rows = np.ndarray((self._padded.size - window[1] + 1,), row, self._padded, strides=(size,))
        self.bad: np.ndarray | None = None

    def load(self, frame: np.ndarray, top: np.ndarray, left: np.ndarray) -> None:
        """Take the next frame and the places of its windows.

        Parameters
        ----------
        frame : numpy.ndarray, shape (rows, cols), any real dtype
            Pixels that are not finite become NaN.
        top, left : numpy.ndarray, shape (n,), float64
            Image coordinates of the first pixel of each window.
        """
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

        row, col = np.floor(top), np.floor(left)
        self._corner = ((row + mr) * p.shape[1] + (col + mc)).astype(np.intp)
        self._fractions = (top - row, left - col)

    @property
    def pixels(self) -> np.ndarray:
        """The frame as float32, shape (rows, cols)."""
        mr, mc = self._margin
        return self._padded[mr : mr + self.shape[0], mc : mc + self.shape[1]]

    def read(self, which: slice, out: np.ndarray) -> None:
        """Read some of the windows into ``out``, shape (k, rows, cols), float32."""
        corner, fractions = self._corner[which], [f[which] for f in self._fractions]
        if self.bad is None:
            self._read(corner, fractions, out)
            return
        # Where the fraction is 0 the neighbour has no weight, and if it is NaN it must not be touched.
        for whole in ((True, True), (True, False), (False, True), (False, False)):
            these = np.flatnonzero(((fractions[0] == 0) == whole[0]) & ((fractions[1] == 0) == whole[1]))
            part = np.empty((len(these), *self.window), np.float32)
            self._read(corner[these], [f[these] for f in fractions], part)
            out[these] = part

    def _read(self, corner: np.ndarray, fractions: list[np.ndarray], out: np.ndarray) -> None:
        h, w = self.window
        # Every kernel reproduces the pixels where all fractions are 0: then a plain copy gives the same bits.
        along_rows, along_cols = (_KERNELS[self.interpolation if f.any() else "nearest"] for f in fractions)
        above, below = max(0, -min(along_rows, default=0)), max(along_rows, default=0)  # rows needed beyond the window
        begins = corner[:, None] + self._padded.shape[1] * np.arange(-above, h + below)
        block = _interpolate(lambda s: self._take(begins + s), along_cols, fractions[1])
        moved = [block[:, i * w : (i + h) * w] for i in range(above + below + 1)]
        out[...] = _interpolate(lambda s: moved[above + s], along_rows, fractions[0]).reshape(out.shape)

    def _take(self, begins: np.ndarray) -> np.ndarray:
        """Return the rows of windows that begin at these pixels, shape (k, rows * cols), float32."""
        return self._rows[begins].view(np.float32)


def _interpolate(moved: Callable[[int], np.ndarray], kernel: _Kernel, fraction: np.ndarray) -> np.ndarray:
    """Return ``x_0 + sum over s of w_s (x_s - x_0)``, where ``moved(s)`` is x_s, shape (k, n)."""
    total = here = moved(0)
    for shift, weight in kernel.items():
        term = moved(shift) - here
        term *= weight(fraction).astype(np.float32)[:, None]
        total = np.add(total, term, out=term)
    return total


def inside(start: np.ndarray, n: int, size: int) -> np.ndarray:
    """Return which of the n samples of each window lie in an axis of ``size`` pixels, shape (k, n), bool."""
    where = start[:, None] + np.arange(n)
    return (where >= 0) & (where <= size - 1)
