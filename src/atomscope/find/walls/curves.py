"""A branch of pixels to a smooth line with sub-pixel places, whose length is a length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from atomscope.find.walls.network import Branch

#: Smoothing along the line, px: as little as takes the steps of the pixels away.
_SMOOTH = 2.0
#: How far to either side the middle of the wall is looked for, px, and how finely.
_ACROSS = np.arange(-2.0, 2.01, 0.5)
#: Tangent and curvature are those of the line smoothed by so much, px.
_TANGENT, _BEND = 3.0, 4.0
_STEP = 0.5


@dataclass(frozen=True)
class Curve:
    """A smooth line.

    Attributes
    ----------
    points : numpy.ndarray, shape (n, 2), float64, px
        (row, col) about every half pixel; a closed line ends where it begins.
    closed : bool
    """

    points: np.ndarray
    closed: bool

    @property
    def arc(self) -> np.ndarray:
        """Place along the line of each point, px."""
        return np.r_[0.0, np.cumsum(np.hypot(*np.diff(self.points, axis=0).T))]

    @property
    def length_px(self) -> float:
        """Length, px."""
        return float(self.arc[-1])


def smooth_curve(branch: Branch, strength: np.ndarray) -> Curve:
    """Lay a smooth line through a branch, on the crest of ``strength``, shape (rows, cols).

    Digital lengths are biased (a diagonal of pixels is up to 8 % too long, steps are); a line smoothed over more than
    a step and laid on the crest is not.
    """
    closed = branch.ends[0] == branch.ends[1] and bool((branch.points[0] == branch.points[-1]).all())
    points = _smooth(_even(branch.points), _SMOOTH, closed)
    points = _even(points)
    for _ in range(2):
        points = _even(points + _smooth(_to_crest(points, strength, closed), _SMOOTH, closed))
        points = _smooth(points, _SMOOTH / 2, closed)
    if closed:
        points[-1] = points[0]
    return Curve(np.clip(points, -0.5, np.array(strength.shape) - 0.5), closed)


def resample(curve: Curve, spacing_px: float) -> dict[str, np.ndarray]:
    """Lay sites on a line, each in the middle of a piece of nearly ``spacing_px``.

    Returns
    -------
    dict of numpy.ndarray, shape (n,)
        ``row``, ``col``, ``arc_px``, ``length_px`` (of the piece), ``angle`` (rad, of the tangent, in (-pi/2, pi/2]),
        ``curvature`` (1/px, positive where the line turns from +col towards +row when followed in the direction of
        growing ``arc_px``).
    """
    arc, length = curve.arc, curve.length_px
    n = max(1, round(length / spacing_px))
    at = (np.arange(n) + 0.5) * length / n

    def read(values: np.ndarray) -> np.ndarray:
        return np.interp(at, arc, values)

    tangent = np.gradient(_smooth(curve.points, _TANGENT, curve.closed), axis=0)
    bent = _smooth(curve.points, _BEND, curve.closed)
    first = np.gradient(bent, axis=0)
    second = np.gradient(first, axis=0)
    speed = np.maximum(np.hypot(*first.T), 1e-9)
    turn = (second[:, 0] * first[:, 1] - second[:, 1] * first[:, 0]) / speed**3
    angle = np.arctan2(read(tangent[:, 0]), read(tangent[:, 1]))
    return {
        "row": read(curve.points[:, 0]),
        "col": read(curve.points[:, 1]),
        "arc_px": at,
        "length_px": np.full(n, length / n),
        "angle": angle - np.pi * np.ceil(angle / np.pi - 0.5),
        "curvature": read(turn),
    }


def _even(points: np.ndarray) -> np.ndarray:
    arc = np.r_[0.0, np.cumsum(np.hypot(*np.diff(points, axis=0).T))]
    n = max(2, round(float(arc[-1]) / _STEP) + 1)
    at = np.linspace(0, arc[-1], n)
    return np.c_[np.interp(at, arc, points[:, 0]), np.interp(at, arc, points[:, 1])]


def _smooth(values: np.ndarray, sigma_px: float, closed: bool) -> np.ndarray:
    """Smooth along the line, shape (n, 2); the ends of an open line stay."""
    sigma = sigma_px / _STEP
    if len(values) < 4:
        return values
    if closed:
        ring = ndimage.gaussian_filter1d(values[:-1], sigma, axis=0, mode="wrap")
        return np.concatenate([ring, ring[:1]])
    # Turned over at its ends, which are so left where they are.
    n = min(len(values) - 1, int(4 * sigma) + 1)
    before, after = 2 * values[0] - values[n:0:-1], 2 * values[-1] - values[-2 : -n - 2 : -1]
    long = ndimage.gaussian_filter1d(np.concatenate([before, values, after]), sigma, axis=0, mode="nearest")
    return np.asarray(long[n : n + len(values)])


def _to_crest(points: np.ndarray, strength: np.ndarray, closed: bool) -> np.ndarray:
    """Return the steps across the line to where ``strength`` is highest, shape (n, 2); 0 where it is not in sight."""
    tangent = np.gradient(points, axis=0)
    tangent /= np.maximum(np.hypot(*tangent.T), 1e-9)[:, None]
    normal = np.c_[tangent[:, 1], -tangent[:, 0]]
    at = points[:, None] + _ACROSS[:, None] * normal[:, None]  # (n, across, 2)
    seen = ndimage.map_coordinates(strength, at.reshape(-1, 2).T, order=1, mode="nearest").reshape(at.shape[:2])
    # Noise differs from place to place along a wall less than the wall does: average along it first.
    seen = ndimage.gaussian_filter1d(seen, 1.0 / _STEP, axis=0, mode="wrap" if closed else "nearest")
    top = np.argmax(seen, axis=1)
    inside = (top > 0) & (top < len(_ACROSS) - 1)
    i, k = np.arange(len(seen)), np.clip(top, 1, len(_ACROSS) - 2)
    left, here, right = seen[i, k - 1], seen[i, k], seen[i, k + 1]
    bend = left - 2 * here + right
    fine = np.where(bend < 0, 0.5 * (left - right) / np.where(bend < 0, bend, -1), 0.0)
    step = np.where(inside, _ACROSS[k] + fine * (_ACROSS[1] - _ACROSS[0]), 0.0)
    if not closed:  # the end of a wall, or where walls meet, is not what a wall's middle looks like
        fade = np.minimum(np.arange(len(step)), np.arange(len(step))[::-1]) * _STEP
        step = step * np.clip(fade / 3.0, 0, 1)
    return step[:, None] * normal
