"""Columns of a table as text and back: exactly, of the type that they had, and millions of rows in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from csv import reader
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

#: Rows that are made text at once: bounds the memory.
_AT_ONCE = 200_000


def write_text(table: pd.DataFrame, where: Path, separator: str) -> None:
    """Write a table as text, a block of rows at a time, every number so that it is read back exactly."""
    import pyarrow as pa
    from pyarrow import csv

    with where.open("w", encoding="utf-8", newline="") as file:
        pd.DataFrame(columns=table.columns).to_csv(file, index=False, sep=separator, lineterminator="\n")
    with where.open("ab") as file:
        for start in range(0, len(table), _AT_ONCE):
            some = table.iloc[start : start + _AT_ONCE]
            block = {c: _plain(some[c]) for c in some}
            words = {w for v in block.values() if not pd.api.types.is_numeric_dtype(v.dtype) for w in v.unique()}
            quoted = any(set(str(w)) & {separator, '"', "\n", "\r"} for w in words)
            how = csv.WriteOptions(
                include_header=False, delimiter=separator, quoting_style="needed" if quoted else "none"
            )
            csv.write_csv(pa.Table.from_pandas(pd.DataFrame(block), preserve_index=False), file, how)


def read_text(where: Path, separator: str, dtypes: Mapping[str, Any]) -> pd.DataFrame | None:
    """Read what :func:`write_text` wrote, numbers as numbers and all else as text.

    Parameters
    ----------
    where : Path
    separator : str
    dtypes : mapping
        By the header of each column, as its type is told; others are text.

    Returns
    -------
    pandas.DataFrame or None
        None for a file that somebody changed so that a number is none.
    """
    import pyarrow as pa
    from pyarrow import csv

    with where.open(encoding="utf-8-sig", newline="") as file:
        headers = next(reader(file, delimiter=separator), [])
    types = {h: pa.from_numpy_dtype(np.dtype(t)) if _is_number(t) else pa.string() for h, t in dtypes.items()}
    convert = csv.ConvertOptions(
        column_types={h: types.get(h, pa.string()) for h in headers},
        null_values=["", "nan"],
        strings_can_be_null=False,
        quoted_strings_can_be_null=False,
    )
    try:
        table = csv.read_csv(where, parse_options=csv.ParseOptions(delimiter=separator), convert_options=convert)
    except (pa.ArrowException, ValueError):
        return None
    whole = [h for h in headers if h in dtypes and _is_number(dtypes[h]) and not str(dtypes[h]).startswith("float")]
    return None if any(table.column(h).null_count for h in whole) else table.to_pandas()


def _is_number(told: Any) -> bool:
    return isinstance(told, str) and (told in ("float64", "float32") or told.startswith(("int", "uint")))


def _plain(values: pd.Series) -> pd.Series:
    """Return a column as text where a CSV knows no other way to say it."""
    kind = values.dtype
    if isinstance(kind, pd.CategoricalDtype):
        values = values.astype(kind.categories.dtype if not values.isna().any() else object)
        kind = values.dtype
    if pd.api.types.is_bool_dtype(kind) and isinstance(kind, np.dtype):
        values = pd.Series(np.where(values.to_numpy(), "True", "False"), values.index)
    elif pd.api.types.is_object_dtype(kind) or kind == np.dtype("float16"):
        values = values.astype(object).where(values.notna(), "").map(str)
    return values


def column_from_text(values: pd.Series, told: Any) -> pd.Series:
    """Make a column of the type ``told`` (as :func:`_dtype` writes it) from text, exactly.

    pandas' own parser is not exact to the last bit in every version; Python's is.
    """
    kind = told if isinstance(told, str) else ""
    if pd.api.types.is_numeric_dtype(values.dtype) and _is_number(told):
        return values.astype(np.dtype(kind))
    if kind.startswith("float"):
        return pd.Series([np.nan if v in ("", "nan") else float(v) for v in values], dtype=kind)
    if kind.startswith(("int", "uint")):
        return pd.Series([int(v) for v in values], dtype=kind)
    if isinstance(told, Mapping):
        values = values.where(values != "", other=np.nan)
    return restored(values, told)


def restored(values: pd.Series, told: Any) -> pd.Series:
    """Bring a column back to the type that it had."""
    if isinstance(told, Mapping):
        wanted = pd.CategoricalDtype(pd.Index(told["categories"], dtype=told["of"]), bool(told["ordered"]))
        if isinstance(values.dtype, pd.CategoricalDtype) and values.dtype == wanted:
            return values
        if told["of"] not in ("str", "object", "string"):
            values = pd.to_numeric(values, errors="coerce") if told["of"] != "bool" else values.map(_truth)
        return values.astype(wanted)
    if str(values.dtype) == told:
        return values
    if told in ("object", "str", "string"):
        return values.fillna("").astype(told)
    if told == "bool":
        return values.map(_truth).astype(bool)
    return values.astype(told)


def _truth(text: Any) -> bool:
    return str(text).lower() in ("true", "1")
