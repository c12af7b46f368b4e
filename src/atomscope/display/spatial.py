"""Where a layer lies: scale, translate, units and names, copied from the axes of a Stack."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from importlib import metadata
from typing import Any

import numpy as np
import pandas as pd

from atomscope.data import Axis, Stack
from atomscope.data.axes import PIXEL

LayerData = tuple[Any, dict[str, Any], str]

#: The key of ``layer.metadata`` that is ours.
KEY = "napari-atomscope"
#: Units that napari's unit registry knows as we spell them; anything else is shown as pixels.
_LENGTHS = ("pm", "angstrom", "nm", "um", "mm", "m")
_OTHERS = (
    "pixel",
    "fs",
    "ps",
    "ns",
    "us",
    "ms",
    "s",
    "min",
    "hour",
    "mrad",
    "rad",
    "deg",
    "degree",
    "meV",
    "eV",
    "keV",
)
_KNOWN = frozenset((*_LENGTHS, *(f"1/{unit}" for unit in _LENGTHS), *_OTHERS, "mV", "V", "K"))


def spatial_kwargs(axes: Sequence[Axis], ndim: int | None = None) -> dict[str, Any]:
    """Return the keywords that place a layer of the last ``ndim`` axes (all when absent).

    Every layer made from a Stack has the same ones: napari gives up on units for all layers as soon as those of two
    layers cannot be converted into each other.
    """
    axes = tuple(axes)[-(ndim or len(axes)) :]
    return {
        "scale": tuple(a.scale for a in axes),
        "translate": tuple(a.offset for a in axes),
        "units": tuple(a.unit if a.unit in _KNOWN else PIXEL for a in axes),
        "axis_labels": tuple(a.name for a in axes),
    }


def note(kind: str, stack: Stack, **more: Any) -> dict[str, Any]:
    """Return ``layer.metadata``: what the layer is and what it was made from (JSON-able)."""
    try:
        version = metadata.version("napari-atomscope")
    except metadata.PackageNotFoundError:
        version = ""
    return {
        KEY: {
            "schema": 1,
            "kind": kind,
            "uuid": uuid.uuid4().hex,
            "source": {
                "name": stack.name,
                "path": stack.source,
                "shape": list(stack.shape),
                "scale": [a.scale for a in stack.axes],
                "units": [a.unit for a in stack.axes],
            },
            "version": version,
            **more,
        }
    }


def coordinates(table: pd.DataFrame, navigation: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return layer coordinates of sites, and which of them can be shown.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns ``frame``, ``row``, ``col``.
    navigation : sequence of int
        Shape of the navigation axes.

    Returns
    -------
    data : numpy.ndarray, shape (n, ndim), float64
        (*navigation indices, row, col), px; 0 where a site has no position or frame.
    shown : numpy.ndarray, shape (n,), bool
    """
    where = table[["row", "col"]].to_numpy(np.float64)
    frame = table["frame"].to_numpy(np.int64)
    count = int(np.prod(navigation, dtype=np.int64))
    shown = np.isfinite(where).all(axis=1) & (frame >= 0) & (frame < count)
    leading = np.unravel_index(np.where(shown, frame, 0), tuple(navigation)) if len(navigation) else ()
    data = np.column_stack([*leading, where]).astype(np.float64)
    data[~shown] = 0.0  # one NaN would spoil the extent of the layer
    return data, shown
