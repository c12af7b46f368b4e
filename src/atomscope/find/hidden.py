"""Faint columns beside bright ones: where the filter's answer to the bright ones is below zero, they are no maximum.

A Laplacian of Gaussian answers a bright column with a ring of the other sign, a fifth of its height. A column that is
fainter than that and lies on such rings is no maximum of the answer, however plain it is: sulphur beside tungsten.
With the bright ones taken away it is one. Where some are plain a network may say where the others of their lattice are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import ndimage
from scipy.spatial import cKDTree

from atomscope.find.backing import height_map, heights_at
from atomscope.find.detect import Detection, nearest_spacing, respond_to
from atomscope.find.heatmap import LIKELY, Network, detect_by_network
from atomscope.find.peaks import drop_close, local_maxima
from atomscope.find.prepare import Frame
from atomscope.find.spectrum import spectrum_of
from atomscope.find.threshold import choose

#: Below this height over the filtered noise a column has no ring that could hide anything.
_CLEAR = 15.0
#: What was hidden stands so many noises high, no nearer to another column than so many widths, nor to the border.
_LEAST, _APART, _BORDER = 4.5, 2.0, 1.0
#: It is a top of the frame itself, smoothed by so many widths, to within so many widths: what a column that is no
#: perfect Gaussian leaves is none.
_SMOOTH, _OFF, _MOSTLY = 0.5, 0.8, 0.5
#: With more columns known the noise is known better, and more are found.
_ROUNDS = 3
#: Tails of columns are drawn so far, in widths.
_REACH = 4.5
#: So many plain ones, and so large a part of what a network sees, make its answer believable.
_FEWEST, _PART = 10, 0.1
#: A network goes on into holes: what is lower than this part of the usual is one.
_EMPTY = 0.5
_HALF = 5.0


@dataclass(frozen=True)
class Hidden:
    """Columns that others hide.

    Attributes
    ----------
    place : numpy.ndarray, shape (k, 2), px
    snr : numpy.ndarray, shape (k,)
        Height over the noise.
    probability : numpy.ndarray, shape (k,)
        One half at five times the noise; a network's own where it found them.
    """

    place: np.ndarray
    snr: np.ndarray
    probability: np.ndarray


def can_hide(found: Detection) -> bool:
    """Whether columns found by their heights form a lattice, and stand out so far that they could hide others."""
    ordered = found.source in ("autocorrelation", "given")
    return ordered and len(found.snr) > 0 and float(np.quantile(found.snr, 0.9)) > _CLEAR


def with_hidden(
    frame: Frame,
    found: Detection,
    probability: np.ndarray | None,
    rows: Callable[[Detection], pd.DataFrame],
    network: Network | None = None,
) -> tuple[Detection, np.ndarray | None, pd.DataFrame]:
    """Add the columns that brighter ones hide.

    Parameters
    ----------
    frame : Frame
    found : Detection
        The columns of a lattice.
    probability : numpy.ndarray or None, shape (n,)
        Of the columns, where a network found them.
    rows : callable
        Fits columns: ``row``, ``col``, ``sigma``, ``amplitude``, indexed by their number.
    network : Network, optional
        Asked where the others are when some are plain.

    Returns
    -------
    found, probability, table
        The added ones are last.
    """
    table = rows(found)
    for round_ in range(_ROUNDS):
        more = _hidden(frame, found, table, network if round_ == 0 else None)
        if more is None:
            break
        row, col = np.concatenate([np.c_[found.row, found.col], more.place]).T
        snr = np.concatenate([found.snr, more.snr if probability is None else more.probability])
        error = None
        if found.place_sd is not None:
            error = np.concatenate([found.place_sd, np.full(len(more.place), np.inf)])
        spacing = min(found.spacing, nearest_spacing(row, col) or found.spacing)
        found = replace(found, row=row, col=col, snr=snr, place_sd=error, spacing=spacing)
        probability = None if probability is None else np.concatenate([probability, more.probability])
        table = rows(found)
    return found, probability, table


def _hidden(frame: Frame, found: Detection, table: pd.DataFrame, network: Network | None) -> Hidden | None:
    known = table[["row", "col"]].to_numpy(np.float64)
    tops = _tops(frame.image, found.sigma)
    if not len(known) or not (cKDTree(known).query(tops)[0] > _APART * found.sigma).any():
        return None
    rest = Frame(_without(frame.image, table), frame.good, frame.offset)
    answer, s = respond_to(rest, spectrum_of(rest.image), found.sigma)
    place, snr = np.c_[answer.row, answer.col], answer.height / answer.noise
    level, _ = choose(snr, float(frame.image.size), s)
    level = max(level, _LEAST)
    away, top = _apart(place, known, found.sigma, frame.image.shape), _is_top(place, tops, found.sigma)
    keep = away & top & (snr > level)
    if keep.sum() < max(_FEWEST, _MOSTLY * (away & (snr > level)).sum()):
        # Few, or most of what is left is no top: columns here are no Gaussians. That is noise too.
        snr = answer.height / max(answer.noise, answer.spread)
        keep &= snr > level
    place, snr = place[keep], snr[keep]
    apart = drop_close(place, snr, _APART * found.sigma)
    place, snr = place[apart], snr[apart]
    if not len(place):
        return None
    plain = Hidden(place, snr, snr**2 / (snr**2 + _HALF**2))
    if network is None or len(place) < _FEWEST:
        return plain
    return _with_network(rest, plain, replace(found, row=place[:, 0], col=place[:, 1], snr=snr), known, network)


def _with_network(rest: Frame, plain: Hidden, seen: Detection, known: np.ndarray, network: Network) -> Hidden:
    """Add what a network sees in the rest, if enough of that is plain by itself."""
    seen = replace(seen, place_sd=None, spacing=nearest_spacing(seen.row, seen.col) or seen.spacing)
    answer, probability = detect_by_network(rest, network, seen=seen, threshold=LIKELY)
    place = np.c_[answer.row, answer.col]
    keep = _apart(place, known, seen.sigma, rest.image.shape)
    place, probability = place[keep], probability[keep]
    if not len(place):
        return plain
    height = heights_at(height_map(rest, seen), place)
    new = cKDTree(plain.place).query(place)[0] > _APART * seen.sigma
    if (~new).sum() < _PART * len(place):
        return plain
    new &= height > _EMPTY * float(np.median(height))
    return Hidden(
        np.concatenate([plain.place, place[new]]),
        np.concatenate([plain.snr, np.full(new.sum(), _LEAST)]),
        np.concatenate([plain.probability, probability[new]]),
    )


def _apart(place: np.ndarray, known: np.ndarray, sigma: float, shape: tuple[int, ...]) -> np.ndarray:
    """Return which places lie away from known columns and from the border, shape (n,), bool."""
    edge = _BORDER * sigma
    inside = ((place >= edge) & (place <= np.array(shape) - 1 - edge)).all(axis=1)
    return np.asarray(inside & (cKDTree(known).query(place)[0] > _APART * sigma))


def are_tops(image: np.ndarray, place: np.ndarray, sigma: float) -> np.ndarray:
    """Return which places are maxima of an image, smoothed by less than a column's width; shape (n,), bool.

    What columns leave that are no perfect Gaussians is a maximum of what is left, but none of the image.
    """
    return _is_top(place, _tops(image, sigma), sigma)


def _is_top(place: np.ndarray, tops: np.ndarray, sigma: float) -> np.ndarray:
    return np.asarray(cKDTree(tops).query(place)[0] < _OFF * sigma)


def _tops(image: np.ndarray, sigma: float) -> np.ndarray:
    """Return the maxima of the smoothed image, shape (n, 2), px."""
    return np.stack(local_maxima(ndimage.gaussian_filter(image, _SMOOTH * sigma, mode="nearest")), axis=1)


def _without(image: np.ndarray, table: pd.DataFrame) -> np.ndarray:
    """Return a frame without its columns, as round Gaussians of their own widths; shape (rows, cols), float32."""
    columns = table[["row", "col", "sigma", "amplitude"]].to_numpy(np.float64)
    row, col, sigma, height = columns[np.isfinite(columns).all(axis=1)].T
    reach = int(np.ceil(_REACH * float(np.median(sigma)))) if len(sigma) else 0
    beyond = 2 * reach + 2  # a column may be centred a little outside of the frame
    out = np.pad(image.astype(np.float32), beyond)
    step = np.arange(-reach, reach + 1)
    lines = []
    for at, tall in ((row, np.abs(height)), (col, np.ones_like(height))):
        pixels = np.rint(at)[:, None] + step
        lines.append(np.exp(-0.5 * ((pixels - at[:, None]) / sigma[:, None]) ** 2) * tall[:, None])
    top, left = (np.rint(at).astype(np.int64) + beyond - reach for at in (row, col))
    for i, (r, c) in enumerate(zip(top, left, strict=True)):
        out[r : r + len(step), c : c + len(step)] -= np.outer(lines[0][i], lines[1][i]).astype(np.float32)
    return out[beyond:-beyond, beyond:-beyond]
