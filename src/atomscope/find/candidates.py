"""Places worth judging: maxima of a taught network's answers and of a plain filter, with what was measured there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from atomscope.find.among import among
from atomscope.find.peaks import drop_close, local_maxima, subpixel

#: Answers (log odds) and filter responses (deviations) below these are not worth judging.
_LEAST_ANSWER, _LEAST_RESPONSE = -5.0, 2.0


@dataclass(frozen=True)
class Candidates:
    """Places in one image.

    Attributes
    ----------
    place : numpy.ndarray, shape (n, 2), float64, px
    features : numpy.ndarray, shape (n, k), float64
    """

    place: np.ndarray
    features: np.ndarray


def candidates(
    maps: np.ndarray,
    peaked: tuple[bool, ...],
    plain: int,
    apart: float,
    image: np.ndarray | None = None,
    width: float = 0.0,
) -> Candidates:
    """Take the maxima of the answers and of one plain filter; its minima too where some class is dark.

    Parameters
    ----------
    maps : numpy.ndarray, shape (k, rows, cols), float32
        Log odds of every class, then measurements.
    peaked : tuple of bool
        Which classes stand out as bright spots.
    plain : int
        Which map is the plain filter at the columns' scale.
    apart : float
        Two maxima of one map nearer than this are one, px.
    image : numpy.ndarray, shape (rows, cols), float32, optional
        Given where there are several classes: how a place stands among its neighbours is then measured too.
    width : float
        Column width in it, px.
    """
    places = []
    sources = [(maps[c], _LEAST_ANSWER) for c in range(len(peaked))]
    if any(peaked):
        sources.append((maps[plain], _LEAST_RESPONSE))
    if not all(peaked):
        sources.append((-maps[plain], _LEAST_RESPONSE / 2))
    for source, least in sources:
        row, col = local_maxima(source)
        height = source[row, col]
        keep = height > least
        row, col, height = row[keep], col[keep], height[keep]
        keep = drop_close(np.c_[row, col].astype(float), height, apart)
        places.append(np.stack(subpixel(source, row[keep], col[keep]), 1))
    place = np.concatenate(places)
    top = ndimage.maximum_filter(maps, (1, 3, 3), mode="nearest")
    at = np.clip(np.rint(place).astype(int), 0, np.array(maps.shape[1:]) - 1)
    features = top[:, at[:, 0], at[:, 1]].T.astype(np.float64)  # (n, k)
    if image is not None:
        measured, first = among(image, place, width)
        place, features = place[first], np.concatenate([features, measured], 1)[first]
    return Candidates(place, features)


def answers_of(found: np.ndarray, places: np.ndarray, which: np.ndarray, reach: float) -> np.ndarray:
    """Say what each candidate is: 0 background, 1 + class, or -1 where it is not clear.

    The nearest candidate of an annotated place is it; others within ``reach`` of one are not clear.

    Parameters
    ----------
    found : numpy.ndarray, shape (n, 2), px
    places : numpy.ndarray, shape (m, 2), px
    which : numpy.ndarray, shape (m,), int
    reach : float, px
    """
    out = np.zeros(len(found), int)
    if not len(found) or not len(places):
        return out
    out[cKDTree(places).query(found)[0] <= reach] = -1
    distance, nearest = cKDTree(found).query(places)
    for k in np.argsort(-distance):  # the nearest has the last word
        if distance[k] <= reach:
            out[nearest[k]] = 1 + which[k]
    return out
