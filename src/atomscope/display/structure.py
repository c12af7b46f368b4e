"""Bonds, rings, defects, displacements and strain as layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from atomscope.data import Stack, Structure
from atomscope.display.layers import spacing
from atomscope.display.spatial import LayerData, coordinates, note, spatial_kwargs

#: Rings by size; others are grey. Those of the lattice are faint, so that the odd ones are seen.
RING_COLORS = {3: "#b3de69", 4: "#f0e442", 5: "#56b4e9", 7: "#d55e00", 8: "#cc79a7", 9: "#e69f00"}
_OTHER_RING = "#bebada"
SYMBOLS = {"vacancy": "disc", "substitution": "square", "adatom": "triangle_up", "stone-wales": "star"}
DEFECT_COLORS = {"vacancy": "#ff4d4d", "substitution": "#56b4e9", "adatom": "#b3de69", "stone-wales": "#f0e442"}
_MIXED, _RINGS = ("cross", "#cc79a7"), ("diamond", "#e69f00")
#: napari needs about a millisecond a polygon.
MOST_RINGS = 1500


def structure_layers(stack: Stack, found: Structure) -> list[LayerData]:
    """Return what was read as layers: bonds, odd rings, defects and, where there are any, displacements and strain.

    Parameters
    ----------
    stack : Stack
    found : Structure

    Returns
    -------
    list of (data, kwargs, layer type)
        Strain and displacement are hidden at first. Their lines are as long as can be seen; ``metadata`` says how
        much longer than they are (``magnified``).
    """
    layers = [bonds_layer(stack, found), rings_layer(stack, found)]
    layers += [vectors for vectors in (displacement_layer(stack, found), strain_layer(stack, found)) if vectors]
    return [*layers, defects_layer(stack, found)]


def bonds_layer(stack: Stack, found: Structure) -> LayerData:
    """Return all bonds as one Vectors layer."""
    table = found.sites.table
    data, _ = coordinates(table, stack.navigation_shape)
    order = pd.Index(table["site"])
    a, b = (order.get_indexer(found.bonds[name]) for name in ("site_a", "site_b"))
    lines = np.stack([data[a], data[b] - data[a]], axis=1) if len(a) else np.zeros((0, 2, data.shape[1]))
    size = spacing(table) or 8.0
    kwargs: dict[str, Any] = {
        "name": f"{stack.name} bonds",
        "features": found.bonds[["length_px", "length_nm"]].astype(np.float32).reset_index(drop=True),
        "edge_color": "#7fd1b9",
        "edge_width": max(size / 14, 0.2),
        "opacity": 0.7,
        "vector_style": "line",
        "metadata": note("bonds", stack),
        **spatial_kwargs(stack.axes),
    }
    return lines, kwargs, "vectors"


def rings_layer(stack: Stack, found: Structure) -> LayerData:
    """Return the rings that are unlike those of the lattice as polygons coloured by size.

    At most 1500: napari draws polygons slowly.
    """
    rings, table = found.rings, found.sites.table
    if len(rings):
        usual = rings["size"].mode().iloc[0]
        rings = rings[(rings["size"] != usual) & (rings["pattern"] != "")].head(MOST_RINGS)
    data, _ = coordinates(table, stack.navigation_shape)
    order = pd.Index(table["site"])
    polygons = [data[order.get_indexer(list(ids))] for ids in rings["sites"]]
    colors = [RING_COLORS.get(int(s), _OTHER_RING) for s in rings["size"]]
    kwargs: dict[str, Any] = {
        "name": f"{stack.name} rings",
        "features": rings[["frame", "ring", "size", "pattern"]].reset_index(drop=True),
        "shape_type": "polygon",
        "edge_width": 0,
        "opacity": 0.5,
        "metadata": note("rings", stack),
        **spatial_kwargs(stack.axes),
    }
    if polygons:
        kwargs["face_color"] = colors
    else:
        kwargs["ndim"] = data.shape[1]
    return polygons or None, kwargs, "shapes"


def defects_layer(stack: Stack, found: Structure) -> LayerData:
    """Return a point a defect, its symbol and colour by what it is."""
    table = found.defects
    data, _ = coordinates(table, stack.navigation_shape)
    looks = [_look(name) for name in table["name"].astype(str)]
    kwargs: dict[str, Any] = {
        "name": f"{stack.name} defects",
        "features": table[["frame", "defect", "name", "formula", "n_sites"]].reset_index(drop=True),
        "size": 1.1 * (spacing(found.sites.table) or 8.0),
        "face_color": "transparent",
        "border_width": 0.14,
        "canvas_size_limits": (6, 200),
        "metadata": note("defects", stack),
        **spatial_kwargs(stack.axes),
    }
    if len(table):
        kwargs |= {"symbol": [s for s, _ in looks], "border_color": [c for _, c in looks]}
    return data, kwargs, "points"


def _look(name: str) -> tuple[str, str]:
    if name in SYMBOLS:
        return SYMBOLS[name], DEFECT_COLORS[name]
    if name.endswith("stone-wales") and "+" not in name:
        return SYMBOLS["stone-wales"], DEFECT_COLORS["stone-wales"]
    return _RINGS if name[:1].isdigit() else _MIXED


def displacement_layer(stack: Stack, found: Structure) -> LayerData | None:
    """Return displacements as arrows coloured by direction, or None when there are none."""
    table = found.sites.table
    shift = table[["displacement_row", "displacement_col"]].to_numpy(np.float64)
    if not np.isfinite(shift).any():
        return None
    angle = np.arctan2(shift[:, 0], shift[:, 1])
    return _lines(stack, table, shift, angle, "displacement", "hsv", (-np.pi, np.pi), centred=False)


def strain_layer(stack: Stack, found: Structure) -> LayerData | None:
    """Return the larger principal strain as a line along its axis, coloured by its value, or None."""
    table = found.sites.table
    rr, cc, rc = (table[f"strain_{name}"].to_numpy(np.float64) for name in ("rr", "cc", "rc"))
    if not np.isfinite(rr).any():
        return None
    middle, half = (rr + cc) / 2, np.hypot((rr - cc) / 2, rc)
    value = np.where(middle >= 0, middle + half, middle - half)
    axis = np.arctan2(2 * rc, cc - rr) / 2  # of the larger eigenvalue, from +col towards +row
    axis = np.where(middle >= 0, axis, axis + np.pi / 2)
    shift = np.abs(value)[:, None] * np.stack([np.sin(axis), np.cos(axis)], axis=1)
    most = float(np.nanpercentile(np.abs(value), 98)) or 0.01
    return _lines(stack, table, shift, value, "strain", "coolwarm", (-most, most), centred=True)


def _lines(
    stack: Stack,
    table: pd.DataFrame,
    shift: np.ndarray,
    value: np.ndarray,
    name: str,
    colormap: str,
    limits: tuple[float, float],
    *,
    centred: bool,
) -> LayerData:
    data, shown = coordinates(table, stack.navigation_shape)
    keep = shown & np.isfinite(shift).all(axis=1)
    size = spacing(table) or 8.0
    usual = float(np.percentile(np.linalg.norm(shift[keep], axis=1), 90))
    zoom = 0.7 * size / usual if usual > 0 else 1.0
    way = np.zeros_like(data[keep])
    way[:, -2:] = shift[keep] * zoom
    start = data[keep] - way / 2 if centred else data[keep]
    kwargs: dict[str, Any] = {
        "name": f"{stack.name} {name} (x{zoom:.0f})" if not centred else f"{stack.name} {name}",
        "features": pd.DataFrame({name: value[keep].astype(np.float32)}),
        "edge_color": name,
        "edge_colormap": colormap,
        "edge_contrast_limits": limits,
        "edge_width": max(size / 9, 0.25),
        "vector_style": "line" if centred else "arrow",
        "visible": False,
        "metadata": note(name, stack, magnified=zoom),
        **spatial_kwargs(stack.axes),
    }
    return np.stack([start, way], axis=1), kwargs, "vectors"
