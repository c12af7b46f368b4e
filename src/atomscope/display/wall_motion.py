"""Walls that move: their sites coloured by how far, the map of where they hang, the pins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from atomscope.data import Axis, Sites, Stack
from atomscope.display.spatial import LayerData, coordinates, note, spatial_kwargs
from atomscope.errors import InputError

#: What can be shown of a moving wall, with what it is called, best for a first look first.
COLUMNS = {"displacement_nm": "displacement", "displacement_px": "displacement", "speed_nm_s": "speed", "lag_px": "lag"}


def wall_motion_layers(
    stack: Stack,
    sites: Sites,
    *,
    pins: pd.DataFrame | None = None,
    score: np.ndarray | None = None,
    grid_px: float = 1.0,
    origin: tuple[float, float] = (0.0, 0.0),
    shift_px: np.ndarray | None = None,
    color_by: str = "displacement_px",
) -> list[LayerData]:
    """Return the layers of moving walls: sites by their displacement; with pins, the map of the score and the pins.

    Parameters
    ----------
    stack : Stack
        The movie.
    sites : Sites
        Walls that were followed.
    pins : pandas.DataFrame, optional
        ``row``, ``col`` (px), and more, which becomes the layer's features.
    score : numpy.ndarray, shape (rows, cols), optional
        Of the map.
    grid_px : float
        Side of a cell of the map.
    origin : (float, float)
        Place of cell (0, 0), px.
    shift_px : numpy.ndarray, shape (frames, 2), optional
        Drift that was taken out: pins are then drawn in each frame where they lie there, else in all frames at once.
    color_by : str
        Column that colours the sites.

    Returns
    -------
    list of (data, kwargs, layer type)

    Raises
    ------
    InputError
        If the walls were not followed, or the column is unknown.
    """
    out = [moving_sites_layer(stack, sites, color_by)]
    if score is not None:
        out.append(pin_map_layer(stack, score, grid_px, origin))
    if pins is not None:
        out.append(pins_layer(stack, pins, shift_px))
    return out


def moving_sites_layer(stack: Stack, sites: Sites, color_by: str = "displacement_px") -> LayerData:
    """Return the sites of walls as Points, from blue (against the normal) over grey (at rest) to red.

    Sites without a displacement are not drawn; the layer's features have all columns of those that are.

    Raises
    ------
    InputError
        If there is no such column.
    """
    table = sites.table
    if color_by not in table.columns or "wall_track" not in table.columns:
        known = [name for name in COLUMNS if name in table.columns]
        raise InputError(f"wall motion: the sites have no column {color_by!r}; follow the walls first; known: {known}")
    data, shown = coordinates(table, stack.navigation_shape)
    values = table[color_by].to_numpy(np.float64)
    shown = shown & np.isfinite(values)
    top = float(np.percentile(np.abs(values[shown]), 98)) if shown.any() else 1.0
    top = top if top > 0 else 1.0
    kwargs: dict[str, Any] = {
        "name": f"{stack.name} wall {COLUMNS.get(color_by, color_by)}",
        "features": table[shown].reset_index(drop=True),
        "size": 3.0,
        "border_width": 0.0,
        "face_color": _two_sided(values[shown] / top),
        "ndim": len(stack.shape),
        "metadata": note("wall motion", stack, column=color_by, limit=top),
        **spatial_kwargs(stack.axes),
    }
    return data[shown], kwargs, "points"


def _two_sided(values: np.ndarray) -> np.ndarray:
    """Return colours (n, 4) of values from -1 (blue) over 0 (light grey) to 1 (red)."""
    low, middle, high = np.array([[0.13, 0.4, 0.67], [0.87, 0.87, 0.87], [0.7, 0.09, 0.17]])
    part = np.clip(values, -1, 1)[:, None]
    mixed = np.where(part < 0, middle + (low - middle) * -part, middle + (high - middle) * part)
    return np.c_[mixed, np.ones(len(mixed))]


def pin_map_layer(
    stack: Stack, score: np.ndarray, grid_px: float = 1.0, origin: tuple[float, float] = (0.0, 0.0)
) -> LayerData:
    """Return the map of the score as an Image over the pixels; clear where no wall came or none stayed behind."""
    cells = tuple(
        Axis(a.name, a.scale * grid_px, a.unit, a.offset + a.scale * first)
        for a, first in zip(stack.pixel_axes, origin, strict=True)
    )
    found = np.asarray(score, np.float32)
    top = float(np.nanmax(found)) if np.isfinite(found).any() else 1.0
    kwargs = {
        "name": f"{stack.name} pinning",
        "colormap": "inferno",
        "contrast_limits": (0.0, max(top, 1.0)),
        "blending": "additive",
        "opacity": 0.6,
        "metadata": note("pinning", stack),
        **spatial_kwargs(cells),
    }
    return np.nan_to_num(np.maximum(found, 0.0), nan=0.0), kwargs, "image"


def pins_layer(stack: Stack, pins: pd.DataFrame, shift_px: np.ndarray | None = None) -> LayerData:
    """Return pins as rings, in all frames at once; with a drift, in each frame where they lie there."""
    places = pins[["row", "col"]].to_numpy(np.float64)
    features = pins.reset_index(drop=True)
    axes: tuple[Axis, ...] = stack.pixel_axes
    if shift_px is not None and len(stack.navigation_shape) == 1:
        frames = np.repeat(np.arange(len(shift_px)), len(places))
        places = np.c_[frames, np.tile(places, (len(shift_px), 1)) + np.asarray(shift_px)[frames]]
        features, axes = pd.concat([features] * len(shift_px), ignore_index=True), stack.axes
    kwargs = {
        "name": f"{stack.name} pins",
        "features": features,
        "size": 10.0,
        "symbol": "ring",
        "face_color": "transparent" if len(places) == 0 else "#f0e442",
        "border_width": 0.0,
        "ndim": len(axes),
        "metadata": note("pins", stack),
        **spatial_kwargs(axes),
    }
    return places, kwargs, "points"
