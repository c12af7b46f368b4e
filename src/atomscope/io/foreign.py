"""Positions that other programs wrote: which columns are rows, columns and frames."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from atomscope.data import Axis, Sites, default_axes
from atomscope.data.axes import PIXEL
from atomscope.data.provenance import Provenance
from atomscope.errors import InputError
from atomscope.io.units import normalise_unit

#: our column -> names that it has elsewhere, lower case, the likeliest first
_NAMES = {
    "row": ("row", "y", "rows", "pos_y", "y_position", "position_y", "center_y", "centroid_y", "yc", "axis-0", "i"),
    "col": (
        "col",
        "x",
        "column",
        "cols",
        "pos_x",
        "x_position",
        "position_x",
        "center_x",
        "centroid_x",
        "xc",
        "axis-1",
        "j",
    ),
    "frame": ("frame", "t", "slice", "image", "position_t"),
}
_CORE_OTHER = ("site", "kind", "score", "flag")


def sites_from_frame(
    table: pd.DataFrame, source: str, *, axes: Sequence[Axis] | None = None, shape: tuple[int, ...] = ()
) -> Sites:
    """Make Sites of any table with positions; every other column is kept.

    Raises
    ------
    InputError
        If there are no positions, a position is not a number, or positions are in a unit that cannot be
        brought to pixels.
    """
    table = table.loc[:, [c for c in table.columns if not re.fullmatch(r"Unnamed: \d+|", str(c).strip())]]
    split = {c: _split(str(c)) for c in table.columns}
    taken: dict[str, str] = {}
    for ours, names in _NAMES.items():
        column = _find(split, names, set(taken.values()))
        if column is not None:
            taken[ours] = column
    missing = [n for n in ("row", "col") if n not in taken]
    if missing:
        raise InputError(
            f"{source}: no column for {' and '.join(missing)}; wanted a header with row and col, or y and x, "
            f"got {', '.join(repr(str(c)) for c in table.columns) or 'no header'}"
        )
    if axes is None:
        ndim = max(len(shape), 2) if shape else (3 if "frame" in taken else 2)
        axes = default_axes(ndim)
    axes = tuple(axes)
    n = len(table)
    positions = {
        name: _pixels(_number(table[taken[name]], source), split[taken[name]][1], axis, source, taken[name])
        for name, axis in zip(("row", "col"), axes[-2:], strict=True)
    }
    used = set(taken.values())
    frame = _whole(table[taken["frame"]], source, "frame") if "frame" in taken else np.zeros(n, np.int64)
    rest: dict[str, np.ndarray] = {}
    for column in table.columns:
        name = split[column][0]
        if name in ("row", "col") and "[" not in str(column):
            name = str(column)  # row_nm beside row: another program's own column
        if column not in used and name not in ("row", "col", "frame", *_CORE_OTHER, *rest):
            rest[name] = table[column].to_numpy()
    given = {split[c][0]: c for c in table.columns if split[c][0] in _CORE_OTHER}
    site = _whole(table[given["site"]], source, "site") if "site" in given else np.arange(n, dtype=np.int64)
    kind = table[given["kind"]].astype(object).to_numpy() if "kind" in given else np.full(n, "atom", dtype=object)
    score = _number(table[given["score"]], source) if "score" in given else np.ones(n)
    flag = (
        table[given["flag"]].fillna("").astype(str).astype(object).to_numpy()
        if "flag" in given
        else np.full(n, "", dtype=object)
    )
    made = pd.DataFrame(
        {
            "site": site,
            "frame": frame,
            **positions,
            "kind": pd.Categorical(kind),
            "score": score,
            "flag": pd.Series(flag, dtype=object),
            **rest,
        }
    )
    provenance = Provenance(step="read_table", params={"file": Path(source).name}, source=source)
    return Sites(made, axes, tuple(shape), provenance)


def _split(header: str) -> tuple[str, str | None]:
    """Split ``x (nm)``, ``x [px]`` or ``row_nm`` into the name and the unit; the unit is None when none is given."""
    match = re.fullmatch(r"\s*(.*?)\s*[\[(]\s*([^\])]*)\s*[\])]\s*", header)
    if match and match[1]:
        return match[1], match[2]
    match = re.fullmatch(r"\s*(x|y|row|col)_(px|nm|pm|um|angstrom|a)\s*", header, re.IGNORECASE)
    return (match[1], match[2]) if match else (header.strip(), None)


def _find(split: dict[str, tuple[str, str | None]], names: Sequence[str], used: set[str]) -> str | None:
    """Prefer a column in pixels (or without a unit) over one in nm."""
    for pixels in (True, False):
        for name in names:
            for column, (plain_name, unit) in split.items():
                known = normalise_unit(unit)
                in_pixels = known is not None and known[0] == PIXEL
                if column not in used and plain_name.lower() == name and in_pixels == pixels:
                    return column
    return None


def _number(values: pd.Series, source: str) -> np.ndarray:
    try:
        return pd.to_numeric(values).to_numpy(np.float64)
    except (ValueError, TypeError) as error:
        raise InputError(f"{source}: column {values.name!r}: wanted numbers ({error})") from error


def _whole(values: pd.Series, source: str, name: str) -> np.ndarray:
    numbers = _number(values, source)
    if len(numbers) and not (np.isfinite(numbers).all() and (numbers == np.round(numbers)).all()):
        raise InputError(f"{source}: column {name!r}: wanted whole numbers")
    return numbers.astype(np.int64)


def _pixels(values: np.ndarray, unit: str | None, axis: Axis, source: str, column: str) -> np.ndarray:
    known = normalise_unit(unit)
    if known is None:
        raise InputError(f"{source}: column {column!r}: the unit {unit!r} is not known")
    if known[0] == PIXEL:
        return values
    if axis.unit != known[0]:
        raise InputError(
            f"{source}: column {column!r} is in {unit}, but the pixel size is not known; "
            "give axes=stack.axes of the image that the positions lie in"
        )
    return (values * known[1] - axis.offset) / axis.scale
