"""Which places of a lattice are alike, and how bright each is when it is occupied."""

from __future__ import annotations

import numpy as np

#: Kinds differ in brightness by more than this factor, and few places lie between: this part of those at their middles.
_APART, _BETWEEN = 1.6, 0.25
#: How far round a brightness places are counted, in its logarithm; fainter than this part of the brightest is nothing.
_ROUND, _NOTHING = 0.1, 0.02
#: A kind has at least so many places, and this part of all.
_FEWEST, _PART = 3, 0.05
#: Between empty (0) and the usual of its kind (1): a place that is brighter in most frames is taken as it is.
_DIM = 0.4
#: A place that varies by so many times its noise is empty in some frames; it is asked how bright it is in the others.
_TWO = 3.5


def kinds_of(bright: np.ndarray) -> np.ndarray:
    """Return the kind of each place by its brightness, 0 for the brightest.

    Kinds are hills of the histogram of brightness (its logarithm) with a valley between.

    Parameters
    ----------
    bright : array, shape (places,)
        Finite.

    Returns
    -------
    array, shape (places,), int64
    """
    level = np.log(np.maximum(bright, _NOTHING * max(float(np.max(bright, initial=0.0)), 1e-300)))
    order = np.argsort(-level, kind="stable")
    ends = _valleys(level[order], max(_FEWEST, _PART * len(level)))
    out = np.empty(len(level), np.int64)
    out[order] = np.searchsorted(ends, np.arange(len(level)), "right")
    return out


def _valleys(falling: np.ndarray, least: float) -> list[int]:
    """Return where falling numbers are parted, as the first number of each next part."""
    n, up = len(falling), -falling
    at = np.arange(int(np.ceil(least)), n - int(np.ceil(least)) + 1)
    if not len(at):
        return []
    middle = (up[at - 1] + up[at]) / 2
    between = np.searchsorted(up, middle + _ROUND, "right") - np.searchsorted(up, middle - _ROUND, "left")
    gap = up[at] - up[at - 1]
    best = int(at[np.lexsort((-gap, between))[0]])
    first, second = float(np.median(up[:best])), float(np.median(up[best:]))
    hills = [np.sum(np.abs(up[part] - m) < _ROUND) for part, m in ((slice(best), first), (slice(best, n), second))]
    if second - first < np.log(_APART) or between.min() > _BETWEEN * min(hills):
        return []
    return [*_valleys(falling[:best], least), best, *(best + k for k in _valleys(falling[best:], least))]


def evened(height: np.ndarray, rest: float, seen: np.ndarray | None = None) -> np.ndarray:
    """Return the heights of places of a kind as if all were as bright when they are occupied.

    A place that is always dimmer than others of its kind is not empty. One that is far dimmer in most frames may be.

    Parameters
    ----------
    height : array, shape (frames, places)
        NaN where it was not measured.
    rest : float
        Brightness of an empty place as a part of that of an occupied one.
    seen : array, shape (places,), bool, optional
        Places that the mean of all frames shows: these are not empty in most of them, however dim.
    """
    own = np.array([_when_occupied(one[np.isfinite(one)]) for one in height.T])
    usual = float(np.nanmedian(own))
    dim = np.full(height.shape[1], _DIM) if seen is None else np.where(seen, _DIM / 4, _DIM)
    return height * usual / np.where(own > (rest + dim * (1 - rest)) * usual, own, usual)


def _when_occupied(height: np.ndarray) -> float:
    """Return how bright a place is when it is not empty: the middle, or that of its upper level if it has two."""
    if not len(height):
        return float("nan")
    middle = float(np.median(height))
    if len(height) < 2 * _FEWEST:
        return middle
    low, high = np.quantile(height, (0.1, 0.9))
    noise = 1.4826 * float(np.median(np.abs(np.diff(height)))) / np.sqrt(2)
    if high - low < _TWO * noise:
        return middle
    return float(np.median(height[height > (low + high) / 2]))
