"""Site tables on disk: Parquet, and CSV with units in the header.

Parquet carries axes, shape, units, exact types and provenance in its schema. A CSV has headers such as ``row [px]``
and, for calibrated data, ``row [nm]`` beside it, so that a spreadsheet shows them as they are; what a CSV cannot say
is in ``<name>.csv-metadata.json`` beside it, a file that the CSV reads without.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from atomscope.data import Axis, Provenance, Sites
from atomscope.data.axes import PIXEL
from atomscope.data.columns import describe_unit
from atomscope.errors import DamagedFileError, FileError, UnknownFormatError
from atomscope.io.atomic import writing_file
from atomscope.io.columns_as_text import column_from_text, read_text, restored, write_text
from atomscope.io.foreign import sites_from_frame
from atomscope.io.plain import to_json

_FORMAT = "atomscope-sites"
_KEY = b"atomscope"


def write_table(sites: Sites, path: str | os.PathLike[str]) -> Path:
    """Write a site table; the ending says how: ``.parquet`` or ``.csv`` (also ``.tsv``).

    Returns
    -------
    Path

    Raises
    ------
    UnknownFormatError
        If the ending is another one.
    SaveError
        If writing failed; an older file is untouched.
    """
    where = Path(path).expanduser()
    kind = where.suffix.lower()
    if kind in (".parquet", ".pq"):
        _write_parquet(sites, where)
    elif kind in (".csv", ".tsv"):
        _write_csv(sites, where)
    else:
        raise UnknownFormatError(f"{where}: wanted a name ending in .parquet or .csv for a table, got {kind!r}")
    return where


def read_table(
    path: str | os.PathLike[str], *, axes: Sequence[Axis] | None = None, shape: tuple[int, ...] = ()
) -> Sites:
    """Read a site table written by :func:`write_table`, or positions that another program wrote.

    Parameters
    ----------
    path : str or Path
        Parquet or CSV. Of other programs' tables the columns ``x``/``y``, ``X``/``Y``, ``col``/``row`` (and
        ``frame``) are understood; x is along columns. A table without ``site`` is numbered.
    axes : sequence of Axis, optional
        Axes of the image that the positions lie in, when the file does not tell; needed for positions in nm.
    shape : tuple of int
        Shape of that image.

    Raises
    ------
    FileError
        If there is no such file.
    UnknownFormatError
        If it is not a table.
    DamagedFileError
        If it is empty or truncated.
    InputError
        If no columns are positions; the message lists those that are there.
    """
    where = Path(path).expanduser()
    if not where.is_file():
        raise FileError(f"{where}: no such table")
    kind = where.suffix.lower()
    if kind not in (".parquet", ".pq", ".csv", ".tsv", ".txt"):
        raise UnknownFormatError(f"{where}: wanted a .parquet or .csv table, got {kind or 'a name without ending'!r}")
    if where.stat().st_size == 0:
        raise DamagedFileError(f"{where}: the file is empty (0 bytes)")
    table, told = _read_parquet(where) if kind in (".parquet", ".pq") else _read_csv(where)
    if told is None:
        return sites_from_frame(table, str(where), axes=axes, shape=shape)
    try:
        stored = tuple(Axis(**a) for a in told["axes"])
        return Sites(
            table,
            tuple(axes) if axes is not None else stored,
            tuple(shape) or tuple(int(n) for n in told["shape"]),
            Provenance.from_dict(told.get("provenance", {})),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedFileError(f"{where}: its description is incomplete ({type(error).__name__}: {error})") from error


def _description(sites: Sites) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "version": 1,
        "axes": [
            {"name": a.name, "scale": a.scale, "unit": a.unit, "offset": a.offset, "kind": a.kind} for a in sites.axes
        ],
        "shape": list(sites.shape),
        "provenance": sites.provenance.as_dict(),
        "units": sites.units(),
        "dtypes": {str(c): _dtype(sites.table[c].dtype) for c in sites.table.columns},
    }


def _dtype(dtype: Any) -> Any:
    if isinstance(dtype, pd.CategoricalDtype):
        return {
            "categories": list(dtype.categories),
            "of": str(dtype.categories.dtype),
            "ordered": bool(dtype.ordered),
        }
    return str(dtype)


def _write_parquet(sites: Sites, where: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(sites.table, preserve_index=False)
    table = table.replace_schema_metadata(
        {**(table.schema.metadata or {}), _KEY: to_json(_description(sites)).encode()}
    )
    with writing_file(where) as beside:
        pq.write_table(table, beside, compression="zstd")


def _read_parquet(where: Path) -> tuple[pd.DataFrame, dict[str, Any] | None]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with where.open("rb") as file:  # a handle of our own: closed whatever happens, unicode paths on every system
            table = pq.read_table(file)
        frame = table.to_pandas()
        text = (table.schema.metadata or {}).get(_KEY)
        told = json.loads(text) if text is not None else None
        if told is not None:
            frame = pd.DataFrame({c: restored(frame[c], told["dtypes"].get(c, str(frame[c].dtype))) for c in frame})
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedFileError(
            f"{where}: cannot be read as Parquet, it looks truncated or damaged ({type(error).__name__}: {error})"
        ) from error
    return frame, told


def sidecar(where: Path) -> Path:
    """Path of the description beside a CSV, named as the W3C recommendation *CSV on the Web* wants it."""
    return where.with_name(where.name + "-metadata.json")


def _write_csv(sites: Sites, where: Path) -> None:
    separator = "\t" if where.suffix.lower() == ".tsv" else ","
    headers, columns = [], {}
    for name in sites.table.columns:
        unit = describe_unit(str(name))
        header = f"{name} [{unit}]" if unit else str(name)
        headers.append((header, str(name)))
        columns[header] = sites.table[name]
        if name == "col":
            columns |= _physical(sites)
    told = {
        "@context": "http://www.w3.org/ns/csvw",
        "url": where.name,
        "dialect": {"delimiter": separator},
        "tableSchema": {"columns": [{"titles": h, "name": n} for h, n in headers]},
        "atomscope": _description(sites),
    }
    with writing_file(where) as beside:
        write_text(pd.DataFrame(columns), beside, separator)
    with writing_file(sidecar(where)) as beside:
        beside.write_text(to_json(told, indent=1) + "\n", encoding="utf-8")


def _physical(sites: Sites) -> dict[str, pd.Series]:
    """Positions in physical units, for people who plot them; they are worked out again when read."""
    out = {}
    for axis, name in zip(sites.axes[-2:], ("row", "col"), strict=True):
        if axis.unit != PIXEL:
            out[f"{name} [{axis.unit}]"] = sites.table[name] * axis.scale + axis.offset
    return out


def _read_csv(where: Path) -> tuple[pd.DataFrame, dict[str, Any] | None]:
    told, names = None, {}
    if sidecar(where).is_file():
        try:
            beside = json.loads(sidecar(where).read_text(encoding="utf-8"))
            told = beside["atomscope"]
            names = {c["titles"]: c["name"] for c in beside["tableSchema"]["columns"]}
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedFileError(
                f"{sidecar(where)}: damaged ({error}); delete it to read {where.name} without its calibration"
            ) from error
    try:
        separator = "\t" if where.suffix.lower() == ".tsv" else ("," if told is not None else None)
        raw = None
        if told is not None and separator is not None:
            raw = read_text(where, separator, {h: told.get("dtypes", {}).get(n) for h, n in names.items()})
        if raw is None:
            raw = pd.read_csv(
                where,
                sep=separator,
                comment="#" if told is None else None,
                keep_default_na=told is None,
                dtype=str if told is not None else None,
                encoding="utf-8-sig",
                engine="python" if separator is None else "c",
            )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, ValueError) as error:
        raise DamagedFileError(f"{where}: cannot be read as a table ({type(error).__name__}: {error})") from error
    if told is None or not set(names) <= set(raw.columns):
        return raw, None  # moved on its own, or changed by hand since: read as any table
    try:
        return pd.DataFrame(
            {names[h]: column_from_text(raw[h], told["dtypes"][names[h]]) for h in raw.columns if h in names}
        ), told
    except (KeyError, ValueError, TypeError) as error:
        raise DamagedFileError(f"{where}: a value does not fit its column ({error})") from error
