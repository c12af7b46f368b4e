"""Walls through a movie: which wall is which, and how far each place of a wall moves along its normal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from atomscope.data import OnProgress, ShouldStop, Sites, report
from atomscope.data.params.pinning import WallMotionParams
from atomscope.data.sites import add_flags
from atomscope.dynamics.wall_lines import Lines, lines_of, meetings, nearest
from atomscope.errors import InputError, ShapeError, Stopped

#: Columns that are wanted.
WANTED = ("frame", "row", "col", "wall", "arc_px")
#: Walls that share fewer sites than this, or than this part of the smaller one, are not the same wall.
_FEWEST, _SHARE = 2, 0.2
#: Frames in which the distance of walls is looked at.
_SAMPLED = 20


@dataclass
class _Known:
    """A wall as it was last seen: its frame, its track, its part of that frame's lines."""

    frame: int
    lines: Lines
    tracks: np.ndarray  # of each wall of the frame


def follow_walls(
    sites: Sites,
    params: WallMotionParams,
    drift: np.ndarray | None = None,
    pixel_nm: tuple[float, float] | None = None,
    frame_time_s: float | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Sites:
    """Return sites with ``wall_track``, ``normal_angle``, ``displacement_px``, ``displacement_nm``, ``speed_nm_s``.

    Parameters
    ----------
    sites : Sites
        Of walls: columns ``wall``, ``arc_px``.
    params : WallMotionParams
    drift : numpy.ndarray, shape (frames, 2), px, optional
        Taken out first; then there are ``row_still`` and ``col_still`` too.
    pixel_nm : (float, float), optional
        Along rows, along columns.
    frame_time_s : float, optional
    on_progress, should_stop : callables, optional
        Told after, and asked before, each frame.

    Raises
    ------
    InputError
        If the table does not hold walls.
    ShapeError
        If the drift does not have all frames.
    Stopped
        When asked to; ``partial`` has the frames done, NaN beyond.
    """
    table = checked(sites)
    still = _still(table, drift)
    frame = table["frame"].to_numpy(np.int64)
    order = np.argsort(frame, kind="stable")
    frames, first = np.unique(frame[order], return_index=True)
    groups = np.split(order, first[1:]) if len(frames) else []
    step = int(np.diff(frames).min()) if len(frames) > 1 else 1
    reach = params.max_step_px or default_reach(sites, table, still, groups)
    min_cos = float(np.cos(np.deg2rad(params.max_turn_deg)))
    track, angle = np.full(len(table), -1, np.int64), np.full(len(table), np.nan)
    moved = np.full(len(table), np.nan)
    known: list[_Known] = []  # of the last frames, as many as memory asks for
    tracks = 0

    def result() -> Sites:
        out = table.assign(wall_track=track, normal_angle=angle, displacement_px=moved)
        away = np.c_[np.sin(angle), np.cos(angle)]
        size = np.array(pixel_nm if pixel_nm is not None else (np.nan, np.nan))
        placed = np.isfinite(still).all(1) & np.isfinite(table["arc_px"].to_numpy(np.float64))
        reason = np.where(placed, "", "wall_motion: no place").astype(object)
        out["flag"] = add_flags(table["flag"].to_numpy(object), reason)
        out["displacement_nm"] = moved * np.hypot(*(away * size).T)
        out["speed_nm_s"] = out["displacement_nm"] / (step * (np.nan if frame_time_s is None else frame_time_s))
        if drift is not None:
            out["row_still"], out["col_still"] = still[:, 0], still[:, 1]
        return sites.with_table(out)

    for done, (number, some) in enumerate(zip(frames, groups, strict=True)):
        if should_stop is not None and should_stop():
            raise Stopped(partial=result())
        known = [k for k in known if number - k.frame <= step * (params.memory + 1)]
        here = lines_of(table.iloc[some], still[some])
        own, sign = np.full(here.walls, -1, np.int64), np.zeros(here.walls)
        newer: set[int] = set()
        for before in reversed(known):  # the last frame has the first word
            pairs = _overlaps(before.lines, here, reach, min_cos)
            if number - before.frame == step:
                moved[before.lines.rows] = pairs.moved
            open_walls = own < 0
            votes = np.zeros(here.walls)
            for old, new, shared, same_side in pairs.linked:
                t = int(before.tracks[old])
                if open_walls[new] and t not in newer and shared > votes[new]:
                    own[new], votes[new], sign[new] = t, shared, same_side
            newer |= set(before.tracks.tolist())
        born = np.flatnonzero(own < 0)
        own[born] = tracks + np.arange(len(born))
        tracks += len(born)
        here = here.turned(np.where(sign < 0, -1.0, 1.0))
        # The rows of a frame are those of the whole table from here on; those left out get what their double has.
        whole = Lines(some[here.rows], *(getattr(here, name) for name in _REST))
        track[whole.rows] = own[here.wall]
        angle[whole.rows] = np.arctan2(here.normals[:, 0], here.normals[:, 1])
        known.append(_Known(int(number), whole, own))
        report(on_progress, done + 1, len(frames), "frames")
    _fill_doubles(table, still, track, angle, moved)
    return result()


_REST = ("places", "normals", "wall", "walls", "closed", "begin", "step", "piece_wall")


@dataclass(frozen=True)
class _Pairs:
    moved: np.ndarray  # of each site of the earlier frame, NaN: meets no wall that it is linked to
    linked: list[tuple[int, int, int, float]]  # earlier wall, later wall, sites shared, sign of their normals' product


def _overlaps(old: Lines, new: Lines, reach: float, min_cos: float) -> _Pairs:
    """Say which walls of two frames are one: those that are the nearest to each other, seen from both."""
    ray, far, piece = meetings(old.places, old.normals, new, reach, min_cos)
    _, forth = nearest(len(old.places), ray, far, piece)
    r2, f2, p2 = meetings(new.places, new.normals, old, reach, min_cos)
    _, back = nearest(len(new.places), r2, f2, p2)
    votes = np.zeros((2, old.walls, new.walls), np.int64)
    seen = forth >= 0
    np.add.at(votes[0], (old.wall[seen], new.piece_wall[forth[seen]]), 1)
    seen = back >= 0
    np.add.at(votes[1], (old.piece_wall[back[seen]], new.wall[seen]), 1)
    shared = votes.min(0)
    size = np.minimum(np.bincount(old.wall, minlength=old.walls)[:, None], np.bincount(new.wall, minlength=new.walls))
    linked = (shared >= np.minimum(_FEWEST, size)) & (shared >= _SHARE * size) & (shared > 0)
    moved, _ = nearest(len(old.places), ray, far, piece, linked[old.wall[ray], new.piece_wall[piece]])
    nearby = np.full((old.walls, new.walls), 0.0)
    ahead = np.flatnonzero(forth >= 0)
    if len(ahead):
        across = _normal_near(new, forth[ahead])
        np.add.at(
            nearby, (old.wall[ahead], new.piece_wall[forth[ahead]]), np.sign((old.normals[ahead] * across).sum(1))
        )
    return _Pairs(
        moved,
        [(int(a), int(b), int(shared[a, b]), float(nearby[a, b])) for a, b in zip(*np.nonzero(linked), strict=True)],
    )


def _normal_near(lines: Lines, piece: np.ndarray) -> np.ndarray:
    """Return the normal at pieces of lines: that of the nearest site of the same wall, shape (k, 2)."""
    # Walls far from each other in a third direction, so that the nearest is of the same wall.
    third = 1e6
    tree = cKDTree(np.c_[lines.places, third * lines.wall])
    middle = lines.begin[piece] + 0.5 * lines.step[piece]
    return np.asarray(lines.normals[tree.query(np.c_[middle, third * lines.piece_wall[piece]])[1]])


def checked(sites: Sites) -> pd.DataFrame:
    """Return the table of walls.

    Raises
    ------
    InputError
        If a column is missing.
    """
    missing = [name for name in WANTED if name not in sites.table.columns]
    if missing:
        raise InputError(
            f"wall_motion: wanted the sites of walls, the columns {missing} are missing; find walls first (find_walls)"
        )
    return sites.table


def _still(table: pd.DataFrame, drift: np.ndarray | None) -> np.ndarray:
    places = table[["row", "col"]].to_numpy(np.float64)
    if drift is None:
        return places
    frame = table["frame"].to_numpy(np.int64)
    if drift.ndim != 2 or drift.shape[1] != 2 or (len(frame) and (frame.max() >= len(drift) or frame.min() < 0)):
        last = int(frame.max()) if len(frame) else 0
        raise ShapeError(
            f"wall_motion: wanted a drift of shape (frames, 2) with frame {last}, got shape {drift.shape}; measure the "
            "drift of the movie that the walls were found in"
        )
    return np.asarray(places - drift[frame])


def default_reach(sites: Sites, table: pd.DataFrame, still: np.ndarray, groups: list[np.ndarray]) -> float:
    """Return how far walls are looked for: .45 of the distance to the next wall (10th percentile), px."""
    known = still[np.isfinite(still).all(1)]
    extent = float(np.ptp(known, axis=0).max()) + 1 if len(known) else 1.0
    side = float(min(sites.shape[-2:])) if len(sites.shape) >= 2 else extent
    limit = max(0.25 * side, 2.0)
    distances = []
    for k in np.unique(np.linspace(0, len(groups) - 1, _SAMPLED).astype(int)) if groups else []:
        lines = lines_of(table.iloc[groups[k]], still[groups[k]])
        ray, far, piece = meetings(lines.places, lines.normals, lines, side, 0.5)
        far, _ = nearest(len(lines.places), ray, far, piece, lines.wall[ray] != lines.piece_wall[piece])
        distances.append(np.abs(far[np.isfinite(far)]))
    between = np.concatenate(distances) if distances else np.zeros(0)
    return limit if not len(between) else float(np.clip(0.45 * np.percentile(between, 10), 2.0, limit))


def _fill_doubles(
    table: pd.DataFrame, still: np.ndarray, track: np.ndarray, angle: np.ndarray, moved: np.ndarray
) -> None:
    """Give rows at the same place along the same wall the same values."""
    left = np.flatnonzero((track < 0) & np.isfinite(still).all(1) & np.isfinite(table["arc_px"].to_numpy(np.float64)))
    if not len(left):
        return
    keys = list(zip(table["frame"], table["wall"], np.round(table["arc_px"], 6), strict=True))
    have = {keys[i]: i for i in np.flatnonzero(track >= 0)}
    for i in left:
        j = have.get(keys[i])
        if j is not None:
            track[i], angle[i], moved[i] = track[j], angle[j], moved[j]
