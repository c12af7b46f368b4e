"""From counted jumps between states to a matrix of probabilities that says how sure it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.linalg import logm
from scipy.stats import beta, norm

#: Matrices drawn from the posterior for the error of a prediction.
_DRAWN = 500


@dataclass(frozen=True)
class Transitions:
    """Probabilities of jumps between states in one lag, and what they imply.

    Parameters
    ----------
    states : numpy.ndarray, shape (k,)
        What rows (from) and columns (to) are.
    matrix, low, high : numpy.ndarray, shape (k, k)
        Pooled probabilities and their 95 % intervals; NaN in rows of states from which no jump was seen.
    counts : numpy.ndarray, shape (k, k)
        Jumps of all tracks.
    effective : numpy.ndarray, shape (k, k)
        How many independent jumps from the row's state the interval of an entry stands on.
    lag : int
        Frames.
    stationary : numpy.ndarray, shape (k,)
        Shares of the states in the long run; NaN where not all states can be reached from each other.
    rates : numpy.ndarray, shape (k, k)
        Jumps per ``rate_unit``; rows sum to 0.
    rate_unit : str
        ``1/s``, or ``1/frame`` where the time of a frame is unknown.
    timescales : pandas.DataFrame
        The slowest timescale at several lags: the same at all of them where jumps have no memory.
    chapman_kolmogorov : pandas.DataFrame
        What was seen over several lags beside what the matrix says of them.
    notes : tuple of str
        What a reader should know before trusting the numbers.
    """

    states: np.ndarray
    matrix: np.ndarray
    low: np.ndarray
    high: np.ndarray
    counts: np.ndarray
    effective: np.ndarray
    lag: int
    stationary: np.ndarray
    rates: np.ndarray
    rate_unit: str
    timescales: pd.DataFrame
    chapman_kolmogorov: pd.DataFrame
    notes: tuple[str, ...] = ()

    def table(self) -> pd.DataFrame:
        """Return a row a pair of states: from, to, jumps, probability and its interval, rate."""
        n = len(self.states)
        return pd.DataFrame(
            {
                "from": np.repeat(self.states, n),
                "to": np.tile(self.states, n),
                "jumps": self.counts.ravel(),
                "probability": self.matrix.ravel(),
                "low": self.low.ravel(),
                "high": self.high.ravel(),
                f"rate_per_{self.rate_unit[2:]}": self.rates.ravel(),
            }
        )


def row_shares(counts: np.ndarray) -> np.ndarray:
    """Return counts over their row sums; rows without counts are NaN."""
    total = counts.sum(1, keepdims=True)
    return np.where(total > 0, counts / np.maximum(total, 1), np.nan)


def overlap(step: np.ndarray | None, lag: int) -> np.ndarray | float:
    """Return by how much jumps over a lag that are counted from every frame are fewer than they look.

    Two of them that begin s frames apart share ``lag - s`` frames. In a chain with the matrix ``P`` of single frames
    that makes the variance of entry (i, j), with ``p = (P^lag)_ij``, larger by
    ``1 + 2 sum_s (P^s)_ii (P^(lag-s))_ij ((P^s)_jj - p) / (p (1 - p))``, s = 1 .. lag - 1.

    Parameters
    ----------
    step : numpy.ndarray, shape (k, k), or None
        ``P``; without it the answer is ``lag``, which is too careful where jumps are quick.
    lag : int

    Returns
    -------
    numpy.ndarray, shape (k, k), or float
        Between 1 and ``lag``.
    """
    if step is None or lag == 1:
        return float(lag)
    powers = [np.linalg.matrix_power(step, s) for s in range(lag + 1)]
    p = powers[lag]
    total = np.zeros_like(p)
    for s in range(1, lag):
        total += np.diag(powers[s])[:, None] * powers[lag - s] * (np.diag(powers[s])[None] - p)
    return np.clip(1 + 2 * total / np.maximum(p * (1 - p), 1e-12), 1, lag)


def intervals(
    counts: np.ndarray, effective: np.ndarray, prior: float | None = None, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of the interval of each entry: the Beta marginals of a Dirichlet posterior per row.

    Parameters
    ----------
    counts : numpy.ndarray, shape (k, k)
    effective : numpy.ndarray, shape (k, k)
        Independent jumps from the row's state.
    prior : float, optional
        Jumps of each kind taken as seen; ``1 / k`` when absent: each row then begins with one jump in all, and a
        state more does not make the others less sure.
    """
    k = len(counts)
    prior = 1 / k if prior is None else prior
    share = np.nan_to_num(row_shares(counts))
    a = share * effective + prior
    b = (1 - share) * effective + prior * (k - 1)
    tail = (1 - level) / 2
    # Never seen, or nothing else seen: the interval begins or ends where the probability does.
    low = np.where(share == 0, 0.0, beta.ppf(np.where(share == 1, 2 * tail, tail), a, b))
    high = np.where(share == 1, 1.0, beta.ppf(1 - np.where(share == 0, 2 * tail, tail), a, b))
    unseen = counts.sum(1) == 0
    low[unseen], high[unseen] = 0.0, 1.0
    return low, high


