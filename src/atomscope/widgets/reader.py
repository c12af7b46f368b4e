"""Drag and drop: a file or folder becomes a lazy, calibrated image layer."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from atomscope.widgets.scan_door import show_scans

LayerTuple = tuple[Any, dict[str, Any], str]
#: Microscope formats that napari itself cannot read.
_OURS = (".emd", ".dm3", ".dm4", ".mib", ".ser", ".hspy", ".zspy", ".blo", ".mrc", ".mrcs", ".tvips", ".prz", ".bcf")


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerTuple]] | None:
    """Return a reader for a path, or None when nothing here reads it."""
    from atomscope import pipeline

    first = Path(path[0] if isinstance(path, list) else path)
    if not first.exists():
        return None
    # Nobody else reads these: what is wrong with the file is ours to say.
    return read if first.suffix.lower() in _OURS or pipeline.readable(first) else None


def read(path: str | list[str]) -> list[LayerTuple]:
    """Read one path, or several of them as one layer each; no frame but one for the contrast is loaded."""
    paths = path if isinstance(path, list) else [path]
    layers = [image_tuple(*_open(one)) for one in paths]
    show_scans(layers)
    if "qtpy.QtWidgets" in sys.modules:  # without a window nobody steps through frames
        from atomscope.widgets.look_ahead import look_ahead_soon

        look_ahead_soon(layers)
    return layers


def _open(path: str) -> tuple[Any, str | None]:
    """Open a file; when it can be read in several ways the user is asked, if there is a window to ask in."""
    from atomscope import pipeline
    from atomscope.errors import ChoiceNeededError

    try:
        return pipeline.open(path), None
    except ChoiceNeededError as error:
        from qtpy.QtWidgets import QApplication

        if QApplication.instance() is None:
            raise
        if error.options and "key" in error.options[0]:
            from atomscope.widgets.picker import pick

            key = pick(Path(path), error.choices)
            if key is None:
                raise
            return pipeline.open(path, key=key), key
        from atomscope.widgets.scan_dialog import ask_scan

        said = ask_scan(Path(path), error)
        if said is None:
            raise
        return pipeline.open(path, **said), None


def image_tuple(stack: Any, key: str | None = None) -> LayerTuple:
    """Return the layer tuple of a Stack: lazy data, scale, units, axis names, a contrast that bears hot pixels.

    One frame is read, the middle one, which napari reads too: a movie of any length opens at once.
    """
    from atomscope import pipeline

    data, kwargs, kind = pipeline.image_layer(stack)
    kwargs["name"] = str(kwargs["name"]).removesuffix(".ome")
    if key is not None:
        kwargs["metadata"]["napari-atomscope"]["key"] = key
    if stack.metadata.get("opened"):
        kwargs["metadata"]["napari-atomscope"]["opened"] = stack.metadata["opened"]
    return data, kwargs, kind
