"""The bright disk of a mean pattern: its centre and its radius, from its edge.

Where the pattern falls through half the height of the disk there are points of an edge. Circles through three of them
are tried, and the one that most points lie on wins: a beam stop, a few dead pixels, other disks and a disk cut off by
the frame leave enough of the edge.

References
----------
.. [1] Fischler & Bolles, Commun. ACM 24 (1981) 381: random sample consensus.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from atomscope.errors import InputError

#: Circles tried, and how far from one a point of the edge may lie, px.
_TRIES, _NEAR_PX = 600, 1.0
#: Distances of points from circles that are held at a time.
_TOGETHER = 2**20


@dataclass(frozen=True)
class Disk:
    """A bright disk.

    Attributes
    ----------
    row, col : float
        Centre, px.
    radius_px : float
        Where the intensity is half of that of the disk.
    seen : float
        Part of the edge that was seen, from 0 to 1.
    """

    row: float
    col: float
    radius_px: float
    seen: float


def bright_disk(pattern: np.ndarray) -> Disk:
    """Find the bright disk of a mean pattern.

    Parameters
    ----------
    pattern : numpy.ndarray, shape (rows, cols)

    Raises
    ------
    InputError
        If nothing stands out of the pattern like a disk.
    """
    values = np.asarray(pattern, np.float64)
    if min(values.shape) < 4 or not np.isfinite(values).any():
        raise InputError(f"bright disk: wanted a pattern of numbers, at least 4 x 4 px; got shape {values.shape}")
    values = np.where(np.isfinite(values), values, np.nanmedian(values))
    smooth = ndimage.median_filter(values, 3, mode="nearest")  # dead and hot pixels
    level = _half(smooth)
    if level is None:
        raise InputError("bright disk: the pattern is flat, no disk stands out; give the centre by hand")
    points, inward = _edge(smooth, level)
    if len(points) < 5:
        return _blob(smooth, level)
    circle = _consensus(points, inward, max(values.shape))
    if circle is None:
        return _blob(smooth, level)
    row, col, radius = circle
    angle = np.arctan2(*(points - (row, col)).T)[_on(points, inward, np.array(circle), _NEAR_PX)]
    sectors = max(8, min(90, int(2 * np.pi * radius)))
    seen = np.unique(((angle + np.pi) / (2 * np.pi) * sectors).astype(int) % sectors).size / sectors
    return Disk(float(row), float(col), float(radius), float(seen))


def _half(smooth: np.ndarray) -> float | None:
    """Return half the height between disk and background."""
    low, high = float(np.median(smooth)), float(smooth.max())
    if not high > smooth.min():
        return None
    cut = _otsu(smooth)
    inside, outside = smooth[smooth > cut], smooth[smooth <= cut]
    if not inside.size or not outside.size:
        return None
    low, high = float(np.median(outside)), float(np.median(inside))
    return (low + high) / 2 if high > low else None


def _otsu(values: np.ndarray) -> float:
    """Return the threshold that parts values into two classes best."""
    count, edges = np.histogram(values, 256)
    middle = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(count)
    mass = np.cumsum(count * middle)
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (mass / below - (mass[-1] - mass) / above) ** 2
    return float(edges[1 + int(np.nanargmax(np.where((below > 0) & (above > 0), between, -1.0)))])


def _edge(smooth: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return where lines between neighbouring pixels cross the level, and the direction to the bright side."""
    down, right = np.gradient(ndimage.gaussian_filter(smooth, 1.0))
    points, inward = [], []
    for axis in (0, 1):
        a = smooth[:-1] if axis == 0 else smooth[:, :-1]
        b = smooth[1:] if axis == 0 else smooth[:, 1:]
        crossing = np.argwhere((a >= level) != (b >= level))
        first, second = a[tuple(crossing.T)], b[tuple(crossing.T)]
        at = crossing.astype(float)
        at[:, axis] += (level - first) / (second - first)
        points.append(at)
        inward.append(np.stack([ndimage.map_coordinates(g, at.T, order=1) for g in (down, right)], 1))
    every, slope = np.concatenate(points), np.concatenate(inward)
    return every, slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-300)


