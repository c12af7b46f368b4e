"""A combo box that always lists the layers of a viewer that fit, and follows the layer list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QSizePolicy, QWidget


class LayerBox(QComboBox):
    """Choose one layer.

    Only bound methods are connected to the viewer, which holds them weakly: a closed dock leaves nothing behind.

    Parameters
    ----------
    viewer : napari viewer
    fits : callable
        Which layers can be chosen.
    empty : str
        What is shown when none can.
    """

    #: Another layer (or None) is chosen.
    layer_changed = Signal()

    def __init__(self, viewer: Any, fits: Callable[[Any], bool], empty: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._fits = fits
        self._empty = empty
        self._layers: list[Any] = []
        self._told: Any = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        # Long layer names must not widen the dock.
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(80)
        events = viewer.layers.events
        events.inserted.connect(self.refresh)
        events.removed.connect(self.refresh)
        events.renamed.connect(self.refresh)
        events.reordered.connect(self.refresh)
        self.refresh()
        self.choose(viewer.layers.selection.active)
        self.currentIndexChanged.connect(self._tell)

    def layer(self) -> Any:
        """Return the chosen layer, or None."""
        index = self.currentIndex()
        return self._layers[index] if 0 <= index < len(self._layers) else None

    def choose(self, layer: Any) -> None:
        """Choose a layer if it fits."""
        if any(layer is one for one in self._layers):
            self.setCurrentIndex(next(i for i, one in enumerate(self._layers) if one is layer))

    def refresh(self, event: Any = None) -> None:
        """List the layers again, keeping the choice; topmost first."""
        chosen = self.layer()
        layers = [layer for layer in reversed(list(self._viewer.layers)) if self._fits(layer)]
        self.blockSignals(True)
        self.clear()
        self._layers = layers
        self.addItems([layer.name for layer in layers] or [self._empty])
        keep = [i for i, layer in enumerate(layers) if layer is chosen]
        self.setCurrentIndex(keep[0] if keep else 0)
        self.blockSignals(False)
        self.setEnabled(bool(layers))
        self._tell()

    def _tell(self, *_: Any) -> None:
        layer = self.layer()
        if layer is not self._told:
            self._told = layer
            self.layer_changed.emit()
