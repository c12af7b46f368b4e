"""Sites against a reference, frame by frame: which frames, how far apart, what counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from atomscope.data import Sites
from atomscope.data.params import CompareParams
from atomscope.errors import InputError, ParameterError
from atomscope.find.trust.comparison import Comparison, by_frame, by_kind
from atomscope.find.trust.match import match

#: Frames that the spacing of a reference is measured in.
_FRAMES = 16


def compare(
    sites: Sites, reference: Sites, params: CompareParams | None = None, *, frames: Sequence[int] | None = None
) -> Comparison:
    """Match sites one to one with a reference, as many as possible, then as near as possible.

    Parameters
    ----------
    sites, reference : Sites
        Of the same frames. Rows without a position are left out, and rows that are not ``present`` (vacancies) unless
        ``by_kind`` asks for them as a kind like any other.
    params : CompareParams, optional
    frames : sequence of int, optional
        Frames to compare; by default those with a reference, within the range of frames of ``sites``.

    Returns
    -------
    Comparison
        Within a frame the number of pairs is the largest possible, and their sum of squared distances then the least.

    Raises
    ------
    InputError
        If the reference is empty, or no frame of it is among those of the sites.
    ParameterError
        If neither a radius nor two sites to measure a spacing from are given.
    """
    params = params or CompareParams()
    found, truth = (_usable(s.table, params.by_kind) for s in (sites, reference))
    if not len(truth) and frames is None:
        raise InputError(
            "compare: the reference has no sites, so there is nothing to compare with; "
            "if its frames are truly empty, say which (frames=[0])"
        )
    chosen, left_out = _choose_frames(found, truth, frames)
    radius = params.radius_px or _radius(truth, chosen, params.radius_spacings)
    shape = sites.shape or reference.shape
    f_at, t_at = (t.groupby("frame", sort=True).indices for t in (found, truth))
    nothing = np.zeros(0, np.int64)
    f_pairs, t_pairs, false, missed = [nothing], [nothing], [nothing], [nothing]
    f_place, t_place = (t[["row", "col"]].to_numpy(np.float64) for t in (found, truth))
    f_kind, t_kind = found["kind"].astype(str).to_numpy(), truth["kind"].astype(str).to_numpy()
    f_inner, t_inner = (_inner(p, shape, params.margin_px) for p in (f_place, t_place))
    for frame in chosen:
        a, b = (np.asarray(at.get(frame, nothing), np.int64) for at in (f_at, t_at))
        i, j = match(f_place[a], t_place[b], radius, f_kind[a] if params.by_kind else None, t_kind[b])
        counts = t_inner[b[j]]
        f_pairs.append(a[i[counts]])
        t_pairs.append(b[j[counts]])
        alone = np.setdiff1d(np.arange(len(a)), i), np.setdiff1d(np.arange(len(b)), j)
        false.append(a[alone[0]][f_inner[a[alone[0]]]])
        missed.append(b[alone[1]][t_inner[b[alone[1]]]])
    fi, ti = np.concatenate(f_pairs), np.concatenate(t_pairs)
    step = f_place[fi] - t_place[ti]
    pairs = pd.DataFrame(
        {
            "frame": found["frame"].to_numpy(np.int64)[fi],
            "site": found["site"].to_numpy(np.int64)[fi],
            "reference": truth["site"].to_numpy(np.int64)[ti],
            "d_row": step[:, 0],
            "d_col": step[:, 1],
            "distance_px": np.hypot(*step.T),
            "kind": f_kind[fi],
            "reference_kind": t_kind[ti],
        }
    )
    lost, wrong = _part(truth, np.concatenate(missed)), _part(found, np.concatenate(false))
    tables = by_frame(chosen, pairs, lost, wrong), by_kind(pairs, lost, wrong)
    return Comparison(float(radius), pairs, lost, wrong, *tables, left_out)


def spacing_of(table: pd.DataFrame, frames: Sequence[int]) -> float | None:
    """Return the median nearest-neighbour distance in some of the frames, px; None where no frame has two sites."""
    some = list(frames)[:: max(1, len(frames) // _FRAMES)]
    found = []
    for _, part in table[table["frame"].isin(some)].groupby("frame"):
        place = part[["row", "col"]].to_numpy(np.float64)
        if len(place) > 1:
            found.append(cKDTree(place).query(place, k=2)[0][:, 1])
    distance = np.concatenate(found) if found else np.zeros(0)
    distance = distance[distance > 0]
    return float(np.median(distance)) if len(distance) else None


def _usable(table: pd.DataFrame, vacancies: bool) -> pd.DataFrame:
    """Return the rows that say where something is (or, of vacancies, is missing)."""
    good = np.isfinite(table[["row", "col"]].to_numpy(np.float64)).all(axis=1)
    if "present" in table.columns and not vacancies:
        good &= table["present"].fillna(True).to_numpy(bool)
    return table[good].reset_index(drop=True)


def _choose_frames(
    found: pd.DataFrame, truth: pd.DataFrame, frames: Sequence[int] | None
) -> tuple[list[int], tuple[int, ...]]:
    have, want = set(found["frame"].tolist()), set(truth["frame"].tolist())
    if frames is not None:
        chosen = sorted({int(f) for f in frames})
        if not chosen:
            raise ParameterError("compare: frames is an empty list; name at least one frame, or leave it out")
    elif not have:  # nothing was found at all: all is missed
        chosen = sorted(want)
    else:
        low, high = min(have), max(have)
        chosen = sorted(f for f in want if low <= f <= high)
        if not chosen:
            raise InputError(
                f"compare: the sites are of frames {low} to {high}, the reference of frames {min(want)} to "
                f"{max(want)}; they have none in common: find in those frames, or take the reference of these"
            )
    return chosen, tuple(sorted((have | want) - set(chosen)))


def _radius(truth: pd.DataFrame, frames: Sequence[int], spacings: float) -> float:
    spacing = spacing_of(truth, frames)
    if spacing is None:
        raise ParameterError(
            "compare: no frame of the reference has two sites, so its spacing is not known; give radius_px"
        )
    return spacings * spacing


def _inner(place: np.ndarray, shape: tuple[int, ...], margin: float) -> np.ndarray:
    if not shape or margin <= 0:
        return np.ones(len(place), bool)
    return np.asarray(((place >= margin) & (place <= np.array(shape[-2:]) - 1 - margin)).all(axis=1))


def _part(table: pd.DataFrame, rows: np.ndarray) -> pd.DataFrame:
    keep = [c for c in ("frame", "site", "row", "col", "kind", "score") if c in table.columns]
    return table.iloc[rows][keep].reset_index(drop=True)
