"""How places stand among the columns round them: how high, beside neighbours how high and how far.

A dopant is a column that is higher or lower than others *with such neighbours*, a vacancy a place with the neighbours
of a column and no height. A filter's answer says neither: it mixes a place with what lies round it. Here the heights
of all columns of a frame are fitted together (:mod:`atomscope.find.weigh`), and a place is told by its own height and
that of its neighbours.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from atomscope.data.taught import SURROUNDINGS
from atomscope.find.peaks import drop_close, laplacian, local_maxima, subpixel
from atomscope.find.prepare import Frame
from atomscope.find.weigh import weigh

#: A column is what the filter answers over so many deviations, no nearer to another than so many widths, and then is
#: so many standard errors high.
_LEAST, _APART, _CLEAR = 0.5, 2.0, 4.0
#: A place is that of a column within so many widths; those within so many are not its neighbours.
_OWN, _NEIGHBOUR = 1.5, 2.0
#: The nearest neighbours that are measured, and those that say what is usual here.
_SHELLS, _ROUND = (3, 6), 12
#: Distances are told in so many widths, about the spacing of a lattice, and none beyond so many spacings.
_SPACING, _FAR = 5.0, 4.0


def among(image: np.ndarray, place: np.ndarray, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Measure how places stand among the columns round them.

    Parameters
    ----------
    image : numpy.ndarray, shape (rows, cols), float32
        Finite, columns bright.
    place : numpy.ndarray, shape (n, 2), px
    width : float
        Column width (standard deviation), px.

    Returns
    -------
    measures : numpy.ndarray, shape (n, SURROUNDINGS), float64
        Of each place the height over that of the columns round it and over the frame's; the mean height of the 3 and
        of the 6 nearest neighbours over that of the columns round it; the distance of the nearest one, and the mean
        distance of the 3 and of the 6 nearest, in spacings. All less 1. Then their squares and products: a class may
        be what is neither high nor low, and what is high on one sublattice is low on another.
    first : numpy.ndarray, shape (n,), bool
        Of several places on one clear column the nearest to its top; and all that are on none.
    """
    column, height, rest = _columns(image, width)
    if len(column) < 2 or not len(place):
        return np.zeros((len(place), SURROUNDINGS)), np.ones(len(place), bool)
    usual = float(height.mean())
    k = min(_ROUND + 2, len(column))
    distance, at = cKDTree(column).query(place, k=k)
    own = distance[:, 0] < _OWN * width
    left = 2 * ndimage.gaussian_filter(rest, width, mode="nearest")
    pixel = np.clip(np.rint(place).astype(int), 0, np.array(image.shape) - 1)
    here = np.where(own, height[at[:, 0]], left[pixel[:, 0], pixel[:, 1]])  # (n,)
    near = distance < _NEIGHBOUR * width
    order = np.argsort(np.where(near, np.inf, distance), axis=1, kind="stable")[:, : min(_ROUND, k)]
    near = np.take_along_axis(near, order, 1)  # (n, neighbours)
    high = np.where(near, np.nan, np.take_along_axis(height[at], order, 1))
    far = np.where(near, np.nan, np.take_along_axis(distance, order, 1)) / (_SPACING * width)
    around = _mean(high, usual)
    base = [here / around, here / usual]
    base += [_mean(high[:, :n], usual) / around for n in _SHELLS]
    base += [_mean(far[:, :n], _FAR) for n in (1, *_SHELLS)]
    x = np.clip(np.stack(base, 1), 0.0, 1.0 + _FAR) - 1.0  # (n, 7); beside a bright column less than nothing is left
    one, other = np.triu_indices(x.shape[1])
    return np.concatenate([x, x[:, one] * x[:, other]], 1), _first(at[:, 0], distance[:, 0], own)


def _first(column: np.ndarray, distance: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Keep of the places on a column the nearest; bool, shape (n,)."""
    order = np.lexsort((distance, column))
    again = np.zeros(len(column), bool)
    again[order[1:]] = column[order[1:]] == column[order[:-1]]
    return ~(again & own)


def _columns(image: np.ndarray, width: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return clear columns, shape (n, 2), px, their heights, shape (n,), and what is left of the image."""
    response = laplacian(image, width)
    spread = 1.4826 * float(np.median(np.abs(response - np.median(response))))
    row, col = local_maxima(response)
    row, col = (a[response[row, col] > _LEAST * spread] for a in (row, col))
    keep = drop_close(np.c_[row, col].astype(float), response[row, col], _APART * width)
    place = np.stack(subpixel(response, row[keep], col[keep]), 1)
    frame = Frame(image, None)
    for _ in range(2):  # what is no column must not bend the heights of those that are
        if not len(place):
            break
        weighed = weigh(frame, place, width)
        clear = weighed.height > _CLEAR * weighed.error
        if clear.all():
            return place, weighed.height, weighed.rest
        place = place[clear]
    if not len(place):
        return place, np.zeros(0), image
    weighed = weigh(frame, place, width)
    return place, weighed.height, weighed.rest


def _mean(values: np.ndarray, otherwise: float) -> np.ndarray:
    """Return the mean of what is known in each row, shape (n,)."""
    known = np.isfinite(values)
    count = known.sum(1)
    return np.where(count > 0, np.where(known, values, 0.0).sum(1) / np.maximum(count, 1), otherwise)
