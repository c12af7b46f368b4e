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
    (mean_r, back_r), (mean_c, back_c) = sides
    norm = np.maximum(mean_r @ weight @ mean_c.T, 1e-3)
    waves = [_wave(k, sides, image.shape) for k in spots]
    model = np.zeros(image.shape, np.float64)
    for _ in range(_ROUNDS):
        rest = (image - model) * weight
        model += back_r @ ((mean_r @ rest @ mean_c.T) / norm) @ back_c.T
        rest = (image - model) * weight
        for left, right, out, back in waves:
            # Real products of real and imaginary parts side by side: a frame is never made complex.
            m = right.shape[1] // 2
            seen = rest @ right  # (rows, 2 m), m the coarse columns
            amplitude = left @ (seen[:, :m] + 1j * seen[:, m:]) / norm
            made = out @ amplitude
            part = np.concatenate([made.real, -made.imag], axis=1) @ back
            model += part
            part *= weight
            rest -= part
    return model.astype(np.float32)


def _wave(
    spot: np.ndarray, sides: list[tuple[np.ndarray, np.ndarray]], shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the averaging matrices of a spot and their ways back, joined with its wave along rows and along columns.

    Returns
    -------
    tuple of numpy.ndarray
        Mean along rows, (m, rows) complex, and along columns, (cols, 2 m) real: real and imaginary part side by side;
        the way back along rows, (rows, m) complex, and along columns, (2 m, cols) real, twice the real part.
    """
    (mean_r, back_r), (mean_c, back_c) = sides
    wave_r, wave_c = (np.exp(1j * k * np.arange(n)) for k, n in zip(spot, shape, strict=True))
    right = (mean_c * wave_c.conj()).T
    back = 2 * (wave_c[:, None] * back_c).T
    return (
        mean_r * wave_r.conj(),
        np.concatenate([right.real, right.imag], axis=1),
        wave_r[:, None] * back_r,
        np.concatenate([back.real, back.imag], axis=0),
    )


def _averaging(n: int, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the Gaussian means of a line of n pixels on a coarse grid (m, n), and the way back (n, m)."""
    m = max(2, int(np.ceil((n - 1) / (_GRID * width))) + 1)
    at = np.linspace(0, n - 1, m)
    mean = np.exp(-0.5 * ((at[:, None] - np.arange(n)) / width) ** 2)
    mean /= mean.sum(1, keepdims=True)
    step = (n - 1) / (m - 1)
    back = np.clip(1 - np.abs(np.arange(n)[:, None] - at) / step, 0, None)
    return mean, back
