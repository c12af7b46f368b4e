"""From a map of lags to pins: what stands out of chance, and what walls did there."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import ndimage
from scipy.spatial import cKDTree

from atomscope.data.params.pinning import PinningParams

#: Cells at which walls were for less than so many frames have no score.
_SEEN = 0.5
#: Frames without a wall near a place that end a visit.
AWAY = 3
#: The scatter of lags is at least this, px: no wall is found more exactly.
_LEAST = 0.05
#: The tail of what chance makes has at least so many places, and does not fall faster than this (in scores).
_TAIL, _SLOWEST = 10, 0.25
#: Round places that are pins with less than this chance of being none, walls run ahead since they were let go.
_LIKELY = 0.2
COLUMNS = {
    "pin": np.int64,
    "row": np.float64,
    "col": np.float64,
    "score": np.float64,
    "p_value": np.float64,
    "lag_px": np.float64,
    "retardation_frames": np.float64,
    "dwell_frames": np.int64,
    "visits": np.int64,
    "first_frame": np.int64,
    "last_frame": np.int64,
    "wall_track": np.int64,
}


def score_of(total: np.ndarray, counted: np.ndarray, visits: np.ndarray) -> np.ndarray:
    """Return lags over their usual scatter, shape (rows, cols); NaN where no wall came.

    A displacement is the difference of two places, so that errors of places do not add up while a wall hangs or
    passes: only those of its coming and its going are left, once a visit. What is left, and the roughness of the
    material, is read off the map itself.

    Parameters
    ----------
    total : numpy.ndarray, shape (rows, cols), px
    counted : numpy.ndarray, shape (rows, cols), frames
    visits : numpy.ndarray, shape (rows, cols), int
    """
    seen = counted >= _SEEN
    each = total / np.sqrt(np.maximum(visits, 1))
    usual = 1.4826 * float(np.median(np.abs(each[seen]))) if seen.any() else 0.0
    return np.where(seen, each / max(usual, _LEAST), np.nan)


def by_chance(height: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Return the chance that a movie without pins shows a place anywhere that lags as much.

    Errors of finding and the roughness of a wall make it run ahead as often as fall behind. So the places where walls
    ran ahead say what chance makes: how many lie beyond a height is read off an exponential tail.

    Parameters
    ----------
    height : numpy.ndarray, shape (n,)
        Scores of the places that lag.
    depth : numpy.ndarray, shape (m,)
        Minus the scores of those that run ahead.
    """
    tail = np.sort(depth)[::-1][: max(_TAIL, len(depth) // 5)]
    start = float(tail[-1]) if len(tail) >= _TAIL else 0.0
    # By the median: a few of them are real, where a wall that was let go hurries after its neighbours. A standard error
    # is added, for the chance is read off far beyond what was seen.
    fall = float(np.median(tail - start)) / np.log(2) if len(tail) else 0.0
    fall = max(fall * (1 + 1.44 / np.sqrt(max(len(tail), 1))), _SLOWEST)
    expected = max(len(tail), 1) * np.exp(-np.maximum(height - start, 0) / fall)
    return np.asarray(1 - np.exp(-expected))


def _depths(score: np.ndarray, tops: np.ndarray, height: np.ndarray, reach: float) -> np.ndarray:
    """Return minus the scores of places where walls ran ahead, but for those that a pin nearby let go."""
    rows, cols, depth = maxima(-score, reach)
    likely = tops[by_chance(height, depth) < _LIKELY] if len(tops) else tops
    if not len(likely) or not len(depth):
        return depth
    return np.asarray(depth[cKDTree(likely).query(np.c_[rows, cols])[0] > 2 * reach])


def maxima(score: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return row, col and height of the local maxima above 0 that lie at least ``reach`` cells apart."""
    values = np.where(np.isfinite(score), score, -np.inf)
    top = ndimage.maximum_filter(values, size=max(3, 2 * int(reach / 2) + 1), mode="constant", cval=-np.inf)
    rows, cols = np.nonzero((values == top) & (values > 0))
    height = values[rows, cols]
    order = np.argsort(-height, kind="stable")
    rows, cols, height = rows[order], cols[order], height[order]
    if not len(rows):
        return rows, cols, height
    near = cKDTree(np.c_[rows, cols]).query_ball_point(np.c_[rows, cols], reach)
    keep = np.ones(len(rows), bool)
    for i, others in enumerate(near):
        if keep[i]:
            keep[[j for j in others if j > i]] = False
    return rows[keep], cols[keep], height[keep]


def pins_of(
    score: np.ndarray,
    params: PinningParams,
    grid: tuple[float, np.ndarray, np.ndarray],
    walls: tuple[np.ndarray, ...],
) -> pd.DataFrame:
    """Return the places that stand out, a row each, the surest first.

    Parameters
    ----------
    score : numpy.ndarray, shape (rows, cols)
    params : PinningParams
    grid : (float, numpy.ndarray of shape (2,), numpy.ndarray of shape (rows, cols))
        Side of a cell and place of the first, px; the lag at each, px.
    walls : (places, moved, behind, ahead, frame, track)
        Of all sites.
    """
    side, origin, lag = grid
    rows, cols, height = maxima(score, params.apart_px / side)
    p = by_chance(height, _depths(score, np.c_[rows, cols], height, params.apart_px / side))
    sure = p <= params.alpha
    parts: list[dict[str, float]] = []
    for row, col, high, value in zip(rows[sure], cols[sure], height[sure], p[sure], strict=True):
        place = origin + side * np.array([row, col])
        parts.append({"pin": len(parts), "row": place[0], "col": place[1], "score": high, "p_value": value})
        parts[-1] |= _visits(place, float(lag[row, col]), params.reach_px, *walls)
    return pd.DataFrame(parts, columns=list(COLUMNS)).astype(COLUMNS)


def _visits(
    place: np.ndarray,
    lag: float,
    reach: float,
    places: np.ndarray,
    moved: np.ndarray,
    behind: np.ndarray,
    ahead: np.ndarray,
    frame: np.ndarray,
    track: np.ndarray,
) -> dict[str, float]:
    """Say what walls did at a place, from the site nearest to it in each frame."""
    far = np.hypot(*(places - place).T)
    near = np.flatnonzero((far <= 2 * reach + 2) & np.isfinite(moved))
    near = near[np.lexsort((far[near], frame[near], track[near]))]
    first = np.r_[True, (np.diff(frame[near]) != 0) | (np.diff(track[near]) != 0)] if len(near) else []
    near = near[np.asarray(first, bool)]  # sorted by wall, then frame
    if not len(near):
        return {"lag_px": lag, "retardation_frames": np.nan, "dwell_frames": 0, "visits": 0,
                "first_frame": -1, "last_frame": -1, "wall_track": -1}  # fmt: skip
    new = np.r_[True, (np.diff(track[near]) != 0) | (np.diff(frame[near]) > AWAY)]
    visit = np.cumsum(new) - 1
    late = np.bincount(visit, np.nan_to_num(behind[near]))
    pace = ahead[near][np.isfinite(ahead[near])]  # of the neighbours, px a frame
    usual = float(pace.mean()) if len(pace) else 0.0
    most = int(np.argmax(late))
    mine = near[visit == most]
    return {
        "lag_px": lag,
        "retardation_frames": lag / usual if usual > 0 else np.nan,
        "dwell_frames": len(near),
        "visits": int(visit[-1] + 1),
        "first_frame": int(frame[mine[0]]),
        "last_frame": int(frame[mine[-1]]),
        "wall_track": int(track[mine[0]]),
    }
