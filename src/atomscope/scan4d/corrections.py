"""Dark current, gain and dead pixels of a camera: taken into the masks, so that no data are rewritten.

The corrected pattern is (pattern - dark) * gain, with each dead pixel replaced by the mean of its good neighbours. All
of that is linear, so a mask over corrected patterns is other weights over raw ones, less a constant.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from atomscope.errors import InputError, ShapeError


@dataclass(frozen=True)
class Corrections:
    """What is known of a camera.

    Parameters
    ----------
    dark : numpy.ndarray, shape (rows, cols), optional
        Counts without a beam.
    gain : numpy.ndarray, shape (rows, cols), optional
        Factor that makes the answers of all pixels equal.
    dead : numpy.ndarray of bool, shape (rows, cols), optional
        Pixels whose counts mean nothing, dead or hot.

    Raises
    ------
    InputError
        If a value is not finite, or every pixel is dead.
    """

    dark: np.ndarray | None = None
    gain: np.ndarray | None = None
    dead: np.ndarray | None = None

    def __post_init__(self) -> None:
        for name in ("dark", "gain"):
            value = getattr(self, name)
            good = slice(None) if self.dead is None else ~np.asarray(self.dead, bool)
            if value is not None and not np.isfinite(np.asarray(value)[good]).all():
                raise InputError(f"corrections: {name} has pixels that are no finite numbers; mark them as dead")
        if self.dead is not None and np.all(self.dead):
            raise InputError("corrections: every pixel is marked as dead")

    def check(self, frame_shape: tuple[int, int]) -> None:
        """Raise ShapeError unless every reference has the shape of the patterns."""
        for name in ("dark", "gain", "dead"):
            value = getattr(self, name)
            if value is not None and np.shape(value) != frame_shape:
                raise ShapeError(f"corrections: {name} has shape {np.shape(value)}, the patterns have {frame_shape}")

    def weights(self, mask: np.ndarray) -> tuple[np.ndarray, float]:
        """Return weights over raw patterns and the constant to take off, for a mask over corrected ones.

        Parameters
        ----------
        mask : numpy.ndarray, shape (rows, cols)
        """
        out = mask
        if self.dead is not None and np.any(self.dead):
            out = self._moved(np.asarray(mask, np.float64))
        if self.gain is not None:
            out = out * _finite(self.gain)
        taken = 0.0 if self.dark is None else float((_finite(self.dark) * out).sum())
        return out, taken

    def pattern(self, pattern: np.ndarray, dark: bool = True) -> np.ndarray:
        """Return a raw mean or largest pattern corrected, shape (rows, cols); ``dark=False`` for differences."""
        out = np.asarray(pattern, np.float64)
        if self.dark is not None and dark:
            out = out - _finite(self.dark)
        if self.gain is not None:
            out = out * _finite(self.gain)
        if self.dead is not None and np.any(self.dead):
            out = out.copy()
            for pixel, near in self._neighbours():
                out[pixel] = np.mean([out[n] for n in near])
        return out

    def _moved(self, mask: np.ndarray) -> np.ndarray:
        out = mask.copy()
        for pixel, near in self._neighbours():
            for n in near:
                out[n] += mask[pixel] / len(near)
            out[pixel] = 0.0
        return out

    def _neighbours(self) -> list[tuple[tuple[int, int], list[tuple[int, int]]]]:
        """Return the good pixels next to each dead one; for those deep inside a dead patch, the nearest good one."""
        dead = np.asarray(self.dead, bool)
        nearest = ndimage.distance_transform_edt(dead, return_distances=False, return_indices=True)
        rows, cols = dead.shape
        out = []
        for r, c in np.argwhere(dead).tolist():
            near = [
                (i, j)
                for i in range(max(r - 1, 0), min(r + 2, rows))
                for j in range(max(c - 1, 0), min(c + 2, cols))
                if not dead[i, j]
            ]
            out.append(((r, c), near or [(int(nearest[0, r, c]), int(nearest[1, r, c]))]))
        return out


def _finite(reference: np.ndarray) -> np.ndarray:
    """Return a reference without the NaN of dead pixels."""
    return np.nan_to_num(np.asarray(reference, np.float64), nan=0.0, posinf=0.0, neginf=0.0)
