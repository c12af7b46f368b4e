"""The columns that reading the structure adds to a site table, and the rows of what is new."""

from __future__ import annotations

import numpy as np
import pandas as pd

from atomscope.neighbours.evidence import Evidence

ADDED = "missed by the finder"
#: A column that stands so many errors over nothing scores one half, as it does to a finder.
_HALF_SCORE = 5.0

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


def new_rows(
    frame: int, ids: np.ndarray, place: np.ndarray, read: dict[str, np.ndarray], nodes: np.ndarray
) -> pd.DataFrame:
    """Return the rows of new sites; the score of a vacancy is the share of the lattice's votes for a site there."""
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


def describe_added(made: pd.DataFrame, fresh: np.ndarray, seen: Evidence, table: pd.DataFrame) -> pd.DataFrame:
    """Write into the first of the new rows what the image says of the columns that it shows.

    Parameters
    ----------
    made : pandas.DataFrame
        Rows of the added columns that are new, then of vacancies.
    fresh : numpy.ndarray, shape (a,), bool
        Which of the added columns are new rows.
    seen : Evidence
    table : pandas.DataFrame
        The table that the rows go to.
    """
    a = len(fresh)
    first = np.arange(len(made)) < fresh.sum()
    height, error = (values[len(values) - a :][fresh] for values in (seen.height, seen.error))
    made["flag"] = np.where(first, ADDED, "").astype(object)
    made.loc[first, "score"] = 1 / (1 + (_HALF_SCORE * error / height) ** 2)
    for name, values in (("amplitude", height), ("amplitude_sd", error)):
        if name in table.columns:
            made[name] = np.full(len(made), np.nan)
            made.loc[first, name] = values
    return made
