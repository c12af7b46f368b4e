"""Particles as layers: their labels, and their long axes as lines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from atomscope.data import Sites, Stack
from atomscope.display import colors
from atomscope.display.spatial import LayerData, coordinates, note, spatial_kwargs
from atomscope.errors import InputError


def labels_layer(stack: Stack, labels: Any) -> LayerData:
    """Return label images as a Labels layer that lies on the stack.

    Parameters
    ----------
    stack : Stack
    labels : array, the shape of the stack, int
        numpy, dask or zarr.

    Raises
    ------
    InputError
        If the shapes differ.
    """
    if tuple(labels.shape) != stack.shape:
        raise InputError(f"labels: wanted the shape of the stack {stack.shape}, got {tuple(labels.shape)}")
    kwargs = {
        "name": f"{stack.name} labels",
        "opacity": 0.4,
        "metadata": note("labels", stack),
        **spatial_kwargs(stack.axes),
    }
    return labels, kwargs, "labels"


def axes_layer(stack: Stack, sites: Sites) -> LayerData:
    """Return the long axis of each particle as a line as long as the particle, coloured by its angle.

    What has no angle, or is flagged "edge" and therefore shows none of its own, has no line.

    Raises
    ------
    InputError
        If there are no columns ``angle`` and ``major``.
    """
    table = sites.table.reset_index(drop=True)
    missing = [name for name in ("angle", "major") if name not in table.columns]
    if missing:
        raise InputError(f"axes: wanted the columns 'angle' and 'major' of particles, missing {missing}")
    data, shown = coordinates(table, stack.navigation_shape)
    angle = colors.fold(table["angle"].to_numpy(np.float64), 2)
    keep = shown & np.isfinite(angle) & ~table["flag"].astype(str).str.contains("edge").to_numpy(bool)
    start, angle, length = data[keep], angle[keep], table["major"].to_numpy(np.float64)[keep]
    direction = np.zeros_like(start)
    direction[:, -2], direction[:, -1] = np.sin(angle) * length, np.cos(angle) * length
    site = table["site"].to_numpy(np.int64)[keep]
    kwargs: dict[str, Any] = {
        "name": f"{stack.name} axes",
        "features": pd.DataFrame({"site": site, "angle": angle.astype(np.float32)}),
        "edge_width": max(float(np.median(length)) / 12, 0.5) if len(length) else 1.0,
        "vector_style": "line",
        "metadata": note("vectors", stack, color="angle"),
        **spatial_kwargs(stack.axes),
    }
    if len(start):
        kwargs.update(
            edge_color="angle",
            edge_colormap=colors.default_colormap("angle"),
            edge_contrast_limits=colors.limits(angle, "angle", 2),
        )
    return np.stack([start - direction / 2, direction], axis=1), kwargs, "vectors"
