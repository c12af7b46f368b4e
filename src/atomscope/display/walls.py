"""Walls as paths, domains as labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from atomscope.data import Sites, Stack
from atomscope.display.colors import CLASSES
from atomscope.display.spatial import LayerData, note, spatial_kwargs
from atomscope.errors import InputError


def wall_paths_layer(stack: Stack, sites: Sites, *, width_px: float = 1.5) -> LayerData:
    """Return each wall as a path of a Shapes layer, neighbours in different colours.

    Parameters
    ----------
    stack : Stack
    sites : Sites
        From finding walls: with ``wall``, ``arc_px``, ``length_px`` and ``angle``.
    width_px : float

    Raises
    ------
    InputError
        If the sites are not those of walls.
    """
    table = sites.table
    missing = [c for c in ("wall", "arc_px", "length_px", "angle") if c not in table.columns]
    if missing:
        raise InputError(f"walls: the sites have no columns {missing}; find walls first")
    navigation = stack.navigation_shape
    paths, rows = [], []
    good = table[np.isfinite(table["row"]) & np.isfinite(table["col"])]
    for (frame, wall), group in good.sort_values("arc_px").groupby(["frame", "wall"], sort=True):
        places = path_of(group)
        leading = np.unravel_index(int(frame), navigation) if navigation else ()
        paths.append(np.column_stack([*(np.full(len(places), float(i)) for i in leading), places]))
        rows.append((int(frame), int(wall), group["length_px"].sum(), _total_nm(group)))
    features = pd.DataFrame(rows, columns=["frame", "wall", "length_px", "length_nm"])
    kwargs: dict[str, Any] = {
        "name": f"{stack.name} wall lines",
        "shape_type": "path",
        "features": features,
        "edge_width": width_px,
        "edge_color": [CLASSES[w % len(CLASSES)] for w in features["wall"]] if paths else "#e69f00",
        "face_color": "transparent",
        "opacity": 0.9,
        "ndim": len(stack.shape),
        "metadata": note("walls", stack),
        **spatial_kwargs(stack.axes),
    }
    return paths, kwargs, "shapes"


def path_of(group: pd.DataFrame) -> np.ndarray:
    """Return the points of one wall in order, shape (n, 2), from end to end: sites are the middles of pieces."""
    places = group[["row", "col"]].to_numpy(np.float64)
    angle = group["angle"].to_numpy(np.float64)
    half = 0.5 * group["length_px"].to_numpy(np.float64)
    ahead = np.c_[np.sin(angle), np.cos(angle)]
    if "closed" in group and bool(group["closed"].iloc[0]) and len(places) > 2:
        return np.concatenate([places, places[:1]])
    first, last = ahead[0], ahead[-1]
    if len(places) > 1:  # a tangent has no direction: that of the line
        first = first if first @ (places[1] - places[0]) > 0 else -first
        last = last if last @ (places[-1] - places[-2]) > 0 else -last
    return np.concatenate([[places[0] - half[0] * first], places, [places[-1] + half[-1] * last]])


def domains_layer(stack: Stack, labels: Any) -> LayerData:
    """Return domains, an integer array of the shape of the stack, as a Labels layer.

    Raises
    ------
    InputError
        If the labels have another shape.
    """
    if tuple(labels.shape) != stack.shape:
        raise InputError(f"domains: labels of shape {tuple(labels.shape)} for a stack of shape {stack.shape}")
    kwargs = {
        "name": f"{stack.name} domains",
        "opacity": 0.35,
        "metadata": note("domains", stack),
        **spatial_kwargs(stack.axes),
    }
    return labels, kwargs, "labels"


def _total_nm(group: pd.DataFrame) -> float:
    return float(group["length_nm"].sum(min_count=1)) if "length_nm" in group else float("nan")
