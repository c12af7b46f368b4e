"""Annotations in files: tables of sites or of regions, painted labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from atomscope.data import Stack
from atomscope.errors import DamagedFileError, FileError, InputError


def read_annotation_file(path: str | Path, stack: Stack, frame: int = 0) -> Any:
    """Read what :func:`read_annotations` takes from a file: a table (.csv, .parquet), or an image of painted labels.

    Labels of one frame belong to ``frame``. A table needs no more than ``row`` and ``col``; units in the header and
    the names X, Y (col, row) are understood.

    Raises
    ------
    FileError
        If it cannot be read.
    """
    from atomscope import io

    where = Path(path).expanduser()
    if where.suffix.lower() in (".csv", ".parquet"):
        return _plain_table(where)
    labels = io.open_stack(where)
    array = np.stack([f for _, f in labels.frames()]).reshape(labels.shape)
    if array.dtype.kind == "f" and np.equal(np.mod(array, 1), 0).all():
        array = array.astype(np.int64)
    return {frame: array} if array.shape == stack.frame_shape else array


def read_regions_file(path: str | Path) -> pd.DataFrame:
    """Read rectangles: a table with the columns ``frame, row0, col0, row1, col1`` (px)."""
    table = _plain_table(Path(path).expanduser())
    missing = [c for c in ("frame", "row0", "col0", "row1", "col1") if c not in table.columns]
    if missing:
        raise InputError(f"{path}: wanted the columns frame, row0, col0, row1, col1; missing {missing}")
    return table


def _plain_table(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise FileError(f"{path}: no such file")
    try:
        table = pd.read_parquet(path) if path.suffix.lower() == ".parquet" else pd.read_csv(path)
    except Exception as error:
        raise DamagedFileError(f"{path}: cannot be read as a table ({type(error).__name__}: {error})") from error
    table.columns = [str(c).split("[")[0].strip() for c in table.columns]
    if {"X", "Y"} <= set(table.columns) and not {"row", "col"} & set(table.columns):
        table = table.rename(columns={"X": "col", "Y": "row"})
    return table
