"""Do the pixels of a place say themselves that there is a column? A network that sees a lattice goes on into holes."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

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
#: A column this far from all others, in units of the spacing, is not one of a pair that was taken for one.
_ALONE = 0.7


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


def overlooked(seen: Detection, place: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Say which columns that stand out by themselves a network has not: bool, shape of ``seen.row``.

    A network that learnt lattices may pass over a clear column where the lattice is broken. Where columns are clear,
    what is as high as they and has none near is one.

    Parameters
    ----------
    seen : Detection
        What :func:`~atomscope.find.detect.detect` says of the frame.
    place : numpy.ndarray, shape (n, 2), px
        What the network found.
    z : numpy.ndarray, shape (n,)
        Heights there, see :func:`heights_at`.
    """
    if not len(place) or (low := float(np.quantile(z, _QUANTILES[0]))) < _CLEAR:
        return np.zeros(len(seen.row), bool)
    far, _ = cKDTree(place).query(np.c_[seen.row, seen.col])
    return (far > _ALONE * seen.spacing) & (seen.snr > low)


def heights_at(frame: Frame, seen: Detection, place: np.ndarray) -> np.ndarray:
    """Return the height of the filtered image at places, shape (n, 2), px, in units of its noise."""
    response = laplacian(frame.image, filter_scale(seen.sigma))
    noise = seen.noise or max(float(response.std()), 1e-30)
    return ndimage.map_coordinates(response, place.T, order=1, mode="nearest").astype(np.float64) / noise
