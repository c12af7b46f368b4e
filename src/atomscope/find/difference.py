"""What a frame is beside its own lattice."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from atomscope.data.params import CandidateParams
from atomscope.errors import InputError
from atomscope.find.lattice_filter import bragg_spots, lattice_of
from atomscope.find.prepare import prepare
from atomscope.find.scale import measure_scale
from atomscope.find.spectrum import spectrum_of

logger = logging.getLogger(__name__)

#: The slow part that the difference is freed from, over the column width.
SLOW = 3.0


@dataclass(frozen=True)
class Difference:
    """What a frame is beside its lattice.

    Attributes
    ----------
    image : numpy.ndarray, shape (rows, cols), float32
        Frame minus lattice and background, smoothed to the width of a column, counts.
    rest : numpy.ndarray, shape (rows, cols), float32
        The same before it was smoothed.
    noise : float
        Robust standard deviation of ``image``.
    width : float
        Column width, px.
    """

    image: np.ndarray
    rest: np.ndarray
    noise: float
    width: float


def difference(frame: np.ndarray, params: CandidateParams | None = None) -> Difference:
    """Subtract from a frame its own lattice.

    The lattice is the frame's Bragg spots (low pass round each), fitted twice: the second time without the places that
    differed the first time, which therefore do not pull it.

    Parameters
    ----------
    frame : array, shape (rows, cols)
    params : CandidateParams, optional

    Raises
    ------
    InputError
        If the frame is constant or shows no lattice.
    """
    params = params or CandidateParams()
    ready = prepare(frame)
    if ready is None:
        raise InputError("candidates: the frame is constant or has no finite pixel; choose another")
    spectrum = spectrum_of(ready.image)
    spots = bragg_spots(spectrum, ready.image.shape)
    if len(spots) < 2:
        raise InputError(
            "candidates: the frame shows no lattice that it could differ from; use find_atoms or train_finder instead"
        )
    width = measure_scale(spectrum, ready.image.shape).width or 2.0
    reach = params.range_periods * 2 * np.pi / float(np.linalg.norm(spots, axis=1).min())
    good = np.ones(ready.image.shape) if ready.good is None else ready.good.astype(np.float64)
    weight = good
    for _ in range(2):
        rest = (ready.image - lattice_of(ready.image, weight, spots, reach)) * good
        smooth = smoothed(rest, width)
        noise = 1.4826 * float(np.median(np.abs(smooth - np.median(smooth))))
        weight = good * ~ndimage.binary_dilation(np.abs(smooth) > 4 * noise, iterations=round(width))
    return Difference(smooth, rest, max(noise, 1e-30), width)


def smoothed(rest: np.ndarray, width: float) -> np.ndarray:
    """Return the rest smoothed to the width of a column, without its slow part; white noise stays as high at edges."""
    smooth = ndimage.gaussian_filter(rest, width, mode="nearest")
    smooth -= ndimage.gaussian_filter(rest, SLOW * width, mode="nearest")
    gain = [_edge_gain(n, width) for n in rest.shape]
    return np.asarray(smooth / gain[0][:, None] / gain[1], np.float32)


def _edge_gain(n: int, width: float) -> np.ndarray:
    """Return how much more noise a smoothed line of n pixels has near its ends, where fewer pixels are averaged."""
    reach = min(n, int(4 * width) + 2)
    line = ndimage.gaussian_filter1d(np.eye(4 * reach), width, axis=0, mode="nearest")
    noise = np.sqrt((line**2).sum(axis=1))
    noise = noise[:reach] / noise[2 * reach]
    out = np.ones(n)
    out[:reach] *= noise
    out[n - reach :] *= noise[::-1]
    return out