def _consensus(points: np.ndarray, inward: np.ndarray, size: int) -> tuple[float, float, float] | None:
    rng = np.random.default_rng(0)
    circles = _through(points[rng.integers(0, len(points), (_TRIES, 3))])
    circles = circles[(circles[:, 2] >= 1.0) & (circles[:, 2] <= size)]
    step = max(1, _TOGETHER // len(points))
    on = [_on(points, inward, circles[i : i + step], _NEAR_PX).sum(-1) for i in range(0, len(circles), step)]
    if not on or not np.concatenate(on).any():
        return None
    row, col, radius = circles[int(np.concatenate(on).argmax())]
    best = float(row), float(col), float(radius)
    for near in (2 * _NEAR_PX, _NEAR_PX, _NEAR_PX, 0.7 * _NEAR_PX, 0.7 * _NEAR_PX):
        close = _on(points, inward, np.array(best), near)
        if close.sum() < 5:
            break
        best = _fit(points[close], best)
    return best


def _on(points: np.ndarray, inward: np.ndarray, circles: np.ndarray, near: float) -> np.ndarray:
    """Return which points lie on circles (row, col, radius) with the bright side within, shape (..., points)."""
    row, col, radius = np.moveaxis(circles[..., None], -2, 0)
    down, right = points[:, 0] - row, points[:, 1] - col
    distance = np.hypot(down, right)
    towards = -(down * inward[:, 0] + right * inward[:, 1]) / np.maximum(distance, 1e-9)
    return np.asarray((np.abs(distance - radius) < near) & (towards > 0.7))


def _through(threes: np.ndarray) -> np.ndarray:
    """Return circles (row, col, radius) through threes of points, shape (n, 3); points on a line have none."""
    r0, c0, r1, c1, r2, c2 = threes.reshape(-1, 6).T
    twice = 2 * ((r1 - r0) * (c2 - c0) - (r2 - r0) * (c1 - c0))
    good = np.abs(twice) >= 1e-6
    r0, c0, r1, c1, r2, c2, twice = (x[good] for x in (r0, c0, r1, c1, r2, c2, twice))
    one, two = (r1 - r0) ** 2 + (c1 - c0) ** 2, (r2 - r0) ** 2 + (c2 - c0) ** 2
    row = ((c2 - c0) * one - (c1 - c0) * two) / twice
    col = ((r1 - r0) * two - (r2 - r0) * one) / twice
    return np.stack([r0 + row, c0 + col, np.hypot(row, col)], 1)


def _fit(points: np.ndarray, start: tuple[float, float, float]) -> tuple[float, float, float]:
    """Return the circle with the least squared distances, by a few steps of Gauss and Newton."""
    row, col, radius = start
    for _ in range(5):
        away = points - (row, col)
        distance = np.linalg.norm(away, axis=1)
        slopes = np.column_stack([-away / np.maximum(distance, 1e-9)[:, None], -np.ones(len(points))])
        step = np.linalg.lstsq(slopes, radius - distance, rcond=None)[0]
        row, col, radius = row + step[0], col + step[1], radius + step[2]
    return float(row), float(col), float(radius)


def _blob(smooth: np.ndarray, level: float) -> Disk:
    """Return the centre and the area of what is bright, where an edge has too few points."""
    mask = smooth >= level
    weight = np.where(mask, smooth - level, 0.0)
    rows, cols = np.indices(smooth.shape)
    total = max(float(weight.sum()), 1e-300)
    row, col = float((weight * rows).sum() / total), float((weight * cols).sum() / total)
    return Disk(row, col, float(np.sqrt(mask.sum() / np.pi)), 0.0)
