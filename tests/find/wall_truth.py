"""How well found walls meet true lines: lengths within a distance of each other."""

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from atomscope.display.walls import path_of


def lines_of(table: pd.DataFrame) -> list[np.ndarray]:
    """Return the walls of one frame's table as lines of close points."""
    out = []
    for _, group in table.groupby("wall"):
        p = path_of(group)
        arc = np.r_[0, np.cumsum(np.hypot(*np.diff(p, axis=0).T))]
        at = np.linspace(0, arc[-1], max(2, round(arc[-1] / 0.25)))
        out.append(np.c_[np.interp(at, arc, p[:, 0]), np.interp(at, arc, p[:, 1])])
    return out


def f1(table: pd.DataFrame, truth: list[np.ndarray], near_px: float = 2.0) -> float:
    """Return F1 of length: how much of the found lies near the true, and of the true near the found."""
    found = lines_of(table)
    if not found or not truth:
        return 0.0
    a, b = np.concatenate(found), np.concatenate(truth)
    precision = np.mean(cKDTree(b).query(a)[0] <= near_px)
    recall = np.mean(cKDTree(a).query(b)[0] <= near_px)
    return float(2 * precision * recall / max(precision + recall, 1e-9))


def across_rms(table: pd.DataFrame, truth: list[np.ndarray]) -> float:
    """Return the rms distance of sites to the nearest true line, of those within 2 px."""
    d = cKDTree(np.concatenate(truth)).query(table[["row", "col"]].to_numpy())[0]
    return float(np.sqrt(np.mean(d[d <= 2] ** 2)))
