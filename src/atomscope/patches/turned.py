"""Windows of one frame that are turned with their sites, or whose pixels are averages of several.

A pixel of a patch is the mean of ``binning`` x ``binning`` points of the image, a pixel apart, read where the turned
window has them. Each value depends on its own window only: results are equal for every chunking.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import map_coordinates

_ORDER = {"nearest": 0, "linear": 1}


class TurnedSampler:
    """One frame, from which turned or binned windows are read; the same use as of ``FrameSampler``.

    Parameters
    ----------
    window : tuple of int
        (rows, cols) of a patch, in its own pixels.
    binning : int
        Pixels of the image, along each axis, in one of the patch.
    interpolation : {"nearest", "linear"}
    """

    def __init__(self, window: tuple[int, int], binning: int, interpolation: str) -> None:
        self.window, self.binning, self._order = window, binning, _ORDER[interpolation]
        rows, cols = (np.arange(n * binning) - (n * binning - 1) / 2 for n in window)
        self._row, self._col = (part.ravel() for part in np.meshgrid(rows, cols, indexing="ij"))
        self.bad: np.ndarray | None = None

    def load(self, frame: np.ndarray, top: np.ndarray, left: np.ndarray, angle: np.ndarray) -> None:
        """Take the next frame and the places of its windows.

        Parameters
        ----------
        frame : numpy.ndarray, shape (rows, cols), any real dtype
            Pixels that are not finite become NaN.
        top, left : numpy.ndarray, shape (n,), float64
            Image coordinates of the first pixel of each window before it is turned about its middle.
        angle : numpy.ndarray, shape (n,), rad
            From +col towards +row.
        """
        with np.errstate(over="ignore"):
            self.pixels = np.array(frame, dtype=np.float32)
        finite = np.isfinite(self.pixels)
        self.bad = None if finite.all() else ~finite
        if self.bad is not None:
            self.pixels[self.bad] = np.nan
        rows, cols = (n * self.binning for n in self.window)
        self._middle = (top + (rows - 1) / 2, left + (cols - 1) / 2)
        self._turn = (np.cos(angle), np.sin(angle))

    def read(self, which: slice, out: np.ndarray) -> None:
        """Read some of the windows into ``out``, shape (k, rows, cols), float32."""
        (row, col), (c, s) = (part[which][:, None] for part in self._middle), (t[which][:, None] for t in self._turn)
        at = (row + s * self._col + c * self._row, col + c * self._col - s * self._row)  # (k, points) twice
        fine = map_coordinates(self.pixels, at, order=self._order, mode="nearest", output=np.float32)
        (n, m), b = self.window, self.binning
        out[...] = fine.reshape(-1, n, b, m, b).mean((2, 4), dtype=np.float64)
