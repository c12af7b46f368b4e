"""Labels become numbers: where each particle is, how large, which way it points."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.spatial import ConvexHull, QhullError

#: Columns that measuring writes, in this order.
COLUMNS = ("row", "col", "area", "major", "minor", "eccentricity", "angle", "solidity")


def measure(labels: np.ndarray, weight: np.ndarray | None = None) -> pd.DataFrame:
    """Measure every particle of a label image.

    Parameters
    ----------
    labels : numpy.ndarray, shape (rows, cols), int
        1 to n, 0 outside.
    weight : numpy.ndarray, shape (rows, cols), optional
        How much a pixel counts (such as a probability); all the same when absent.

    Returns
    -------
    pandas.DataFrame, n rows, in order of the labels
        ``label``; ``row``, ``col`` (px); ``area`` (px); ``major``, ``minor`` (px): axes of the ellipse with the same
        second moments; ``eccentricity``; ``angle`` of the major axis (rad, 0 along +col, +pi/2 along +row, in
        (-pi/2, pi/2]); ``solidity``: area over that of the convex hull; ``edge``: whether it touches the image's edge.
    """
    index = np.flatnonzero(labels)
    of = labels.ravel()[index]
    row, col = np.divmod(index, labels.shape[1])
    w = np.ones(len(of)) if weight is None else weight.ravel()[index].astype(np.float64)
    names = np.unique(of)
    at = np.searchsorted(names, of)
    n = len(names)

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(at, values, minlength=n)

    area, mass = total(np.ones(len(of))), np.maximum(total(w), 1e-12)
    mr, mc = total(w * row) / mass, total(w * col) / mass
    dr, dc = row - mr[at], col - mc[at]
    # A pixel is a square, not a point: 1/12 each.
    rr, cc, rc = total(w * dr**2) / mass + 1 / 12, total(w * dc**2) / mass + 1 / 12, total(w * dr * dc) / mass
    half, spread = (rr + cc) / 2, np.hypot((cc - rr) / 2, rc)
    long, short = half + spread, np.maximum(half - spread, 0)
    angle = 0.5 * np.arctan2(2 * rc, cc - rr)
    edge = (total(((row == 0) | (col == 0) | (row == labels.shape[0] - 1) | (col == labels.shape[1] - 1)) * 1.0)) > 0
    order = np.argsort(at, kind="stable")
    pieces = np.split(order, np.cumsum(np.bincount(at, minlength=n))[:-1]) if n else []
    solidity = [_solidity(row[p], col[p]) for p in pieces]
    return pd.DataFrame(
        {
            "label": names.astype(np.int64),
            "row": mr,
            "col": mc,
            "area": area,
            "major": 4 * np.sqrt(long),
            "minor": 4 * np.sqrt(short),
            "eccentricity": np.sqrt(np.clip(1 - short / np.maximum(long, 1e-12), 0, 1)),
            "angle": np.where(angle <= -np.pi / 2, np.pi / 2, angle),
            "solidity": np.array(solidity, np.float64),
            "edge": edge,
        }
    )


def _solidity(row: np.ndarray, col: np.ndarray) -> float:
    """Return the number of pixels over the area of the convex hull of their corners."""
    # Of each line only the ends can lie on the hull.
    lines = np.unique(row)
    first, last = np.full(len(lines), np.inf), np.full(len(lines), -np.inf)
    at = np.searchsorted(lines, row)
    np.minimum.at(first, at, col)
    np.maximum.at(last, at, col)
    ends = np.concatenate([np.c_[lines + s, x] for s in (-0.5, 0.5) for x in (first - 0.5, last + 0.5)])
    try:
        return float(len(row) / ConvexHull(ends).volume)
    except QhullError:  # cannot happen with corners of whole pixels, and must not end a movie
        return float("nan")
