"""Images and movies of domains with the truth of their walls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import dask.array as da
import numpy as np
import pandas as pd
from scipy import ndimage
from scipy.spatial import cKDTree

from atomscope.data import Axis, Provenance, Sites, Stack
from atomscope.data.params import SimulateWallsParams
from atomscope.simulate.wall_shapes import Pattern, even, make_pattern

_FINER = 3  # domains are drawn so many times finer than the pixels


@dataclass(frozen=True)
class WallTruth:
    """What is true of simulated walls.

    Attributes
    ----------
    params : SimulateWallsParams
    shape : tuple of int
        (rows, cols) of a frame.
    sites : Sites
        A row every pixel along each wall: ``kind`` "wall", ``wall`` (number in the frame), ``arc_px``, ``arc_nm``,
        ``angle`` (rad, of the tangent, up to a half turn: ``angle_order`` 2), ``length_px`` and ``length_nm`` (of the
        piece that the row stands for; they sum to the walls' length).
    """

    params: SimulateWallsParams
    shape: tuple[int, int]
    sites: Sites

    def lines(self, frame: int = 0) -> list[np.ndarray]:
        """Return the walls of a frame, (row, col) every quarter of a pixel, each of shape (n, 2), px."""
        return make_pattern(self.params, frame).lines

    def domains(self, frame: int = 0) -> np.ndarray:
        """Return the number of the domain at each pixel, from 1, shape (rows, cols), int32; parts that touch are one.

        Walls have no pixels of their own.
        """
        grid = np.meshgrid(*(np.arange(n, dtype=np.float64) for n in self.shape), indexing="ij")
        number = make_pattern(self.params, frame).domain(*grid)
        out, count = np.zeros(self.shape, np.int32), 0
        for n in np.unique(number):
            parts, m = ndimage.label(number == n)
            out[parts > 0] = parts[parts > 0] + count
            count += m
        return out

    def mask(self, frame: int = 0, radius_px: float = 1.0) -> np.ndarray:
        """Return which pixels lie within a distance of a wall, shape (rows, cols), bool."""
        return wall_distance(self.lines(frame), self.shape) <= radius_px

    def length_px(self, frame: int = 0) -> float:
        """Return the length of all walls in a frame, px."""
        return float(self.sites.in_frame(frame)["length_px"].sum())

    def length_nm(self, frame: int = 0) -> float:
        """Return the length of all walls in a frame, nm."""
        return float(self.sites.in_frame(frame)["length_nm"].sum())


class LazyWalls:
    """Frames that are rendered when they are asked for; slices like an array of shape (frames, rows, cols)."""

    def __init__(self, params: SimulateWallsParams, shape: tuple[int, int]) -> None:
        self.params = params
        self.shape = (params.frames, *shape)
        self.dtype = np.dtype(np.float32)
        self.ndim = 3

    def __getitem__(self, index: tuple[Any, ...]) -> np.ndarray:
        first, *rest = index if isinstance(index, tuple) else (index,)
        if isinstance(first, int | np.integer):
            return render(self.params, self.shape[1:], range(self.shape[0])[first])[tuple(rest)]
        chosen = np.arange(self.shape[0])[first]
        frames = [render(self.params, self.shape[1:], int(t)) for t in chosen]
        return np.stack(frames)[(slice(None), *rest)] if frames else np.empty((0, *self.shape[1:]), self.dtype)


def walls(params: SimulateWallsParams | None = None, **fields: Any) -> tuple[Stack, WallTruth]:
    """Simulate domains and their walls, as piezo-response or STEM shows them.

    Parameters
    ----------
    params : SimulateWallsParams, optional
    **fields
        Fields of SimulateWallsParams.

    Returns
    -------
    stack : Stack
        Lazy, float32, shape (rows, cols) for one frame, else (frames, rows, cols); axes in nm and s. A step or a
        line is 1 high.
    truth : WallTruth

    Raises
    ------
    ParameterError
        If a field is unknown or out of bounds.
    """
    params = (params or SimulateWallsParams()).replace(**fields)
    size = params.size_px
    shape = (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))
    frames = da.from_array(LazyWalls(params, shape), chunks=(1, *shape), asarray=True, name=False)
    nm = params.pixel_size_nm
    axes: tuple[Axis, ...] = (Axis("row", nm, "nm"), Axis("col", nm, "nm"))
    many = params.frames > 1
    if many:
        axes = (Axis("frame", params.frame_time_s, "s", kind="navigation"), *axes)
    provenance = Provenance("simulate_walls", params.model_dump(mode="json"), source="simulated")
    table = pd.concat([_true_rows(params, t) for t in range(params.frames)], ignore_index=True)
    core = {name: table.pop(name).to_numpy() for name in ("row", "col", "frame")}
    sites = Sites.from_positions(
        core["row"],
        core["col"],
        core["frame"],
        kind="wall",
        axes=axes,
        shape=(params.frames, *shape) if many else shape,
        provenance=provenance,
    )
    sites = sites.with_table(pd.concat([sites.table, table], axis=1))
    stack = Stack(frames if many else frames[0], axes, name="walls", metadata={"simulated": provenance.params})
    return stack, WallTruth(params, shape, sites)


def _true_rows(params: SimulateWallsParams, frame: int) -> pd.DataFrame:
    nm = params.pixel_size_nm
    parts = []
    for number, line in enumerate(make_pattern(params, frame).lines):
        length = float(np.hypot(*np.diff(line, axis=0).T).sum())
        n = max(1, round(length))
        fine = even(line, length / (2 * n))  # 2 n + 1 points: the odd ones are the middles of n pieces
        place, ahead = fine[1::2], fine[2::2] - fine[:-1:2]
        arc = (np.arange(n) + 0.5) * length / n
        parts.append(
            pd.DataFrame(
                {
                    "frame": frame,
                    "row": place[:n, 0],
                    "col": place[:n, 1],
                    "wall": number,
                    "arc_px": arc,
                    "arc_nm": arc * nm,
                    "length_px": length / n,
                    "length_nm": length / n * nm,
                    "angle": half_turn(np.arctan2(ahead[:n, 0], ahead[:n, 1])),
                    "angle_order": 2,
                }
            )
        )
    names = ["frame", "row", "col", "wall", "arc_px", "arc_nm", "length_px", "length_nm", "angle", "angle_order"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({n: np.zeros(0) for n in names})


def half_turn(angle: np.ndarray) -> np.ndarray:
    """Return angles of lines, which have no direction, in (-pi/2, pi/2]."""
    return angle - np.pi * np.ceil(angle / np.pi - 0.5)


def wall_distance(lines: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Return the distance of each pixel to the nearest line, px, shape (rows, cols); infinite without lines."""
    if not lines:
        return np.full(shape, np.inf)
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), -1).reshape(-1, 2)
    return np.asarray(cKDTree(np.concatenate(lines)).query(grid)[0]).reshape(shape)


