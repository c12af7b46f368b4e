"""The lattice of an image by itself: its Bragg spots, each with an amplitude that may change slowly over the image."""

from __future__ import annotations

import numpy as np
from scipy import fft

from atomscope.find.peaks import local_maxima, subpixel
from atomscope.find.spectrum import Spectrum

#: A spot's power over the floor round it; so high one of noise is seldom met among all the bins of an image.
_OVER_FLOOR = 20.0
#: Fewer periods than this across the image are background.
_LEAST_PERIODS = 4
_MOST_SPOTS = 60
#: Amplitudes are known on a grid of this fraction of the averaging width, and interpolated.
_GRID = 0.5
_ROUNDS = 4
#: Columns of the image that a wave is added to at a time: they stay near the processor.
_BLOCK = 128
#: Of a Gaussian mean, what is less than this of its middle.
_NOTHING = 1e-8


def bragg_spots(spectrum: Spectrum, shape: tuple[int, int]) -> np.ndarray:
    """Return the wave vectors of the lattice, shape (n, 2), (row, col), rad/px, one of each pair k and -k.

    The strongest first; none when the image shows no lattice.
    """
    ratio = fft.fftshift(spectrum.power / np.maximum(spectrum.local_floor, 1e-30), axes=0)
    row, col = local_maxima(ratio)
    middle = shape[0] // 2
    turns = np.hypot(row - middle, col)
    keep = (ratio[row, col] > _OVER_FLOOR) & (turns >= _LEAST_PERIODS)
    keep &= (col > 0) | (row > middle)
    keep &= col < spectrum.power.shape[1] - 1
    row, col = row[keep], col[keep]
    power = fft.fftshift(spectrum.power, axes=0)
    strongest = np.argsort(-power[row, col], kind="stable")[:_MOST_SPOTS]
    row, col = row[strongest], col[strongest]
    row_at, col_at = subpixel(np.log(np.maximum(power, 1e-30)), row, col)
    return np.c_[2 * np.pi * (row_at - middle) / shape[0], 2 * np.pi * col_at / shape[1]]


def lattice_of(image: np.ndarray, weight: np.ndarray, spots: np.ndarray, width_px: float) -> np.ndarray:
    """Return the lattice and the slow background of an image, shape (rows, cols), float32.

    Each spot's complex amplitude at a place is the mean of the demodulated image over a Gaussian of ``width_px``, by
    weights, so that the edges and what has no weight do not pull; what the spots leave of one another is fitted again.

    Parameters
    ----------
    image : numpy.ndarray, shape (rows, cols)
    weight : numpy.ndarray, shape (rows, cols)
        0 where a pixel does not count.
    spots : numpy.ndarray, shape (n, 2), rad/px
    width_px : float
        Standard deviation of the Gaussian.

    References
    ----------
    M. J. Hytch, E. Snoeck and R. Kilaas, Ultramicroscopy 74, 131 (1998): amplitude and phase of each spot.
    """
    sides = [_averaging(n, width_px) for n in image.shape]
    weight = weight.astype(np.float32)
    norm = np.maximum(sides[0][0] @ weight @ sides[1][0].T, 1e-3)
    # The background is a wave of no frequency.
    waves = [_Wave(k, sides) for k in np.concatenate([np.zeros((1, 2)), spots])]
    rest = image.astype(np.float32) * weight
    found: list[np.ndarray | float] = [0.0] * len(waves)
    for _ in range(_ROUNDS):
        for n, wave in enumerate(waves):
            amplitude = (wave.seen_in(rest) / norm).astype(np.complex64)
            found[n] = found[n] + amplitude
            wave.add(-amplitude, rest, weight)
    model = np.zeros(image.shape, np.float32)
    for wave, amplitude in zip(waves, found, strict=True):
        wave.add(np.asarray(amplitude), model)
    return model


class _Wave:
    """A wave over the image, with an amplitude on a coarse grid: read off an image, and added to one.

    Parameters
    ----------
    k : numpy.ndarray, shape (2,), rad/px
    sides : list
        What :func:`_averaging` says of rows and of columns.
    """

    def __init__(self, k: np.ndarray, sides: list[tuple[np.ndarray, np.ndarray]]) -> None:
        (mean_r, back_r), (mean_c, back_c) = sides
        wave_r, wave_c = (np.exp(1j * w * np.arange(len(back))) for w, (_, back) in zip(k, sides, strict=True))
        self._left = (mean_r * wave_r.conj()).astype(np.complex64)  # (m, rows)
        self._out = (wave_r[:, None] * back_r).astype(np.complex64)  # (rows, m)
        right = (mean_c * wave_c.conj()).T  # (cols, m)
        back = (2 if k.any() else 1) * (wave_c[:, None] * back_c).T  # (m, cols); a wave is that of k and that of -k
        # Of a block of columns only those near by are asked, and only those beside it change it.
        self._right = [(cols, *_few(mean_c.T[cols], right[cols].T)) for cols in _blocks(len(back_c))]
        self._back = [(cols, *_few(back_c[cols], back[:, cols].conj())) for cols in _blocks(len(back_c))]

    def seen_in(self, image: np.ndarray) -> np.ndarray:
        """Return the mean of the demodulated image over each Gaussian, shape (m, m), complex64."""
        seen = np.zeros((len(image), len(self._left)), np.complex64)  # (rows, m)
        # Real products of real and imaginary parts side by side: a frame is never made complex.
        parts = seen.view(np.float32)  # (rows, 2 m)
        for cols, few, right in self._right:
            parts[:, few] += image[:, cols] @ right.T
        return np.asarray(self._left @ seen)

    def add(self, amplitude: np.ndarray, image: np.ndarray, weight: np.ndarray | None = None) -> None:
        """Add the wave to an image in place, times the weights."""
        parts = (self._out @ amplitude).view(np.float32)  # (rows, 2 m)
        for cols, few, back in self._back:
            part = parts[:, few] @ back
            image[:, cols] += part if weight is None else part * weight[:, cols]


def _blocks(n: int) -> list[slice]:
    return [slice(first, first + _BLOCK) for first in range(0, n, _BLOCK)]


def _few(share: np.ndarray, wave: np.ndarray) -> tuple[slice, np.ndarray]:
    """Return which of the numbers that stand for the m coarse columns matter to a block, and what they are times.

    Parameters
    ----------
    share : numpy.ndarray, shape (cols, m)
        How much each coarse column has to do with the block's.
    wave : numpy.ndarray, shape (m, cols), complex

    Returns
    -------
    slice
        Of 2 m numbers, real and imaginary parts side by side.
    numpy.ndarray, shape (so many, cols), float32
    """
    near = np.flatnonzero(share.max(axis=0) > _NOTHING * share.max())
    few = slice(near[0], near[-1] + 1)
    parts = np.stack([wave[few].real, wave[few].imag], axis=1)  # (few, 2, cols)
    return slice(2 * few.start, 2 * few.stop), parts.reshape(-1, wave.shape[1]).astype(np.float32)


def _averaging(n: int, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the Gaussian means of a line of n pixels on a coarse grid (m, n), and the way back (n, m)."""
    m = max(2, int(np.ceil((n - 1) / (_GRID * width))) + 1)
    at = np.linspace(0, n - 1, m)
    mean = np.exp(-0.5 * ((at[:, None] - np.arange(n)) / width) ** 2)
    mean /= mean.sum(1, keepdims=True)
    step = (n - 1) / (m - 1)
    back = np.clip(1 - np.abs(np.arange(n)[:, None] - at) / step, 0, None)
    return mean, back
