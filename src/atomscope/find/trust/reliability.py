"""Whether probabilities can be believed: 80 % of the sites that are 80 % sure should be there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from atomscope.errors import InputError

#: 95 % of a normal distribution lie within so many standard deviations.
_Z = 1.96


@dataclass(frozen=True)
class Reliability:
    """A reliability curve.

    Attributes
    ----------
    table : pandas.DataFrame
        A row per bin that is not empty: ``low``, ``high`` (its edges), ``count``, ``probability`` (mean said),
        ``fraction`` (share that is right), ``fraction_low``, ``fraction_high`` (95 % interval of Wilson).
    column : str
        Where the probabilities are from.
    """

    table: pd.DataFrame
    column: str

    @property
    def count(self) -> int:
        """Number of sites."""
        return int(self.table["count"].sum())

    @property
    def error(self) -> float:
        """Expected calibration error: the mean of |fraction - probability| over the sites; NaN without sites."""
        t = self.table
        return float(np.average(np.abs(t["fraction"] - t["probability"]), weights=t["count"])) if len(t) else np.nan


def reliability(probability: np.ndarray, right: np.ndarray, *, bins: int = 10, column: str = "") -> Reliability:
    """Lay what was said beside what is so.

    Parameters
    ----------
    probability : numpy.ndarray, shape (n,), 0 to 1
        NaN is left out.
    right : numpy.ndarray, shape (n,), bool
    bins : int
        Of equal width.

    Raises
    ------
    InputError
        If a probability is outside 0 to 1, or ``bins`` is less than 2.

    References
    ----------
    C. Guo et al., "On calibration of modern neural networks", ICML 2017. E. B. Wilson, J. Am. Stat. Assoc. 22, 209
    (1927).
    """
    p, right = np.asarray(probability, np.float64), np.asarray(right, bool)
    known = np.isfinite(p)
    p, right = p[known], right[known]
    if bins < 2:
        raise InputError(f"reliability: wanted at least 2 bins, got {bins}")
    if len(p) and (p.min() < 0 or p.max() > 1):
        raise InputError(
            f"reliability: wanted probabilities, 0 to 1; {column or 'these'} run from {p.min():g} to {p.max():g}"
        )
    which = np.minimum((p * bins).astype(np.int64), bins - 1)
    count = np.bincount(which, minlength=bins)
    some = np.flatnonzero(count)
    n = count[some]
    said = np.bincount(which, p, bins)[some] / n
    so = np.bincount(which, right, bins)[some] / n
    centre = (so + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * np.sqrt(so * (1 - so) / n + _Z**2 / (4 * n**2))
    table = pd.DataFrame(
        {
            "low": some / bins,
            "high": (some + 1) / bins,
            "count": n,
            "probability": said,
            "fraction": so,
            "fraction_low": centre - half,
            "fraction_high": centre + half,
        }
    )
    return Reliability(table, column)


def rank_auc(value: np.ndarray, wrong: np.ndarray) -> float:
    """Return how often a wrong site has a higher value than a right one (ties count half); NaN without both kinds.

    This is the area under the ROC curve of telling wrong from right by the value.
    """
    from scipy.stats import rankdata

    value, wrong = np.asarray(value, np.float64), np.asarray(wrong, bool)
    known = np.isfinite(value)
    value, wrong = value[known], wrong[known]
    n, m = int(wrong.sum()), int((~wrong).sum())
    if not n or not m:
        return float("nan")
    return float((rankdata(value)[wrong].sum() - n * (n + 1) / 2) / (n * m))
