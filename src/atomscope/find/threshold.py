"""How high a maximum must be to count: few false sites in noise, and the valley between noise and columns."""

from __future__ import annotations

import numpy as np

#: Wanted: at most this many false sites a frame, or this fraction of the sites, whichever is more.
FALSE_PER_FRAME = 0.03
FALSE_FRACTION = 0.01
#: The same among lone columns, many of which hardly stand out: a stricter bound would lose more than it spares.
LONE_FRACTION = 0.05
#: A valley in the heights is trusted when maxima within +-HALF_WIDTH of it are fewer than this fraction of those above.
HALF_WIDTH = 0.25
VALLEY_FRACTION = 0.04
VALLEY_LEAST = 20
#: So many times more columns above a lower valley are not doubted.
MANY = 4


def expected_maxima(u: np.ndarray, area: float, frequency2: float) -> np.ndarray:
    """Expect so many maxima above ``u`` standard deviations of a smooth Gaussian field by chance.

    Parameters
    ----------
    u : numpy.ndarray
        Height over the standard deviation.
    area : float, px**2
    frequency2 : float, rad**2 / px**2
        Mean squared frequency of the field along an axis; of white noise behind a Laplacian of Gaussian of scale s
        it is ``1.5 / s**2``.

    References
    ----------
    Adler and Taylor, Random Fields and Geometry (2007): for high u the expected number of maxima is the
    expected Euler characteristic of the excursion set.
    """
    return area * frequency2 * u * np.exp(-0.5 * u**2) / (2 * np.pi) ** 1.5


def choose(
    heights: np.ndarray, area: float, sigma: float, false_fraction: float = FALSE_FRACTION
) -> tuple[float, bool]:
    """Return one frame's threshold, in standard deviations of the filtered noise, and whether it is a valley.

    It is the lowest height at which noise alone would explain few of the maxima (a false-discovery bound);
    where the heights have a clear valley below that, as they have in a lattice, whose columns press the
    response between them down, the threshold is the valley.

    Parameters
    ----------
    heights : numpy.ndarray, shape (n,)
        Heights of all local maxima over the filtered noise.
    area : float, px**2
    sigma : float, px
    false_fraction : float
        Wanted: at most this fraction of the sites false.
    """
    ordered = np.sort(heights)
    grid = np.arange(3.0, 8.01, 0.05)
    above = len(ordered) - np.searchsorted(ordered, grid)
    fine = expected_maxima(grid, area, 1.5 / sigma**2) <= np.maximum(FALSE_PER_FRAME, false_fraction * above)
    bound = float(grid[int(np.argmax(fine))]) if fine.any() else float(grid[-1])

    low = np.arange(1.0, bound, 0.05)
    near = np.searchsorted(ordered, low + HALF_WIDTH) - np.searchsorted(ordered, low - HALF_WIDTH)
    over = len(ordered) - np.searchsorted(ordered, low)
    ratio = near / np.maximum(over, 1)
    best = float(ratio.min()) if len(ratio) else 1.0
    if best > VALLEY_FRACTION:
        return bound, False
    lowest = np.flatnonzero(ratio <= best + 1e-12)
    at = int(lowest[len(lowest) // 2])
    # Above a few bright dopants' valley nearly all columns would be lost: a deep valley far below it is the right one.
    deep = np.flatnonzero((ratio <= VALLEY_FRACTION) & (over >= MANY * over[at]))
    if len(deep):
        at = int(deep[np.argmin(ratio[deep])])
    return (float(low[at]), True) if over[at] >= VALLEY_LEAST else (bound, False)
