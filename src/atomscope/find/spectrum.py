"""Power spectrum of a frame, and from it the noise that a filter lets through."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft

#: Row frequencies (cycles/px) above which no column is sharp enough to be seen.
_HIGH = 0.375
#: Side of the blocks of the spectrum (bins) within which the floor under the Bragg spots is the median.
_BLOCK = 8
_LN2 = float(np.log(2))  # the median of an exponential distribution over its mean


@dataclass(frozen=True)
class Spectrum:
    """Half-plane power spectrum of one frame; mean over all bins is the variance.

    Attributes
    ----------
    power : numpy.ndarray, shape (rows, cols // 2 + 1)
        Counts squared.
    k2 : numpy.ndarray, same shape
        Squared angular frequency, rad**2 / px**2.
    line_floor : numpy.ndarray, shape (cols // 2 + 1,)
        Noise as a function of the column frequency.
    local_floor : numpy.ndarray, same shape as power
        Everything that is not periodic: the local median under the Bragg spots.
    """

    power: np.ndarray
    k2: np.ndarray
    line_floor: np.ndarray
    local_floor: np.ndarray

    @property
    def weight(self) -> np.ndarray:
        """How often each column of the half plane counts in a sum over the whole plane."""
        weight = np.full(self.power.shape[1], 2.0)
        weight[0] = 1.0
        return weight

    def noise(self, gain: np.ndarray) -> tuple[float, float]:
        """Return what a filter of squared gain ``gain`` lets through: (line noise, all that is aperiodic)."""
        bins = self.power.shape[0] * (2 * (self.power.shape[1] - 1) or 1)
        weighted = gain * self.weight
        line = float((weighted * self.line_floor).sum()) / bins
        local = float((weighted * self.local_floor).sum()) / bins
        return line**0.5, local**0.5


def spectrum_of(image: np.ndarray) -> Spectrum:
    """Measure the spectrum of a prepared frame, shape (rows, cols), through a Hann window."""
    window = np.hanning(image.shape[0] + 2)[1:-1, None] * np.hanning(image.shape[1] + 2)[None, 1:-1]
    window /= np.sqrt(np.mean(window**2))
    mean = float((image * window).sum() / window.sum())
    spectrum = fft.rfft2(((image - mean) * window).astype(np.float32))
    power = (spectrum.real**2 + spectrum.imag**2) / image.size
    k_row = 2 * np.pi * fft.fftfreq(image.shape[0])
    k_col = 2 * np.pi * fft.rfftfreq(image.shape[1])
    k2 = k_row[:, None] ** 2 + k_col[None, :] ** 2
    return Spectrum(power, k2, _line_floor(power), _local_floor(power))


def laplacian_gain(k2: np.ndarray, sigma: float) -> np.ndarray:
    """Squared gain of the scale-normalised Laplacian of Gaussian."""
    x = sigma**2 * k2
    return x**2 * np.exp(-x)


def _line_floor(power: np.ndarray) -> np.ndarray:
    """Noise floor per column frequency, read at the highest row frequencies.

    Scan lines are recorded one after the other: their noise is independent from line to line, so its
    spectrum does not depend on the row frequency, and near Nyquist there is nothing else. White noise
    is the special case where it does not depend on the column frequency either.
    """
    band = power[np.abs(fft.fftfreq(power.shape[0])) >= _HIGH]
    if not len(band):
        band = power
    floor = np.median(band, axis=0) / _LN2
    size = min(9, len(floor))
    padded = np.pad(floor, size // 2, mode="edge")
    return np.convolve(padded, np.full(size, 1 / size), mode="valid")[: len(floor)]


def _local_floor(power: np.ndarray) -> np.ndarray:
    """Median of blocks of the spectrum: Bragg spots fill a small part of a block, noise all of it."""
    shape = power.shape
    full = np.pad(power, [(0, -n % _BLOCK) for n in shape], mode="reflect" if min(shape) > _BLOCK else "edge")
    rows, cols = full.shape[0] // _BLOCK, full.shape[1] // _BLOCK
    blocks = full.reshape(rows, _BLOCK, cols, _BLOCK).transpose(0, 2, 1, 3).reshape(rows, cols, -1)
    floor = np.median(blocks, axis=2) / _LN2
    return np.repeat(np.repeat(floor, _BLOCK, axis=0), _BLOCK, axis=1)[: shape[0], : shape[1]]
