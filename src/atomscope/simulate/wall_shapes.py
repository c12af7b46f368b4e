"""The geometry of domains: which domain a point lies in, and the exact lines between domains.

Every pattern is a formula of the place, so that a line is known to any precision and a frame can be made alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.spatial import Voronoi, cKDTree
from skimage.measure import find_contours

from atomscope.data.params import SimulateWallsParams

#: Distance between the points of a true line, px.
STEP_PX = 0.25


@dataclass(frozen=True)
class Pattern:
    """The domains of one frame.

    Attributes
    ----------
    domain : callable
        Takes rows and cols (arrays of one shape, px) and returns the number of the domain there, int64.
    level : callable
        Takes numbers of domains and returns how bright they are, in steps (float64).
    lines : list of numpy.ndarray, shape (n, 2), px
        The walls in the field, (row, col) every ``STEP_PX``; a closed one ends where it begins.
    """

    domain: Callable[[np.ndarray, np.ndarray], np.ndarray]
    level: Callable[[np.ndarray], np.ndarray]
    lines: list[np.ndarray]


@lru_cache(maxsize=8)
def make_pattern(params: SimulateWallsParams, frame: int) -> Pattern:
    """Return the domains of a frame of a movie."""
    size = params.size_px
    shape = (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))
    rng = np.random.default_rng([params.seed, 1])
    if params.pattern in ("straight", "curved"):
        return _parallel(params, shape, rng, frame)
    return (_labyrinth if params.pattern == "labyrinth" else _mosaic)(params, shape, rng, frame)


def _parallel(params: SimulateWallsParams, shape: tuple[int, int], rng: np.random.Generator, frame: int) -> Pattern:
    """Walls beside each other: v = offset + A sin(2 pi u / period), u along them, v across."""
    free = rng.uniform(0, 180)
    a = math.radians(free if params.angle_deg is None else params.angle_deg)
    along, across = np.array([math.sin(a), math.cos(a)]), np.array([math.cos(a), -math.sin(a)])
    middle = (np.array(shape) - 1) / 2
    moved = params.motion_px * frame
    reach = math.hypot(*shape) / 2 + params.waviness_px + params.motion_px * params.frames + params.domain_px
    count = math.ceil(2 * reach / params.domain_px)
    jitter = rng.uniform(-0.25, 0.25, count)
    offsets = (np.arange(count) - (count - 1) / 2 + jitter) * params.domain_px
    swing = params.waviness_px if params.pattern == "curved" else 0.0
    period, phase = params.domain_px * rng.uniform(2.5, 4.0), rng.uniform(0, 2 * math.pi)
    bow = reach * rng.uniform(1.5, 3.0) * (1 if swing else 0)  # a bend of all walls beside the waves

    def shift(u: np.ndarray) -> np.ndarray:
        arc = 0.5 * u**2 / bow if bow else 0.0
        return swing * np.sin(2 * math.pi * u / period + phase) + arc + moved

    def domain(rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        r, c = rows - middle[0], cols - middle[1]
        u, v = r * along[0] + c * along[1], r * across[0] + c * across[1]
        return np.searchsorted(offsets, v - shift(u)).astype(np.int64)

    u = np.arange(-reach, reach, STEP_PX)
    lines = []
    for offset in offsets:
        places = middle + u[:, None] * along + (offset + shift(u))[:, None] * across
        lines += inside_runs(places, shape)
    return Pattern(domain, lambda d: (d % 2).astype(np.float64), [even(line) for line in lines])


def _labyrinth(params: SimulateWallsParams, shape: tuple[int, int], rng: np.random.Generator, frame: int) -> Pattern:
    """Where a sum of waves of one length and all directions is 0; half a wave is a domain."""
    waves = 24
    turn, phase = rng.uniform(0, 2 * math.pi, waves), rng.uniform(0, 2 * math.pi, waves)
    k = math.pi / params.domain_px * rng.uniform(0.85, 1.15, waves)
    k_row, k_col = k * np.sin(turn), k * np.cos(turn)
    way = rng.uniform(0, 2 * math.pi)
    moved = params.motion_px * frame * np.array([math.sin(way), math.cos(way)])

    def field(rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        r, c = rows - moved[0], cols - moved[1]
        return np.asarray(sum(np.cos(kr * r + kc * c + p) for kr, kc, p in zip(k_row, k_col, phase, strict=True)))

    at = [np.arange(-2, n + 2, 0.5) for n in shape]
    values = field(*np.meshgrid(*at, indexing="ij"))
    lines = []
    for contour in find_contours(values, 0.0):
        lines += inside_runs(even(contour * 0.5 - 2.0), shape)
    return Pattern(
        lambda r, c: (field(r, c) > 0).astype(np.int64), lambda d: d.astype(np.float64), [even(x) for x in lines]
    )


def _mosaic(params: SimulateWallsParams, shape: tuple[int, int], rng: np.random.Generator, frame: int) -> Pattern:
    """Cells round scattered seeds, seen through a smooth warp; neighbours never have the same brightness."""
    margin = 3 * params.domain_px + params.motion_px * params.frames
    low, high = np.full(2, -margin), np.array(shape) + margin
    seeds: list[np.ndarray] = []
    for p in rng.uniform(low, high, (int(8 * np.prod((high - low) / params.domain_px)), 2)):
        if not seeds or np.min(np.sum((np.array(seeds) - p) ** 2, 1)) > (0.8 * params.domain_px) ** 2:
            seeds.append(p)
    way = rng.uniform(0, 2 * math.pi)
    moved = params.motion_px * frame * np.array([math.sin(way), math.cos(way)])
    points = np.array(seeds)
    cells, tree = Voronoi(points), cKDTree(points)
    level = colour(len(points), cells.ridge_points, rng)
    waves, period = 3, 4.0 * params.domain_px
    turn, phase = rng.uniform(0, 2 * math.pi, (2, waves)), rng.uniform(0, 2 * math.pi, (2, waves))
    k = 2 * math.pi / period

    def warp(p: np.ndarray) -> np.ndarray:
        out = np.empty_like(p)
        for axis in (0, 1):
            arg = k * (p[:, :1] * np.sin(turn[axis]) + p[:, 1:] * np.cos(turn[axis])) + phase[axis]
            out[:, axis] = params.waviness_px / waves * np.sin(arg).sum(1)
        return out

    def domain(rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        p = np.c_[rows.ravel(), cols.ravel()] - moved
        return np.asarray(tree.query(p + warp(p))[1], np.int64).reshape(rows.shape)

    lines = []
    for a, b in cells.ridge_vertices:
        if a < 0:
            continue
        ends = cells.vertices[[a, b]]
        if (np.abs(ends - np.array(shape) / 2) > np.array(shape) + margin).any():
            continue
        shown = ends + moved  # the warp moves nothing farther than the waviness: most lines cannot come into the field
        far = params.waviness_px + 1.0
        if ((shown.max(0) < -far) | (shown.min(0) > np.array(shape) + far)).any():
            continue
        n = max(2, math.ceil(float(np.hypot(*(ends[1] - ends[0]))) / STEP_PX) + 1)
        straight = ends[0] + np.linspace(0, 1, n)[:, None] * (ends[1] - ends[0])
        place = straight
        for _ in range(40):  # the warp is undone by repetition: it bends less than it moves
            place = straight - warp(place)
        lines += inside_runs(place + moved, shape)
    return Pattern(domain, lambda d: level[d], [even(line) for line in lines])


def colour(n: int, pairs: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a brightness (0, 1, 2, ...) for each of n cells, neighbours' different; pairs of neighbours (m, 2)."""
    near: list[set[int]] = [set() for _ in range(n)]
    for a, b in pairs:
        near[a].add(int(b))
        near[b].add(int(a))
    out = np.full(n, -1)
    for cell in rng.permutation(n):
        taken = {int(out[other]) for other in near[cell]}
        free = [c for c in range(8) if c not in taken]
        out[cell] = free[0]
    return out.astype(np.float64)


