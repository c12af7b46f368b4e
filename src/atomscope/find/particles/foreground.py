"""What of a frame is particle: the threshold, and whether there is anything to divide."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu

from atomscope.find.prepare import Frame

#: Particles stand at least so many standard deviations of the smoothed noise over the background ...
_SEEN = 4.0
#: ... and the two classes lie so many of their own spreads apart. Otsu's halves of one Gaussian lie 2.65 apart.
_APART = 3.2
#: The background is as smooth as this fraction of the side.
_SMOOTH = 1 / 8
_GROW = 3  # px, the rim of a particle that is not background either
#: The image is smoothed until its particles stand so many standard deviations of noise high, within these bounds.
_CLEAR = 15.0
_SIGMAS = (0.8, 3.0)
_BINS = 64


@dataclass(frozen=True)
class Foreground:
    """What is particle.

    Attributes
    ----------
    image : numpy.ndarray, shape (rows, cols), float32
        Smoothed, background taken off: counts over the background.
    mask : numpy.ndarray, shape (rows, cols), bool
    noise : float
        Standard deviation of the unsmoothed noise, counts.
    threshold : float
        Counts over the background.
    """

    image: np.ndarray
    mask: np.ndarray
    noise: float
    threshold: float


def find_foreground(frame: Frame, smooth_px: float | None = None, threshold: float | None = None) -> Foreground:
    """Divide a prepared frame into particles and background.

    The threshold is Otsu's, on the smoothed frame with a slowly varying background taken off; where there is no
    second class, as in noise alone, nothing is particle.

    Parameters
    ----------
    frame : Frame
    smooth_px : float, optional
        By default as much as the noise asks for.
    threshold : float, optional
        Counts over the background.

    References
    ----------
    N. Otsu, IEEE Trans. Syst. Man Cybern. 9, 62 (1979).
    """
    noise = pixel_noise(frame.image)
    good = np.ones(frame.image.shape, bool) if frame.good is None else frame.good
    sigma = _SIGMAS[1] / 2 if smooth_px is None else smooth_px
    flat, level = _flattened(frame.image, good, sigma)
    if smooth_px is None:
        height = _step(flat[good], level)[0]
        sigma = float(np.clip(_CLEAR * noise / max(2 * np.sqrt(np.pi) * height, 1e-30), *_SIGMAS))
        flat, level = _flattened(frame.image, good, sigma)
    if threshold is None:
        step, within = _step(flat[good], level)
        if step <= max(_SEEN * noise / max(2 * np.sqrt(np.pi) * sigma, 1.0), _APART * within):
            return Foreground(flat, np.zeros(flat.shape, bool), noise, level)
    else:
        level = threshold
    return Foreground(flat, (flat > level) & good, noise, level)


def pixel_noise(image: np.ndarray) -> float:
    """Return the standard deviation of white noise from the differences of diagonal neighbours."""
    if min(image.shape) < 2:
        return 0.0
    d = (image[1:, 1:] - image[:-1, 1:] - image[1:, :-1] + image[:-1, :-1]) / 2
    return 1.4826 * float(np.median(np.abs(d)))


def _flattened(image: np.ndarray, good: np.ndarray, sigma: float) -> tuple[np.ndarray, float]:
    """Return the image smoothed and without its background, and Otsu's threshold of that."""
    smooth = ndimage.gaussian_filter(image, sigma, mode="nearest") if sigma else image
    flat = smooth - float(np.median(smooth[good]))
    level = _otsu(flat[good])
    for _ in range(3):
        background = _background(smooth, good & ~ndimage.binary_dilation(flat > level, iterations=_GROW))
        if background is None:
            break
        flat = smooth - background
        level = _otsu(flat[good])
    return flat, level


def _otsu(values: np.ndarray) -> float:
    low, high = np.percentile(values, (0.1, 99.9))
    return float(threshold_otsu(np.clip(values, low, high))) if high > low else float(high)


def _background(image: np.ndarray, quiet: np.ndarray) -> np.ndarray | None:
    """Continue the quiet pixels smoothly below the particles; None when there are too few to know."""
    if quiet.mean() < 0.05:
        return None
    block = max(1, max(image.shape) // _BINS)  # so smooth a thing needs no fine pixels
    plane = _plane(image, quiet)
    image = image - plane
    sigma = _SMOOTH * max(image.shape) / block
    weight = ndimage.gaussian_filter(_binned(quiet.astype(np.float32), block), sigma, mode="nearest")
    values = ndimage.gaussian_filter(_binned(image * quiet, block), sigma, mode="nearest")
    if float(weight.min()) < 1e-3:
        return np.asarray(plane + np.median(image[quiet]), np.float32)
    coarse = values / weight
    fine = ndimage.zoom(coarse, block, order=1, mode="nearest", grid_mode=True) if block > 1 else coarse
    return np.asarray(plane + fine[: image.shape[0], : image.shape[1]], np.float32)


def _plane(image: np.ndarray, quiet: np.ndarray) -> np.ndarray:
    """Return the plane through the quiet pixels, shape (rows, cols)."""
    row, col = np.nonzero(quiet)
    some = slice(None, None, max(1, len(row) // 20_000))
    row, col = row[some], col[some]
    a, *_ = np.linalg.lstsq(np.c_[row, col, np.ones(len(row))], image[row, col].astype(np.float64), rcond=None)
    return np.asarray(a[0] * np.arange(image.shape[0])[:, None] + a[1] * np.arange(image.shape[1]) + a[2])


def _binned(image: np.ndarray, block: int) -> np.ndarray:
    full = np.pad(image, [(0, -n % block) for n in image.shape])
    return np.asarray(full.reshape(full.shape[0] // block, block, full.shape[1] // block, block).mean((1, 3)))


def _step(values: np.ndarray, level: float) -> tuple[float, float]:
    """Return how far the two classes lie apart, and their own spread."""
    above = values > level
    if not above.any() or above.all():
        return 0.0, 1.0
    low, high = values[~above], values[above]
    within = float(np.sqrt((low.var() * low.size + high.var() * high.size) / values.size))
    return float(high.mean() - low.mean()), within
