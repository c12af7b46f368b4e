"""One selection for the scatter and the image: a lasso shows up on the atoms, a click on an atom in the scatter."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

#: napari needs about 8 us a selected point; beyond this the others are hidden instead, which costs 50 ms at most.
MOST_SELECTED = 5000


class SelectionLink(QObject):
    """Keeps a mask of chosen points in step with a Points layer, whichever side changed.

    Parameters
    ----------
    parent : QObject
    """

    #: The selection changed on the layer's side: mask of shape (n,).
    from_layer = Signal(object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._layer: Any = None
        self._busy = False
        self._hiding = False
        self._timer = QTimer(self)  # a rectangle drawn in the image changes the selection many times
        self._timer.setSingleShot(True)
        self._timer.setInterval(30)
        self._timer.timeout.connect(self._tell)

    @property
    def hiding(self) -> bool:
        """Whether the points that are not chosen are hidden."""
        return self._hiding

    def follow(self, layer: Any) -> None:
        """Follow another Points layer (or none)."""
        if layer is self._layer:
            return
        if self._layer is not None:
            self._layer.selected_data.events.items_changed.disconnect(self._layer_changed)
            self._show_all()
        self._layer = layer
        if layer is not None:
            layer.selected_data.events.items_changed.connect(self._layer_changed)

    def choose(self, mask: np.ndarray) -> None:
        """Choose points on the layer, mask of shape (n,)."""
        if self._layer is None or len(mask) != len(self._layer.data):
            return
        count = int(mask.sum())
        self._busy = True
        try:
            if count > MOST_SELECTED:
                self._layer.selected_data = set()
                self._layer.shown = mask
                self._hiding = True
            else:
                self._show_all()
                self._layer.selected_data = set(np.flatnonzero(mask).tolist())
        finally:
            self._busy = False

    def _show_all(self) -> None:
        if self._hiding and self._layer is not None:
            self._layer.shown = np.ones(len(self._layer.data), bool)
        self._hiding = False

    def _layer_changed(self, *_: Any) -> None:
        if not self._busy:
            self._timer.start()

    def _tell(self) -> None:
        if self._layer is None:
            return
        mask = np.zeros(len(self._layer.data), bool)
        chosen = [i for i in self._layer.selected_data if i < len(mask)]
        mask[chosen] = True
        self.from_layer.emit(mask)
