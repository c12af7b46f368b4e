"""A column painted over areas: the labels of a segmentation, or the cells round the sites; one frame at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dask.array as da
import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from atomscope.data import Sites, Stack
from atomscope.data.columns import angle_order
from atomscope.display import colors
from atomscope.display.layers import spacing
from atomscope.display.spatial import LayerData, note, spatial_kwargs
from atomscope.errors import InputError, ShapeError


def overlay_layer(
    stack: Stack,
    sites: Sites,
    column: str,
    *,
    labels: Any = None,
    label_column: str | None = None,
    reach_px: float | None = None,
    colormap: str | None = None,
    symmetry_order: int | None = None,
) -> LayerData:
    """Return a lazy Image layer that paints a column over areas; NaN (transparent) where there is none.

    Parameters
    ----------
    stack : Stack
    sites : Sites
    column : str
        Column of numbers or classes (classes are painted as their number).
    labels : array, shape of the stack, int, optional
        Segmentation, numbered from 1 in each frame. When absent each pixel belongs to its nearest site.
    label_column : str, optional
        Column that holds the label of each site; ``label`` if there is one, else ``site``.
    reach_px : float, optional
        Pixels farther from every site stay empty; by default 0.75 spacings, for grid sites half a step.
    colormap : str, optional
    symmetry_order : int, optional
        Angles are painted modulo ``2 pi / n``; by default as the column ``angle_order`` says.

    Raises
    ------
    InputError
        If there is no such column.
    ShapeError
        If ``labels`` has another shape than the stack.
    """
    table = sites.table
    if column not in table.columns:
        raise InputError(f"overlay of {column!r}: there is no such column; there are {list(map(str, table.columns))}")
    values, span = _values(table, column, angle_order(table, symmetry_order))
    by_frame = _Rows(table["frame"].to_numpy(np.int64))
    if labels is None:
        paint = _cells(table, values, by_frame, stack, reach_px)
        data = _lazy(paint, stack, None)
    else:
        if tuple(labels.shape) != stack.shape:
            raise ShapeError(f"overlay: labels of shape {tuple(labels.shape)} over a stack of shape {stack.shape}")
        name = label_column or ("label" if "label" in table.columns else "site")
        data = _lazy(_painted(table[name].to_numpy(np.int64), values, by_frame), stack, labels)
    kwargs = {
        "name": f"{stack.name} {column}",
        "colormap": colormap or colors.default_colormap(column),
        "contrast_limits": span,
        "opacity": 0.6,
        "interpolation2d": "nearest",
        "cache": False,  # a new column must not show frames of the old one
        "metadata": note("overlay", stack, color=column),
        **spatial_kwargs(stack.axes),
    }
    return data, kwargs, "image"


def _values(table: pd.DataFrame, column: str, order: int) -> tuple[np.ndarray, tuple[float, float]]:
    given = colors.as_numbers(table[column])
    if not pd.api.types.is_numeric_dtype(given.dtype):
        codes = given.astype("category").cat.codes.to_numpy().astype(np.float32)
        values = np.where(codes < 0, np.float32(np.nan), codes)
    else:
        values = given.to_numpy(dtype=np.float32, na_value=np.nan)
    if colors.is_angle(column):
        values = colors.fold(values, order).astype(np.float32)
    return values, colors.limits(values, column, order)


class _Rows:
    """Rows of the table by frame, found by bisection."""

    def __init__(self, frame: np.ndarray) -> None:
        self._order = np.argsort(frame, kind="stable")
        self._sorted = frame[self._order]

    def __call__(self, frame: int) -> np.ndarray:
        low, high = np.searchsorted(self._sorted, (frame, frame + 1))
        return self._order[low:high]


Paint = Callable[[int, np.ndarray | None], np.ndarray]


def _painted(label: np.ndarray, values: np.ndarray, by_frame: _Rows) -> Paint:
    def paint(frame: int, mask: np.ndarray | None) -> np.ndarray:
        mask = np.asarray(mask)
        rows = by_frame(frame)
        rows = rows[np.argsort(label[rows], kind="stable")]
        known = label[rows]
        if not len(known):
            return np.full(mask.shape, np.nan, np.float32)
        place = np.minimum(np.searchsorted(known, mask), len(known) - 1)
        return np.where(known[place] == mask, values[rows][place], np.float32(np.nan))

    return paint


def _cells(table: pd.DataFrame, values: np.ndarray, by_frame: _Rows, stack: Stack, reach_px: float | None) -> Paint:
    where = table[["row", "col"]].to_numpy(np.float64)
    step = spacing(table) or 8.0
    grid = len(table) > 0 and bool((table["kind"].astype(str) == "grid").all())
    reach = reach_px or step * (0.5 + 1e-6 if grid else 0.75)
    shape = stack.frame_shape

    def paint(frame: int, _: np.ndarray | None) -> np.ndarray:
        rows = by_frame(frame)
        rows = rows[np.isfinite(where[rows]).all(axis=1)]
        out = np.full(shape, np.nan, np.float32)
        if len(rows):
            pixels = np.indices(shape).reshape(2, -1).T
            # Square cells for a grid, Voronoi cells cut by a circle for the rest.
            distance, near = cKDTree(where[rows]).query(pixels, p=np.inf if grid else 2, distance_upper_bound=reach)
            hit = np.isfinite(distance)
            out.reshape(-1)[hit] = values[rows][near[hit]]
        return out

    return paint


def _lazy(paint: Paint, stack: Stack, labels: Any) -> da.Array:
    """Return the painted frames as a dask array, one frame a chunk."""
    navigation, shape = stack.navigation_shape, stack.frame_shape
    chunks = (*((1,) * n for n in navigation), (shape[0],), (shape[1],))

    def block(mask: np.ndarray | None = None, block_info: Any = None) -> np.ndarray:
        index = [bounds[0] for bounds in block_info[None]["array-location"][:-2]]
        frame = int(np.ravel_multi_index(index, navigation)) if navigation else 0
        painted = paint(frame, None if mask is None else mask.reshape(shape))
        return painted.reshape((1,) * len(navigation) + shape)

    meta = np.empty((0,) * (len(navigation) + 2), np.float32)
    if labels is None:
        return da.map_blocks(block, chunks=chunks, dtype=np.float32, meta=meta)
    lazy = labels if isinstance(labels, da.Array) else da.from_array(labels, chunks=chunks, asarray=True)
    return da.map_blocks(block, lazy.rechunk(chunks), dtype=np.float32, meta=meta)
