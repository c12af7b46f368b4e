"""Plain measurements of every pixel of an evened image: what a judge weighs beside the network's answer."""

from __future__ import annotations

import numpy as np
from scipy import fft

#: Scales of the Laplacian of Gaussian, in units of the column width; the middle one is that of a column.
SCALES = (0.44, 0.63, 0.89, 1.26, 1.78, 2.5)
COLUMN = 2
#: Scales at which the smaller of the two curvatures is measured: ridges have little of it.
_CURVED = (0.75, 1.3)
#: Number of maps.
MEASURES = len(SCALES) + len(_CURVED)


def measure(even: np.ndarray, unit_px: float) -> np.ndarray:
    """Measure how like a spot each pixel is, at several scales.

    Parameters
    ----------
    even : numpy.ndarray, shape (rows, cols), float32
        Image of even contrast.
    unit_px : float
        Column width, px.

    Returns
    -------
    numpy.ndarray, shape (MEASURES, rows, cols), float32
        Laplacians of Gaussian (bright spots positive) in units of their own median spread over the frame, then the
        smaller curvatures in units of their standard deviation.

    References
    ----------
    T. Lindeberg, Int. J. Comput. Vis. 30, 79 (1998).
    """
    margin, shape = int(4 * SCALES[-1] * unit_px), even.shape
    pads = [(margin, fft.next_fast_len(n + 2 * margin, real=True) - n - margin) for n in shape]
    ready = np.pad(even, pads, mode="symmetric")
    k_row = (2 * np.pi * fft.fftfreq(ready.shape[0])).astype(np.float32)[:, None]
    k_col = (2 * np.pi * fft.rfftfreq(ready.shape[1])).astype(np.float32)[None]
    spectrum = fft.rfft2(ready)

    def filtered(gain: np.ndarray, scale: float) -> np.ndarray:
        blur = np.exp(-0.5 * (scale * k_row) ** 2) * np.exp(-0.5 * (scale * k_col) ** 2)
        out = fft.irfft2(spectrum * (gain * blur), s=ready.shape)
        return np.asarray(out[margin : margin + shape[0], margin : margin + shape[1]])

    maps = []
    for scale in SCALES:
        response = filtered(k_row**2 + k_col**2, scale * unit_px)
        spread = float(np.median(np.abs(response - np.median(response)))) * 1.4826
        maps.append(response / max(spread, 1e-12))
    for scale in _CURVED:
        rr, cc = filtered(k_row**2, scale * unit_px), filtered(k_col**2, scale * unit_px)
        rc = filtered(k_row * k_col, scale * unit_px)
        least = (rr + cc) / 2 - np.sqrt((rr - cc) ** 2 / 4 + rc**2)
        maps.append(least / max(float(least.std()), 1e-12))
    return np.stack(maps).astype(np.float32)
