"""Fields of motifs, each at its own angle: a movie in which they switch, registered layers, and motifs in motifs.

All three are truth for models that read more than one window of a site: two times, several images, several sizes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import dask.array as da
import numpy as np

from atomscope.data import Axis, Provenance, Sites, Stack
from atomscope.errors import ParameterError
from atomscope.simulate.make import LazyFrames
from atomscope.simulate.motifs import RING, motif_columns
from atomscope.simulate.render import render_columns

#: Motif that switches, of each layer, and of the small scale.
_SWITCH = 2
_LAYERS = (0, 3, 1, 2, 5, 4)
_SMALL = 3
#: How far motifs in motifs deform: the small one has few pixels to show it.
_BEND = 1.7


@dataclass(frozen=True)
class Field:
    """Motifs in frames: everything that is decided before the noise.

    Attributes
    ----------
    shape : tuple of int
        (rows, cols) of a frame.
    place : numpy.ndarray, shape (frames, sites, 2), px
        (row, col).
    angle : numpy.ndarray, shape (frames, sites), rad
    parts : tuple of (motif, size_px, sigma_px, deformation)
        What is drawn at each site; deformations are arrays of shape (frames, sites).
    noise : float
        Standard deviation; the highest column is 1.
    seed : int
    """

    shape: tuple[int, int]
    place: np.ndarray
    angle: np.ndarray
    parts: tuple[tuple[int, float, float, np.ndarray], ...]
    noise: float
    seed: int

    def clean(self, frame: int) -> np.ndarray:
        """Return a frame without noise, shape (rows, cols), float64."""
        image = np.zeros(self.shape)
        for motif, size, sigma, deformation in self.parts:
            columns = [np.zeros((0, 3))]
            for at, angle, bend in zip(self.place[frame], self.angle[frame], deformation[frame], strict=True):
                offsets, height = motif_columns(motif, angle, bend, size)
                columns.append(np.c_[at + offsets, height])
            row, col, height = np.concatenate(columns).T
            image += render_columns(row, col, height, sigma, self.shape)
        return image

    def frame(self, frame: int) -> np.ndarray:
        """Return a frame as recorded, shape (rows, cols), float32."""
        rng = np.random.default_rng([self.seed, 1, frame])
        return (self.clean(frame) + self.noise * rng.standard_normal(self.shape)).astype(np.float32)


def switching(
    *,
    sites: int = 36,
    frames: int = 200,
    rates: tuple[float, float] = (0.06, 0.04),
    spacing_px: int = 36,
    deformation: float = 1.0,
    snr: float = 5.0,
    drift_px: float = 0.3,
    frame_time_s: float = 1.0,
    seed: int = 0,
) -> tuple[Stack, Sites, Field]:
    """Simulate a movie of motifs that switch between two shapes at random: a two-state process without memory.

    Parameters
    ----------
    sites, frames : int
    rates : tuple of float
        Chance a frame to go from state 0 to 1, and from 1 to 0. The state is forgotten with the timescale
        ``-1 / ln(1 - sum(rates))`` frames.
    spacing_px : int
        Distance between sites; each lies off its place on a square grid by up to a tenth of it.
    deformation : float
        The two shapes are the motif deformed by so much to either side.
    snr : float
        Height of the highest column over the noise.
    drift_px : float
        Length of the drift from one frame to the next, px, along one direction.
    frame_time_s : float
    seed : int

    Returns
    -------
    stack : Stack
        Shape (frames, rows, cols), rendered when read; ``metadata`` holds ``timescale_frames`` and ``drift_px``.
    truth : Sites
        A row for each site and frame: ``track``, ``state`` (0 or 1), ``angle`` (rad, the same in all frames).
    field : Field
        ``field.clean(frame)`` is a frame without noise.

    Raises
    ------
    ParameterError
        If the rates are not chances whose sum is below 1.
    """
    if min(rates) <= 0 or sum(rates) >= 1:
        raise ParameterError(f"switching: wanted two rates above 0 with a sum below 1, got {rates}")
    rng = np.random.default_rng([seed, 0])
    path = drift_px * np.arange(frames)[:, None] * _direction(rng)
    home, shape = _lay(sites, spacing_px, path, rng)
    angle = rng.uniform(-math.pi, math.pi, sites)
    state = np.empty((frames, sites), np.int64)
    state[0] = rng.random(sites) < rates[0] / sum(rates)
    for t in range(1, frames):
        leaves = rng.random(sites) < np.where(state[t - 1] == 0, rates[0], rates[1])
        state[t] = np.where(leaves, 1 - state[t - 1], state[t - 1])
    bend = deformation * (2.0 * state - 1)
    place = home + path[:, None]
    still = np.broadcast_to(angle, (frames, sites))
    field = Field(shape, place, still, ((_SWITCH, 32.0, 1.6, bend),), 1 / snr, seed)
    meta = {"timescale_frames": -1 / math.log(1 - sum(rates)), "drift_px": path.tolist()}
    stack = _stack(field, frames, frame_time_s, "switching motifs", meta)
    return stack, _sites(stack, place, track=True, state=state, angle=still), field


def layered(
    *,
    sites: int = 400,
    layers: int = 2,
    frames: int = 10,
    spacing_px: int = 36,
    snr: float = 5.0,
    max_shift_px: float = 2.0,
    seed: int = 0,
) -> tuple[list[Stack], Sites]:
    """Simulate registered layers: each shows another motif at the same sites, all in one pose.

    Layers have units of their own (factors of ten, and an offset), and a deformation of their own at each site.

    Parameters
    ----------
    sites : int
        In all frames together.
    layers : int
        At most 6.
    frames : int
    spacing_px : int
    snr : float
        Of every layer.
    max_shift_px : float
        The sites of the table lie off the motifs by up to so much, on both axes.
    seed : int

    Returns
    -------
    stacks : list of Stack
        One a layer, shape (frames, rows, cols).
    truth : Sites
        ``angle`` (rad), ``shift_row``, ``shift_col`` (px, of the motif against the site), ``deformation1``, ...

    Raises
    ------
    ParameterError
        If there are not so many motifs.
    """
    if not 1 <= layers <= len(_LAYERS):
        raise ParameterError(f"layered: wanted 1 to {len(_LAYERS)} layers, got {layers}")
    rng = np.random.default_rng([seed, 0])
    each = -(-sites // frames)
    place, angle, shape = _scatter(each, frames, spacing_px, rng)
    shift = rng.uniform(-max_shift_px, max_shift_px, place.shape)
    bends = rng.uniform(-1, 1, (layers, *angle.shape))
    stacks = []
    for k in range(layers):
        field = Field(shape, place, angle, ((_LAYERS[k], 32.0, 1.6, bends[k]),), 1 / snr, seed + 7919 * k)
        stack = _stack(field, frames, 1.0, f"layer {k + 1}", {})
        stacks.append(Stack(stack.data * np.float32(10.0**k) + np.float32(k), stack.axes, name=stack.name))
    deformations = {f"deformation{k + 1}": bends[k] for k in range(layers)}
    columns = {"angle": angle, "shift_row": shift[..., 0], "shift_col": shift[..., 1], **deformations}
    return stacks, _sites(stacks[0], place - shift, track=False, **columns)


def nested(
    *,
    sites: int = 400,
    frames: int = 10,
    large_px: int = 96,
    small_px: int = 24,
    snr: float = 5.0,
    max_shift_px: float = 2.0,
    seed: int = 0,
) -> tuple[Stack, Sites]:
    """Simulate motifs in motifs: a large one round each site, and a small one in its middle, turned with it.

    Parameters
    ----------
    sites : int
        In all frames together.
    frames : int
    large_px, small_px : int
        Sides of the windows that show the one and the other.
    snr : float
    max_shift_px : float
        The sites of the table lie off the motifs by up to so much, on both axes.
    seed : int

    Returns
    -------
    stack : Stack, shape (frames, rows, cols)
    truth : Sites
        ``angle`` (rad), ``shift_row``, ``shift_col`` (px), ``large`` and ``small``: the deformation of each motif.
    """
    rng = np.random.default_rng([seed, 0])
    each = -(-sites // frames)
    place, angle, shape = _scatter(each, frames, large_px, rng, off=0.0)
    shift = rng.uniform(-max_shift_px, max_shift_px, place.shape)
    large, small = rng.uniform(-1, 1, (2, *angle.shape))
    parts = (
        (RING, float(large_px), large_px / 20, _BEND * large),
        (_SMALL, float(small_px), small_px / 20, _BEND * small),
    )
    stack = _stack(Field(shape, place, angle, parts, 1 / snr, seed), frames, 1.0, "motifs in motifs", {})
    columns = {"angle": angle, "shift_row": shift[..., 0], "shift_col": shift[..., 1], "large": large, "small": small}
    return stack, _sites(stack, place - shift, track=False, **columns)


def _direction(rng: np.random.Generator) -> np.ndarray:
    way = rng.uniform(0, 2 * math.pi)
    return np.array([math.sin(way), math.cos(way)])


def _lay(
    n: int, spacing: int, path: np.ndarray, rng: np.random.Generator, off: float = 0.1
) -> tuple[np.ndarray, tuple[int, int]]:
    """Return places (n, 2) on a loose square grid, and the shape of a frame that holds them wherever they drift."""
    across = math.ceil(math.sqrt(n))
    row, col = np.divmod(np.arange(n), across)
    reach = np.ceil(np.abs(path).max(0)).astype(int)
    low = spacing + np.maximum(0, np.ceil(-path.min(0)))
    place = np.c_[row, col] * spacing + low + rng.uniform(-off, off, (n, 2)) * spacing
    rows, cols = ((-(-n // across) if k == 0 else across) * spacing + spacing + int(reach[k]) for k in range(2))
    return place, (rows, cols)


def _scatter(
    n: int, frames: int, spacing: int, rng: np.random.Generator, off: float = 0.05
) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    """Return places (frames, n, 2) and angles (frames, n), anew in each frame, and the shape of a frame."""
    laid = [_lay(n, spacing, np.zeros((1, 2)), rng, off) for _ in range(frames)]
    return np.stack([p for p, _ in laid]), rng.uniform(-math.pi, math.pi, (frames, n)), laid[0][1]


def _stack(field: Field, frames: int, frame_time_s: float, name: str, meta: dict[str, Any]) -> Stack:
    lazy = da.from_array(LazyFrames(field, frames), chunks=(1, *field.shape), asarray=True, name=False)
    axes = (Axis("frame", frame_time_s, "s", kind="navigation"), Axis("row", 0.02, "nm"), Axis("col", 0.02, "nm"))
    return Stack(lazy, axes, name=name, metadata=meta)


def _sites(stack: Stack, place: np.ndarray, *, track: bool, **columns: np.ndarray) -> Sites:
    frames, n = place.shape[:2]
    sites = Sites.from_positions(
        place[..., 0].ravel(),
        place[..., 1].ravel(),
        np.repeat(np.arange(frames), n),
        kind="motif",
        axes=stack.axes,
        shape=stack.shape,
        provenance=Provenance("simulate", {}, source="simulated"),
    )
    if track:
        columns = {"track": np.tile(np.arange(n, dtype=np.int64), (frames, 1)), **columns}
    more = {name: np.ascontiguousarray(values).ravel() for name, values in columns.items()}
    return sites.with_table(sites.table.assign(**more))
