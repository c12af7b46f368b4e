"""Pinning: the places where a wall hangs while its own neighbours move on."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from atomscope.data import OnProgress, Provenance, ShouldStop, Sites, report
from atomscope.data.params.pinning import PinningParams
from atomscope.dynamics.pin_map import grid_of, weights
from atomscope.dynamics.pin_table import AWAY, pins_of, score_of
from atomscope.dynamics.wall_lag import baseline, followed, lag
from atomscope.errors import InputError, Stopped

#: A wall is at a cell when its weight there is more than this.
_THERE = 0.2


@dataclass(frozen=True)
class Pinning:
    """Where walls hang.

    Attributes
    ----------
    pins : pandas.DataFrame
        A row a pin, the surest first: ``pin``, ``row``, ``col`` (px), ``row_nm``, ``col_nm``, ``score``, ``p_value``
        (chance that a movie without pins shows a place as strong anywhere), ``lag_px`` and ``lag_nm`` (how far the
        neighbours ran ahead), ``retardation_frames`` and ``retardation_s`` (how long they took for it),
        ``dwell_frames``, ``visits``, ``first_frame``, ``last_frame``, ``wall_track`` (of the longest visit).
    score : numpy.ndarray, shape (rows, cols), float32
        How far walls stayed behind at each cell over the usual scatter of the map; NaN where no wall came.
    lag_px : numpy.ndarray, shape (rows, cols), float32
        How far the neighbours ran ahead while a wall was there; negative where it hurried.
    dwell_frames : numpy.ndarray, shape (rows, cols), float32
        For how many frames a wall was there, rests included.
    grid_px : float
        Side of a cell; the centre of cell (i, j) is at ``origin + grid_px * (i, j)``, px.
    origin : (float, float)
    sites : Sites
        With ``lag_px``: how far a site fell behind its neighbours until the next frame.
    noise_px : float
        Robust standard deviation of a displacement against its neighbours.
    frame_time_s : float or None
    notes : tuple of str
    provenance : Provenance
    """

    pins: pd.DataFrame
    score: np.ndarray
    lag_px: np.ndarray
    dwell_frames: np.ndarray
    grid_px: float
    origin: tuple[float, float]
    sites: Sites
    noise_px: float
    frame_time_s: float | None = None
    notes: tuple[str, ...] = ()
    provenance: Provenance = field(default_factory=Provenance)

    @property
    def dwell_s(self) -> np.ndarray:
        """For how long a wall was at each cell, s, shape (rows, cols); NaN without a frame time."""
        return self.dwell_frames * (np.nan if self.frame_time_s is None else self.frame_time_s)

    def score_at(self, places: np.ndarray, within_px: float = 4.0) -> np.ndarray:
        """Return the highest score near places, shape (n, 2) in px; NaN where no wall came."""
        return _highest(
            self.score, (np.asarray(places, np.float64) - self.origin) / self.grid_px, within_px / self.grid_px
        )


def find_pins(
    sites: Sites,
    params: PinningParams,
    pixel_nm: tuple[float, float] | None = None,
    frame_time_s: float | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Pinning:
    """Find pins in walls that were followed; see :func:`atomscope.pipeline.pinning`.

    Memory: 32 bytes a cell of the map, the table, and what a frame's walls give to cells.

    Raises
    ------
    InputError
        If the walls were not followed, or none was met in two consecutive frames.
    Stopped
        When asked to; ``partial`` is None.
    """
    table = followed(sites.table, "pinning")
    names = ["row_still", "col_still"] if {"row_still", "col_still"} <= set(table.columns) else ["row", "col"]
    places = table[names].to_numpy(np.float64)
    moved = table["displacement_px"].to_numpy(np.float64)
    frame, track = (table[name].to_numpy(np.int64) for name in ("frame", "wall_track"))
    moved = np.where(np.isfinite(places).all(1) & ~doubles(table), moved, np.nan)
    if not np.isfinite(moved).any():
        frames = len(np.unique(frame))
        raise InputError(
            f"pinning: no wall is met in two consecutive frames ({len(table)} sites in {frames} frames); "
            "it wants a movie in which walls are found in frame after frame"
        )
    base = baseline(places, moved, frame, track, params.apart_px, params.neighbours_px)
    behind, ahead, noise = lag(moved, base, frame, track)
    behind[_at_ends(table, sites.shape, params.edge_px)] = np.nan
    shape, side, origin = _grid(sites, places, names[0] == "row", params.grid_px)
    maps = _maps(table, places, moved, behind, shape, side, origin, params, on_progress, should_stop)
    total, counted, dwell, visits = maps
    score = score_of(total, counted, visits)
    pins = pins_of(score, params, (side, origin, total), (places, moved, behind, ahead, frame, track))
    pins = _with_units(pins, pixel_nm, frame_time_s)
    return Pinning(
        pins,
        score.astype(np.float32),
        np.where(counted > 0, total, np.nan).astype(np.float32),
        dwell.astype(np.float32),
        side,
        (float(origin[0]), float(origin[1])),
        sites.with_table(table.assign(lag_px=behind)),
        noise,
        frame_time_s,
        _notes(moved, behind, noise),
        Provenance("pinning", params.model_dump(mode="json"), source=sites.provenance.source),
    )


def doubles(table: pd.DataFrame) -> np.ndarray:
    """Return which rows are at a place of a wall that an earlier row has, shape (n,), bool."""
    if not {"wall", "arc_px"} <= set(table.columns):
        return np.zeros(len(table), bool)
    return table.duplicated(["frame", "wall", "arc_px"]).to_numpy()


def _at_ends(table: pd.DataFrame, shape: tuple[int, ...], near: float) -> np.ndarray:
    """Return which sites lie near the edge of the frame or the end of an open line, shape (n,), bool."""
    out = np.zeros(len(table), bool)
    if len(shape) >= 2:
        place = table[["row", "col"]].to_numpy(np.float64)
        out |= ((place < near) | (place > np.array(shape[-2:]) - 1 - near)).any(1)
    if {"wall", "arc_px"} <= set(table.columns):
        piece = table["length_px"].fillna(0)
        lines = pd.DataFrame({"first": table["arc_px"] - piece / 2, "last": table["arc_px"] + piece / 2})
        groups = lines.groupby([table["frame"], table["wall"]])
        first, last = groups["first"].transform("min"), groups["last"].transform("max")
        off = np.minimum(table["arc_px"] - first, last - table["arc_px"])
        closed = table["closed"].fillna(False).to_numpy(bool) if "closed" in table else np.zeros(len(table), bool)
        out |= np.asarray(off < near, bool) & ~closed
    return out


def _grid(
    sites: Sites, places: np.ndarray, laboratory: bool, cell: float | None
) -> tuple[tuple[int, int], float, np.ndarray]:
    """Return shape, side and first cell of the map: the frame, and more where drift carried places out of it."""
    known = places[np.isfinite(places).all(1)]
    low, high = np.floor(known.min(0)), np.ceil(known.max(0))
    if len(sites.shape) >= 2:
        frame = np.array(sites.shape[-2:]) - 1
        low, high = (np.zeros(2), frame) if laboratory else (np.minimum(low, 0), np.maximum(high, frame))
    shape, side = grid_of(low, high, cell)
    return shape, side, low


def _maps(
    table: pd.DataFrame,
    places: np.ndarray,
    moved: np.ndarray,
    behind: np.ndarray,
    shape: tuple[int, int],
    side: float,
    origin: np.ndarray,
    params: PinningParams,
    on_progress: OnProgress | None,
    should_stop: ShouldStop | None,
) -> tuple[np.ndarray, ...]:
    """Return maps, shape (rows, cols): lag (px), frames that count for it, dwell (frames), number of visits."""
    frame = table["frame"].to_numpy(np.int64)
    angle, length = (table[name].to_numpy(np.float64) for name in ("normal_angle", "length_px"))
    total, counted, dwell = np.zeros((3, shape[0] * shape[1]))
    visits, last = np.zeros(len(total), np.int32), np.full(len(total), np.iinfo(np.int32).min, np.int32)
    order = np.argsort(frame, kind="stable")
    order = order[np.isfinite(moved[order])]
    numbers, first = np.unique(frame[order], return_index=True)
    for done, some in enumerate(np.split(order, first[1:])):
        if should_stop is not None and should_stop():
            raise Stopped
        normals = np.c_[np.sin(angle[some]), np.cos(angle[some])]
        spacing = float(np.nanmedian(length[some])) if np.isfinite(length[some]).any() else 1.0
        share = weights(places[some], normals, moved[some], spacing, origin, shape, side, params.reach_px)
        total += share @ np.nan_to_num(behind[some])
        counted += share @ np.isfinite(behind[some])
        there = np.asarray(share.sum(1)).ravel()
        dwell += there
        here = np.flatnonzero(there > _THERE)
        visits[here] += done - last[here].astype(np.int64) > AWAY
        last[here] = done
        report(on_progress, done + 1, len(numbers), "frames")
    return tuple(one.reshape(shape) for one in (total, counted, dwell, visits))


def _highest(score: np.ndarray, at: np.ndarray, within: float) -> np.ndarray:
    n = int(np.ceil(within))
    off = np.stack(np.meshgrid(np.arange(-n, n + 1), np.arange(-n, n + 1), indexing="ij"), -1).reshape(-1, 2)
    cell = np.rint(at).astype(int)[:, None] + off
    near = np.hypot(*np.moveaxis(cell - at[:, None], -1, 0)) <= max(within, 0.71)
    inside = np.all((cell >= 0) & (cell < np.array(score.shape)), axis=-1) & near
    cell = np.where(inside[..., None], cell, 0)
    values = np.where(inside, score[cell[..., 0], cell[..., 1]], np.nan)
    values = np.where(np.isfinite(values), values, -np.inf).max(axis=1, initial=-np.inf)
    return np.where(np.isfinite(values), values, np.nan)


def _with_units(pins: pd.DataFrame, pixel_nm: tuple[float, float] | None, frame_time_s: float | None) -> pd.DataFrame:
    row, col = pixel_nm if pixel_nm is not None else (np.nan, np.nan)
    pins.insert(3, "row_nm", pins["row"] * row)
    pins.insert(4, "col_nm", pins["col"] * col)
    at = list(pins.columns).index
    pins.insert(at("lag_px") + 1, "lag_nm", pins["lag_px"] * np.sqrt(row * col))
    seconds = pins["retardation_frames"] * (np.nan if frame_time_s is None else frame_time_s)
    pins.insert(at("retardation_frames") + 1, "retardation_s", seconds)
    return pins


def _notes(moved: np.ndarray, behind: np.ndarray, noise: float) -> tuple[str, ...]:
    notes = [f"a displacement scatters by {noise:.3g} px about those of its neighbours"]
    still = float(np.mean(~np.isfinite(behind[np.isfinite(moved)])))
    if still > 0.01:
        notes.append(
            f"{still:.0%} of the steps do not count: the whole wall rests, is too short to have neighbours, "
            "or the place lies at an end or at the edge"
        )
    return tuple(notes)
