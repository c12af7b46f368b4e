"""The columns that reading the structure adds to a site table, and the rows of vacancies."""

from __future__ import annotations

import numpy as np
import pandas as pd

#: Columns of text, of classes (-1 is none) and of yes or no; all others are numbers.
_TEXT = ("kind", "species", "host", "formula", "rings")
_NUMBERS = (
    "species_probability",
    "coordination",
    "bond_length_px",
    "lattice_fit",
    "strain_rr",
    "strain_cc",
    "strain_rc",
    "lattice_rotation",
    "displacement_row",
    "displacement_col",
)
_AXIS = {"displacement_row": 0, "displacement_col": 1}


def blank_columns(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return the new columns of a table, still without values."""
    n = len(table)
    out: dict[str, np.ndarray] = {name: np.full(n, "", dtype=object) for name in _TEXT}
    out |= {name: np.full(n, np.nan) for name in _NUMBERS}
    out["at_edge"] = np.zeros(n, bool)
    out["defect"] = np.full(n, -1, np.int64)
    return out


def write_frame(
    columns: dict[str, np.ndarray], rows: np.ndarray, read: dict[str, np.ndarray], nodes: np.ndarray, unit: np.ndarray
) -> None:
    """Write the numbers of nodes of a frame into rows; displacements from square pixels into those of the image."""
    for name, values in read.items():
        columns[name][rows] = values[nodes] / unit[_AXIS[name]] if name in _AXIS else values[nodes]


def vacancy_rows(
    frame: int, ids: np.ndarray, place: np.ndarray, read: dict[str, np.ndarray], nodes: np.ndarray
) -> pd.DataFrame:
    """Return the rows of new vacancies; their score is the share of the lattice's votes for a site there."""
    return pd.DataFrame(
        {
            "site": ids,
            "frame": np.full(len(ids), frame, np.int64),
            "row": place[:, 0],
            "col": place[:, 1],
            "score": read["lattice_fit"][nodes],
            "flag": np.full(len(ids), "", dtype=object),
            **{name: values[nodes] for name, values in read.items()},
        }
    )
