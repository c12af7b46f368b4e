"""What a careful eye would check in a table of sites: pairs too close, gaps, scores, flags."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.spatial import Delaunay, QhullError, cKDTree

from atomscope.data import OnProgress, ShouldStop, Sites, check_stop, report
from atomscope.data.params import QualityParams
from atomscope.find.trust.gaps import find_gaps

SHORT, DOUBLE = "short pair", "double"
_BINS = 20


@dataclass(frozen=True)
class Quality:
    """What was looked at and what was found.

    Attributes
    ----------
    frames : pandas.DataFrame
        A row per frame: ``frame``, ``sites``, ``spacing_px`` (NaN with fewer than two), ``short_pairs``, ``doubles``,
        ``gaps``, ``flagged`` (share of the sites with a flag), ``score`` (mean), ``largest_gap_px`` (radius of the
        largest empty circle away from the edges) and ``typical_gap_px`` (median of such circles).
    pairs : pandas.DataFrame
        Pairs too close: ``frame``, ``site``, ``other`` (site ids), ``distance_px``, ``double`` (bool), ``row``, ``col``
        (the middle).
    gaps : pandas.DataFrame
        Places where the lattice wants a site: ``frame``, ``row``, ``col``, ``called`` (share of the lattice steps that
        call for it).
    columns : pandas.DataFrame
        Indexed by site: ``nearest_px`` and ``flag`` ("short pair", "double"), ready for ``sites.join``.
    score_counts, score_edges : numpy.ndarray
        Histogram of the score, 20 bins from 0 to 1.
    """

    frames: pd.DataFrame
    pairs: pd.DataFrame
    gaps: pd.DataFrame
    columns: pd.DataFrame
    score_counts: np.ndarray
    score_edges: np.ndarray

    def summary(self) -> dict[str, float]:
        """Return the numbers of the whole by name."""
        sites = int(self.frames["sites"].sum())
        flagged = float((self.frames["flagged"] * self.frames["sites"]).sum())
        return {
            "sites": sites,
            "short_pairs": len(self.pairs),
            "doubles": int(self.pairs["double"].sum()),
            "gaps": len(self.gaps),
            "flagged": flagged / sites if sites else float("nan"),
        }


def quality(
    sites: Sites,
    params: QualityParams | None = None,
    *,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Quality:
    """Look at the quality of sites, frame by frame.

    Parameters
    ----------
    sites : Sites
        When their stack's shape is unknown, the field is the box round the sites of a frame.
    params : QualityParams, optional
    on_progress, should_stop : callable, optional
        Told and asked once a frame.

    Returns
    -------
    Quality

    Raises
    ------
    Stopped
        When ``should_stop`` says so; ``partial`` holds the Quality of the frames done.
    """
    params = params or QualityParams()
    table = sites.table
    good = np.isfinite(table[["row", "col"]].to_numpy(np.float64)).all(axis=1)
    by_frame = table[good].groupby("frame", sort=True)
    rows: list[dict[str, float]] = []
    pairs, gaps, nearest = [_NO_PAIRS], [_NO_GAPS], pd.Series(np.nan, index=pd.Index(table["site"]))
    for done, (key, part) in enumerate(by_frame, start=1):
        check_stop(should_stop, lambda: _gathered(table, rows, pairs, gaps, nearest))
        frame = int(key)
        place = part[["row", "col"]].to_numpy(np.float64)
        shape = sites.shape[-2:] if sites.shape else tuple(int(n) + 2 for n in place.max(axis=0))
        site = part["site"].to_numpy(np.int64)
        near = cKDTree(place).query(place, k=2)[0][:, 1] if len(place) > 1 else np.full(len(place), np.nan)
        nearest.loc[site] = near
        spacing = params.spacing_px or _spacing(near)
        close = _close(place, site, frame, spacing, params)
        holes = np.zeros((0, 2)), np.zeros(0)
        if params.gaps and np.isfinite(spacing):
            holes = find_gaps(place, (shape[0], shape[1]), spacing)
        pairs.append(close)
        gaps.append(pd.DataFrame({"frame": frame, "row": holes[0][:, 0], "col": holes[0][:, 1], "called": holes[1]}))
        largest, typical = _circles(place, np.array(shape))
        rows.append(
            {
                "frame": frame,
                "sites": len(part),
                "spacing_px": spacing,
                "short_pairs": len(close),
                "doubles": int(close["double"].sum()),
                "gaps": len(holes[0]),
                "flagged": float((part["flag"].fillna("") != "").mean()),
                "score": float(part["score"].mean()),
                "largest_gap_px": largest,
                "typical_gap_px": typical,
            }
        )
        report(on_progress, done, by_frame.ngroups, "frames")
    return _gathered(table, rows, pairs, gaps, nearest)


_NO_PAIRS = pd.DataFrame(
    {
        **{c: np.zeros(0, np.int64) for c in ("frame", "site", "other")},
        "distance_px": np.zeros(0),
        "double": np.zeros(0, bool),
        **{c: np.zeros(0) for c in ("row", "col")},
    }
)
_NO_GAPS = pd.DataFrame({"frame": np.zeros(0, np.int64), **{c: np.zeros(0) for c in ("row", "col", "called")}})
_FRAMES = (
    "frame",
    "sites",
    "spacing_px",
    "short_pairs",
    "doubles",
    "gaps",
    "flagged",
    "score",
    "largest_gap_px",
    "typical_gap_px",
)


def _spacing(near: np.ndarray) -> float:
    """Return the usual distance to the nearest neighbour; doubles, which lie on each other, do not count."""
    near = near[np.isfinite(near)]
    if not len(near):
        return float("nan")
    usual = float(np.median(near))
    return float(np.median(near[near > 0.3 * usual])) if usual > 0 else float("nan")


def _close(place: np.ndarray, site: np.ndarray, frame: int, spacing: float, params: QualityParams) -> pd.DataFrame:
    if len(place) < 2 or not np.isfinite(spacing):
        return _NO_PAIRS
    ij = cKDTree(place).query_pairs(max(params.short, params.double) * spacing, output_type="ndarray")
    ij = ij[np.lexsort((ij[:, 1], ij[:, 0]))]
    distance = np.hypot(*(place[ij[:, 0]] - place[ij[:, 1]]).T)
    middle = (place[ij[:, 0]] + place[ij[:, 1]]) / 2
    return pd.DataFrame(
        {
            "frame": np.full(len(ij), frame, np.int64),
            "site": site[ij[:, 0]],
            "other": site[ij[:, 1]],
            "distance_px": distance,
            "double": distance < params.double * spacing,
            "row": middle[:, 0],
            "col": middle[:, 1],
        }
    )


def _circles(place: np.ndarray, shape: np.ndarray) -> tuple[float, float]:
    """Return the largest and the median radius of empty circles through three sites that lie within the frame."""
    if len(place) < 4:
        return float("nan"), float("nan")
    try:
        corners = place[Delaunay(place).simplices]  # (triangles, 3, 2)
    except (QhullError, ValueError):  # all in a line
        return float("nan"), float("nan")
    a, b, c = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    double = 2 * (b[:, 0] * c[:, 1] - b[:, 1] * c[:, 0])
    ok = np.abs(double) > 1e-9
    b2, c2 = (b**2).sum(axis=1)[ok], (c**2).sum(axis=1)[ok]
    b, c, double = b[ok], c[ok], double[ok]
    centre = np.c_[c[:, 1] * b2 - b[:, 1] * c2, b[:, 0] * c2 - c[:, 0] * b2] / double[:, None]
    radius = np.hypot(*centre.T)
    centre = centre + a[ok]
    inside = ((centre - radius[:, None] >= 0) & (centre + radius[:, None] <= shape - 1)).all(axis=1)
    radius = radius[inside]
    return (float(radius.max()), float(np.median(radius))) if len(radius) else (float("nan"), float("nan"))


def _gathered(
    table: pd.DataFrame,
    rows: list[dict[str, float]],
    pairs: list[pd.DataFrame],
    gaps: list[pd.DataFrame],
    nearest: pd.Series,
) -> Quality:
    close = pd.concat(pairs[1:] or pairs, ignore_index=True)
    flag = pd.Series("", index=nearest.index, dtype=object)
    flag.loc[np.unique(close[["site", "other"]].to_numpy())] = SHORT
    flag.loc[np.unique(close.loc[close["double"], ["site", "other"]].to_numpy())] = DOUBLE
    score = pd.to_numeric(table["score"], errors="coerce").dropna().clip(0, 1)
    counts, edges = np.histogram(score, _BINS, (0, 1))
    return Quality(
        pd.DataFrame(rows, columns=list(_FRAMES)),
        close,
        pd.concat(gaps[1:] or gaps, ignore_index=True),
        pd.DataFrame({"nearest_px": nearest, "flag": flag}),
        counts,
        edges,
    )
