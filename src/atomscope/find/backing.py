"""Do the pixels of a place say themselves that there is a column? A network that sees a lattice goes on into holes."""

from __future__ import annotations

from dataclasses import dataclass

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
#: It is nearly as high as the lower ones of the others, and at least as likely as not by itself.
_NEARLY, _HALF = 0.6, 5.0
#: A maximum this near, in column widths, is that of the site; nearer than the first, the fit will find its way.
_OFF, _ITS_OWN = 0.5, 1.5


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
        usual = np.zeros(len(z))
        for height in heights:  # one after the other: memory for many sites
            usual += np.exp(-0.5 * (z - height) ** 2) / len(heights)
        other = np.sqrt(2 * np.pi) / max(float(heights[-1]), 1.0) * (z > 0)
        ratio = np.minimum(_PLAIN * ((1 - _OTHER) * usual + _OTHER * other) / nothing, 1.0)
        p = probability * ratio / (probability * ratio + 1 - probability + 1e-12)
    return p


@dataclass(frozen=True)
class Clear:
    """What maxima say of a network's sites where columns are clear.

    Attributes
    ----------
    place : numpy.ndarray, shape (n, 2), px
        The network's places, moved to their maximum where there is one.
    moved : numpy.ndarray, shape (n,), bool
    more : numpy.ndarray, shape (m, 2), px
        Columns that the network has not.
    probability : numpy.ndarray, shape (m,)
        Of those, by their height: one half at five times the noise.
    """

    place: np.ndarray
    moved: np.ndarray
    more: np.ndarray
    probability: np.ndarray


def clear_columns(heights: np.ndarray, seen: Detection, place: np.ndarray) -> Clear:
    """Lay a network's sites beside the maxima of the filtered image.

    A network that learnt lattices may pass over a clear column where the lattice is broken, or put it where the
    lattice wants it. Where columns are clear, a maximum as high as they with no site near is one, and a site belongs
    on its maximum.

    Parameters
    ----------
    heights : numpy.ndarray, shape (rows, cols)
        See :func:`height_map`.
    seen : Detection
        What :func:`~atomscope.find.detect.detect` says of the frame.
    place : numpy.ndarray, shape (n, 2), px
        What the network found.
    """
    here = np.c_[seen.row, seen.col]
    moved, nothing = np.zeros(len(place), bool), Clear(place, np.zeros(len(place), bool), here[:0], np.zeros(0))
    if not len(place) or not len(here):
        return nothing
    low = float(np.quantile(heights_at(heights, place), _QUANTILES[0]))
    if low < _CLEAR:
        return nothing
    far, nearest = cKDTree(place).query(here)
    z = heights_at(heights, here)
    more = (far > _ALONE * seen.spacing) & (z > max(_NEARLY * low, _HALF))
    # Each site to the nearest of the maxima that have no nearer site.
    at = place.copy()
    for k in np.argsort(-far):
        if _OFF * seen.sigma < far[k] < _ITS_OWN * seen.sigma:
            at[nearest[k]], moved[nearest[k]] = here[k], True
    return Clear(at, moved, here[more], z[more] ** 2 / (z[more] ** 2 + _HALF**2))


def height_map(frame: Frame, seen: Detection) -> np.ndarray:
    """Return the image filtered for columns of the frame's width, in units of the filtered noise; float32."""
    response = laplacian(frame.image, filter_scale(seen.sigma))
    return response / np.float32(seen.noise or max(float(response.std()), 1e-30))


def heights_at(heights: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Return a map's values at places, shape (n, 2), px; float64."""
    return np.asarray(ndimage.map_coordinates(heights, place.T, order=1, mode="nearest"), np.float64)
