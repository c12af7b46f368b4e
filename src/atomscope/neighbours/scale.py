"""The first peak of the radial distribution, and the gap after it."""

from __future__ import annotations

import math

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree

_STEP = 0.02  # of the median nearest distance
_SHELLS = 12  # nearest neighbours that are looked at
_GAP = (1.15, 1.5)  # over the first peak: where the end of the first shell is looked for
_MEDIUM_CUT = 1.3


def first_peak(points: np.ndarray) -> float:
    """Return the distance of the first peak of the radial distribution.

    Parameters
    ----------
    points : numpy.ndarray, shape (n, 2)

    Returns
    -------
    float
        In the unit of the points; NaN with fewer than two.
    """
    distances, typical = _distances(points)
    if not math.isfinite(typical):
        return math.nan
    if len(points) < 30:
        return typical
    r, g = _radial(distances, typical)
    smooth = gaussian_filter1d(g, 2.0)
    high = smooth >= 0.35 * smooth.max()
    tops = np.flatnonzero((smooth[1:-1] >= smooth[:-2]) & (smooth[1:-1] > smooth[2:]) & high[1:-1]) + 1
    if not len(tops):
        return typical
    # The middle of the peak, not its highest bin.
    near = np.abs(r - r[tops[0]]) <= 0.1
    return float(np.sum(r[near] * g[near]) / np.sum(g[near])) * typical


def first_gap(points: np.ndarray, peak: float) -> float:
    """Return the middle of the gap after the first peak, over that peak.

    Parameters
    ----------
    points : numpy.ndarray, shape (n, 2)
    peak : float
        What :func:`first_peak` returned.
    """
    distances, _ = _distances(points)
    if len(points) < 30:
        return _MEDIUM_CUT
    r, g = _radial(distances, peak)
    smooth = gaussian_filter1d(g, 2.0)
    window = (r >= _GAP[0]) & (r <= _GAP[1])
    least = smooth[window].min()
    low = window & (smooth <= least + 0.05 * smooth[(r > 0.8) & (r < 1.2)].max())
    # The stretch of low density that holds the least of all.
    at = int(np.flatnonzero(window & (smooth == least))[0])
    start = stop = at
    while start > 0 and low[start - 1]:
        start -= 1
    while stop + 1 < len(low) and low[stop + 1]:
        stop += 1
    return float((r[start] + r[stop]) / 2)


def _distances(points: np.ndarray) -> tuple[np.ndarray, float]:
    n = len(points)
    if n < 2:
        return np.zeros(0), math.nan
    d = cKDTree(points).query(points, k=min(_SHELLS + 1, n))[0][:, 1:]
    nearest = d[:, 0][d[:, 0] > 0]
    return d[d > 0], float(np.median(nearest)) if len(nearest) else math.nan


def _radial(distances: np.ndarray, unit: float) -> tuple[np.ndarray, np.ndarray]:
    """Return bin centres in units of ``unit``, and the density of neighbours there."""
    edges = np.arange(0.3, 3.0, _STEP)
    counts, _ = np.histogram(distances / unit, edges)
    r = (edges[1:] + edges[:-1]) / 2
    return r, counts / r
