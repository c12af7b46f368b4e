"""Which scan is looked at: those that are open, and layers of four or five axes that could be opened as one."""

from __future__ import annotations

import weakref
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QSizePolicy

from atomscope.data.axes import axis_names
from atomscope.widgets.bridge import axes_of, note_of
from atomscope.widgets.scan_session import Session

#: Units in which patterns are calibrated.
_OF_PATTERNS = ("mrad", "deg", "1/nm")


class ScanChoice(QComboBox):
    """Open scans, then layers that the user may take for one: a movie of stacks has four axes too.

    Parameters
    ----------
    viewer : napari viewer
    """

    #: Another scan is looked at, or none.
    changed = Signal()
    #: A layer is to be opened as a scan.
    layer_chosen = Signal(object)

    def __init__(self, viewer: Any, parent: Any = None) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.sessions: list[Session] = []
        self.session: Session | None = None
        self._layers: list[Any] = []
        self._closed: weakref.WeakSet[Any] = weakref.WeakSet()
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.activated.connect(self._activated)
        self.refresh()

    def unopened(self) -> list[Any]:
        """Return the layers that are scans by what they say of their axes, and were not closed before."""
        return [one for one in self.viewer.layers if may_be_scan(one) and says_scan(one) and one not in self._closed]

    def add(self, session: Session) -> None:
        """Add a scan and look at it."""
        self.sessions.append(session)
        self.look_at(session)

    def close_current(self) -> Session | None:
        """Take the scan that is looked at out of the list; return it."""
        session = self.session
        if session is None:
            return None
        index = self.sessions.index(session)
        self.sessions.pop(index)
        self._closed.add(session.source)
        self.look_at(self.sessions[min(index, len(self.sessions) - 1)] if self.sessions else None)
        return session

    def look_at(self, session: Session | None) -> None:
        """Look at an open scan, or at none."""
        self.session = session
        self.refresh()
        self.changed.emit()

    def refresh(self, *_: Any) -> None:
        """Show the scans that are open and the layers that could be."""
        self._layers = [one for one in self.viewer.layers if may_be_scan(one)]
        self.clear()
        self.addItems([session.name for session in self.sessions])
        self.addItems([f"layer {layer.name}" for layer in self._layers])
        self.setPlaceholderText("choose a layer" if self._layers else "none")
        self.setCurrentIndex(-1 if self.session is None else self.sessions.index(self.session))
        self.setEnabled(self.count() > 0)

    def showPopup(self) -> None:
        """Open the list, with the names that layers have now."""
        self.refresh()
        super().showPopup()

    def _activated(self, index: int) -> None:
        """Take what the user chose."""
        if index < len(self.sessions):
            if self.sessions[index] is not self.session:
                self.look_at(self.sessions[index])
            return
        layer = self._layers[index - len(self.sessions)]
        self.refresh()  # until it is open
        self.layer_chosen.emit(layer)


def may_be_scan(layer: Any) -> bool:
    """Whether a layer is an image with two axes or three before the last two, and not one of our pictures."""
    image = type(layer).__name__ == "Image" and not layer.rgb and not layer.multiscale and layer.ndim in (4, 5)
    return image and note_of(layer).get("kind", "image") == "image"


def says_scan(layer: Any) -> bool:
    """Whether the names or the units of its axes make a layer a scan; axes without names are those of a scan."""
    axes = axes_of(layer)
    named = tuple(axis.name for axis in axes[-4:-2]) == axis_names(4)[:2]
    return named or all(axis.unit in _OF_PATTERNS for axis in axes[-2:])
