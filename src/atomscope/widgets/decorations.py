"""What can be drawn beside the points: their angles as lines, their cells painted with a column."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QWidget

from atomscope.errors import AtomscopeError, InputError
from atomscope.widgets.bridge import sites_of, stack_of
from atomscope.widgets.overlay import add_or_replace, cells_layer, is_image, show_colour_bar, vectors_layer
from atomscope.widgets.state import ViewerState


class Decorations(QWidget):
    """Three tick boxes: the colour bar, the angle as lines, the cells.

    Parameters
    ----------
    viewer : napari viewer
    state : ViewerState
    say : callable
        Told what went wrong.
    """

    def __init__(self, viewer: Any, state: ViewerState, say: Callable[[str], None]) -> None:
        super().__init__()
        self._viewer, self._state, self._say = viewer, state, say
        self._points: Any = None
        self._column = ""
        self._layers: dict[str, Any] = {}
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self.bar = self._tick(row, "Colour bar", "Show the colour bar on the image.", self._bar_toggled)
        self.lines = self._tick(row, "Angle", "Draw the angle of every site as a short line.", self._draw)
        self.cells = self._tick(row, "Cells", "Paint the area round every site with the colour column.", self._draw)
        self.bar.setChecked(True)
        row.addStretch(1)

    @staticmethod
    def _tick(row: QHBoxLayout, text: str, tip: str, action: Callable[..., None]) -> QCheckBox:
        tick = QCheckBox(text)
        tick.setToolTip(tip)
        tick.toggled.connect(action)
        row.addWidget(tick)
        return tick

    def follow(self, points: Any, column: str) -> None:
        """Decorate another Points layer, or the same one in another column."""
        moved, recoloured = points is not self._points, column != self._column
        self._points, self._column = points, column
        if moved or (recoloured and self.cells.isChecked()):
            if moved:
                self._layers = {}  # those of the other layer stay as they are
            self._draw()

    def refresh(self) -> None:
        """Draw again: the columns have new values."""
        self._draw()

    def _bar_toggled(self, on: bool) -> None:
        if self._points is not None:
            show_colour_bar(self._points, on)

    def _draw(self, *_: Any) -> None:
        for name, tick, make in (("angle", self.lines, self._make_lines), ("cells", self.cells, self._make_cells)):
            old = self._layers.pop(name, None)
            if not tick.isChecked() or self._points is None:
                if old is not None and old in self._viewer.layers:
                    self._viewer.layers.remove(old)
                continue
            active = self._viewer.layers.selection.active
            try:
                layer = make()
            except AtomscopeError as error:
                self._say(str(error))
                continue
            add_or_replace(self._viewer, layer, old)
            if name == "cells" and old is None:  # under the points
                self._viewer.layers.move(self._viewer.layers.index(layer), self._viewer.layers.index(self._points))
            self._viewer.layers.selection.active = active
            self._layers[name] = layer

    def _where(self) -> tuple[Any, Any, Any]:
        image = self._state.work(self._points).image_layer()
        if image is None or image not in self._viewer.layers:
            image = next((layer for layer in self._viewer.layers if is_image(layer)), None)
        if image is None:
            raise InputError("wanted the image that the points lie in, found none; open it first")
        return image, stack_of(image), sites_of(self._points, image, self._viewer)

    def _make_lines(self) -> Any:
        if "angle" not in self._points.features:
            raise InputError("no angle to draw: train a model with rotation")
        image, stack, sites = self._where()
        return vectors_layer(stack, sites, image, f"{self._points.name} angle")

    def _make_cells(self) -> Any:
        image, stack, sites = self._where()
        return cells_layer(stack, sites, self._column, image, f"{self._points.name} cells")
