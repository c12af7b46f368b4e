"""Classes that are one: pictures that are copies of each other, turned (or mirrored) as the lattice allows.

A network without a pose, PCA or k-means makes a class of each orientation of a defect. Two classes are copies when one
picture, turned, is the other: where they differ most, they differ by little, beyond what noise explains. The mean over
the window would not do: a missing column in a large window is a small part of it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.ndimage import gaussian_filter, map_coordinates, spline_filter
from scipy.optimize import minimize
from scipy.spatial.distance import squareform

from atomscope.errors import ShapeError

#: Columns lie about this many times in a window; differences are looked for in areas of that size.
_DETAILS = 12
#: Noise averaged over such an area is, at its worst place, about this many times its expectation.
_WORST_NOISE = 1.5


class Copies(NamedTuple):
    """Which of K pictures are one.

    Attributes
    ----------
    group : numpy.ndarray, shape (K,), int64
        Pictures with the same number are copies; numbered by first picture.
    turn : numpy.ndarray, shape (K,), float64, rad
        By how much the first picture of the group is turned to give this one, clockwise on screen.
    mirrored : numpy.ndarray, shape (K,), bool
        Whether it was mirrored first (left and right exchanged).
    difference : numpy.ndarray, shape (K, K), float64
        Largest local difference of each pair after the best turn, over the strongest local structure; 0: copies.
    """

    group: np.ndarray
    turn: np.ndarray
    mirrored: np.ndarray
    difference: np.ndarray


def find_copies(
    pictures: np.ndarray,
    turns: np.ndarray,
    *,
    noise_var: np.ndarray | None = None,
    any_angle: bool = False,
    mirrors: bool = False,
    tolerance: float = 0.1,
    reach_px: float = 2.0,
) -> Copies:
    """Group pictures that are copies of each other.

    Parameters
    ----------
    pictures : numpy.ndarray, shape (K, rows, cols)
        Mean patches of the classes, or decoded ones.
    turns : numpy.ndarray, shape (t,), rad
        Turns that make a copy.
    noise_var : numpy.ndarray, shape (K,), optional
        Variance of the noise of a pixel of each picture.
    any_angle : bool
        Whether turns between those given count too (of drawings whose angle means nothing).
    mirrors : bool
        Whether a mirror image is a copy.
    tolerance : float
        Largest difference of copies, see :class:`Copies`.
    reach_px : float
        Copies may lie off centre by this much.

    Raises
    ------
    ShapeError
        If ``pictures`` has not three axes.
    """
    pictures = np.nan_to_num(np.asarray(pictures, np.float64))
    if pictures.ndim != 3:
        raise ShapeError(f"copies: wanted pictures of shape (K, rows, cols), got {pictures.shape}")
    count = len(pictures)
    noise = np.zeros(count) if noise_var is None else np.asarray(noise_var, np.float64)
    pictures = pictures - (pictures.mean() if count else 0.0)
    difference, turn = np.zeros((count, count)), np.zeros((count, count))
    mirrored = np.zeros((count, count), bool)
    reach_px = min(reach_px, min(pictures.shape[1:]) / 8) if count else reach_px
    for i in range(count):
        sources = [_Source(pictures[i], turns, reach_px)]
        if mirrors:
            sources.append(_Source(pictures[i][:, ::-1], turns, reach_px))
        for j in range(i + 1, count):
            floor = _WORST_NOISE * (noise[i] + noise[j])
            best = [source.fit(pictures[j], floor, any_angle, tolerance) for source in sources]
            which = int(np.argmin([d for d, _ in best]))
            difference[i, j] = difference[j, i] = best[which][0]
            turn[i, j], mirrored[i, j] = best[which][1], bool(which)
    group = np.zeros(count, np.int64)
    if count > 1:
        # Average linkage: one pair that happens to be alike does not join two groups.
        tree = linkage(squareform(difference, checks=False), "average")
        named = fcluster(tree, tolerance, "distance")
        _, first, inverse = np.unique(named, return_index=True, return_inverse=True)
        group = np.argsort(np.argsort(first))[inverse].astype(np.int64)
    leader = np.array([np.flatnonzero(group == g)[0] for g in group], np.int64) if count else np.zeros(0, np.int64)
    own = np.arange(count)
    return Copies(group, turn[leader, own], mirrored[leader, own], difference)


def turned(picture: np.ndarray, angle: float, shift: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """Return a picture, shape (rows, cols), turned clockwise on screen about its centre, then shifted (row, col) px."""
    quarter = round(angle / (np.pi / 2))
    if shift == (0.0, 0.0) and abs(angle - quarter * np.pi / 2) < 1e-9 and picture.shape[0] == picture.shape[1]:
        return np.rot90(picture, -quarter)  # exact
    return _sampled(spline_filter(picture, mode="nearest"), angle, shift)


def _sampled(spline: np.ndarray, angle: float, shift: tuple[float, float]) -> np.ndarray:
    row, col = (np.arange(n) - (n - 1) / 2 for n in spline.shape)
    r, c = row[:, None] - shift[0], col - shift[1]
    cos, sin = np.cos(angle), np.sin(angle)
    at = [cos * r - sin * c + (spline.shape[0] - 1) / 2, sin * r + cos * c + (spline.shape[1] - 1) / 2]
    return np.asarray(map_coordinates(spline, at, order=3, mode="nearest", prefilter=False))


class _Source:
    """A picture at every turn, made once, to be laid over others."""

    def __init__(self, picture: np.ndarray, turns: np.ndarray, reach: float) -> None:
        self.turns, self.reach = np.asarray(turns, np.float64), reach
        self.picture, self.spline = picture, spline_filter(picture, mode="nearest")
        row, col = (np.arange(n) - (n - 1) / 2 for n in picture.shape)
        # What stays inside the window at every turn and shift.
        self.disc = np.hypot(row[:, None], col) <= (min(picture.shape) - 1) / 2 - reach
        self.width = max(1.0, min(picture.shape) / _DETAILS)
        self.area = np.maximum(gaussian_filter(self.disc.astype(float), self.width), 0.25)
        self.turned = [turned(picture, float(angle)) for angle in self.turns]
        self.waves = [np.fft.rfft2(p * self.disc).conj() for p in self.turned]

    def fit(self, other: np.ndarray, floor: float, any_angle: bool, tolerance: float) -> tuple[float, float]:
        """Return the difference of another picture from the best turn of this one, and that turn."""
        waves = np.fft.rfft2(other * self.disc)
        starts = []
        for k, own in enumerate(self.waves):
            shift = self._coarse_shift(own * waves)
            laid = np.roll(self.turned[k], (int(shift[0]), int(shift[1])), (0, 1))
            starts.append((float((((laid - other) ** 2)[self.disc]).sum()), k, shift))
        _, k, shift = min(starts)
        angle = float(self.turns[k])
        coarse = self._difference(np.roll(self.turned[k], (int(shift[0]), int(shift[1])), (0, 1)), other, floor)
        step = float(np.diff(np.sort(self.turns)).min()) / 2 if any_angle and len(self.turns) > 1 else 0.0
        if coarse > 5 * tolerance or (coarse < tolerance / 4 and not step):  # clear without a fraction of a pixel
            return coarse, _wrapped(angle)

        def miss(x: np.ndarray) -> float:
            outside = max(0.0, abs(x[0]) - self.reach) + max(0.0, abs(x[1]) - self.reach)
            laid = _sampled(self.spline, angle + step * float(x[2]) if step else angle, (float(x[0]), float(x[1])))
            return float((((laid - other) ** 2)[self.disc]).sum()) * (1 + outside)

        start = np.array([*shift, 0.0])
        simplex = start + np.vstack([np.zeros(3), 0.5 * np.eye(3)])
        if not step:
            start, simplex = start[:2], simplex[:3, :2]
        found = minimize(
            lambda x: miss(np.append(x, 0.0)[:3]),
            start,
            method="Nelder-Mead",
            options={"maxfev": 120, "xatol": 0.02, "fatol": 0.0, "initial_simplex": simplex},
        )
        best = np.append(found.x, 0.0)[:3]
        fine = angle + step * float(best[2])
        laid = _sampled(self.spline, fine, (float(best[0]), float(best[1])))
        difference = self._difference(laid, other, floor)
        return (difference, _wrapped(fine)) if difference < coarse else (coarse, _wrapped(angle))

    def _difference(self, laid: np.ndarray, other: np.ndarray, floor: float) -> float:
        def local(x: np.ndarray) -> float:
            return float((gaussian_filter(x**2 * self.disc, self.width) / self.area)[self.disc].max())

        return max(0.0, local(laid - other) - floor) / max(local(self.picture), local(other), 1e-300)

    def _coarse_shift(self, product: np.ndarray) -> tuple[float, float]:
        """Return the whole-pixel shift that is most like, at most ``reach`` along each axis."""
        reach = int(self.reach)
        if reach < 1:
            return 0.0, 0.0
        like = np.fft.fftshift(np.fft.irfft2(product, s=self.disc.shape))
        r0, c0 = (n // 2 for n in like.shape)
        near = like[r0 - reach : r0 + reach + 1, c0 - reach : c0 + reach + 1]
        r, c = np.unravel_index(near.argmax(), near.shape)
        return float(r - reach), float(c - reach)


def _wrapped(angle: float) -> float:
    return float(np.angle(np.exp(1j * angle)))
