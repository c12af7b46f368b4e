"""A calibration as a smooth curve: steps would hide how far opinions differ, or invent it."""

from __future__ import annotations

import numpy as np

_LEAST = 1e-4
#: The curve leans towards "the height is the probability" as if this many maxima had said so.
_LEAN = 0.05


def beta_curve(heights: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Fit a smooth, monotone calibration to one in steps.

    Parameters
    ----------
    heights, probabilities : numpy.ndarray, shape (n,), 0 to 1

    Returns
    -------
    numpy.ndarray, shape (3,)
        a, b, c of ``p(h) = 1 / (1 + exp(-(a ln h - b ln(1 - h) + c)))``, a and b not negative.

    References
    ----------
    M. Kull, T. Silva Filho and P. Flach, "Beta calibration", AISTATS 2017.
    """
    x, start = _features(heights), np.array([1.0, 1.0, 0.0])
    free = np.ones(3, bool)
    for _ in range(3):
        w = np.where(free, start, 0.0)
        for _ in range(50):
            q = 1 / (1 + np.exp(-np.clip(x @ w, -40, 40)))
            slope = x.T @ (probabilities - q) - _LEAN * (w - start)
            bend = (x * (q * (1 - q))[:, None]).T @ x + (_LEAN + 1e-6) * np.eye(3)
            step = np.zeros(3)
            step[free] = np.linalg.solve(bend[np.ix_(free, free)], slope[free])
            w = w + np.clip(step, -2, 2)
            if np.abs(step).max() < 1e-8:
                break
        if (w[:2] >= 0).all():
            break
        free[:2] &= w[:2] >= 0
    return np.maximum(w, [0, 0, -np.inf])


def on_curve(curve: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Return the probabilities of heights, like ``height``, float64."""
    return 1 / (1 + np.exp(-(_features(height) @ curve)))


def _features(height: np.ndarray) -> np.ndarray:
    h = np.clip(np.asarray(height, np.float64), _LEAST, 1 - _LEAST)
    return np.stack((np.log(h), -np.log1p(-h), np.ones_like(h)), axis=-1)
