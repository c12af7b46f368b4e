"""What every test that knows the truth shares: matching of found to planted sites, and the limit of precision."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree


@dataclass(frozen=True)
class Match:
    """How well found sites meet planted ones.

    ``rms`` is per axis, sqrt(mean(dr**2 + dc**2) / 2), to be laid beside :func:`cramer_rao`; ``bias`` is the mean
    (row, col) error. ``found`` and ``truth`` are positions (integer row numbers) in the inputs of the matched pairs,
    and ``missed`` and ``invented`` of the others that count.
    """

    precision: float
    recall: float
    f1: float
    rms: float
    bias: tuple[float, float]
    found: np.ndarray
    truth: np.ndarray
    missed: np.ndarray
    invented: np.ndarray

    def __iter__(self):
        return iter((self.precision, self.recall, self.f1, self.rms))


def match(found: Any, truth: Any, radius: float, *, shape: tuple[int, ...] | None = None, margin: float = 0.0) -> Match:
    """Match one to one within ``radius`` px, with the smallest sum of squared distances.

    Parameters
    ----------
    found, truth : Sites, DataFrame with row, col (and frame), or array of shape (n, 2)
        Rows of ``truth`` that are not ``present`` (vacancies) are left out.
    shape, margin
        Sites within ``margin`` px of the edges of ``shape`` (its last two numbers) may match but count neither as
        missed nor as invented.
    """
    f, f_frame, _ = _points(found)
    t, t_frame, present = _points(truth)
    f_index, t_index = [np.zeros(0, int)], [np.zeros(0, int)]
    for frame in np.intersect1d(f_frame, t_frame):
        a, b = np.flatnonzero(f_frame == frame), np.flatnonzero((t_frame == frame) & present)
        i, j = _pairs(f[a], t[b], radius)
        f_index.append(a[i])
        t_index.append(b[j])
    fi, ti = np.concatenate(f_index), np.concatenate(t_index)
    inner_f, inner_t = _inside(f, shape, margin), _inside(t, shape, margin) & present
    counted = inner_t[ti]
    # A pair counts when its truth is inside; an unmatched site when it is itself inside.
    tp = int(counted.sum())
    missed = np.setdiff1d(np.flatnonzero(inner_t), ti)
    invented = np.setdiff1d(np.flatnonzero(inner_f), fi)
    precision = tp / (tp + len(invented)) if tp + len(invented) else 0.0
    recall = tp / (tp + len(missed)) if tp + len(missed) else 0.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    error = f[fi[counted]] - t[ti[counted]]
    rms = math.sqrt(float((error**2).sum(1).mean()) / 2) if tp else math.nan
    bias = (float(error[:, 0].mean()), float(error[:, 1].mean())) if tp else (math.nan, math.nan)
    return Match(precision, recall, f1, rms, bias, fi[counted], ti[counted], missed, invented)


def cramer_rao(noise_over_amplitude: Any) -> Any:
    """Least possible standard deviation, px an axis, of the centre of a round 2-D Gaussian in white noise.

    sigma_x = sqrt(2 / pi) * noise / amplitude for pixels of side 1: the width cancels while the column is well
    sampled. Isolated columns; overlapping ones have a higher limit.
    """
    return math.sqrt(2 / math.pi) * np.asarray(noise_over_amplitude, dtype=float)


def circular_correlation(found: np.ndarray, truth: np.ndarray, order: int = 1) -> float:
    """|mean exp(i order (found - truth))|: 1 when the angles agree up to one common offset, modulo 2 pi / order."""
    return float(np.abs(np.mean(np.exp(1j * order * (np.asarray(found) - np.asarray(truth))))))


def _points(sites: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    table = getattr(sites, "table", sites)
    if not isinstance(table, pd.DataFrame):
        points = np.asarray(table, dtype=float).reshape(-1, 2)
        return points, np.zeros(len(points), int), np.ones(len(points), bool)
    points = table[["row", "col"]].to_numpy(float)
    frame = table["frame"].to_numpy(int) if "frame" in table else np.zeros(len(table), int)
    present = table["present"].to_numpy(bool) if "present" in table else np.ones(len(table), bool)
    return points, frame, present


def _inside(points: np.ndarray, shape: tuple[int, ...] | None, margin: float) -> np.ndarray:
    if shape is None:
        return np.ones(len(points), bool)
    return np.all((points >= margin) & (points <= np.array(shape[-2:]) - 1 - margin), axis=1)


def _pairs(a: np.ndarray, b: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Return indices of the best one-to-one pairs of two point sets, each connected clump solved exactly."""
    if not len(a) or not len(b):
        return np.zeros(0, int), np.zeros(0, int)
    near = cKDTree(a).sparse_distance_matrix(cKDTree(b), radius, output_type="coo_matrix")
    i, j, cost = near.row, near.col, near.data**2
    graph = coo_matrix((np.ones(len(i)), (i, j + len(a))), shape=(len(a) + len(b),) * 2)
    clump = connected_components(graph, directed=False)[1][i]
    alone = np.bincount(clump)[clump] == 1
    out_i, out_j = [i[alone]], [j[alone]]
    for c in np.unique(clump[~alone]):
        here = clump == c
        rows, at_r = np.unique(i[here], return_inverse=True)
        cols, at_c = np.unique(j[here], return_inverse=True)
        # As many pairs as possible first, then the shortest: an absent pair costs more than all others together.
        table = np.full((len(rows), len(cols)), 1e3 * radius**2 * (1 + len(rows)))
        table[at_r, at_c] = cost[here]
        r, k = linear_sum_assignment(table)
        real = table[r, k] <= radius**2
        out_i.append(rows[r[real]])
        out_j.append(cols[k[real]])
    return np.concatenate(out_i), np.concatenate(out_j)
