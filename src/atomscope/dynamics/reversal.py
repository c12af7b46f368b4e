"""What both measures of time's direction stand on: whole tracks turned round at random, and sets of tracks."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, stdtrit

#: Fewer tracks than this say nothing of how much tracks differ: no interval is given.
FEWEST_TRACKS = 10
#: More tracks are put together at random into so many bundles, which are turned round and drawn as one.
BUNDLES = 2000


def bundled(sums: np.ndarray, seed: int) -> np.ndarray:
    """Return sums of tracks, shape (tracks, ...), put together into at most :data:`BUNDLES` random bundles."""
    n = len(sums)
    if n <= BUNDLES:
        return sums
    order = np.random.default_rng([seed, 0]).permutation(n)
    return np.add.reduceat(sums[order], np.arange(BUNDLES) * n // BUNDLES, axis=0)


def turned_round(odd: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Return sums over tracks of which each is turned round or not at random.

    Parameters
    ----------
    odd : numpy.ndarray, shape (tracks, m)
        What changes its sign when a track is turned round.
    resamples : int
    seed : int

    Returns
    -------
    numpy.ndarray, shape (resamples, m)
    """
    odd = odd[(odd != 0).any(1)]
    if not len(odd):
        return np.zeros((resamples, odd.shape[1]))
    rng = np.random.default_rng([seed, 1])
    return (2.0 * rng.integers(0, 2, (resamples, len(odd))) - 1) @ odd


def chance(seen: float | np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Return how often chance gives as much or more, the seen one counted: never 0. ``drawn`` (resamples, ...)."""
    close = 1e-9 * np.maximum(np.abs(seen), 1e-300)  # sums in another order are equal
    return np.asarray((1 + (drawn >= seen - close).sum(0)) / (1 + len(drawn)))


def drawn_sets(sums: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Return sums over sets of tracks drawn with replacement, shape (resamples, ...)."""
    n = len(sums)
    weights = np.random.default_rng([seed, 2]).multinomial(n, np.full(n, 1 / n), resamples).astype(np.float64)
    return (weights @ sums.reshape(n, -1)).reshape(resamples, *sums.shape[1:])


def tails(n: int) -> tuple[float, float]:
    """Return the quantiles of drawn sets that are the ends of a 95 % interval, widened for few tracks."""
    tail = float(ndtr(stdtrit(n - 1, 0.025) * np.sqrt(n / (n - 1))))
    return tail, 1 - tail
