"""Drag and drop: a file or folder becomes a lazy, calibrated image layer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

LayerTuple = tuple[Any, dict[str, Any], str]
#: Frames that are looked at for the contrast.
_LOOK = 3


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerTuple]] | None:
    """Return a reader for a path, or None when nothing here reads it."""
    from atomscope import pipeline

    first = Path(path[0] if isinstance(path, list) else path)
    if first.suffix.lower() in (".parquet", ".csv"):
        return None
    return read if pipeline.readable(first) else None


def read(path: str | list[str]) -> list[LayerTuple]:
    """Read one path, or several of them as one layer each; no frame but a few for the contrast is loaded."""
    paths = path if isinstance(path, list) else [path]
    return [image_tuple(*_open(one)) for one in paths]


def _open(path: str) -> tuple[Any, str | None]:
    """Open a file; when it holds several data sets the user is asked, if there is a window to ask in."""
    from atomscope import pipeline
    from atomscope.errors import ChoiceNeededError

    try:
        return pipeline.open(path), None
    except ChoiceNeededError as error:
        from qtpy.QtWidgets import QApplication

        if QApplication.instance() is None:
            raise
        from atomscope.widgets.picker import pick

        key = pick(Path(path), error.choices)
        if key is None:
            raise
        return pipeline.open(path, key=key), key


def image_tuple(stack: Any, key: str | None = None) -> LayerTuple:
    """Return the layer tuple of a Stack: lazy data, scale, units, axis names, a contrast that bears hot pixels."""
    kwargs: dict[str, Any] = {
        "name": stack.name,
        "scale": [a.scale for a in stack.axes],
        "translate": [a.offset for a in stack.axes],
        "units": [napari_unit(a.unit) for a in stack.axes],
        "axis_labels": [a.name for a in stack.axes],
        "metadata": {"napari-atomscope": {"source": stack.source, "key": key}},
        "cache": False,  # napari's dask cache is not safe beside worker threads
    }
    limits = contrast(stack)
    if limits is not None:
        kwargs["contrast_limits"] = limits
    return stack.data, kwargs, "image"


def napari_unit(unit: str) -> str:
    """Return a unit that pint knows; pixel for what it does not."""
    import pint

    try:
        pint.application_registry.get().Unit(unit)
    except Exception:
        return "pixel"
    return unit


def contrast(stack: Any) -> tuple[float, float] | None:
    """Return robust contrast limits from a few frames, or None when there is nothing to tell."""
    if stack.data.dtype.kind == "b":
        return (0, 1)
    frames = np.unique(np.linspace(0, stack.n_frames - 1, _LOOK).astype(int))
    seen = np.concatenate([np.asarray(stack.frame(int(i)))[::4, ::4].ravel() for i in frames]).astype(float)
    seen = seen[np.isfinite(seen)]
    if not seen.size:
        return None
    low, high = (float(v) for v in np.percentile(seen, [0.1, 99.9]))
    return (low, high) if high > low else None