def render(params: SimulateWallsParams, shape: tuple[int, int], frame: int) -> np.ndarray:
    """Draw one frame, shape (rows, cols), float32."""
    image = ideal(params, make_pattern(params, frame), shape)
    return recorded(params, image, surface(params, shape), frame)


def surface(params: SimulateWallsParams, shape: tuple[int, int]) -> np.ndarray:
    """Draw what lies on the surface and stays where it is, shape (rows, cols), float64."""
    fixed = np.random.default_rng([params.seed, 2])
    image = np.zeros(shape)
    if params.background:
        image += params.background * _field(fixed, shape, min(shape) / 4)
    if params.texture:
        image += params.texture * _field(fixed, shape, params.width_px)
    return image + _scratches(fixed, shape, params)


def recorded(params: SimulateWallsParams, image: np.ndarray, fixed: np.ndarray, frame: int) -> np.ndarray:
    """Return what the microscope makes of walls and a surface, shape (rows, cols), float32."""
    shape = (int(fixed.shape[0]), int(fixed.shape[1]))
    image = image + fixed
    rng = np.random.default_rng([params.seed, 3, frame])
    if params.jitter_px:
        at = np.arange(shape[1])
        shift = rng.normal(0, params.jitter_px, shape[0])
        image = np.stack([np.interp(at + s, at, line) for s, line in zip(shift, image, strict=True)])
    if params.line_noise:
        image = image + rng.normal(0, params.line_noise, (shape[0], 1))
    if params.snr is not None:
        image = image + rng.normal(0, 1 / params.snr, shape)
    return image.astype(np.float32)


def ideal(params: SimulateWallsParams, pattern: Pattern, shape: tuple[int, int]) -> np.ndarray:
    """Draw the domains and walls themselves, shape (rows, cols), float64."""
    image = np.zeros(shape)
    if params.profile in ("step", "both"):
        margin = int(np.ceil(4 * params.width_px)) + 1
        at = [(np.arange(-margin * _FINER, (n + margin) * _FINER) + 0.5) / _FINER - 0.5 for n in shape]
        fine = pattern.level(pattern.domain(*np.meshgrid(*at, indexing="ij")))
        coarse = fine.reshape(shape[0] + 2 * margin, _FINER, shape[1] + 2 * margin, _FINER).mean((1, 3))
        image += ndimage.gaussian_filter(coarse, params.width_px)[margin:-margin, margin:-margin]
    if params.profile != "step":
        line = np.exp(-0.5 * (wall_distance(pattern.lines, shape) / params.width_px) ** 2)
        image += line if params.profile == "bright" else -line
    return image


def _field(rng: np.random.Generator, shape: tuple[int, int], scale: float) -> np.ndarray:
    """Return smooth noise of standard deviation 1 (over many fields)."""
    margin = int(np.ceil(4 * scale))
    noise = rng.normal(size=tuple(n + 2 * margin for n in shape))
    smooth = ndimage.gaussian_filter(noise, scale)[margin:-margin, margin:-margin]
    return smooth * (2 * np.sqrt(np.pi) * scale)


def _scratches(rng: np.random.Generator, shape: tuple[int, int], params: SimulateWallsParams) -> np.ndarray:
    out = np.zeros(shape)
    rows, cols = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    for _ in range(params.scratches):
        a, sign = rng.uniform(0, np.pi), rng.choice([-1.0, 1.0])
        at = rng.uniform(0, shape)
        along = (rows - at[0]) * np.sin(a) + (cols - at[1]) * np.cos(a)
        across = (rows - at[0]) * np.cos(a) - (cols - at[1]) * np.sin(a)
        half = rng.uniform(0.1, 0.4) * min(shape)
        ends = 1 / (1 + np.exp((np.abs(along) - half).clip(-30, 30)))
        out += sign * rng.uniform(0.7, 1.5) * np.exp(-0.5 * (across / 0.8) ** 2) * ends
    return out
