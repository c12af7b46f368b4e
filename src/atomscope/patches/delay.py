"""Where the places of sites are at another time of a movie: moved by the drift, or where their tracks are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from atomscope.data import Sites, Stack
from atomscope.data.params import DelayParams
from atomscope.errors import CalibrationError, InputError, ShapeError

NO_LATER, NO_EARLIER, NO_PARTNER = "no later frame", "no earlier frame", "no site of its track there"
#: Sites are the same in two frames when they lie nearer than this part of the distance between sites.
_SAME = 0.5


def lag_in_frames(stack: Stack, params: DelayParams) -> tuple[int, float | None]:
    """Return the lag in frames, and in s where the time axis is calibrated.

    Raises
    ------
    ShapeError
        If the stack is no movie, or the lag is as long as the movie.
    CalibrationError
        If the lag is in seconds and the time axis has no unit of time.
    InputError
        If the lag is shorter than half a frame.
    """
    if len(stack.navigation_shape) != 1:
        raise ShapeError(f"delay: wanted a movie (frame, row, col), got {stack.shape}")
    time = stack.axes[0]
    lag = params.lag
    if params.lag_s is not None:
        if time.unit != "s":
            raise CalibrationError(
                f"delay: a lag of {params.lag_s} s was asked for, but frames are in {time.unit}; give the lag in frames"
            )
        lag = round(params.lag_s / time.scale)
        if lag == 0:
            raise InputError(f"delay: a lag of {params.lag_s} s is less than half a frame ({time.scale} s)")
    if abs(lag) >= stack.n_frames:
        raise ShapeError(f"delay: a lag of {lag} frames in a movie of {stack.n_frames}; take a shorter one")
    return lag, lag * time.scale if time.unit == "s" else None


def later_places(
    sites: Sites, lag: int, n_frames: int, follow: str = "drift", drift: Any = None
) -> tuple[Sites, dict[int, str]]:
    """Return the places of sites ``lag`` frames later.

    Parameters
    ----------
    sites : Sites
    lag : int
        Frames; negative: earlier.
    n_frames : int
        Of the movie.
    follow : {"drift", "nothing", "track"}
    drift : array, shape (n_frames, 2), px, optional
        (row, col) of each frame against the first; found from the sites themselves when absent.

    Returns
    -------
    places : Sites
        The same ids, without those that have no place then.
    flags : dict of int to str
        Why: the movie ends before (or begins after), or the track has no site there.

    Raises
    ------
    InputError
        If tracks are to be followed and the table has none, or has one twice in a frame.
    ShapeError
        If the drift is not of so many frames.
    """
    table = sites.table
    frame = table["frame"].to_numpy(np.int64)
    then = frame + lag
    there = (then >= 0) & (then < n_frames)
    flags = dict.fromkeys(table["site"][~there].tolist(), NO_LATER if lag > 0 else NO_EARLIER)
    places = table[there].copy()
    places["frame"] = then[there]
    if follow == "track":
        places, lost = _on_tracks(table, places)
        flags.update(dict.fromkeys(lost, NO_PARTNER))
    elif follow == "drift" or drift is not None:
        moved = displacements(table, lag, n_frames) if drift is None else _given(drift, lag, n_frames)
        places[["row", "col"]] = places[["row", "col"]].to_numpy(np.float64) + moved[frame[there]]
    return sites.with_table(places), flags


def displacements(table: pd.DataFrame, lag: int, n_frames: int) -> np.ndarray:
    """Return how far the sites of each frame moved together in ``lag`` frames, shape (n_frames, 2), px.

    The median over sites that are the same in both frames: by ``track`` where the table has it, else those that lie
    nearest. Nearest ones are found frame by frame, so a drift is seen while it is less than half the distance between
    sites from one frame to the next. Frames without sites, and those beyond the ends, have 0.
    """
    tracked = "track" in table.columns
    points = _by_frame(table, tracked)
    moved = np.zeros((n_frames, 2))
    if tracked:
        for t in points:
            if t + lag in points:
                moved[t] = _by_track(points[t], points[t + lag])
        return moved
    steps, last = np.zeros((n_frames, 2)), None
    for t in sorted(points):
        if last is not None:
            steps[t] = _by_nearest(points[last], points[t], [np.zeros(2), steps[last]])
        last = t
    path = steps.cumsum(0)
    for t in points:
        if t + lag in points:
            moved[t] = _by_nearest(points[t], points[t + lag], [path[t + lag] - path[t]])
    return moved


def _by_frame(table: pd.DataFrame, tracked: bool) -> dict[int, np.ndarray]:
    """Return (row, col, track or 0) of the sites of each frame that have a place, shape (k, 3)."""
    columns = table[["row", "col"]].to_numpy(np.float64)
    track = table["track"].to_numpy(np.float64) if tracked else np.zeros(len(table))
    good = np.isfinite(columns).all(1) & (track >= 0)
    frames = table["frame"].to_numpy(np.int64)[good]
    rows = np.c_[columns, track][good]
    order = np.argsort(frames, kind="stable")
    values, starts = np.unique(frames[order], return_index=True)
    return {int(t): part for t, part in zip(values, np.split(rows[order], starts[1:]), strict=True)}


def _by_track(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    _, i, j = np.intersect1d(one[:, 2], other[:, 2], return_indices=True)
    return np.median(other[j, :2] - one[i, :2], axis=0) if len(i) else np.zeros(2)


def _by_nearest(one: np.ndarray, other: np.ndarray, starts: list[np.ndarray]) -> np.ndarray:
    """Return the displacement from one frame to another, from whichever start leaves the sites nearest."""
    tree = cKDTree(other[:, :2])
    spacing = np.inf
    if len(one) > 1:
        spacing = float(np.median(cKDTree(one[:, :2]).query(one[:, :2], k=2)[0][:, 1]))
    best, least = starts[0], np.inf
    for start in starts:
        moved = start
        for _ in range(8):
            distance, which = tree.query(one[:, :2] + moved)
            near = distance < _SAME * spacing
            if not near.any():
                break
            better = np.median(other[which[near], :2] - one[near, :2], axis=0)
            done = np.abs(better - moved).max() < 1e-3
            moved = better
            if done:
                break
        left = float(np.median(tree.query(one[:, :2] + moved)[0]))
        if left < least - 1e-6:
            best, least = moved, left
    return best


def _on_tracks(table: pd.DataFrame, places: pd.DataFrame) -> tuple[pd.DataFrame, list[int]]:
    """Return the places where the tracks are, and the sites whose track is nowhere then."""
    if "track" not in table.columns:
        raise InputError("delay: follow='track' wants a column 'track' in the table; link the sites, or follow='drift'")
    known = table[table["track"].to_numpy(np.float64) >= 0]
    where = pd.MultiIndex.from_frame(known[["track", "frame"]])
    if not where.is_unique:
        twice = known[where.duplicated()].iloc[0]
        raise InputError(f"delay: track {twice['track']} has two sites in frame {twice['frame']}; link again")
    index = where.get_indexer(pd.MultiIndex.from_frame(places[["track", "frame"]]))
    found = index >= 0
    kept = places[found].copy()
    kept[["row", "col"]] = known[["row", "col"]].to_numpy(np.float64)[index[found]]
    return kept, places["site"][~found].tolist()


def _given(drift: Any, lag: int, n_frames: int) -> np.ndarray:
    path = np.asarray(drift, np.float64)
    if path.shape != (n_frames, 2):
        raise ShapeError(f"delay: wanted the drift as an array ({n_frames}, 2), (row, col) a frame, got {path.shape}")
    moved = np.zeros((n_frames, 2))
    start, stop = max(0, -lag), min(n_frames, n_frames - lag)
    moved[start:stop] = path[start + lag : stop + lag] - path[start:stop]
    return moved
