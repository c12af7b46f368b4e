"""A scene: everything that is decided before the first electron, and what each frame of it looks like.

Every random decision has a stream of its own, keyed by (seed, purpose, frame): adding noise moves no defect, and
any frame can be made alone and is the same to the bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from atomscope.data.params import SimulateParams
from atomscope.simulate.crystal import Crystal, grow, lay_grains
from atomscope.simulate.defects import ADATOM, SUBSTITUTION, VACANCY, History, evolve, plant
from atomscope.simulate.lattices import Lattice, get_lattice
from atomscope.simulate.render import REACH, render_columns
from atomscope.simulate.topology import clear_of, polarise, turn_bonds


class Purpose(IntEnum):
    """The random streams."""

    CRYSTAL = 0
    DEFECTS = 1
    DYNAMICS = 2
    DRIFT = 3
    BACKGROUND = 4
    HOLES = 5
    INTENSITY = 6
    DISPLACEMENT = 7
    JITTER = 8
    POISSON = 9
    GAUSSIAN = 10
    BONDS = 11


def stream(seed: int, purpose: Purpose, frame: int = 0) -> np.random.Generator:
    """Return the generator of one purpose and one frame."""
    return np.random.default_rng([seed, int(purpose), frame])


@dataclass(frozen=True)
class Columns:
    """The columns of one frame, those just outside it too. Arrays of shape (n,).

    Attributes
    ----------
    rows, cols : float64, px
        Where they are in this frame: displaced and drifted; scan jitter is not in them.
    heights : float64
        Peak heights in units of the main species' (0 for a vacancy).
    kind : uint8
        Index into ``defects.KINDS``.
    track : int64
        Id of the lattice site or of the adatom, the same in all frames.
    column : int64
        Index into the cell's columns; -1 for an adatom.
    grain : int64
    """

    rows: np.ndarray
    cols: np.ndarray
    heights: np.ndarray
    kind: np.ndarray
    track: np.ndarray
    column: np.ndarray
    grain: np.ndarray


@dataclass(frozen=True)
class Scene:
    """A crystal with its defects, drift and background; make it with :func:`make_scene`."""

    params: SimulateParams
    lattice: Lattice
    crystal: Crystal
    history: History
    drift_px: np.ndarray
    intensity: np.ndarray
    adatom_intensity: np.ndarray
    pixel_size_nm: float
    sigma_px: float
    shape: tuple[int, int]
    backdrop: np.ndarray | float
    turned: np.ndarray

    @property
    def unit_height(self) -> float:
        """Peak height of the main species in the units of the image (electrons when a dose is given)."""
        return self.params.dose if self.params.dose is not None else 1.0

    def columns(self, frame: int) -> Columns:
        """Return every column that touches a frame."""
        p, crystal = self.params, self.crystal
        state, where = self.history.state[frame], self.history.adatom[frame]
        n, k = len(state), len(where)
        nm = np.concatenate([crystal.positions, crystal.hollows[where].reshape(-1, 2)])
        if p.displacement_nm > 0:
            nm = nm + stream(p.seed, Purpose.DISPLACEMENT, frame).normal(0.0, p.displacement_nm, nm.shape)
        middle = (np.array(self.shape) - 1) / 2
        px = nm / self.pixel_size_nm + middle + self.drift_px[frame]
        cell = self.lattice.columns
        regular = np.array([self.lattice.brightness(c.atoms) * c.dimming for c in cell])[crystal.column]
        other = np.array([self.lattice.brightness(c.substitute) * c.dimming for c in cell])[crystal.column]
        heights = np.where(state == SUBSTITUTION, other, regular) * self.intensity
        heights[state == VACANCY] = 0.0
        adatoms = np.full(k, self.lattice.brightness((self.lattice.adatom,))) * self.adatom_intensity
        kind = np.concatenate([state, np.full(k, ADATOM, dtype=np.uint8)])
        reach = REACH * self.sigma_px * (2.0 if p.tails > 0 else 1.0) + 8 * p.jitter_px + 1
        near = np.all((px > -reach) & (px < np.array(self.shape) + reach), axis=1)
        return Columns(
            px[near, 0],
            px[near, 1],
            np.concatenate([heights, adatoms])[near],
            kind[near],
            np.arange(n + k, dtype=np.int64)[near],
            np.concatenate([crystal.column, np.full(k, -1)])[near],
            np.concatenate([crystal.grain, crystal.hollow_grain[where]])[near],
        )

    def line_shift(self, frame: int) -> np.ndarray | None:
        """Return the jitter of each scan line of a frame, px, shape (rows,), or None when there is none."""
        p = self.params
        if p.jitter_px == 0:
            return None
        return stream(p.seed, Purpose.JITTER, frame).normal(0.0, p.jitter_px, self.shape[0])

    def clean(self, frame: int) -> np.ndarray:
        """Return a frame before the detector's noise, shape (rows, cols), float64."""
        c = self.columns(frame)
        shift, tails = self.line_shift(frame), self.params.tails
        picture = render_columns(c.rows, c.cols, c.heights * (1 - tails), self.sigma_px, self.shape, line_shift=shift)
        if tails > 0:
            picture += render_columns(
                c.rows, c.cols, c.heights * tails, 2 * self.sigma_px, self.shape, line_shift=shift
            )
        return (picture + self.backdrop) * self.unit_height

    def frame(self, frame: int) -> np.ndarray:
        """Return a frame as recorded, shape (rows, cols), float32."""
        p = self.params
        picture = self.clean(frame)
        if p.dose is not None:
            picture = stream(p.seed, Purpose.POISSON, frame).poisson(picture).astype(np.float64)
        if p.snr is not None:
            noise = stream(p.seed, Purpose.GAUSSIAN, frame).standard_normal(picture.shape)
            picture = picture + noise * (self.unit_height / p.snr)
        return picture.astype(np.float32)


