"""How large: lattice spacing and column width from the image's own spectrum, no pixel size needed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft

from atomscope.find.peaks import local_maxima, subpixel
from atomscope.find.prepare import Frame, prepare


@dataclass(frozen=True)
class Spacing:
    """Distance between neighbouring columns, measured.

    Attributes
    ----------
    px : float
        Nearest-neighbour distance, px.
    confidence : float
        0 (no lattice: a scale-space guess) to 1 (a perfect lattice).
    sigma : float
        Column width that suits the image, px.
    source : {"autocorrelation", "scale-space", "default"}
    """

    px: float
    confidence: float
    sigma: float
    source: str


def power_spectrum(image: np.ndarray) -> np.ndarray:
    """Return the half-plane power spectrum of a Hann-windowed frame, scan-line offsets removed."""
    window = np.hanning(image.shape[0] + 2)[1:-1, None] * np.hanning(image.shape[1] + 2)[None, 1:-1]
    window = (window / np.sqrt(np.mean(window**2))).astype(np.float32)
    mean = np.average(image, weights=window)
    spectrum = fft.rfft2((image - mean) * window)
    return (spectrum.real**2 + spectrum.imag**2) / image.size


def noise_floor(power: np.ndarray) -> np.ndarray:
    """White-noise floor and more: a spectrum per column frequency, from the highest row frequencies.

    Scan lines are recorded one after the other, so noise is independent from line to line and its
    spectrum does not depend on the row frequency; above 3/4 of Nyquist there is no column signal.
    """
    rows = power.shape[0]
    k = np.abs(fft.fftfreq(rows))
    band = power[k > 0.375] if (k > 0.375).any() else power
    floor = np.median(band, axis=0) / np.log(2)
    n = len(floor)
    size = min(9, n)
    padded = np.pad(floor, size // 2, mode="edge")
    return np.convolve(padded, np.ones(size) / size, mode="valid")[:n]


def estimate_spacing(frame: np.ndarray, polarity: str = "bright") -> Spacing:
    """Measure the distance between neighbouring columns of one frame.

    Parameters
    ----------
    frame : array, shape (rows, cols)
    polarity : {"bright", "dark"}
    """
    ready = prepare(frame, polarity)
    if ready is None:
        return Spacing(10.0, 0.0, 2.0, "default")
    return measure(ready)


def measure(frame: Frame) -> Spacing:
    """Do the work of :func:`estimate_spacing` on a prepared frame."""
    image = frame.image
    power = power_spectrum(image)
    floor = noise_floor(power)
    clean = np.maximum(power - floor[None, :], 0)
    k_row = 2 * np.pi * fft.fftfreq(image.shape[0])[:, None]
    k_col = 2 * np.pi * fft.rfftfreq(image.shape[1])[None, :]
    k2 = k_row**2 + k_col**2
    clean = np.where(power > 4 * floor[None, :], clean, 0)
    clean[:, 0] = 0
    clean[np.abs(k_row[:, 0]) < 1e-9] = 0
    # Column width: the scale at which the Laplacian of Gaussian holds most of the signal.
    k2_bins = np.minimum((np.sqrt(k2) / np.pi * 256).astype(int), 511)
    radial = np.bincount(k2_bins.ravel(), weights=clean.ravel(), minlength=512)
    kk = (np.arange(512) + 0.5) / 256 * np.pi
    scales = np.geomspace(0.8, min(image.shape) / 6 + 1, 60)
    energy = np.array([(radial * (s * kk) ** 4 * np.exp(-((s * kk) ** 2))).sum() for s in scales])
    if not energy.max() > 0:
        return Spacing(10.0, 0.0, 2.0, "default")
    sigma = float(np.clip(scales[int(np.argmax(energy))] / np.sqrt(2), 0.9, min(image.shape) / 8))
    # Autocorrelation of the band-passed image.
    s = 0.7 * sigma
    acf = fft.irfft2(clean * k2**2 * np.exp(-k2 * s**2), s=image.shape)
    acf = fft.fftshift(acf)
    centre = np.array(acf.shape) // 2
    top = acf[centre[0], centre[1]]
    row, col = local_maxima(acf)
    r = np.hypot(row - centre[0], col - centre[1])
    value = acf[row, col] / top
    inside = (r > 1.8 * sigma) & (r < min(image.shape) / 3) & (value > 0.1)
    if not inside.any():
        return Spacing(6 * sigma, 0.0, sigma, "scale-space")
    row, col, r, value = row[inside], col[inside], r[inside], value[inside]
    near = value > 0.35 * value.max()
    first = int(np.argmin(np.where(near, r, np.inf)))
    sub_row, sub_col = subpixel(acf, row, col)
    px = float(np.hypot(sub_row[first] - centre[0], sub_col[first] - centre[1]))
    return Spacing(px, float(np.clip(value.max(), 0, 1)), sigma, "autocorrelation")
