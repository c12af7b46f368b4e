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
    track, frame = table["track"].to_numpy(), table["frame"].to_numpy()
    if track.dtype.kind not in "iu":
        track = pd.to_numeric(table["track"], errors="coerce").fillna(-1).to_numpy(np.float64).astype(np.int64)
    known = track >= 0 if good is None else (track >= 0) & good
    if not known.any():
        raise InputError(f"{verb}: no site that can be used is of a track (track -1 is none); link the sites first")
    rows = np.flatnonzero(known)
    track, frame = track[rows], frame[rows]
    if frame.dtype.kind not in "iu":
        whole = frame.astype(np.float64)
        if not (np.isfinite(whole) & (whole == np.round(whole))).all():
            raise InputError(f"{verb}: frames must be whole numbers; times belong in another column")
        frame = whole.astype(np.int64)
    frame = frame.astype(np.int64)
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
