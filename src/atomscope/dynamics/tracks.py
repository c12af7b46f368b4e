"""The rows of a table that are of tracks, in order: what every measure of tracks starts from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from atomscope.errors import InputError


@dataclass(frozen=True)
class Linked:
    """The rows of a table that are of tracks, sorted by track and frame.

    Parameters
    ----------
    rows : numpy.ndarray, shape (n,)
        Where they are in the table.
    frame : numpy.ndarray, shape (n,), int64
    starts : numpy.ndarray, shape (tracks + 1,)
        Rows of track ``i`` are ``starts[i]`` to ``starts[i + 1]``.
    ids : numpy.ndarray, shape (tracks,)
        Their numbers in the table.
    """

    rows: np.ndarray
    frame: np.ndarray
    starts: np.ndarray
    ids: np.ndarray


def sort_tracks(table: pd.DataFrame, good: np.ndarray | None = None, verb: str = "dynamics") -> Linked:
    """Return the rows of tracks, sorted.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns ``track`` (negative or empty: none) and ``frame``.
    good : numpy.ndarray of bool, optional
        Rows that may be used.
    verb : str
        Who asks, for errors.

    Raises
    ------
    InputError
        If a column is missing, no row is of a track, a frame is no whole number, or a track is twice in a frame.
    """
    missing = [name for name in ("track", "frame") if name not in table.columns]
    if missing:
        raise InputError(f"{verb}: the table has no column {' or '.join(missing)}; link the sites first")
    track = whole_numbers(table, "track", verb, empty=-1)
    known = track >= 0 if good is None else (track >= 0) & good
    if not known.any():
        raise InputError(f"{verb}: no site that can be used is of a track (track -1 is none); link the sites first")
    rows = np.flatnonzero(known)
    track, frame = track[rows], whole_numbers(table.iloc[rows], "frame", verb)
    ahead = (np.diff(track) > 0) | ((np.diff(track) == 0) & (np.diff(frame) > 0))
    if not ahead.all():
        span = int(frame.max() - frame.min()) + 1
        far = int(track.max()) + 1 > np.iinfo(np.int64).max // span
        order = np.lexsort((frame, track)) if far else np.argsort(track * span + (frame - frame.min()), kind="stable")
        rows, track, frame = rows[order], track[order], frame[order]
        twice = np.flatnonzero((np.diff(track) == 0) & (np.diff(frame) == 0))
        if len(twice):
            raise InputError(f"{verb}: track {track[twice[0]]} has two sites in frame {frame[twice[0]]}; link again")
    starts = np.r_[0, np.flatnonzero(np.diff(track)) + 1, len(track)]
    return Linked(rows, frame, starts, track[starts[:-1]])


def whole_numbers(table: pd.DataFrame, name: str, verb: str, empty: int | None = None) -> np.ndarray:
    """Return a column of whole numbers, shape (n,), int64.

    Parameters
    ----------
    table : pandas.DataFrame
    name : str
        Its column: whole numbers, however they are held (a CSV may make 3 to 3.0 or "3").
    verb : str
        Who asks, for errors.
    empty : int, optional
        What an empty cell counts as; without it there must be none.

    Raises
    ------
    InputError
        If a value is no whole number; the first is named.
    """
    column = table[name]
    if column.dtype.kind in "iu" and isinstance(column.dtype, np.dtype):
        return column.to_numpy(np.int64)
    value = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    none = column.isna().to_numpy() | (column.astype(str) == "").to_numpy()
    bad = ~none & ~(np.isfinite(value) & (value == np.round(value)))
    if empty is None:
        bad |= none
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        where = f"site {table['site'].iloc[first]}" if "site" in table.columns else f"row {first}"
        hint = "times belong in another column" if name == "frame" else "number them (pandas.factorize), -1 is none"
        raise InputError(f"{verb}: {name}s must be whole numbers, {where} has {column.iloc[first]}; {hint}")
    return np.where(none, -1 if empty is None else empty, value).astype(np.int64)


def frame_step(frame: np.ndarray) -> int:
    """Return from one frame that has sites to the next: 2 where only every other one was looked at, 1 at least."""
    apart = np.diff(np.unique(frame))
    return int(np.gcd.reduce(apart)) if len(apart) else 1