def stationary_shares(matrix: np.ndarray) -> np.ndarray:
    """Return the shares of the states in the long run; NaN where they depend on the beginning."""
    k = len(matrix)
    if not np.isfinite(matrix).all():
        return np.full(k, np.nan)
    reach = np.linalg.matrix_power((matrix > 0) + np.eye(k), k) > 0
    if not reach.all():
        return np.full(k, np.nan)
    system = np.vstack([matrix.T - np.eye(k), np.ones(k)])
    return np.linalg.lstsq(system, np.r_[np.zeros(k), 1.0], rcond=None)[0]


def rates_of(matrix: np.ndarray, time: float) -> tuple[np.ndarray, bool]:
    """Return the rates of jumps, and whether they make the matrix exactly.

    The logarithm of the matrix where it is one of rates (real, not negative off the diagonal); else the first order,
    ``(P - 1) / time``, which misses states that come and go within a lag.
    """
    first = (matrix - np.eye(len(matrix))) / time
    if not np.isfinite(matrix).all() or np.linalg.eigvals(matrix).real.min() <= 1e-9:
        return first, False
    exact = np.asarray(logm(matrix)) / time
    off = ~np.eye(len(matrix), dtype=bool)
    if np.abs(exact.imag).max() > 1e-9 or (exact.real[off] < -1e-3 * np.abs(first).max()).any():
        return first, False
    return exact.real, True


def compare_powers(
    states: np.ndarray,
    counts: np.ndarray,
    effective: np.ndarray,
    later: Mapping[int, tuple[np.ndarray, np.ndarray]],
    seed: int = 0,
) -> pd.DataFrame:
    """Return what the matrix says of several lags beside what was seen over them (Chapman and Kolmogorov).

    Parameters
    ----------
    states, counts, effective
        Of the matrix, as :class:`Transitions` has them.
    later : mapping
        Number of lags: (counts, effective) over so long a time.
    seed : int
        Of the matrices drawn from the posterior for the error of the prediction.

    Returns
    -------
    pandas.DataFrame
        ``lags``, ``from``, ``to``, ``predicted``, ``predicted_sd``, ``seen``, ``seen_sd``, ``deviation`` (in standard
        errors), ``agrees`` (no farther off than 95 % of tests without memory would have their worst entry).
    """
    rng, k = np.random.default_rng(seed), len(states)
    alpha = np.nan_to_num(row_shares(counts)) * effective.mean(1, keepdims=True) + 1 / k
    draws = np.stack([rng.dirichlet(row, _DRAWN) for row in alpha], 1)
    tables = []
    for lags, (seen, independent) in later.items():
        share, predicted = row_shares(seen), np.linalg.matrix_power(row_shares(counts), lags)
        error = np.linalg.matrix_power(draws, lags).std(0)
        some = np.maximum(independent, 1)
        near = (np.nan_to_num(share) * some + 1 / k) / (some + 1)
        scatter = np.sqrt(near * (1 - near) / some)
        off = (share - predicted) / np.hypot(error, scatter)
        table = {"lags": lags, "from": np.repeat(states, k), "to": np.tile(states, k), "predicted": predicted.ravel()}
        table |= {"predicted_sd": error.ravel(), "seen": share.ravel(), "seen_sd": scatter.ravel()}
        tables.append(pd.DataFrame(table | {"deviation": off.ravel()}))
    if not tables:
        return pd.DataFrame()
    out = pd.concat(tables, ignore_index=True)
    worst = norm.ppf(1 - 0.025 / max(int(out["deviation"].notna().sum()), 1))
    out["agrees"] = ~(out["deviation"].abs() > worst)
    return out
