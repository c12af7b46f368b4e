"""Do the pixels of a place say themselves that there is a column? A network that sees a lattice goes on into holes."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from atomscope.find.detect import Detection, filter_scale
from atomscope.find.peaks import laplacian
from atomscope.find.prepare import Frame

#: These quantiles stand for the heights of a frame's columns, which are known better in every round: the lowest may be
#: of no columns.
_QUANTILES = np.linspace(0.15, 0.98, 25)
_ROUNDS = 4
#: Where so many columns are lower than this, the noise hides single columns, and the network knows better.
_CLEAR = 3.5
#: How often a column is of another height than those: a faint dopant, an adatom.
_OTHER = 0.01
#: The network has seen the same pixels: it is only overruled where they speak more plainly than this.
_PLAIN = 10.0


def weigh(z: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Return the probability of sites, lower where their own pixels look like those of no column.

    The height at a place in units of its noise is about normal round 0 where there is nothing, and round the heights
    of the frame's columns where there is one. The likelihood ratio of the two, where it speaks plainly against a
    column, is put on the odds, in a frame whose columns are clear; where the noise hides every single column the
    probabilities stay.

    Parameters
    ----------
    z : numpy.ndarray, shape (n,)
        Heights over their noise.
    probability : numpy.ndarray, shape (n,)
    """
    if not len(z):
        return probability
    order = np.argsort(z)
    nothing = np.exp(-0.5 * np.clip(z, 0, 30) ** 2)
    p = probability
    for _ in range(_ROUNDS):
        cumulated = np.cumsum(p[order])
        heights = np.interp(_QUANTILES * cumulated[-1], cumulated, z[order])
        if heights[0] < _CLEAR:
            return probability
        usual = np.exp(-0.5 * (z[:, None] - heights) ** 2).mean(1)
        other = np.sqrt(2 * np.pi) / max(float(heights[-1]), 1.0) * (z > 0)
        ratio = np.minimum(_PLAIN * ((1 - _OTHER) * usual + _OTHER * other) / nothing, 1.0)
        p = probability * ratio / (probability * ratio + 1 - probability + 1e-12)
    return p


def heights_at(frame: Frame, seen: Detection, place: np.ndarray) -> np.ndarray:
    """Return the height of the filtered image at places, shape (n, 2), px, in units of its noise."""
    response = laplacian(frame.image, filter_scale(seen.sigma))
    noise = seen.noise or max(float(response.std()), 1e-30)
    return ndimage.map_coordinates(response, place.T, order=1, mode="nearest").astype(np.float64) / noise
