"""How often a picture repeats in a full turn.

The power of a picture's angular harmonics ``exp(i m phi)`` lies at multiples of n when it looks the same after a turn
by ``2 pi / n`` (the Wiener-Khinchin theorem applied to its rotational autocorrelation).
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from atomscope.errors import ShapeError


def symmetry_scores(picture: np.ndarray, max_order: int = 12) -> np.ndarray:
    """Return how symmetric a picture is under a turn by ``2 pi / n`` about its centre.

    Parameters
    ----------
    picture : numpy.ndarray, shape (rows, cols)
        For example a decoded motif or the mean of aligned patches; non-finite pixels count as the mean.
    max_order : int

    Returns
    -------
    numpy.ndarray, shape (max_order,), float64
        Element ``n - 1``: the part p of the angular variance at multiples of n, less what noise (even over the
        harmonics) would give: ``(p - 1/n) / (1 - 1/n)``; 1 for a perfect symmetry, about 0 for noise, below it for a
        picture without the symmetry. NaN for n > 1 if all turns look the same. Element 0 is 1.

    Raises
    ------
    ShapeError
        If the picture is not two-dimensional or smaller than 5 x 5.
    """
    picture = np.array(picture, dtype=np.float64)
    if picture.ndim != 2 or min(picture.shape) < 5:
        raise ShapeError(f"symmetry: wanted a picture of at least 5 x 5 px, got shape {picture.shape}")
    good = np.isfinite(picture)
    picture[~good] = picture[good].mean() if good.any() else 0.0
    picture = gaussian_filter(picture, 1.0, mode="nearest")  # noise has no symmetry: less of it counts
    centre = [(n - 1) / 2 for n in picture.shape]
    radii = np.arange(1.0, min(centre) + 1e-9, 0.5)  # px; the disc inside the window: its corners have no partner
    phi = np.arange(256) * (2 * np.pi / 256)
    where = [
        centre[0] + radii[:, None] * np.sin(phi),
        centre[1] + radii[:, None] * np.cos(phi),
    ]
    polar = map_coordinates(picture, where, order=3, mode="nearest")  # (radii, angles)
    power = np.abs(np.fft.rfft(polar, axis=1)) ** 2 * radii[:, None]
    # A ring of radius r cannot hold finer detail than about one period in two pixels.
    harmonic = np.arange(power.shape[1])
    power[harmonic > np.maximum(np.pi * radii, max_order)[:, None]] = 0.0
    power = power.sum(axis=0)
    total = power[1:].sum()
    scores = np.full(max_order, np.nan)
    scores[0] = 1.0
    if total > 1e-12 * max(power[0], 1e-300):
        for n in range(2, max_order + 1):
            scores[n - 1] = (power[n::n].sum() / total - 1 / n) / (1 - 1 / n)
    return scores


def find_symmetry_order(picture: np.ndarray, max_order: int = 12, threshold: float = 0.8) -> int:
    """Return the highest n such that the picture looks the same after a turn by ``2 pi / n`` (1: no symmetry).

    Angles that a model finds for such a motif are defined modulo ``2 pi / n``; see
    :func:`~atomscope.latent.fold_angle` and ``ClusterParams.symmetry_order``.

    Parameters
    ----------
    picture : numpy.ndarray, shape (rows, cols)
    max_order : int
    threshold : float
        Smallest score (see :func:`symmetry_scores`) that counts as symmetric: a ring of six columns of which one has
        half the height is below, the same ring whole at a signal-to-noise ratio of 10 is above.

    Notes
    -----
    A true symmetry scores as high as its divisors do (6 as high as 2 and 3), whatever the noise: of the orders within
    7 % of the best one, the highest is taken.
    """
    scores = np.nan_to_num(symmetry_scores(picture, max_order)[1:])
    if not len(scores) or scores.max() < threshold:
        return 1
    return int(np.flatnonzero(scores >= 0.93 * scores.max())[-1]) + 2
