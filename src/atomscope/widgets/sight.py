"""Whether a dock can be seen: not closed, and not behind another tab."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QEvent, QObject, Signal
from qtpy.QtWidgets import QDockWidget, QWidget


class Sight(QObject):
    """Follows whether a widget in a dock is in sight.

    Qt leaves the content of a dock that lies behind another tab "visible" and sends it no hide event: only the dock
    itself is told.

    Parameters
    ----------
    widget : QWidget
    """

    #: It came into sight (True) or left it.
    changed = Signal(bool)

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self._widget = widget
        self._dock: QDockWidget | None = None
        self._front = True
        #: Whether it is in sight.
        self.now = False
        widget.installEventFilter(self)

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """Look again when the widget is shown, hidden or moved into a dock."""
        if event.type() in (QEvent.Type.Show, QEvent.Type.Hide):
            self._find_dock()
            self._look(event.type() == QEvent.Type.Show)
        return False

    def _find_dock(self) -> None:
        above = self._widget.parentWidget()
        while above is not None and not isinstance(above, QDockWidget):
            above = above.parentWidget()
        if above is not self._dock:
            self._dock, self._front = above, True
            if above is not None:
                above.visibilityChanged.connect(self._dock_changed)

    def _dock_changed(self, front: bool) -> None:
        if self.sender() is self._dock:
            self._front = front
            self._look(self._widget.isVisible())

    def _look(self, shown: bool) -> None:
        now = shown and self._front
        if now != self.now:
            self.now = now
            self.changed.emit(now)