def inside_runs(places: np.ndarray, shape: tuple[int, int]) -> list[np.ndarray]:
    """Cut a line, shape (n, 2), into its parts that lie in the field; a part has at least two points."""
    inside = np.all((places >= -0.5) & (places <= np.array(shape) - 0.5), axis=1)
    if not inside.any():
        return []
    edges = np.flatnonzero(np.diff(np.r_[False, inside, False].astype(np.int8)))
    runs = [places[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a > 1]
    both = bool(np.all(np.take(inside, [0, -1])))
    closed = len(runs) > 1 and both and float(np.hypot(*(places[0] - places[-1]))) < 2 * STEP_PX
    if closed:  # a closed line that leaves the field: its first and last parts are one
        runs = [np.concatenate([runs[-1], runs[0]]), *runs[1:-1]]
    return runs


def even(line: np.ndarray, step: float = STEP_PX) -> np.ndarray:
    """Return a line with points every ``step`` px (nearly: a whole number of them)."""
    arc = np.r_[0.0, np.cumsum(np.hypot(*np.diff(line, axis=0).T))]
    n = max(2, round(float(arc[-1]) / step) + 1)
    at = np.linspace(0, arc[-1], n)
    return np.c_[np.interp(at, arc, line[:, 0]), np.interp(at, arc, line[:, 1])]
