"""Movies of walls that a field drives and that hang at defects, with the truth of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import dask.array as da
import numpy as np
import pandas as pd
from scipy import ndimage

from atomscope.data import Axis, Provenance, Sites, Stack
from atomscope.data.params.pinning import SimulatePinsParams
from atomscope.simulate.pinned_scene import Scene, make_scene
from atomscope.simulate.wall_shapes import even
from atomscope.simulate.walls import half_turn, ideal, recorded, surface


@dataclass(frozen=True)
class PinnedTruth:
    """What is true of simulated walls that hang.

    Attributes
    ----------
    params : SimulatePinsParams
    shape : tuple of int
        (rows, cols) of a frame.
    sites : Sites
        A row every pixel along each wall in each frame: ``wall`` and ``wall_track`` (the same wall through the movie),
        ``arc_px``, ``length_px``, ``angle``, ``normal_angle`` (rad) and ``displacement_px``: how far the wall moves
        along this direction until the next frame, drift apart; NaN where it leaves the field, and in the last frame.
    pins : pandas.DataFrame
        A row a defect: ``row``, ``col`` (in frame 0, px), ``kind`` ("pin" or "decoy"), ``strength``, ``hold_frames``,
        ``visible``, ``passed`` (a wall has come there and gone on), ``reached`` (a wall has come there),
        ``frames_hung``, ``first_frame``, ``last_frame`` (of hanging; -1: none).
    drift_px : numpy.ndarray, shape (frames, 2)
        By which (row, col) the content of each frame has moved against frame 0.
    driven : numpy.ndarray, shape (frames,), bool
        Whether the field is on.
    """

    params: SimulatePinsParams
    shape: tuple[int, int]
    sites: Sites
    pins: pd.DataFrame
    drift_px: np.ndarray
    driven: np.ndarray

    def lines(self, frame: int = 0) -> list[np.ndarray]:
        """Return the walls of a frame, (row, col) every quarter of a pixel, each of shape (n, 2), px."""
        return make_scene(self.params).pattern(frame).lines


class LazyPinnedWalls:
    """Frames that are rendered when they are asked for; slices like an array of shape (frames, rows, cols)."""

    def __init__(self, params: SimulatePinsParams) -> None:
        self.params = params
        self.shape = (params.frames, *make_scene(params).shape)
        self.dtype = np.dtype(np.float32)
        self.ndim = 3

    def __getitem__(self, index: tuple[Any, ...]) -> np.ndarray:
        first, *rest = index if isinstance(index, tuple) else (index,)
        if isinstance(first, int | np.integer):
            return _render(self.params, range(self.shape[0])[first])[tuple(rest)]
        frames = [_render(self.params, int(t)) for t in np.arange(self.shape[0])[first]]
        return np.stack(frames)[(slice(None), *rest)] if frames else np.empty((0, *self.shape[1:]), self.dtype)


def pinned_walls(params: SimulatePinsParams | None = None, **fields: Any) -> tuple[Stack, PinnedTruth]:
    """Simulate walls that a field drives and that hang at defects, as piezo-response or STEM shows them.

    Walls are elastic lines. Some of the defects hold them, some can only be seen, some are never reached; the field
    is switched off for a while, when all walls stop.

    Parameters
    ----------
    params : SimulatePinsParams, optional
    **fields
        Fields of SimulatePinsParams.

    Returns
    -------
    stack : Stack
        Lazy, float32, shape (frames, rows, cols); axes in nm and s. ``metadata["drift_px"]`` has the drift.
    truth : PinnedTruth

    Raises
    ------
    ParameterError
        If a field is unknown or out of bounds.
    """
    params = (params or SimulatePinsParams()).replace(**fields)
    scene, nm = make_scene(params), params.pixel_size_nm
    axes = (
        Axis("frame", params.frame_time_s, "s", kind="navigation"),
        Axis("row", nm, "nm"),
        Axis("col", nm, "nm"),
    )
    frames = da.from_array(LazyPinnedWalls(params), chunks=(1, *scene.shape), asarray=True, name=False)
    provenance = Provenance("simulate_pinned_walls", params.model_dump(mode="json"), source="simulated")
    shape = (params.frames, *scene.shape)
    rows = pd.concat([_true_rows(scene, t) for t in range(params.frames)], ignore_index=True)
    core = [rows.pop(name).to_numpy() for name in ("row", "col", "frame")]
    sites = Sites.from_positions(*core, kind="wall", axes=axes, shape=shape, provenance=provenance)
    sites = sites.with_table(pd.concat([sites.table, rows], axis=1))
    metadata = {"simulated": provenance.params, "drift_px": scene.drift.tolist()}
    stack = Stack(frames, axes, name="pinned walls", metadata=metadata)
    return stack, PinnedTruth(params, scene.shape, sites, _true_pins(scene), scene.drift, scene.driven)


def _render(params: SimulatePinsParams, frame: int) -> np.ndarray:
    scene = make_scene(params)
    fixed = surface(params, scene.shape)
    if scene.drift[frame].any():  # what lies on the surface goes with it
        fixed = ndimage.shift(fixed, scene.drift[frame], order=3, mode="reflect")
    rows, cols = (np.arange(n, dtype=np.float64) for n in scene.shape)
    for _, spot in scene.defects[scene.defects["visible"]].iterrows():
        at = np.array([spot["row"], spot["col"]]) + scene.drift[frame]
        down, right = (np.exp(-0.5 * ((x - y) / params.spot_px) ** 2) for x, y in zip((rows, cols), at, strict=True))
        fixed = fixed - params.spot * np.outer(down, right)
    return recorded(params, ideal(params, scene.pattern(frame), scene.shape), fixed, frame)


def _true_rows(scene: Scene, frame: int) -> pd.DataFrame:
    names = ["frame", "row", "col", "wall", "wall_track", "arc_px", "length_px", "angle", "angle_order"]
    parts, number = [], 0
    for track, line in enumerate(scene.h[frame]):
        for part in scene.runs(line, frame):
            length = float(np.hypot(*np.diff(part, axis=0).T).sum())
            n = max(1, round(length))
            fine = even(part, length / (2 * n))
            place, ahead = fine[1::2][:n], (fine[2::2] - fine[:-1:2])[:n]
            across = np.arctan2(ahead[:, 1], -ahead[:, 0])  # a quarter turn from along to across
            out = np.c_[np.sin(across), np.cos(across)]
            flip = np.sign(out @ scene.across)
            parts.append(
                pd.DataFrame(
                    {
                        "frame": frame,
                        "row": place[:, 0],
                        "col": place[:, 1],
                        "wall": number,
                        "wall_track": track,
                        "arc_px": (np.arange(n) + 0.5) * length / n,
                        "length_px": length / n,
                        "angle": half_turn(np.arctan2(ahead[:, 0], ahead[:, 1])),
                        "angle_order": 2,
                        "normal_angle": np.arctan2(out[:, 0] * flip, out[:, 1] * flip),
                        "displacement_px": _moved(scene, frame, track, place, out * flip[:, None]),
                    }
                )
            )
            number += 1
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({n: np.zeros(0) for n in names})


def _moved(scene: Scene, frame: int, track: int, places: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Return how far from places along normals the line of the next frame is, px: where h(u) - v changes its sign."""
    if frame + 1 == scene.params.frames:
        return np.full(len(places), np.nan)
    u, v = scene.turned(places, frame)
    du, dv = normal @ scene.along, normal @ scene.across
    line = scene.h[frame + 1, track]
    reach = 2 + 3 * float(np.abs(line - scene.h[frame, track]).max())
    low, high = np.full(len(u), -reach), np.full(len(u), reach)
    for _ in range(50):  # the wall is below at low and above at high
        mid = 0.5 * (low + high)
        above = np.interp(u + mid * du, scene.u, line) < v + mid * dv
        low, high = np.where(above, low, mid), np.where(above, mid, high)
    moved = 0.5 * (low + high)
    end = places + moved[:, None] * normal
    inside = np.all((end >= -0.5) & (end <= np.array(scene.shape) - 0.5), axis=1)
    return np.where(inside & (np.abs(moved) < reach - 1e-3), moved, np.nan)


def _true_pins(scene: Scene) -> pd.DataFrame:
    """Say what became of each defect. A wall has come when it crosses or hangs, and gone on when it lies beyond."""
    table = scene.defects.copy()
    u, v = scene.turned(table[["row", "col"]].to_numpy(np.float64), 0)
    off = np.stack([[np.interp(u, scene.u, line) for line in lines] for lines in scene.h]) - v  # (frames, walls, n)
    width = 2 * scene.params.pin_width_px
    far = np.abs(off) > width
    passed = np.any((np.sign(off[0]) != np.sign(off[-1])) & far[0] & far[-1], axis=0)
    reached = passed | np.any(np.abs(off).min(0) < width, axis=0)
    hung = np.zeros((len(scene.h), len(table)), bool)
    hung[:, (table["kind"] == "pin").to_numpy()] = scene.hangs.any(1)
    table["passed"], table["reached"] = passed, reached
    table["frames_hung"] = hung.sum(0)
    table["first_frame"] = np.where(hung.any(0), hung.argmax(0), -1)
    table["last_frame"] = np.where(hung.any(0), len(hung) - 1 - hung[::-1].argmax(0), -1)
    return table
