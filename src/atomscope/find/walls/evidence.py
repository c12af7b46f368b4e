"""Where walls may be: steps by Canny's way, lines by their curvature, or what a network says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from skimage.feature import canny
from skimage.filters import apply_hysteresis_threshold

from atomscope.errors import ParameterError, ShapeError
from atomscope.find.prepare import Frame
from atomscope.find.walls.network import thinned

#: Smoothings that are tried, px, finest first.
SCALES_PX = (0.8, 1.2, 1.7, 2.4, 3.4, 4.8)
#: A sure wall stands so many noise deviations out; a wall goes on where it stands out by this part of that.
SURE, GOES_ON = 4.5, 0.5
#: The finest smoothing at which the median sure pixel stands out so far is fine enough.
_CLEAR = 6.5
#: Noise is never taken for less than this part of the strongest wall: images without noise have rounding errors.
_LEAST_NOISE = 0.02
#: A map that calls more than this part of the frame wall says nothing.
_ALL_WALL = 0.5
#: A wall has at least so many sure pixels, across and along it.
_FEWEST = 24
#: ... and its mean is at least this part of a sure one's: noise has a lone peak on a faint chain.
_MEAN = 0.75


@dataclass(frozen=True)
class Evidence:
    """Where walls may be in a frame; arrays of shape (rows, cols).

    Attributes
    ----------
    thin : bool
        Lines one pixel wide.
    strength : float32
        Highest on the middle of a wall: what sub-pixel places are read from.
    score : float32
        How sure a wall there is, 0 to 1.
    sigma_px : float
        Smoothing that was used.
    """

    thin: np.ndarray
    strength: np.ndarray
    score: np.ndarray
    sigma_px: float


def by_steps(frame: Frame, sigma_px: float | None = None, threshold: float | None = None) -> Evidence:
    """Find walls as steps: Canny's edges, smoothing and both thresholds from the image itself.

    The noise of the gradient is read from its own smallest fifth, whose length has Rayleigh's distribution where
    there is only noise. The smoothing is the finest one at which walls stand clear of it.

    Parameters
    ----------
    frame : Frame
    sigma_px : float, optional
    threshold : float, optional
        Least gradient of a sure wall, in units of its noise; by default 4.5.

    References
    ----------
    J. Canny, IEEE Trans. Pattern Anal. Mach. Intell. 8, 679 (1986). J. H. Elder and S. W. Zucker, IEEE Trans. Pattern
    Anal. Mach. Intell. 20, 699 (1998): the smallest reliable scale.
    """

    def gradient(image: np.ndarray, sigma: float) -> tuple[np.ndarray, float]:
        smooth = ndimage.gaussian_filter(image, sigma, mode="nearest")
        size = np.hypot(ndimage.sobel(smooth, 0), ndimage.sobel(smooth, 1))
        return size, float(np.quantile(size, 0.2)) / 0.668  # a fifth of Rayleigh's distribution lies below .668

    chosen = _finest_clear(frame, gradient, sigma_px, threshold or SURE)
    if chosen is None:
        return _nothing(frame)
    sigma, noise, size = chosen
    high = (threshold or SURE) * noise
    margin = _margin(sigma)
    image = np.pad(frame.image, margin, mode="symmetric")
    good = None if frame.good is None else np.pad(frame.good, margin, mode="symmetric")
    thin = canny(image, sigma, GOES_ON * high, high, mask=good, mode="nearest")
    return _seen(frame, thinned(thin), size, noise, high, sigma)


def by_lines(
    frame: Frame, polarity: str = "auto", sigma_px: float | None = None, threshold: float | None = None
) -> Evidence:
    """Find walls as bright or dark lines: the largest curvature of the smoothed image across a line.

    Parameters
    ----------
    frame : Frame
    polarity : {"auto", "bright", "dark"}
        auto: whichever has more pixels that stand out.
    sigma_px, threshold : float, optional
        As for :func:`by_steps`, of the curvature.

    References
    ----------
    C. Steger, IEEE Trans. Pattern Anal. Mach. Intell. 20, 113 (1998).
    """

    def curvature(image: np.ndarray, sigma: float) -> tuple[np.ndarray, float]:
        rr, cc, rc = (
            ndimage.gaussian_filter(image, sigma, order, mode="nearest") for order in ((2, 0), (0, 2), (1, 1))
        )
        half, turn = 0.5 * (rr + cc), np.hypot(0.5 * (rr - cc), rc)
        # The Laplacian of white noise has 8/3 of the variance of the second derivative in one direction, and three
        # tenths of a normal distribution lie within .385 deviations.
        noise = float(np.quantile(np.abs(2 * half), 0.3)) / 0.385 * np.sqrt(3 / 8)
        dark, bright = turn + half, turn - half
        if polarity != "auto":
            return (bright if polarity == "bright" else dark), noise
        sure = (threshold or SURE) * noise
        more = np.maximum(bright - sure, 0).sum() >= np.maximum(dark - sure, 0).sum()
        return (bright if more else dark), noise

    chosen = _finest_clear(frame, curvature, sigma_px, threshold or SURE)
    if chosen is None:
        return _nothing(frame)
    sigma, noise, size = chosen
    high = (threshold or SURE) * noise
    mask = apply_hysteresis_threshold(size, GOES_ON * high, high)
    return _seen(frame, thinned(mask), size, noise, high, sigma)


def by_map(probability: np.ndarray, threshold: float | None = None, good: np.ndarray | None = None) -> Evidence:
    """Find walls in any map of how likely each pixel lies on one.

    Parameters
    ----------
    probability : numpy.ndarray, shape (rows, cols), 0 to 1
    threshold : float, optional
        Least probability of a sure wall; by default .5. A wall goes on down to half of it.
    good : numpy.ndarray, shape (rows, cols), bool, optional
        Pixels that were measured.

    Raises
    ------
    ShapeError
        If the map is not 2-D.
    ParameterError
        If the threshold is no probability.
    """
    p = np.asarray(probability, np.float32)
    if p.ndim != 2:
        raise ShapeError(f"walls: wanted a map of shape (rows, cols), got shape {p.shape}")
    if threshold is not None and threshold >= 1:
        raise ParameterError(
            f"walls: the threshold of a map is a probability, wanted less than 1, got {threshold:g}; "
            "leave it empty for .5"
        )
    high = 0.5 if threshold is None else threshold
    p = np.nan_to_num(p, nan=0.0).clip(0, 1)
    if good is not None:
        p = np.where(good, p, 0).astype(np.float32)
    margin = 8
    mask = apply_hysteresis_threshold(np.pad(p, margin, mode="symmetric"), GOES_ON * high, high)
    inner = (slice(margin, -margin),) * 2
    if mask.mean() > _ALL_WALL:
        return Evidence(np.zeros(p.shape, bool), p, p, 1.0)
    # A plateau has no highest line: the smoothed map has.
    return Evidence(thinned(mask)[inner], ndimage.gaussian_filter(p, 1.5), p, 1.0)


def _finest_clear(
    frame: Frame, measure: Callable[[np.ndarray, float], tuple[np.ndarray, float]], given: float | None, sure: float
) -> tuple[float, float, np.ndarray] | None:
    """Return (smoothing, noise, measured, with a margin) of the finest smoothing at which walls are clear.

    None when at no smoothing anything is sure.
    """
    least = min(frame.image.shape)
    if given is not None and 4 * given > least:
        raise ParameterError(
            f"walls: a smoothing of {given:g} px is too wide for frames of {frame.image.shape[0]} x "
            f"{frame.image.shape[1]} px; choose at most {least / 4:g} or leave it empty"
        )
    best: tuple[float, float, np.ndarray] | None = None
    clearest = 0.0
    for sigma in (given,) if given is not None else [s for s in SCALES_PX if 8 * s <= least] or SCALES_PX[:1]:
        margin = _margin(sigma)
        size, noise = measure(np.pad(frame.image, margin, mode="symmetric"), sigma)
        inner = size[margin:-margin, margin:-margin]
        seen = inner if frame.good is None else inner[frame.good]
        noise = max(noise, _LEAST_NOISE * float(seen.max()), 1e-30)
        strong = seen[seen > sure * noise]
        # Noise alone has some sure pixels too: exp(-SURE**2 / 2) of all. Who gives a threshold knows better.
        if len(strong) < (max(_FEWEST, 3 * seen.size * np.exp(-0.5 * SURE**2)) if sure == SURE else 4):
            continue
        clear = float(np.median(strong)) / noise
        if clear > clearest:
            best, clearest = (sigma, noise, size), clear
        if clear >= _CLEAR * sure / SURE:
            break
    return best


def _margin(sigma: float) -> int:
    return int(np.ceil(4 * sigma)) + 3


def _seen(frame: Frame, thin: np.ndarray, size: np.ndarray, noise: float, high: float, sigma: float) -> Evidence:
    margin = _margin(sigma)
    inner = (slice(margin, -margin),) * 2
    thin, size = thin[inner], size[inner].astype(np.float32)
    if frame.good is not None:  # what was filled in has borders that are no walls
        thin = thin & ndimage.binary_erosion(frame.good, iterations=max(1, round(2 * sigma)), border_value=1)
    parts, count = ndimage.label(thin, np.ones((3, 3)))
    if count:
        mean = np.asarray(ndimage.mean(size, parts, np.arange(1, count + 1)))
        thin = thin & np.r_[False, mean >= _MEAN * high][parts]
    t2 = (size / noise) ** 2
    return Evidence(thin, size, (t2 / (t2 + SURE**2)).astype(np.float32), sigma)


def _nothing(frame: Frame) -> Evidence:
    zero = np.zeros(frame.image.shape, np.float32)
    return Evidence(zero.astype(bool), zero, zero, 1.0)
