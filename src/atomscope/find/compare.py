"""Sites against a reference: who meets whom, what was missed, what is false."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components, min_weight_full_bipartite_matching
from scipy.spatial import cKDTree

from atomscope.data import Sites
from atomscope.data.params import CompareParams
from atomscope.errors import InputError, ParameterError

#: Frames that the spacing of a reference is measured in.
_FRAMES = 16
#: Clumps of at most so many possible pairs are solved as a full table.
_DENSE = 1 << 22


@dataclass(frozen=True)
class Comparison:
    """What came of laying sites beside a reference.

    Attributes
    ----------
    radius_px : float
        Farther apart than this two sites were not the same.
    pairs : pandas.DataFrame
        ``frame``, ``site``, ``reference`` (its site id), ``d_row``, ``d_col``, ``distance_px`` (found minus
        reference), ``kind``, ``reference_kind``.
    missed, false : pandas.DataFrame
        ``frame``, ``site``, ``row``, ``col``, ``kind``: of the reference without a partner, and of the sites.
    frames : pandas.DataFrame
        A row per frame: ``frame``, ``matched``, ``missed``, ``false``, ``precision``, ``recall``, ``f1``, ``rms_px``.
    kinds : pandas.DataFrame
        A row per kind: ``kind``, ``found``, ``reference``, ``precision`` (of those found, how many stand where there is
        something), ``recall`` (of the reference, how many were found), ``same_kind`` (pairs of one kind) and ``f1`` of
        the kind itself: 2 same_kind / (found + reference).
    left_out : tuple of int
        Frames of one of the two that were not compared, because the other one does not cover them.
    """

    radius_px: float
    pairs: pd.DataFrame
    missed: pd.DataFrame
    false: pd.DataFrame
    frames: pd.DataFrame
    kinds: pd.DataFrame
    left_out: tuple[int, ...] = ()

    @property
    def precision(self) -> float:
        """Share of the sites that are in the reference; NaN without sites."""
        return _ratio(len(self.pairs), len(self.pairs) + len(self.false))

    @property
    def recall(self) -> float:
        """Share of the reference that was found; NaN without a reference."""
        return _ratio(len(self.pairs), len(self.pairs) + len(self.missed))

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return _ratio(2 * len(self.pairs), 2 * len(self.pairs) + len(self.false) + len(self.missed))

    @property
    def rms_px(self) -> float:
        """Root mean square of the distance an axis, sqrt(mean(d_row**2 + d_col**2) / 2), px; NaN without pairs."""
        return _rms(self.pairs["distance_px"].to_numpy())

    @property
    def bias_px(self) -> tuple[float, float]:
        """Mean (row, col) of found minus reference, px."""
        if not len(self.pairs):
            return float("nan"), float("nan")
        return float(self.pairs["d_row"].mean()), float(self.pairs["d_col"].mean())

    def summary(self) -> dict[str, float]:
        """Return the numbers of the whole by name."""
        return {
            "matched": len(self.pairs),
            "missed": len(self.missed),
            "false": len(self.false),
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "rms_px": self.rms_px,
            "radius_px": self.radius_px,
        }


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
    tables = _by_frame(chosen, pairs, lost, wrong), _by_kind(pairs, lost, wrong)
    return Comparison(float(radius), pairs, lost, wrong, *tables, left_out)


def match(
    a: np.ndarray,
    b: np.ndarray,
    radius: float,
    kind_a: np.ndarray | None = None,
    kind_b: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the best one-to-one pairs of two point sets, closer than a radius.

    Parameters
    ----------
    a, b : numpy.ndarray, shape (n, 2) and (m, 2), px
    radius : float, px
    kind_a, kind_b : numpy.ndarray, optional
        Only points of the same kind may be a pair, when both are given.

    Returns
    -------
    i, j : numpy.ndarray, int
        ``a[i]`` meets ``b[j]``; ascending in ``i``.

    References
    ----------
    R. Jonker and A. Volgenant, "A shortest augmenting path algorithm for dense and sparse linear assignment
    problems", Computing 38, 325 (1987).
    """
    nothing = np.zeros(0, np.int64)
    if not len(a) or not len(b):
        return nothing, nothing
    near = cKDTree(a).sparse_distance_matrix(cKDTree(b), radius, output_type="coo_matrix")
    i, j, cost = near.row.astype(np.int64), near.col.astype(np.int64), near.data**2
    if kind_a is not None and kind_b is not None:
        same = kind_a[i] == kind_b[j]
        i, j, cost = i[same], j[same], cost[same]
    if not len(i):
        return nothing, nothing
    # Most sites see one partner that sees them alone: only the rest is a problem.
    alone = (np.bincount(i)[i] == 1) & (np.bincount(j)[j] == 1)
    rest_i, rest_j = _assign(i[~alone], j[~alone], cost[~alone], radius)
    out_i, out_j = np.r_[i[alone], rest_i], np.r_[j[alone], rest_j]
    order = np.argsort(out_i, kind="stable")
    return out_i[order], out_j[order]


