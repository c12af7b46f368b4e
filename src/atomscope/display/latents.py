"""Latents as pictures: maps of grids and scans, manifolds and traversals with their ticks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from atomscope.data import Axis, Stack
from atomscope.display import colors
from atomscope.display.pictures import manifold_layer
from atomscope.display.spatial import LayerData, note, spatial_kwargs


def map_layer(
    stack: Stack, values: np.ndarray, axes: Sequence[Axis], column: str, *, colormap: str | None = None, order: int = 1
) -> LayerData:
    """Return a map of a column as an Image layer, at its place and pixel size.

    Parameters
    ----------
    stack : Stack
        What the sites lie in: named in the layer's metadata.
    values : numpy.ndarray, shape of ``axes``, float32
        NaN where there is no site.
    axes : sequence of Axis
        One an axis of ``values``.
    column : str
    colormap : str, optional
    order : int
        Angles are shown modulo ``2 pi / order``.
    """
    if colors.is_angle(column):
        values = colors.fold(values, order).astype(np.float32)
    kwargs = {
        "name": f"{stack.name} map of {column}",
        "colormap": colormap or colors.default_colormap(column),
        "contrast_limits": colors.limits(values.ravel(), column, order),
        "interpolation2d": "nearest",
        "metadata": note("map", stack, color=column),
        **spatial_kwargs(axes),
    }
    return values, kwargs, "image"


def grid_axes(
    stack: Stack, origin: tuple[float, float], step: tuple[float, float], frames: np.ndarray, ndim: int
) -> list[Axis]:
    """Return the axes of a map whose cells lie ``step`` px apart from ``origin`` px on."""
    row, col = stack.pixel_axes
    axes = [
        Axis(axis.name, axis.scale * step[i], axis.unit, axis.offset + axis.scale * origin[i])
        for i, axis in enumerate((row, col))
    ]
    if ndim == 3:  # several frames of a movie
        lead = stack.axes[0] if len(stack.navigation_shape) == 1 else Axis("frame", kind="navigation")
        every = float(np.diff(frames).min()) if len(frames) > 1 else 1.0
        axes.insert(
            0, Axis(lead.name, lead.scale * every, lead.unit, lead.offset + lead.scale * float(frames[0]), lead.kind)
        )
    return axes


def ticked_layers(
    stack: Stack,
    mosaic: np.ndarray,
    tile: tuple[int, int],
    rows: Sequence[str],
    cols: Sequence[str],
    *,
    name: str,
    gap: int = 1,
    **meta: Any,
) -> list[LayerData]:
    """Return a mosaic of decoded patches as an Image layer and its ticks as a Points layer of texts.

    Parameters
    ----------
    stack : Stack
        Gives place, pixel size and units: the mosaic lies to the right of the image.
    mosaic : numpy.ndarray, shape (rows, cols)
    tile : tuple of int
        (rows, cols) of a picture, px; between two there is a ``gap``.
    rows, cols : sequence of str
        Text of each row of pictures (written to their left) and of each column (above).
    name : str
    gap : int, px
    **meta
        Kept in the metadata of both.
    """
    image = manifold_layer(stack, mosaic, name=name, rows=list(rows), cols=list(cols), tile=list(tile), **meta)
    place = image[1]
    down = np.arange(len(rows)) * (tile[0] + gap) + (tile[0] - 1) / 2
    across = np.arange(len(cols)) * (tile[1] + gap) + (tile[1] - 1) / 2
    # The texts are written round their points: beside the mosaic, a little outside.
    at = np.concatenate(
        [
            np.stack([down, np.full(len(rows), -0.35 * tile[1])], 1),
            np.stack([np.full(len(cols), -0.25 * tile[0]), across], 1),
        ]
    )
    kwargs = {
        "name": f"{name} ticks",
        "features": pd.DataFrame({"tick": [*rows, *cols]}),
        "text": {"string": "{tick}", "size": 9, "color": "#e0e0e0", "anchor": "center"},
        "size": 1.0,
        "face_color": "transparent",
        "border_color": "transparent",
        "metadata": note("ticks", stack),
        **{key: place[key] for key in ("scale", "translate", "units", "axis_labels")},
    }
    return [image, (at, kwargs, "points")]
