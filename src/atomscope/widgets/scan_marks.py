"""The layers in which positions of a scan are chosen: a ring, and shapes."""

from __future__ import annotations

from typing import Any

import numpy as np

from atomscope.widgets.bridge import KEY, placement

_COLOUR = "#ff9f1c"


def map_shape(layer: Any) -> tuple[int, int]:
    """Return (rows, cols) of the scan under an image over its positions."""
    rows, cols = layer.data.shape[-3:-1] if layer.rgb else layer.data.shape[-2:]
    return int(rows), int(cols)


def add_marker(viewer: Any, image: Any, at: tuple[int, int]) -> Any:
    """Add a ring round a position and return its layer; the selection of layers stays as it is."""
    chosen, active = list(viewer.layers.selection), viewer.layers.selection.active
    layer = viewer.add_points(
        np.array([at], float),
        name="scan position",
        symbol="disc",
        size=3,
        face_color="transparent",
        border_color=_COLOUR,
        border_width=0.16,
        canvas_size_limits=(16, 200),
        metadata={KEY: {"kind": "marks"}},
        **_place(image),
    )
    viewer.layers.selection = chosen
    viewer.layers.selection.active = active
    return layer


def add_region(viewer: Any, image: Any, shape: tuple[int, int]) -> Any:
    """Add a rectangle in the middle of the scan, ready to be moved, and return its layer."""
    size = np.array(shape, float)
    layer = viewer.add_shapes(
        [np.stack([0.4 * size, 0.6 * size])],
        shape_type="rectangle",
        name="region of the scan",
        face_color=f"{_COLOUR}30",
        edge_color=_COLOUR,
        edge_width=max(0.3, 0.008 * min(shape)),
        metadata={KEY: {"kind": "regions"}},
        **_place(image),
    )
    layer.mode = "select"
    return layer


def _place(image: Any) -> dict[str, Any]:
    """Return the keywords that put a layer of two axes on an image, which may be a series."""
    place = placement(image)
    if image.ndim == 2:
        return place
    return {name: tuple(place[name])[-2:] for name in ("scale", "translate", "units", "axis_labels")}