def _assign(i: np.ndarray, j: np.ndarray, cost: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Assign what competes, clump by clump: every point of the first set gets a partner or stays alone, at a price."""
    if not len(i):
        return i, j
    rows, r = np.unique(i, return_inverse=True)
    cols, c = np.unique(j, return_inverse=True)
    graph = coo_matrix((np.ones(len(r)), (r, c + len(rows))), shape=(len(rows) + len(cols),) * 2)
    clump = connected_components(graph, directed=False)[1][r]
    order = np.argsort(clump, kind="stable")
    out_i, out_j = [], []
    for part in np.split(order, np.flatnonzero(np.diff(clump[order])) + 1):
        left, right = _solve(r[part], c[part], cost[part], radius)
        out_i.append(rows[left])
        out_j.append(cols[right])
    return np.concatenate(out_i), np.concatenate(out_j)


def _solve(r: np.ndarray, c: np.ndarray, cost: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Solve one clump of candidate pairs."""
    rows, r = np.unique(r, return_inverse=True)
    cols, c = np.unique(c, return_inverse=True)
    n, m = len(rows), len(cols)
    # To stay alone costs more than all that a clump could win by it: as many pairs as possible come first.
    price = radius**2 * (1.0 + min(n, m))
    if n * m <= _DENSE:
        table = np.full((n, m), price)
        table[r, c] = cost
        left, right = linear_sum_assignment(table)
        real = table[left, right] < price
    else:
        tiny = 1e-9 * radius**2  # the solver takes a cost of 0 for no pair
        values = np.r_[cost + tiny, np.full(n, price)]
        where = np.r_[r, np.arange(n)], np.r_[c, m + np.arange(n)]
        left, right = min_weight_full_bipartite_matching(csr_matrix((values, where), shape=(n, m + n)))
        real = right < m
    return rows[left[real]], cols[right[real]]


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


def _by_frame(frames: list[int], pairs: pd.DataFrame, missed: pd.DataFrame, false: pd.DataFrame) -> pd.DataFrame:
    count = [t["frame"].value_counts().reindex(frames, fill_value=0).to_numpy() for t in (pairs, missed, false)]
    matched, lost, wrong = (c.astype(np.int64) for c in count)
    square = (pairs["distance_px"] ** 2).groupby(pairs["frame"]).mean().reindex(frames).to_numpy(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return pd.DataFrame(
            {
                "frame": np.array(frames, np.int64),
                "matched": matched,
                "missed": lost,
                "false": wrong,
                "precision": matched / (matched + wrong),
                "recall": matched / (matched + lost),
                "f1": 2 * matched / (2 * matched + wrong + lost),
                "rms_px": np.sqrt(square / 2),
            }
        )


def _by_kind(pairs: pd.DataFrame, missed: pd.DataFrame, false: pd.DataFrame) -> pd.DataFrame:
    names = sorted({*pairs["kind"], *pairs["reference_kind"], *missed["kind"].astype(str), *false["kind"].astype(str)})
    rows = []
    for name in names:
        hit, met = int((pairs["kind"] == name).sum()), int((pairs["reference_kind"] == name).sum())
        found = hit + int((false["kind"].astype(str) == name).sum())
        wanted = met + int((missed["kind"].astype(str) == name).sum())
        same = int(((pairs["kind"] == name) & (pairs["reference_kind"] == name)).sum())
        rows.append(
            (name, found, wanted, _ratio(hit, found), _ratio(met, wanted), same, _ratio(2 * same, found + wanted))
        )
    return pd.DataFrame(rows, columns=["kind", "found", "reference", "precision", "recall", "same_kind", "f1"])


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def _rms(distance: np.ndarray) -> float:
    return float(np.sqrt((distance**2).mean() / 2)) if len(distance) else float("nan")
