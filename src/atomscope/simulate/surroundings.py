"""What an image shows beside its columns, and what measuring does to it, drawn at random for training.

Lengths are in units of the column width, heights in units of a column's.
"""

from __future__ import annotations

import numpy as np
from scipy import fft, ndimage

#: Signal over noise of one column seen through the best filter: from hardly to be seen to very clear. A lattice helps.
_CLEARNESS = {True: (2.0, 60.0), False: (3.0, 40.0)}


def surroundings(rng: np.random.Generator, side: int, sigma: float, crystal: bool) -> np.ndarray:
    """Draw what is not a column: slow background, amorphous support, dirt, fringes, scratches.

    Parameters
    ----------
    rng : numpy.random.Generator
    side : int, px
    sigma : float, px
        Width of a column.
    crystal : bool
        Whether the columns are a lattice: fringes without columns are for other frames.

    Returns
    -------
    numpy.ndarray, shape (side, side), float64
        At least 0.
    """
    out = np.zeros((side, side))
    if rng.random() < 0.7:
        out += rng.uniform(0, 1.2) * _field(rng, side, sigma * rng.uniform(5, 20))
    if rng.random() < (0.4 if crystal else 0.8):  # grains as wide as a column: light atoms seen by the same probe
        strength = np.exp(rng.uniform(np.log(0.03 if crystal else 0.06), np.log(0.3)))
        out += strength * _field(rng, side, sigma * rng.uniform(0.6, 1.6))
    if rng.random() < 0.3:
        dirt = np.clip(_field(rng, side, sigma * rng.uniform(2.5, 7)) - rng.uniform(0.8, 1.8), 0, None)
        out += rng.uniform(0.3, 2.5) * dirt
    if rng.random() < 0.3:
        slope = rng.normal(0, 1.0, 2)
        at = np.linspace(-0.5, 0.5, side)
        out += slope[0] * at[:, None] + slope[1] * at
    if not crystal and rng.random() < 0.15:
        out += _fringes(rng, side, sigma)
    if rng.random() < 0.1:
        out += _scratch(rng, side, sigma)
    return out - out.min() + rng.choice([0.05, rng.uniform(0.0, 1.5)])


def measured(rng: np.random.Generator, image: np.ndarray, sigma: float, crystal: bool) -> np.ndarray:
    """Count electrons and add the detector's noise.

    Parameters
    ----------
    rng : numpy.random.Generator
    image : numpy.ndarray, shape (side, side)
        The height of a column is 1.
    sigma : float, px
    crystal : bool
        Fainter columns are worth learning from where they form a lattice.
    """
    low, high = _CLEARNESS[crystal]
    clearness = np.exp(rng.uniform(np.log(low), np.log(high)))
    # A Gaussian of height h in white noise n: h sigma sqrt(pi) / n through the best filter.
    variance = np.pi * sigma**2 / clearness**2
    counted = rng.choice([1.0, 1.0, rng.uniform(0, 1), 0.0])
    if counted:
        level = float(np.median(image)) + 0.3
        dose = level / (counted * variance)
        image = rng.poisson(np.clip(image, 0, None) * dose) / dose
    if counted < 1:
        noise = rng.normal(size=image.shape)
        if rng.random() < 0.3:  # resampled or filtered images
            noise = ndimage.gaussian_filter(noise, rng.uniform(0.4, 0.9))
            noise /= noise.std()
        image = image + noise * np.sqrt((1 - counted) * variance)
    if rng.random() < 0.3:  # the detector is slower than the scan
        image = ndimage.gaussian_filter1d(image, rng.uniform(0.3, 1.0), axis=1)
    if rng.random() < 0.25:  # lines brighter and darker
        image = image + rng.normal(0, rng.uniform(0.05, 0.5) * np.sqrt(variance), (len(image), 1))
    return np.asarray(image)


def _field(rng: np.random.Generator, side: int, scale: float) -> np.ndarray:
    """Draw smooth random values of standard deviation 1."""
    k2 = np.fft.fftfreq(side)[:, None] ** 2 + np.fft.rfftfreq(side) ** 2
    smooth = fft.rfft2(rng.normal(size=(side, side))) * np.exp(-2 * (np.pi * scale) ** 2 * k2)
    values = fft.irfft2(smooth, s=(side, side))
    return np.asarray(values / max(float(values.std()), 1e-12))


def _fringes(rng: np.random.Generator, side: int, sigma: float) -> np.ndarray:
    """Draw lattice planes seen from the side, in a part of the frame."""
    a, period = rng.uniform(0, np.pi), sigma * rng.uniform(3, 7)
    at = np.arange(side)
    wave = np.cos(2 * np.pi * (np.sin(a) * at[:, None] + np.cos(a) * at) / period + rng.uniform(0, 2 * np.pi))
    where = 1 / (1 + np.exp(-3 * (_field(rng, side, rng.uniform(0.08, 0.2) * side) - rng.uniform(0, 1))))
    return rng.uniform(0.05, 0.4) * (1 + wave) * where


def _scratch(rng: np.random.Generator, side: int, sigma: float) -> np.ndarray:
    """Draw a thin bent line: a step, an edge of a sheet."""
    a, bend = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.5 / side)
    at = np.arange(side) - rng.uniform(0.2, 0.8) * side
    along = np.cos(a) * at + np.sin(a) * at[:, None]
    across = -np.sin(a) * at + np.cos(a) * at[:, None] + bend * along**2
    return rng.uniform(0.1, 0.8) * np.exp(-0.5 * (across / (sigma * rng.uniform(0.5, 1.5))) ** 2)
