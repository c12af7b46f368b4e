"""The tables of a Structure in a folder: sites as Parquet, what lies between them as CSV."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from atomscope.data import Structure
from atomscope.io.atomic import writing_folder
from atomscope.io.tables import write_table

_TABLES = ("bonds", "angles", "rings", "defects")
_UNITS = {"direction": "rad", "bond_angle": "rad", "row": "px", "col": "px"}
_FILES = frozenset({"sites.parquet", *(f"{name}.csv" for name in _TABLES)})


def write_structure(found: Structure, folder: str | os.PathLike[str]) -> Path:
    """Write ``sites.parquet``, ``bonds.csv``, ``angles.csv``, ``rings.csv`` and ``defects.csv``.

    Units are in the headers (``row [px]``); lists of ids have spaces between them. Other files in the folder stay.

    Raises
    ------
    SaveError
        If the folder cannot be written; what was there before is untouched.
    """
    folder = Path(folder)
    with writing_folder(folder, keep=_FILES) as beside:
        write_table(found.sites, beside / "sites.parquet")
        for name in _TABLES:
            written(getattr(found, name)).to_csv(beside / f"{name}.csv", index=False, lineterminator="\n")
    return folder


def written(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with units in its headers and lists of ids as text."""
    lists = [c for c in table.columns if len(table) and isinstance(table[c].iloc[0], tuple)]
    table = table.assign(**{c: [" ".join(map(str, ids)) for ids in table[c]] for c in lists})
    return table.rename(columns={c: f"{c} [{unit}]" for c, unit in _UNITS.items()})
