"""A field of crystal: every column of every grain, in nm, with its name tags."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from atomscope.simulate.lattices import Lattice

#: Two columns of unlike grains closer than this fraction of the nearest distance cannot both be there.
_TOO_CLOSE = 0.75


@dataclass(frozen=True)
class Grain:
    """How one grain lies: rotation clockwise on screen (rad), and whether it is mirrored first."""

    rotation: float
    mirrored: bool = False


@dataclass(frozen=True)
class Crystal:
    """Columns and hollows of a field; row 0, col 0 is the middle of the field.

    Attributes
    ----------
    positions : numpy.ndarray, shape (n, 2), float64, nm
        (row, col) of the columns.
    column : numpy.ndarray, shape (n,), int64
        Index into ``lattice.columns``.
    grain : numpy.ndarray, shape (n,), int64
    hollows : numpy.ndarray, shape (m, 2), float64, nm
        Where adatoms may rest.
    hollow_grain : numpy.ndarray, shape (m,), int64
    grains : tuple of Grain
    """

    positions: np.ndarray
    column: np.ndarray
    grain: np.ndarray
    hollows: np.ndarray
    hollow_grain: np.ndarray
    grains: tuple[Grain, ...]

    def take(self, columns: np.ndarray, hollows: np.ndarray) -> Crystal:
        """Return a choice of columns and hollows, in that order; indices or masks."""
        return Crystal(
            self.positions[columns],
            self.column[columns],
            self.grain[columns],
            self.hollows[hollows],
            self.hollow_grain[hollows],
            self.grains,
        )


def rotate(vectors: np.ndarray, angle: float) -> np.ndarray:
    """Turn (row, col) vectors clockwise on screen, shape (n, 2).

    Angle 0 lies along +col and +pi/2 along +row.
    """
    c, s = math.cos(angle), math.sin(angle)
    row, col = vectors[:, 0], vectors[:, 1]
    return np.stack([c * row + s * col, c * col - s * row], axis=1)


def lay_grains(
    lattice: Lattice,
    n_grains: int,
    rotation: float,
    misorientation: float | None,
    rng: np.random.Generator,
) -> tuple[Grain, ...]:
    """Decide how each grain lies; angles in rad, clockwise on screen."""
    if misorientation is None and lattice.mirror_twin:
        # Neighbouring lamellae of a twin mirror each other.
        return tuple(Grain(rotation, bool(i % 2)) for i in range(n_grains))
    if misorientation is None:
        more: np.ndarray = rng.uniform(-math.pi, math.pi, n_grains - 1)
    else:
        more = misorientation * np.arange(1, n_grains)
    return (Grain(rotation), *(Grain(rotation + float(a)) for a in more))


def grow(
    lattice: Lattice,
    grains: tuple[Grain, ...],
    half_nm: tuple[float, float],
    centre_nm: tuple[float, float],
    rng: np.random.Generator,
    core_nm: float,
) -> Crystal:
    """Fill a rectangle with crystal.

    Parameters
    ----------
    lattice : Lattice
    grains : tuple of Grain
        One is a single crystal, two meet in a straight boundary, more make a mosaic (nearest of random centres);
        coherent twins are always parallel lamellae.
    half_nm : tuple of float
        Half the (row, col) size of the rectangle, nm.
    centre_nm : tuple of float
        Its middle, nm; the middle of the field is (0, 0).
    rng : numpy.random.Generator
    core_nm : float
        Size of the field itself, nm: where the boundaries are placed.

    Returns
    -------
    Crystal
    """
    # The field looks at a random spot of the crystal: no column sits on a special pixel.
    offset = rotate(rng.uniform(0.0, 1.0, (1, 2)) @ np.array(lattice.cell), grains[0].rotation)[0]
    middle = np.array(centre_nm) + offset
    owner = _territories(lattice, grains, core_nm, rng)
    parts = []
    for g, grain in enumerate(grains):
        columns, which, hollows = _one_grain(lattice, grain, np.array(half_nm), middle)
        mine = owner(columns, g)
        parts.append((columns[mine], which[mine], np.full(mine.sum(), g), hollows[owner(hollows, g)]))
    positions = np.concatenate([p[0] for p in parts])
    column = np.concatenate([p[1] for p in parts])
    grain_id = np.concatenate([p[2] for p in parts]).astype(np.int64)
    hollows = np.concatenate([p[3] for p in parts])
    hollow_grain = np.concatenate([np.full(len(p[3]), g) for g, p in enumerate(parts)]).astype(np.int64)
    if len(grains) > 1:
        keep = _clean_boundary(positions, grain_id, _TOO_CLOSE * lattice.nearest_nm)
        positions, column, grain_id = positions[keep], column[keep], grain_id[keep]
        away = cKDTree(positions).query(hollows)[0] > 0.4 * lattice.nearest_nm if len(positions) else slice(None)
        hollows, hollow_grain = hollows[away], hollow_grain[away]
    # Reading order (by row, then col) makes the ids of the columns independent of how they were made.
    order = np.lexsort((positions[:, 1], positions[:, 0]))
    return Crystal(positions[order] - offset, column[order], grain_id[order], hollows - offset, hollow_grain, grains)


def _one_grain(
    lattice: Lattice, grain: Grain, half_nm: np.ndarray, middle: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return columns (n, 2), their index in the cell (n,) and hollows (m, 2) of one grain over a rectangle."""
    cell = np.array(lattice.cell) * (np.array([-1.0, 1.0]) if grain.mirrored else 1.0)
    cell = rotate(cell, grain.rotation)
    corners = np.array([[r, c] for r in (-1, 1) for c in (-1, 1)]) * half_nm + middle
    uv = corners @ np.linalg.inv(cell)
    low, high = np.floor(uv.min(0)).astype(int) - 1, np.ceil(uv.max(0)).astype(int) + 1
    ij = np.stack(np.meshgrid(*(np.arange(a, b + 1) for a, b in zip(low, high, strict=True)), indexing="ij"), -1)
    ij = ij.reshape(-1, 2)

    def spread(fractions: Sequence[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
        points = (ij[:, None, :] + np.array(fractions)[None]) @ cell
        which = np.broadcast_to(np.arange(len(fractions)), points.shape[:2])
        inside = np.all(np.abs(points - middle) <= half_nm, axis=-1)
        return points[inside], which[inside]

    columns, which = spread([c.position for c in lattice.columns])
    hollows, _ = spread(lattice.hollows)
    return columns, which, hollows


def _territories(
    lattice: Lattice, grains: tuple[Grain, ...], core_nm: float, rng: np.random.Generator
) -> Callable[[np.ndarray, int], np.ndarray]:
    """Return a function (points, grain) -> mask: which points belong to that grain."""
    n = len(grains)
    if n == 1:
        return lambda points, g: np.ones(len(points), dtype=bool)
    twin = any(grain.mirrored for grain in grains)
    if n == 2 or twin:
        # Bands parallel to the first cell vector.
        first = grains[0].rotation
        normal = rotate(np.array([[1.0, 0.0]]), first)[0]
        spacing = lattice.cell[1][0]
        width = core_nm / n
        edges = (np.arange(1, n) - n / 2) * width
        if twin:
            # The plane of a coherent twin is a row of columns; {111} layers repeat after three.
            edges = np.rint(edges / (3 * spacing)) * 3 * spacing

        def band(points: np.ndarray, g: int) -> np.ndarray:
            height = points @ normal
            low = edges[g - 1] if g > 0 else -np.inf
            high = edges[g] if g < n - 1 else np.inf
            return (height >= low - 1e-6) & (height <= high + 1e-6)

        return band
    # A loose square arrangement of centres gives grains of like size.
    side = math.ceil(math.sqrt(n))
    spots = rng.permutation(side * side)[:n]
    grid = np.stack([spots // side, spots % side], axis=1) + 0.5 + rng.uniform(-0.3, 0.3, (n, 2))
    centres = (grid / side - 0.5) * core_nm
    tree = cKDTree(centres)
    return lambda points, g: (tree.query(points)[1] == g) if len(points) else np.zeros(0, dtype=bool)


def _clean_boundary(positions: np.ndarray, grain: np.ndarray, closest_nm: float) -> np.ndarray:
    """Return a mask that drops, of each pair of unlike grains that is too close, the later grain's column."""
    keep = np.ones(len(positions), dtype=bool)
    for a, b in sorted(cKDTree(positions).query_pairs(closest_nm)):
        if grain[a] != grain[b] and keep[a] and keep[b]:
            keep[a if grain[a] > grain[b] else b] = False
    return keep
