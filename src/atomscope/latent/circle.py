"""Statistics of angles. Radians throughout; NaN angles are left out.

References
----------
N. I. Fisher and A. J. Lee, "A correlation coefficient for circular data", Biometrika 70 (1983) 327.
K. V. Mardia and P. E. Jupp, Directional Statistics (2000), chapters 2 and 11.
"""

from __future__ import annotations

import numpy as np


def fold_angle(angle: np.ndarray, order: int = 1) -> np.ndarray:
    """Return angles modulo ``2 pi / order``, in (-pi / order, pi / order].

    An object with ``order``-fold symmetry looks the same after that turn, so that no model can tell more.

    Parameters
    ----------
    angle : array, any shape, rad
    order : int
        At least 1.
    """
    period = 2 * np.pi / order
    angle = np.asarray(angle, dtype=np.float64)
    folded = angle - period * np.ceil(angle / period - 0.5)
    # Rounding may leave a hair at the open end, which is the closed one.
    return np.where(folded <= -period / 2, period / 2, folded)


def _resultant(angle: np.ndarray, order: int) -> complex:
    angle = np.asarray(angle, dtype=np.float64)
    angle = angle[np.isfinite(angle)]
    return complex(np.exp(1j * order * angle).mean()) if len(angle) else complex(np.nan, np.nan)


def circular_mean(angle: np.ndarray, order: int = 1) -> float:
    """Return the mean direction of angles, shape (n,), rad, modulo ``2 pi / order``; NaN when there is none."""
    return float(np.angle(_resultant(angle, order)) / order)


def circular_sd(angle: np.ndarray, order: int = 1) -> float:
    """Return the circular standard deviation ``sqrt(-2 ln R) / order``, rad, of angles, shape (n,)."""
    length = min(abs(_resultant(angle, order)), 1.0)
    return float(np.sqrt(-2 * np.log(length)) / order) if length > 0 else float("inf")


def angle_agreement(a: np.ndarray, b: np.ndarray, order: int = 1) -> float:
    """Return ``|mean exp(i n (a - b))|``: 1 when two angles differ by a constant only (modulo ``2 pi / n``).

    Parameters
    ----------
    a, b : array, shape (n,), rad
    order : int
        Symmetry order n.
    """
    return abs(_resultant(np.asarray(a, np.float64) - np.asarray(b, np.float64), order))


def circular_correlation(a: np.ndarray, b: np.ndarray, order: int = 1) -> float:
    """Return Fisher and Lee's correlation of two angles, -1 to 1; offsets do not matter, a mirror gives -1.

    Parameters
    ----------
    a, b : array, shape (n,), rad
    order : int
        Both are taken modulo ``2 pi / order``.

    Returns
    -------
    float
        NaN when an angle does not vary or fewer than two pairs are finite.
    """
    a, b = np.asarray(a, np.float64) * order, np.asarray(b, np.float64) * order
    good = np.isfinite(a) & np.isfinite(b)
    a, b = a[good], b[good]
    if len(a) < 2:
        return float("nan")
    same = abs(np.exp(1j * (a - b)).mean()) ** 2
    mirrored = abs(np.exp(1j * (a + b)).mean()) ** 2
    spread = (1 - abs(np.exp(2j * a).mean()) ** 2) * (1 - abs(np.exp(2j * b).mean()) ** 2)
    # Written for n (n - 1) / 2 pairs, the sums over pairs are these squared means.
    return float((same - mirrored) / np.sqrt(spread)) if spread > 1e-15 else float("nan")
