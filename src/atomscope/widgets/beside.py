"""What is cut beside a plain window: further images as channels, and the same place at another time."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QMenu, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from atomscope.data.params import DelayParams
from atomscope.widgets.fold import Fold
from atomscope.widgets.form import ParamsForm
from atomscope.widgets.overlay import is_image


class LayersButton(QToolButton):
    """A menu of the images that are registered with the chosen one, to be ticked: each is one more channel.

    Only bound methods are connected to the viewer, which holds them weakly: a closed dock leaves nothing behind.

    Parameters
    ----------
    viewer : napari viewer
    """

    #: Other images are ticked.
    changed = Signal()

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._image = viewer, None
        self._ticked: list[Any] = []
        self.setToolTip(
            "Images registered with this one (the same frames and pixels): each becomes a channel of every patch. "
            "All channels share one pose and one set of latents."
        )
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._menu = QMenu(self)
        self.setMenu(self._menu)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(80)
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed, viewer.layers.events.renamed):
            event.connect(self.refresh)
        self.refresh()

    def follow(self, image: Any) -> None:
        """Offer the images that fit this one."""
        self._image = image
        self.refresh()

    def offered(self) -> list[Any]:
        """Return the layers that can be ticked."""
        image = self._image
        if image is None:
            return []
        others = [layer for layer in self._viewer.layers if is_image(layer) and layer is not image]
        return [one for one in others if not one.rgb and not one.multiscale and one.data.shape == image.data.shape]

    def layers(self) -> list[Any]:
        """Return the layers that are ticked, in the order of the layer list."""
        return [layer for layer in self.offered() if any(layer is one for one in self._ticked)]

    def choose(self, layers: list[Any]) -> None:
        """Tick layers, and no others."""
        self._ticked = list(layers)
        self.refresh()

    def refresh(self, event: Any = None) -> None:
        """List the layers again; what was ticked stays ticked where it is still there."""
        offered = self.offered()
        before, self._ticked = len(self._ticked), self.layers()
        self._menu.clear()
        for layer in offered:
            action = self._menu.addAction(layer.name)
            action.setCheckable(True)
            action.setChecked(any(layer is one for one in self._ticked))
            action.toggled.connect(lambda on, layer=layer: self._toggle(layer, on))
        self.setText(", ".join(layer.name for layer in self._ticked) or "none")
        self.setEnabled(bool(offered))
        if event is None or before != len(self._ticked):
            self.changed.emit()

    def _toggle(self, layer: Any, on: bool) -> None:
        self._ticked = [one for one in self._ticked if one is not layer] + ([layer] if on else [])
        self.setText(", ".join(one.name for one in self.layers()) or "none")
        self.changed.emit()


class LaterBox(QWidget):
    """Choose whether windows are cut in pairs: each place in its own frame, and some frames later or earlier."""

    #: A choice changed.
    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.tick = QCheckBox("Cut pairs")
        self.tick.setToolTip(
            "Cut each window twice: in its own frame, and at the same place some frames later (or earlier: a negative "
            "lag). A DelayVAE reads the one and draws the other."
        )
        self.form = ParamsForm(DelayParams, fold=False)
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.tick)
        column.addWidget(self.form)
        self.fold = Fold("Another time", inside, self)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.fold)
        self.form.setEnabled(False)
        self.tick.toggled.connect(self._ticked)
        self.form.changed.connect(self.changed)

    def follow(self, image: Any) -> None:
        """Be there for movies only."""
        movie = image is not None and image.ndim == 3
        self.setVisible(movie)
        if not movie:
            self.tick.setChecked(False)

    def params(self) -> DelayParams | None:
        """Return how pairs are cut; None when they are not.

        Raises
        ------
        ParameterError
            If a value cannot be used.
        """
        return self.form.params() if self.tick.isChecked() else None

    def _ticked(self, on: bool) -> None:
        self.form.setEnabled(on)
        self.changed.emit()