def make_scene(params: SimulateParams) -> Scene:
    """Decide everything that is common to all frames.

    Raises
    ------
    ParameterError
        If the parameters contradict each other.
    """
    lattice = get_lattice(params.lattice, params.oxygen)
    shape = params.size_px if isinstance(params.size_px, tuple) else (params.size_px, params.size_px)
    pixel = params.pixel_size_nm or lattice.pixel_size_nm
    sigma_px = (params.blur_nm or lattice.blur_nm) / pixel
    drift_px = _drift(params) / pixel
    field_nm = np.array(shape) * pixel

    rng = stream(params.seed, Purpose.CRYSTAL)
    n_grains = max(2, params.grains) if params.lattice == "fcc_grain_boundary" else params.grains
    turn = None if params.misorientation_deg is None else math.radians(params.misorientation_deg)
    grains = lay_grains(lattice, n_grains, math.radians(params.rotation_deg), turn, rng)
    # The crystal reaches as far as the drift goes, one probe tail and a few displacements more; by a round amount,
    # so that turning jitter or displacement on changes no id.
    margin = (2 * REACH * sigma_px + max(10, 8 * params.jitter_px)) * pixel + max(0.15, 6 * params.displacement_nm)
    low, high = -drift_px.max(0) * pixel - margin, -drift_px.min(0) * pixel + margin
    half = (field_nm + high - low) / 2
    crystal = grow(lattice, grains, (half[0], half[1]), ((high + low)[0] / 2, (high + low)[1] / 2), rng, field_nm.max())
    if params.holes > 0:
        crystal = _cut_holes(params, crystal, field_nm)

    def inside(nm: np.ndarray) -> np.ndarray:
        return np.all(np.abs(nm) <= field_nm / 2, axis=1)

    crystal = polarise(params, lattice, crystal)
    crystal = crystal.take(*(np.argsort(~inside(nm), kind="stable") for nm in (crystal.positions, crystal.hollows)))
    crystal, turned = turn_bonds(params, lattice, crystal, field_nm, stream(params.seed, Purpose.BONDS))
    state, adatom = plant(
        params,
        lattice,
        crystal,
        inside(crystal.positions),
        inside(crystal.hollows),
        stream(params.seed, Purpose.DEFECTS),
        clear_of(crystal, turned, 4 * lattice.nearest_nm),
    )
    history = evolve(params, crystal, state, adatom, stream(params.seed, Purpose.DYNAMICS))
    intensity, adatom_intensity = (
        np.clip(1 + params.intensity_sd * stream(params.seed, Purpose.INTENSITY, which).standard_normal(n), 0.05, None)
        for which, n in enumerate((len(state), len(adatom)))
    )
    backdrop = _backdrop(params, shape)
    return Scene(
        params,
        lattice,
        crystal,
        history,
        drift_px,
        intensity,
        adatom_intensity,
        pixel,
        sigma_px,
        shape,
        backdrop,
        turned,
    )


def _drift(params: SimulateParams) -> np.ndarray:
    """Return the drift of each frame, nm, shape (frames, 2): a steady part in a random direction and a random walk."""
    if params.drift_nm == 0 or params.frames == 1:
        return np.zeros((params.frames, 2))
    rng = stream(params.seed, Purpose.DRIFT)
    direction = rng.uniform(0, 2 * math.pi)
    steps = params.drift_nm * (
        np.array([math.sin(direction), math.cos(direction)]) + 0.3 * rng.standard_normal((params.frames, 2))
    )
    steps[0] = 0.0
    return np.cumsum(steps, axis=0)


def _backdrop(params: SimulateParams, shape: tuple[int, int]) -> np.ndarray | float:
    """Return the background in units of the main peak: a level, a slope and smooth blotches."""
    if params.gradient == 0 and params.contamination == 0:
        return params.background
    rng = stream(params.seed, Purpose.BACKGROUND)
    row, col = (np.linspace(-0.5, 0.5, n) for n in shape)
    angle = rng.uniform(0, 2 * math.pi)
    picture = np.full(shape, params.background)
    slope = math.sin(angle) * row[:, None] + math.cos(angle) * col
    extent = np.ptp(slope)
    picture += params.gradient * (slope - slope.min()) / extent
    if params.contamination > 0:
        size = float(max(shape))
        n = 12
        blotches = render_columns(
            rng.uniform(0, shape[0], n), rng.uniform(0, shape[1], n), rng.uniform(0.2, 1, n), size / 10, shape
        )
        picture += params.contamination * blotches / blotches.max()
    return picture


def _cut_holes(params: SimulateParams, crystal: Crystal, field_nm: np.ndarray) -> Crystal:
    """Remove the columns inside a few round holes."""
    rng = stream(params.seed, Purpose.HOLES)
    n = int(rng.integers(1, 4))
    radius = math.sqrt(params.holes * float(np.prod(field_nm)) / (n * math.pi))
    centres = rng.uniform(-0.5, 0.5, (n, 2)) * field_nm

    def solid(points: np.ndarray) -> np.ndarray:
        return np.all(np.linalg.norm(points[:, None] - centres, axis=2) > radius, axis=1)

    return crystal.take(solid(crystal.positions), solid(crystal.hollows))
