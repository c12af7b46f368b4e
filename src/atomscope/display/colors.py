"""A column of the site table as colours."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from atomscope.data.columns import angle_order, describe_unit, folded_name
from atomscope.display.colormaps import table as colormap_table
from atomscope.errors import InputError

#: Colours that stay apart on a grey image and for most eyes (after Okabe and Ito, 2008), then lighter ones.
CLASSES = (
    "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#d55e00", "#cc79a7", "#0072b2", "#b3de69",
    "#fb8072", "#bebada", "#80b1d3", "#fdb462", "#ccebc5", "#ffed6f", "#bc80bd", "#8dd3c7",
)  # fmt: skip
#: What has no value.
MISSING = (0.0, 0.0, 0.0, 0.0)
#: What belongs to no class.
NO_CLASS = (0.6, 0.6, 0.6, 0.4)
#: Sites of which nothing is known but where they are.
PLAIN = "#ff9f1c"
_CLASS_COLUMNS = frozenset(
    {"class", "class_name", "cluster", "kind", "flag", "track", "wall_track", "sublattice", "defect"}
)
_FEW = 16


def is_angle(column: str) -> bool:
    """Whether a column holds directions (rad), to be coloured round a circle."""
    return not column.endswith("_sd") and (
        describe_unit(column) == "rad" or column.split("_")[0].rstrip("0123456789") in ("angle", "theta")
    )


def is_categorical(table: pd.DataFrame, column: str) -> bool:
    """Whether a column names classes: text, categories, booleans, class columns, few whole numbers."""
    values = table[column]
    if column in _CLASS_COLUMNS or not pd.api.types.is_numeric_dtype(values.dtype):
        return True
    if pd.api.types.is_bool_dtype(values.dtype):
        return True
    return bool(pd.api.types.is_integer_dtype(values.dtype) and values.nunique() < _FEW)


def fold(angle: np.ndarray, order: int) -> np.ndarray:
    """Return angles modulo ``2 pi / order``, in [-pi / order, pi / order]."""
    period = 2 * math.pi / order
    return angle - period * np.round(angle / period)


def limits(values: np.ndarray, column: str, order: int = 1) -> tuple[float, float]:
    """Return robust colour limits: the 1st to 99th percentile, or the whole circle for an angle."""
    if is_angle(column):
        return -math.pi / order, math.pi / order
    finite = values[np.isfinite(values)]
    if not len(finite):
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(finite, (1, 99)))
    if not high > low:
        low, high = float(finite.min()), float(finite.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def default_colormap(column: str) -> str:
    """Return ``hsv`` for angles, else ``viridis``."""
    return "hsv" if is_angle(column) else "viridis"


def as_numbers(values: pd.Series) -> pd.Series:
    """Return categories that are whole numbers as numbers, NaN where missing; other columns as they are."""
    if not isinstance(values.dtype, pd.CategoricalDtype):
        return values
    whole = pd.api.types.infer_dtype(values.cat.categories) == "integer"
    return values.astype(object).astype(np.float64) if whole else values


def as_classes(values: pd.Series) -> tuple[pd.Series, dict[Any, tuple[float, ...]]]:
    """Return a column as categories, and the colour of each.

    Classes that are whole numbers stay so and keep their colour whatever other classes are there. What is missing
    becomes -1 (numbers) or ``none``, and grey.
    """
    values = as_numbers(values)
    if pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype):
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        whole = np.where(np.isfinite(numbers) & (numbers >= 0), numbers, -1).astype(np.int64)
        found, codes = np.unique(whole, return_inverse=True)
        names = [int(n) for n in found]
        # Python's integers, not numpy's: napari warns that whole numbers look like classes, which is the wish.
        categories = pd.Index(np.array(names, dtype=object), dtype=object)
        series = pd.Series(pd.Categorical.from_codes(codes, categories), index=values.index, name=values.name)
        return series, {n: rgba(CLASSES[n % len(CLASSES)]) if n >= 0 else NO_CLASS for n in names}
    series = values.astype("category").cat.remove_unused_categories()
    known = list(series.cat.categories)
    palette: dict[Any, tuple[float, ...]] = {n: rgba(CLASSES[i % len(CLASSES)]) for i, n in enumerate(known)}
    if series.isna().any():
        if "none" not in palette:
            series = series.cat.add_categories(["none"])
        series = series.fillna("none")
        palette["none"] = NO_CLASS
    return series, palette


def rgba(color: str) -> tuple[float, ...]:
    """Return (red, green, blue, 1) of ``#rrggbb``."""
    return (*(int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)), 1.0)


def colormap_rgba(values: np.ndarray, colormap: str, contrast_limits: tuple[float, float]) -> np.ndarray:
    """Return the colours of numbers, shape (n, 4), float32; NaN is transparent."""
    low, high = contrast_limits
    colors = colormap_table(colormap)
    values = np.asarray(values, np.float32)
    missing = ~np.isfinite(values)
    place = np.where(missing, 0, (values - np.float32(low)) * np.float32(255 / (high - low)))
    out = colors[np.clip(np.rint(place), 0, 255).astype(np.uint8)]
    out[missing] = MISSING
    return out


def recolor(
    table: pd.DataFrame,
    column: str,
    colormap: str | None = None,
    *,
    symmetry_order: int | None = None,
    direct: bool = True,
) -> dict[str, Any]:
    """Return the Points keywords that colour a table's rows by a column.

    Parameters
    ----------
    table : pandas.DataFrame
        Any columns; rows in the order of the points.
    column : str
    colormap : str, optional
        By default viridis, or hsv for angles; classes have their own colours.
    symmetry_order : int, optional
        Angles are shown modulo ``2 pi / n``; by default as the column ``angle_order`` says.
    direct : bool
        True: ``face_color`` is an array of colours, which napari takes fastest. False: it is the name of a feature,
        so that napari can draw its colour bar; the table of features to set before is then there as ``features``.

    Returns
    -------
    dict
        ``face_color``, shape (n, 4), float32, or a name; ``face_colormap`` and ``face_contrast_limits`` for numbers;
        for classes, when not ``direct``, ``face_color_cycle``.

    Raises
    ------
    InputError
        If there is no such column or (``direct``) colormap.
    """
    if column not in table.columns:
        raise InputError(f"colour by {column!r}: there is no such column; there are {list(map(str, table.columns))}")
    if is_categorical(table, column):
        classes, colors = as_classes(table[column])
        if not direct:
            # napari takes whole numbers for classes too when they are few, but warns; categories it does not.
            return {"features": table.assign(**{column: classes}), "face_color": column, "face_color_cycle": colors}
        palette = np.array([colors[name] for name in classes.cat.categories], np.float32).reshape(-1, 4)
        return {"face_color": palette[classes.cat.codes.to_numpy()]}
    values = table[column].to_numpy(dtype=np.float64, na_value=np.nan)
    order = angle_order(table, symmetry_order)
    if is_angle(column):
        values = fold(values, order)
    colormap = colormap or default_colormap(column)
    span = limits(values, column, order)
    out: dict[str, Any] = {"face_colormap": colormap, "face_contrast_limits": span}
    if direct:
        return {"face_color": colormap_rgba(values, colormap, span), **out}
    if is_angle(column) and order > 1:
        column = folded_name(column, order)
        table = table.assign(**{column: values.astype(np.float32)})
    elif table[column].dtype.kind != "f":  # few whole numbers would be taken for classes
        table = table.assign(**{column: values})
    return {"features": table, "face_color": column, **out}
