"""One frame made ready: float32, atoms bright, bad pixels masked and filled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage

from atomscope.errors import ShapeError


@dataclass(frozen=True)
class Frame:
    """A frame ready for finding.

    Attributes
    ----------
    image : numpy.ndarray, shape (rows, cols), float32
        Counts, sign turned so that atoms are bright; bad pixels filled from around them.
    good : numpy.ndarray or None, shape (rows, cols), bool
        Pixels that were measured; None when all were.
    offset : float
        Counts taken off before the sign was turned: ``frame = offset + sign * image``.
    """

    image: np.ndarray
    good: np.ndarray | None
    offset: float = 0.0


def prepare(frame: np.ndarray, polarity: str = "bright") -> Frame | None:
    """Make a frame ready, or return None when it holds nothing (no finite pixel, or all pixels equal).

    Parameters
    ----------
    frame : array, shape (rows, cols)
        Any real dtype or bool. NaN and infinite pixels count as not measured.
    polarity : {"bright", "dark"}

    Raises
    ------
    ShapeError
        If the frame is not 2-D.
    """
    frame = np.asarray(frame)
    if frame.ndim != 2:
        raise ShapeError(f"wanted one frame of shape (rows, cols), got shape {frame.shape}")
    if frame.size == 0:
        return None
    wide = frame.astype(np.float64)
    bad = ~np.isfinite(wide)
    good: np.ndarray | None = None
    if bad.any():
        if bad.all():
            return None
        good = ~bad
        wide[bad] = 0.0
    values = wide if good is None else wide[good]
    low, high = float(values.min()), float(values.max())
    if not high > low:
        return None
    # Centred before float32: counts of 1e6 with a contrast of 1 keep their contrast.
    offset = float(np.median(values[:: max(1, values.size // 4096)]))
    wide -= offset
    if polarity == "dark":
        np.negative(wide, out=wide)
    image = wide.astype(np.float32)
    if good is not None:
        image[bad] = 0.0
        image[bad] = _fill(image, good)[bad]
    return Frame(image, good, offset)


def _fill(image: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Smoothly continue an image into its holes by normalised convolution, wider and wider."""
    weight = good.astype(np.float32)
    out = image.copy()
    todo = ~good
    sigma = 2.0
    while todo.any() and sigma < 2 * max(image.shape):
        norm = ndimage.gaussian_filter(weight, sigma)
        near = todo & (norm > 0.05)
        if near.any():
            out[near] = (ndimage.gaussian_filter(image * weight, sigma)[near]) / norm[near]
            todo &= ~near
        sigma *= 2
    if todo.any():
        out[todo] = float(image[good].mean())
    return out


def pad_for_fft(image: np.ndarray, margin: int) -> np.ndarray:
    """Mirror an image outwards by at least ``margin`` pixels to a shape that transforms fast."""
    pads = []
    for n in image.shape:
        want = fft.next_fast_len(n + 2 * margin, real=True)
        before = margin
        pads.append((before, want - n - before))
    return np.pad(image, pads, mode="symmetric")
