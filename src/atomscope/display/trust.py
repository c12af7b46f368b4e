"""Where to look twice: gaps, pairs too close, what is false and what was missed, as layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from atomscope.data import Stack
from atomscope.display.layers import spacing
from atomscope.display.spatial import LayerData, coordinates, note, spatial_kwargs

#: Colours that read on grey images and beside the orange rings of sites.
GAP, PAIR, FALSE, MISSED = "#4ea1ff", "#ff4d6d", "#ff4d6d", "#ffd166"


def marks_layer(stack: Stack, table: pd.DataFrame, name: str, color: str, size_px: float, symbol: str) -> LayerData:
    """Return marks at places as a Points layer.

    Parameters
    ----------
    stack : Stack
    table : pandas.DataFrame
        ``frame``, ``row``, ``col``; other columns become features.
    name, color, symbol : str
    size_px : float
    """
    data, shown = coordinates(table, stack.navigation_shape)
    kwargs: dict[str, Any] = {
        "name": name,
        "features": table.reset_index(drop=True),
        "size": size_px,
        "symbol": symbol,
        "face_color": "transparent" if symbol in ("disc", "square", "diamond") else color,
        "border_color": color,
        "border_width": 0.12 if symbol in ("disc", "square", "diamond") else 0.0,
        "shown": shown,
        "canvas_size_limits": (6, 200),
        "metadata": note("marks", stack, color=""),
        **spatial_kwargs(stack.axes),
    }
    return data, kwargs, "points"


def pairs_layer(stack: Stack, sites: pd.DataFrame, pairs: pd.DataFrame, name: str) -> LayerData:
    """Return pairs of sites as lines from one to the other, a Vectors layer.

    Parameters
    ----------
    stack : Stack
    sites : pandas.DataFrame
        The site table.
    pairs : pandas.DataFrame
        ``site``, ``other`` (site ids).
    """
    table = sites.set_index("site")
    start, _ = coordinates(table.loc[pairs["site"]], stack.navigation_shape)
    end, _ = coordinates(table.loc[pairs["other"]], stack.navigation_shape)
    kwargs: dict[str, Any] = {
        "name": name,
        "features": pairs.reset_index(drop=True),
        "edge_color": PAIR,
        "edge_width": max(0.5, 0.06 * (spacing(sites) or 8.0)),
        "vector_style": "line",
        "metadata": note("marks", stack, color=""),
        **spatial_kwargs(stack.axes),
    }
    return np.stack([start, end - start], axis=1), kwargs, "vectors"


def quality_layers(stack: Stack, sites: pd.DataFrame, pairs: pd.DataFrame, gaps: pd.DataFrame) -> list[LayerData]:
    """Return the gaps and the pairs too close as layers; what there is none of has no layer."""
    size = 0.7 * (spacing(sites) or 8.0)
    out = []
    if len(gaps):
        out.append(marks_layer(stack, gaps, f"{stack.name} gaps", GAP, size, "square"))
    if len(pairs):
        out.append(pairs_layer(stack, sites, pairs, f"{stack.name} short pairs"))
    return out


def comparison_layers(stack: Stack, sites: pd.DataFrame, missed: pd.DataFrame, false: pd.DataFrame) -> list[LayerData]:
    """Return what was missed and what is false as layers; what there is none of has no layer."""
    size = 0.8 * (spacing(sites) or 8.0)
    out = []
    if len(missed):
        out.append(marks_layer(stack, missed, f"{stack.name} missed", MISSED, size, "diamond"))
    if len(false):
        out.append(marks_layer(stack, false, f"{stack.name} false", FALSE, size, "x"))
    return out
