"""Walls as rows of the site table, and their lengths."""

from __future__ import annotations

import numpy as np
import pandas as pd

from atomscope.data import Sites
from atomscope.errors import InputError
from atomscope.find.walls.curves import Curve, resample

#: Columns that finding walls writes beside site, frame, row, col, kind, score and flag.
COLUMNS = ("wall", "arc_px", "length_px", "angle", "angle_order", "curvature", "closed")


def wall_rows(curves: list[Curve], score: np.ndarray, spacing_px: float) -> pd.DataFrame:
    """Return the sites of a frame's walls; ``score``, shape (rows, cols), is read at each."""
    parts = []
    for number, curve in enumerate(curves):
        columns = resample(curve, spacing_px)
        at = [
            np.clip(np.rint(columns[k]).astype(int), 0, n - 1) for k, n in zip(("row", "col"), score.shape, strict=True)
        ]
        part = pd.DataFrame(columns)
        part["score"] = score[at[0], at[1]].astype(np.float64)
        part["wall"], part["closed"] = number, curve.closed
        parts.append(part)
    if not parts:
        return empty_rows()
    table = pd.concat(parts, ignore_index=True)
    table["flag"] = pd.Series([""] * len(table), dtype=object)
    table["angle_order"] = 2
    return table[["row", "col", "score", "flag", *COLUMNS]]


def empty_rows() -> pd.DataFrame:
    """Return the table of a frame without walls."""
    kinds = {"flag": object, "wall": np.int64, "angle_order": np.int64, "closed": bool}
    names = ("row", "col", "score", "flag", *COLUMNS)
    return pd.DataFrame({n: pd.Series([], dtype=kinds.get(n, np.float64)) for n in names})


def wall_lengths(sites: Sites | pd.DataFrame) -> pd.DataFrame:
    """Return how long each wall is.

    Parameters
    ----------
    sites : Sites or DataFrame
        From :func:`find_walls`.

    Returns
    -------
    pandas.DataFrame
        A row a wall: ``frame``, ``wall``, ``length_px``, ``length_nm`` (NaN without a calibration), ``closed``,
        ``sites`` (their number).

    Raises
    ------
    InputError
        If the table does not hold walls.
    """
    table = sites.table if isinstance(sites, Sites) else sites
    missing = [c for c in ("wall", "length_px", "length_nm") if c not in table.columns]
    if missing:
        raise InputError(f"wall_lengths: wanted the sites of walls, the columns {missing} are missing; use find_walls")
    groups = table.groupby(["frame", "wall"], sort=True)
    out = groups[["length_px", "length_nm"]].sum(min_count=1)
    out["closed"] = groups["closed"].first() if "closed" in table else False
    out["sites"] = groups.size()
    return out.reset_index()
