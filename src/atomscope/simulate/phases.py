"""Maps of two or three phases with the truth of every site and the length of the walls between them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import dask.array as da
import numpy as np
from scipy.spatial import Delaunay

from atomscope.data import Axis, Provenance, Sites, Stack
from atomscope.errors import ParameterError
from atomscope.simulate.crystal import rotate
from atomscope.simulate.phase_shapes import PhaseShapes, layers_of_phases, patches_of_phases
from atomscope.simulate.render import render_columns

Kind = Literal["ferroelectric", "interface", "graphene"]
_CELL_PX, _PIXEL_NM = 8.0, 0.05


@dataclass(frozen=True)
class PhaseTruth:
    """What is true of a map of phases.

    Attributes
    ----------
    shapes : PhaseShapes
    pixel_nm : float
    lines : list of numpy.ndarray, shape (n, 2), px
        The walls in the field, (row, col) every quarter of a pixel.
    """

    shapes: PhaseShapes
    pixel_nm: float
    lines: list[np.ndarray] = field(repr=False)

    def length_nm(self, sites: Sites | None = None) -> float:
        """Return the length of all walls, nm: in the field, or inside the outline of some sites."""
        if not self.lines:
            return 0.0
        middles = np.concatenate([(line[1:] + line[:-1]) / 2 for line in self.lines])
        steps = np.concatenate([np.hypot(*np.diff(line, axis=0).T) for line in self.lines])
        if sites is not None:
            steps = steps[Delaunay(sites.positions).find_simplex(middles) >= 0]
        return float(steps.sum() * self.pixel_nm)


def phase_map(
    kind: Kind = "ferroelectric",
    *,
    phases: int = 2,
    size_px: int = 400,
    domain_px: float = 100.0,
    contrast: float = 1.0,
    disorder: float = 1.0,
    snr: float | None = 2.0,
    seed: int = 0,
) -> tuple[Stack, Sites, PhaseTruth]:
    """Simulate an image of a crystal in two or three phases that differ in what one unit cell shows.

    - ``ferroelectric``: a square lattice, sites on the column in the middle of each cell; phases differ in where that
      column is displaced to: right, left, down.
    - ``interface``: the same lattice in layers with rough interfaces, sites on the corner columns; phases differ in how
      bright the columns in the middle are.
    - ``graphene``: a honeycomb, turned at random, sites on its atoms; phases differ in how bright the middles of the
      rings are. Atoms of both sublattices look alike after half a turn, and a few are missing.

    Parameters
    ----------
    kind : {"ferroelectric", "interface", "graphene"}
    phases : {2, 3}
    size_px : int
    domain_px : float
        About how wide domains are (ferroelectric, graphene).
    contrast : float
        How much the phases differ, against the usual.
    disorder : float
        How much columns are displaced and vary in brightness from cell to cell, against the usual.
    snr : float or None
        Height of a bright column (1) over the standard deviation of the noise; None: no noise.
    seed : int

    Returns
    -------
    stack : Stack
        Shape (size_px, size_px), float32, axes in nm.
    sites : Sites
        A row a site in the field: ``phase`` (int64) beside the core columns.
    truth : PhaseTruth

    Raises
    ------
    ParameterError
        If the kind or the number of phases is unknown.
    """
    if kind not in ("ferroelectric", "interface", "graphene") or phases not in (2, 3):
        raise ParameterError(
            f"phase_map: wanted ferroelectric, interface or graphene with 2 or 3 phases, got {kind!r} with {phases}"
        )
    rng = np.random.default_rng([seed, 11])
    shape = (size_px, size_px)
    if kind == "interface":
        shapes = layers_of_phases(shape, phases, 0.06 * size_px, rng)
    else:
        shapes = patches_of_phases(shape, phases, domain_px, rng)
    draw = {"ferroelectric": _polar, "interface": _layered, "graphene": _rings}[kind]
    sites_at, places, heights = draw(shapes, contrast, disorder, rng)
    image = render_columns(places[:, 0], places[:, 1], heights, 0.2 * _CELL_PX, shape)
    if snr is not None:
        image = image + rng.normal(0, 1 / snr, shape)
    inside = ((sites_at > -0.5) & (sites_at < size_px - 0.5)).all(1)
    rows, cols = sites_at[inside].T
    axes = (Axis("row", _PIXEL_NM, "nm"), Axis("col", _PIXEL_NM, "nm"))
    fields = {"kind": kind, "phases": phases, "contrast": contrast, "disorder": disorder, "snr": snr, "seed": seed}
    sites = Sites.from_positions(
        rows,
        cols,
        axes=axes,
        shape=shape,
        provenance=Provenance("phase_map", fields, source="simulated"),
        phase=shapes.phase(rows, cols),
    )
    stack = Stack(
        da.from_array(image.astype(np.float32)), axes, name=f"{kind}, {phases} phases", metadata={"simulated": fields}
    )
    return stack, sites, PhaseTruth(shapes, _PIXEL_NM, shapes.lines())


Drawn = tuple[np.ndarray, np.ndarray, np.ndarray]


def _lattice(shape: tuple[int, int], first: np.ndarray, second: np.ndarray, turn: float) -> np.ndarray:
    """Return lattice points that cover the field and a little more, (row, col) px."""
    reach = math.hypot(*shape) / 2 + 3 * _CELL_PX
    n = math.ceil(2 * reach / min(np.hypot(*first), np.hypot(*second)))
    i, j = (a.ravel() for a in np.meshgrid(np.arange(-n, n + 1), np.arange(-n, n + 1), indexing="ij"))
    points = rotate(i[:, None] * first + j[:, None] * second, turn)
    points = points[(np.abs(points) < np.array(shape) / 2 + 2 * _CELL_PX).all(1)]
    return points + (np.array(shape) - 1) / 2


def _scatter(places: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    return places + rng.normal(0, amount * _CELL_PX, places.shape)


def _polar(shapes: PhaseShapes, contrast: float, disorder: float, rng: np.random.Generator) -> Drawn:
    corner = _lattice(shapes.shape, np.array([_CELL_PX, 0]), np.array([0, _CELL_PX]), 0.0)
    middle = corner + _CELL_PX / 2
    phase = shapes.phase(*middle.T)
    ways = np.array([[0.0, 1.0], [0.0, -1.0], [1.0, 0.0]]) * 0.11 * contrast * _CELL_PX
    moved = _scatter(middle + ways[phase], 0.03 * disorder, rng)
    bright = np.r_[np.ones(len(corner)), np.full(len(middle), 0.8)]
    bright = bright * rng.normal(1, 0.15 * disorder, len(bright))
    return middle, np.concatenate((_scatter(corner, 0.02 * disorder, rng), moved)), bright


def _layered(shapes: PhaseShapes, contrast: float, disorder: float, rng: np.random.Generator) -> Drawn:
    corner = _lattice(shapes.shape, np.array([_CELL_PX, 0]), np.array([0, _CELL_PX]), 0.0)
    middle = corner + _CELL_PX / 2
    levels = 0.6 + contrast * np.array([0.15, -0.15, 0.45])
    bright = levels[shapes.phase(*middle.T)] + rng.normal(0, 0.1 * disorder, len(middle))
    whole = rng.normal(1, 0.15 * disorder, len(corner))
    places = np.concatenate((_scatter(corner, 0.02 * disorder, rng), _scatter(middle, 0.02 * disorder, rng)))
    return corner, places, np.r_[whole, np.maximum(bright, 0.0)]


def _rings(shapes: PhaseShapes, contrast: float, disorder: float, rng: np.random.Generator) -> Drawn:
    side = _CELL_PX * math.sqrt(3) / 1.4  # of the cell; bonds are shorter by the root of 3
    turn = rng.uniform(0, 2 * math.pi)
    first, second = np.array([0.0, side]), side * np.array([math.sqrt(3) / 2, 0.5])
    hollow = _lattice(shapes.shape, first, second, turn)
    to = rotate(np.stack([(first + second) / 3, 2 * (first + second) / 3]), turn)
    atoms = np.concatenate((hollow + to[0], hollow + to[1]))
    atoms = atoms[rng.random(len(atoms)) > 0.015 * disorder]
    levels = 0.25 * contrast * np.array([0.0, 1.0, 2.0])
    filled = levels[shapes.phase(*hollow.T)] * rng.normal(1, 0.3 * disorder, len(hollow))
    seen = _scatter(atoms, 0.03 * disorder, rng)
    return atoms, np.concatenate((seen, hollow)), np.r_[rng.normal(1, 0.12 * disorder, len(atoms)), filled]
