"""How far each place of a wall stays behind its own neighbours; what whole walls do frame by frame."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from scipy import ndimage
from scipy.spatial import cKDTree

from atomscope.errors import InputError

#: Neighbours that a baseline wants, at least.
_FEWEST = 5
#: Most neighbours that are asked for a site.
_MOST = 256
#: Frames over which it is asked which way a wall moves.
_LONG = 5
#: Neighbouring sites of a wall are not independent: so many count as one.
_ALIKE = 2.0


def followed(table: pd.DataFrame, verb: str) -> pd.DataFrame:
    """Return the table when its walls were followed.

    Raises
    ------
    InputError
        If a column is missing.
    """
    wanted = ("frame", "row", "col", "length_px", "wall_track", "normal_angle", "displacement_px")
    missing = [name for name in wanted if name not in table.columns]
    if missing:
        raise InputError(f"{verb}: the table has no column {', '.join(missing)}; follow the walls first (wall_motion)")
    return table


def baseline(
    places: np.ndarray, moved: np.ndarray, frame: np.ndarray, track: np.ndarray, inner: float, outer: float
) -> np.ndarray:
    """Return how far the neighbours of each site move: the median over its own wall in its own frame.

    Parameters
    ----------
    places : numpy.ndarray, shape (n, 2), px
    moved : numpy.ndarray, shape (n,), px
        NaN: not known.
    frame, track : numpy.ndarray, shape (n,), int
    inner, outer : float, px
        Neighbours lie between these distances.

    Returns
    -------
    numpy.ndarray, shape (n,), px
        NaN where too few neighbours are known.
    """
    out = np.full(len(moved), np.nan)
    for mine in runs(frame, track):
        known = mine[np.isfinite(moved[mine])]
        if len(known) < _FEWEST:
            continue
        k = min(len(known), _MOST)
        far, which = cKDTree(places[known]).query(places[known], k=k, distance_upper_bound=outer)
        far, which = far.reshape(len(known), k), which.reshape(len(known), k)
        use = np.isfinite(far) & (far > inner)
        values = np.where(use, moved[known][np.where(use, which, 0)], np.nan)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a site without neighbours: NaN is what is wanted
            middle = np.nanmedian(values, axis=1)
        out[known] = np.where(use.sum(1) >= _FEWEST, middle, np.nan)
    return out


def runs(frame: np.ndarray, track: np.ndarray) -> list[np.ndarray]:
    """Return the rows of each wall in each frame; those without a track (-1) are in none."""
    order = np.lexsort((track, frame))
    order = order[track[order] >= 0]
    if not len(order):
        return []
    new = (np.diff(frame[order]) != 0) | (np.diff(track[order]) != 0)
    return np.split(order, np.flatnonzero(new) + 1)


def lag(
    moved: np.ndarray, base: np.ndarray, frame: np.ndarray, track: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return by how much each site falls behind, in the direction in which its wall moves.

    Parameters
    ----------
    moved, base : numpy.ndarray, shape (n,), px
    frame, track : numpy.ndarray, shape (n,), int

    Returns
    -------
    behind : numpy.ndarray, shape (n,), px
        NaN for walls that never move: that all of one stands still says nothing of a place.
    ahead : numpy.ndarray, shape (n,), px
        How far the neighbours moved in that direction; NaN likewise.
    noise : float, px
        Robust standard deviation of a displacement against its neighbours.
    """
    off = moved - base
    known = off[np.isfinite(off)]
    noise = 1.4826 * float(np.median(np.abs(known - np.median(known)))) if len(known) else float("nan")
    way = np.full(len(moved), np.nan)
    groups = runs(frame, track)
    names = np.array([track[g[0]] for g in groups])
    for name in np.unique(names):
        mine = [groups[i] for i in np.flatnonzero(names == name)]
        whole = np.array([np.nanmedian(moved[g]) if np.isfinite(moved[g]).any() else np.nan for g in mine])
        number = np.array([np.isfinite(moved[g]).sum() for g in mine])
        at = np.array([frame[g[0]] for g in mine])
        # A wall whose frames lack a few still has a direction: gaps do not count, and do not shorten the others.
        line = np.zeros((2, int(at.max() - at.min()) + 1))
        good = np.isfinite(whole)
        line[0, (at - at.min())[good]], line[1, (at - at.min())[good]] = whole[good], 1.0
        total, count = (ndimage.uniform_filter1d(x, _LONG, mode="constant") * _LONG for x in line)
        mean = np.where(count > 0.5, total / np.maximum(count, 1), np.nan)[at - at.min()]
        # Errors of places come and go in neighbouring steps: only the two ends of a run are left.
        spread = 1.25 * noise / np.sqrt(np.maximum(number / _ALIKE, 1)) / np.maximum(count[at - at.min()], 1)
        moves = np.abs(mean) > 3 * spread + 1e-6
        # Through a rest the last direction holds on: nothing is gained or lost then, but what errors of places give
        # before it is taken back after it.
        sign = pd.Series(np.where(moves, np.sign(mean), np.nan)).ffill().bfill()
        for g, one in zip(mine, sign, strict=True):
            way[g] = one
    return -off * way, base * way, noise


def steps_of_walls(table: pd.DataFrame) -> pd.DataFrame:
    """Return what each wall does in each frame, a row each; columns as :func:`atomscope.pipeline.wall_steps` says."""
    table = followed(table, "wall_steps")
    some = table[(table["wall_track"] >= 0) & table["displacement_px"].notna()]
    length, moved = some["length_px"], some["displacement_px"]
    speed = some["speed_nm_s"] if "speed_nm_s" in some else pd.Series(np.nan, some.index)
    weighted = pd.DataFrame(
        {
            "wall_track": some["wall_track"],
            "frame": some["frame"],
            "length_px": length,
            "swept_px2": length * moved,
            "square": length * moved**2,
            "speed": length * speed,
        }
    )
    groups = weighted.groupby(["wall_track", "frame"], sort=True)
    out = groups[["length_px", "swept_px2", "square", "speed"]].sum(min_count=1)
    mean = out["swept_px2"] / out["length_px"]
    top = some.assign(size=moved.abs()).sort_values("size").groupby(["wall_track", "frame"])["displacement_px"].last()
    return pd.DataFrame(
        {
            "length_px": out["length_px"],
            "mean_px": mean,
            "sd_px": np.sqrt(np.maximum(out["square"] / out["length_px"] - mean**2, 0)),
            "largest_px": top,
            "swept_px2": out["swept_px2"],
            "speed_nm_s": out["speed"] / out["length_px"],
        }
    ).reset_index()
