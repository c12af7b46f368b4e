"""The manifold of a model, and the outlines of windows."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from atomscope.data import Sites, Stack
from atomscope.display.layers import LayerData
from atomscope.display.spatial import coordinates, note, spatial_kwargs
from atomscope.errors import ShapeError

log = logging.getLogger(__name__)

#: napari draws a thousand shapes in about half a second.
_MOST_BOXES = 1000


def manifold_layer(stack: Stack, mosaic: np.ndarray, *, name: str = "manifold", **meta: Any) -> LayerData:
    """Return a mosaic of decoded patches as an Image layer, to the right of the image and at its pixel size.

    Parameters
    ----------
    stack : Stack
        What the patches were cut from: gives place, pixel size and units.
    mosaic : numpy.ndarray, shape (rows, cols)
        Rows are z1, columns are z2; NaN between patches.
    **meta
        JSON-able remarks kept in the layer's metadata (for example the values of z1 and z2).

    Raises
    ------
    ShapeError
        If the mosaic is not a picture.
    """
    mosaic = np.asarray(mosaic, np.float32)
    if mosaic.ndim != 2:
        raise ShapeError(f"manifold: wanted one picture of shape (rows, cols), got {mosaic.shape}")
    kwargs = spatial_kwargs(stack.axes, 2)
    row, col = stack.pixel_axes
    beside = col.offset + col.scale * stack.frame_shape[1] * 1.05
    finite = mosaic[np.isfinite(mosaic)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    kwargs.update(
        name=name,
        translate=(row.offset, beside),
        contrast_limits=(low, high if high > low else low + 1.0),
        colormap="gray",
        metadata=note("manifold", stack, **meta),
    )
    return mosaic, kwargs, "image"


def patch_boxes(stack: Stack, sites: Sites, window: tuple[int, int], *, most: int = _MOST_BOXES) -> LayerData:
    """Return the outlines of the windows round a few sites (those selected, those of one frame) as Shapes.

    Parameters
    ----------
    stack : Stack
    sites : Sites
    window : tuple of int
        (rows, cols), px.
    most : int
        No more boxes are drawn than these, evenly taken, as shapes are slow.
    """
    data, shown = coordinates(sites.table, stack.navigation_shape)
    site = sites.table["site"].to_numpy(np.int64)[shown]
    data = data[shown]
    if len(data) > most:
        log.warning("%d windows: the outlines of %d are drawn", len(data), most)
        pick = np.linspace(0, len(data) - 1, most).astype(int)
        data, site = data[pick], site[pick]
    # The outermost pixels reach half a pixel beyond their centres.
    h, w = window[0] / 2, window[1] / 2
    corners = np.zeros((4, data.shape[1]))
    corners[:, -2:] = [(-h, -w), (-h, w), (h, w), (h, -w)]
    kwargs = {
        "name": f"{stack.name} windows",
        "shape_type": "rectangle",
        "features": {"site": site},
        "edge_color": "#56b4e9",
        "face_color": "transparent",
        "edge_width": max(min(window) / 32, 0.25),
        "metadata": note("windows", stack, window=list(window)),
        **spatial_kwargs(stack.axes),
    }
    return list(data[:, None, :] + corners), kwargs, "shapes"
