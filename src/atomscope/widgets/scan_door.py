"""A file with a scan of patterns opens its dock."""

from __future__ import annotations

from typing import Any

from atomscope.data.axes import axis_names

DOCK = "4D-STEM"


def show_scans(layers: list[Any]) -> None:
    """Open the dock of scans, soon, if one of these layer tuples is a scan and goes into a window."""
    names = [_uuid(kwargs) for _, kwargs, _ in layers if _is_scan(kwargs)]
    if not names:
        return
    from qtpy.QtCore import QTimer
    from qtpy.QtWidgets import QApplication

    if QApplication.instance() is not None:
        QTimer.singleShot(0, lambda: _open(names))  # napari adds the layers first


def _is_scan(kwargs: dict[str, Any]) -> bool:
    labels = tuple(kwargs.get("axis_labels", ()))
    return len(labels) in (4, 5) and labels[-4:-2] == axis_names(4)[:2]


def _uuid(kwargs: dict[str, Any]) -> str:
    return str(kwargs.get("metadata", {}).get("napari-atomscope", {}).get("uuid", ""))


def _open(names: list[str]) -> None:
    import napari

    from atomscope.widgets.bridge import note_of

    viewer = napari.current_viewer()
    if viewer is None or not any(note_of(layer).get("uuid") in names for layer in viewer.layers):
        return
    dock, _ = viewer.window.add_plugin_dock_widget("napari-atomscope", DOCK, tabify=True)
    dock.show()
    dock.raise_()
