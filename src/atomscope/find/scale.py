"""How large: column width and lattice period from the image's own spectrum, no pixel size needed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft

from atomscope.find.peaks import local_maxima, subpixel
from atomscope.find.spectrum import Spectrum

#: Power above so many times the floor is signal.
_OVER_FLOOR = 4.0
#: A scale counts when it holds this much signal over the noise that it holds, and so many deviations more.
_SEEN = 0.2
_SURE = 6.0
#: Above this it shows one without a doubt.
_PLAIN = 0.5
#: So many widths are tried where the background is the strongest at all of them.
_TRIED = 7
#: Periods that differ by less than this are the same.
_SAME = 1.08
_HANN_MODES = 2.25  # neighbouring modes behind a Hann window are not independent
#: Below this height of its best side peak an autocorrelation shows no lattice.
LATTICE_CONFIDENCE = 0.2
#: Nor below so many standard deviations of the autocorrelation of what has no order at that scale.
_NO_CHANCE = 4.0


@dataclass(frozen=True)
class Scale:
    """What the spectrum says.

    Attributes
    ----------
    width : float or None
        Effective column width, px: the smaller of a column's standard deviation and about a sixth of the
        lattice period. None when nothing stands above the noise.
    period : float or None
        Shortest repeat of the lattice, px; None without a lattice, or where chance may have made it.
    confidence : float
        Height of the best side peak of the autocorrelation, 0 to 1.
    """

    width: float | None
    period: float | None
    confidence: float


def measure_scale(spectrum: Spectrum, shape: tuple[int, int]) -> Scale:
    """Read column width and lattice period off the spectrum of a frame.

    The signal is what stands above the noise of scan lines. Its scale is where the scale-normalised
    Laplacian of Gaussian holds most of it (for a lone Gaussian column, sqrt(2) times its width); the period is
    the nearest strong peak of the autocorrelation, band-passed at that scale, so that neither slow background
    nor noise can take its place.

    Parameters
    ----------
    spectrum : Spectrum
    shape : tuple of int
        (rows, cols) of the frame.

    References
    ----------
    Lindeberg, Int. J. Comput. Vis. 30, 79 (1998), for scale selection.
    """
    floor = spectrum.line_floor[None, :]
    signal = np.where(spectrum.power > _OVER_FLOOR * floor, spectrum.power - floor, 0)
    signal[:, 0] = 0  # offsets of whole lines
    signal[0] = 0
    bins = np.minimum((np.sqrt(spectrum.k2) * (256 / np.pi)).astype(np.int64), 511)
    radial = np.bincount(bins.ravel(), weights=signal.ravel(), minlength=512)
    noise = np.bincount(bins.ravel(), weights=np.broadcast_to(floor, bins.shape).ravel(), minlength=512)
    k2 = ((np.arange(512) + 0.5) * (np.pi / 256)) ** 2
    scales = np.geomspace(0.9, max(min(shape) / 6, 1.0), 64)
    x = scales[:, None] ** 2 * k2[None, :]
    gain = x**2 * np.exp(-x)
    held, lost = gain @ radial, gain @ noise
    # Noise alone puts 4 exp(-4) of its power over the floor, give or take what few modes allow.
    modes = np.bincount(bins.ravel(), minlength=512)
    count = (gain @ modes) ** 2 / np.maximum((gain**2) @ modes, 1e-30) / _HANN_MODES
    seen = held > (_SEEN + _SURE * np.sqrt(0.31 / np.maximum(count, 1e-9))) * lost
    if not seen.any():
        return Scale(None, None, 0.0)
    # Slow background holds more and more at coarse scales: also look for the columns' own scale below it.
    found: dict[int, Scale] = {}
    for slope in (0.0, 1.5, 3.0):
        best = int(np.argmax(np.where(seen, held * scales**-slope, 0)))
        if best not in found:
            width = float(np.clip(scales[best] / np.sqrt(2), 0.8, max(min(shape) / 8, 0.8)))
            found[best] = _period(signal, spectrum.k2, shape, width)
            if found[best].period is not None and found[best].confidence > _PLAIN:
                return found[best]
    chosen = max(found.values(), key=lambda scale: scale.confidence)
    if chosen.period is not None and chosen.confidence >= 2 * LATTICE_CONFIDENCE:
        return chosen
    return _behind(signal, spectrum.k2, shape, held, scales) or next(iter(found.values()))


def _behind(
    signal: np.ndarray, k2: np.ndarray, shape: tuple[int, int], held: np.ndarray, scales: np.ndarray
) -> Scale | None:
    """Look for a lattice behind a background that outshines it at every scale: holes, dirt, thickness."""
    tried = [_period(signal, k2, shape, width) for width in np.geomspace(1.2, max(1.2, min(shape) / 20), _TRIED)]
    best: Scale | None = None
    for three in zip(tried, tried[1:], tried[2:], strict=False):
        periods = [scale.period or np.inf for scale in three]
        # What has no order repeats at whatever length it is filtered for; a lattice always at its own.
        same = max(periods) < _SAME * min(periods) and min(scale.confidence for scale in three) > _PLAIN
        if same and (best is None or three[1].confidence > best.confidence):
            best = three[1]
    if best is None or best.period is None:
        return None
    fine = scales / np.sqrt(2) <= max(0.8, best.period / 6)
    width = float(max(scales[int(np.argmax(np.where(fine, held, 0)))] / np.sqrt(2), 0.8))
    return Scale(width, best.period, best.confidence)


def _period(signal: np.ndarray, k2: np.ndarray, shape: tuple[int, int], width: float) -> Scale:
    """Look for the nearest strong side peak of the autocorrelation, band-passed for columns of a width."""
    acf = fft.fftshift(fft.irfft2(signal * laplacian_gain_sharp(k2, width), s=shape))
    centre = (shape[0] // 2, shape[1] // 2)
    row, col = local_maxima(acf)
    r = np.hypot(row - centre[0], col - centre[1])
    value = acf[row, col] / acf[centre]
    inside = (r > 1.8 * width) & (r < min(shape) / 2.5) & (value > 0.05)
    if not inside.any():
        return Scale(width, None, 0.0)
    row, col, r, value = row[inside], col[inside], r[inside], value[inside]
    confidence = float(np.clip(value.max(), 0, 1))
    by_chance = width * float(np.sqrt(4 * np.pi / (shape[0] * shape[1])))
    if confidence < max(LATTICE_CONFIDENCE, _NO_CHANCE * by_chance):
        return Scale(width, None, confidence)
    nearest = int(np.argmin(np.where(value > 0.35 * value.max(), r, np.inf)))
    sub_row, sub_col = subpixel(acf, row[nearest : nearest + 1], col[nearest : nearest + 1])
    return Scale(width, float(np.hypot(sub_row[0] - centre[0], sub_col[0] - centre[1])), confidence)


def laplacian_gain_sharp(k2: np.ndarray, width: float) -> np.ndarray:
    """Band-pass for the autocorrelation: a Laplacian of Gaussian somewhat finer than the columns."""
    x = 0.5 * width**2 * k2
    return x**2 * np.exp(-x)
