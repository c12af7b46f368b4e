"""How high a maximum must be to count: few false sites in noise, and the valley between noise and columns."""

from __future__ import annotations

import numpy as np

#: Wanted: at most this many false sites a frame, or this fraction of the sites, whichever is more.
FALSE_PER_FRAME = 0.03
FALSE_FRACTION = 0.01
#: A valley in the heights is trusted when maxima within +-HALF_WIDTH of it are fewer than this fraction of those above.
HALF_WIDTH = 0.25
VALLEY_FRACTION = 0.04
VALLEY_LEAST = 20
#: So many times more columns above a lower valley are not doubted.
MANY = 4


def false_maxima(u: np.ndarray, area: float, sigma: float) -> np.ndarray:
    """Expect so many maxima above ``u`` standard deviations of white noise behind a Laplacian of Gaussian.

    Parameters
    ----------
    u : numpy.ndarray
        Height over the standard deviation of the filtered noise.
    area : float, px**2
    sigma : float, px
        Scale of the filter, whose mean squared frequency along an axis is ``1.5 / sigma**2``.

    References
    ----------
    Adler and Taylor, Random Fields and Geometry (2007): for high u the expected number of maxima is the
    expected Euler characteristic of the excursion set.
    """
    return area * 1.5 / sigma**2 * u * np.exp(-0.5 * u**2) / (2 * np.pi) ** 1.5


def choose(heights: np.ndarray, area: float, sigma: float) -> float:
    """Return the threshold, in standard deviations of the filtered noise, for one frame's maxima.

    It is the lowest height at which noise alone would explain few of the maxima (a false-discovery bound);
    where the heights have a clear valley below that, as they have in a lattice, whose columns press the
    response between them down, the threshold is the valley.

    Parameters
    ----------
    heights : numpy.ndarray, shape (n,)
        Heights of all local maxima over the filtered noise.
    area : float, px**2
    sigma : float, px
    """
    ordered = np.sort(heights)
    grid = np.arange(3.0, 8.01, 0.05)
    above = len(ordered) - np.searchsorted(ordered, grid)
    fine = false_maxima(grid, area, sigma) <= np.maximum(FALSE_PER_FRAME, FALSE_FRACTION * above)
    bound = float(grid[int(np.argmax(fine))]) if fine.any() else float(grid[-1])

    low = np.arange(1.0, bound, 0.05)
    near = np.searchsorted(ordered, low + HALF_WIDTH) - np.searchsorted(ordered, low - HALF_WIDTH)
    over = len(ordered) - np.searchsorted(ordered, low)
    ratio = near / np.maximum(over, 1)
    best = float(ratio.min()) if len(ratio) else 1.0
    if best > VALLEY_FRACTION:
        return bound
    lowest = np.flatnonzero(ratio <= best + 1e-12)
    at = int(lowest[len(lowest) // 2])
    # Above a few bright dopants' valley nearly all columns would be lost: a deep valley far below it is the right one.
    deep = np.flatnonzero((ratio <= VALLEY_FRACTION) & (over >= MANY * over[at]))
    if len(deep):
        at = int(deep[np.argmin(ratio[deep])])
    return float(low[at]) if over[at] >= VALLEY_LEAST else bound
