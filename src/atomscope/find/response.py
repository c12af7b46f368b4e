"""What a Laplacian of Gaussian answers in a frame: its maxima, and the noise among them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from atomscope.find.peaks import laplacian, local_maxima, subpixel
from atomscope.find.prepare import Frame
from atomscope.find.spectrum import Spectrum, laplacian_gain

#: Median absolute deviation of a normal distribution, inverse.
_MAD = 1.4826


@dataclass(frozen=True)
class Response:
    """Maxima of the response at one scale.

    Attributes
    ----------
    row, col : numpy.ndarray, shape (n,), float64, px
    height : numpy.ndarray, shape (n,)
    noise : float
        Standard deviation of the filtered noise, what is aperiodic counted in.
    white : float
        Standard deviation of the filtered noise of scan lines alone.
    spread : float
        Standard deviation of the response of the quiet majority of pixels.
    frequency2 : float, rad**2 / px**2
        Mean squared frequency of the response of that majority along an axis.
    """

    row: np.ndarray
    col: np.ndarray
    height: np.ndarray
    noise: float
    white: float
    spread: float
    frequency2: float


def respond(frame: Frame, spectrum: Spectrum, s: float) -> Response:
    """Filter a frame at scale ``s`` (px) and list the maxima, unmeasured parts left out."""
    response = laplacian(frame.image, s)
    row, col = local_maxima(response)
    if frame.good is not None:
        size = 2 * round(s) + 1
        keep = ndimage.uniform_filter(frame.good.astype(np.float32), size, mode="nearest")[row, col] > 0.5
        row, col = row[keep], col[keep]
    height = response[row, col].astype(np.float64)
    sub_row, sub_col = subpixel(response, row, col)
    line, local = spectrum.noise(laplacian_gain(spectrum.k2, s))
    tiny = max(1e-6 * float(np.abs(response).max()), 1e-30)
    spread = max(_MAD * float(np.median(np.abs(response - np.median(response)))), tiny)
    # What is aperiodic counts as noise in a lattice; among lone columns the quiet majority of pixels tells.
    noise = max(line, min(local, spread), tiny)
    return Response(sub_row, sub_col, height, noise, max(line, tiny), spread, _slope2(response) / spread**2)


def _slope2(response: np.ndarray) -> float:
    """Mean squared slope along an axis, of the majority of pixels."""
    steps = [np.abs(np.diff(response, axis=axis)) for axis in (0, 1)]
    return float(np.prod([_MAD * np.median(step) if step.size else 0.0 for step in steps]))
