"""The part of a dock in which sites are annotated: classes, the layers to click, paint and draw in, a count."""

from __future__ import annotations

import weakref
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from atomscope.widgets.class_buttons import ClassButtons, class_names
from atomscope.widgets.layerbox import LayerBox
from atomscope.widgets.marks import add_marks, add_paint, add_regions, bind_keys, is_marks, rename_classes, use_class
from atomscope.widgets.panel import button, note, row_label


class Annotator(QWidget):
    """Choose classes and annotate.

    Parameters
    ----------
    viewer : napari viewer
    image_box : LayerBox
        Says which image is annotated.
    """

    #: Another layer is annotated in, or something was annotated.
    changed = Signal()

    def __init__(self, viewer: Any, image_box: LayerBox, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._image_box = viewer, image_box
        self._bound: weakref.WeakSet[Any] = weakref.WeakSet()
        self._names: tuple[str, ...] = ()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        self.marks_box = LayerBox(viewer, is_marks, "click or paint first")
        self.marks_box.setToolTip("What you clicked (a Points layer made here) or painted (any Labels layer).")
        self.classes_line = QLineEdit("atom")
        self.classes_line.setToolTip("Names of what is to be found, with commas between: atom, vacancy, dopant.")
        self.classes_line.editingFinished.connect(self._classes_changed)
        self.class_buttons = ClassButtons("What you click is {0} (key {1}).")
        self.class_buttons.pressed.connect(self.choose_class)
        tools = QHBoxLayout()
        tools.setSpacing(4)
        for text, tip, action in (
            ("Click", "Make a layer to click sites into; keys 1 to 9 choose the class.", self.click),
            ("Paint", "Make a layer to paint sites in; each blob is one site.", self.paint),
            ("Regions", "Draw rectangles: inside them all is annotated, the rest is background.", self.regions),
        ):
            tools.addWidget(button(text, tip, action))
        for label, widget in (("Classes", self.classes_line), ("Annotations", self.marks_box)):
            rows = QFormLayout()
            rows.setContentsMargins(0, 0, 0, 0)
            rows.setHorizontalSpacing(10)
            rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
            rows.addRow(row_label(label), widget)
            column.addLayout(rows)
            if label == "Classes":
                column.addWidget(self.class_buttons)
                column.addLayout(tools)
        self.told = note()
        column.addWidget(self.told)
        self.marks_box.layer_changed.connect(self._marks_changed)
        self._classes_changed()
        self._marks_changed()

    def layer(self) -> Any:
        """Return the layer that holds the annotations, or None."""
        return self.marks_box.layer()

    def name_classes(self, names: tuple[str, ...]) -> None:
        """Take other classes."""
        self.classes_line.setText(", ".join(names))
        self._classes_changed()

    def classes(self) -> tuple[str, ...]:
        """Return the names of the classes, each once, nine at most."""
        return class_names(self.classes_line.text(), ("atom",))

    def _classes_changed(self) -> None:
        old, new, layer = self._names, self.classes(), self.layer()
        if new == old:
            return
        self._names = new
        self.class_buttons.name(new)
        if layer is not None and type(layer).__name__ == "Points":
            layer.selected_data = set()  # the class that is chosen now is not meant for them
            if len(new) == len(old):
                rename_classes(layer, dict(zip(old, new, strict=True)))
        self.choose_class(0)
        self._count()

    def choose_class(self, index: int) -> None:
        """Let what is annotated from now on be of a class; selected points become it."""
        classes, layer = self.classes(), self.layer()
        if index >= len(classes):
            return
        self.class_buttons.show_chosen(index)
        if layer is not None:
            use_class(layer, classes, index)

    def click(self) -> None:
        """Make the layer to click into."""
        image = self._image_box.layer()
        if image is not None:
            self._use(add_marks(self._viewer, image, self.classes()))

    def paint(self) -> None:
        """Make the layer to paint in."""
        image = self._image_box.layer()
        if image is not None:
            self._use(add_paint(self._viewer, image))

    def regions(self) -> None:
        """Make the layer of regions."""
        image = self._image_box.layer()
        if image is not None:
            add_regions(self._viewer, image)

    def _use(self, layer: Any) -> None:
        self.marks_box.refresh()
        self.marks_box.choose(getattr(layer, "__wrapped__", layer))
        self._marks_changed()

    def _marks_changed(self) -> None:
        layer = self.layer()
        if layer is not None and layer not in self._bound:
            bind_keys(layer, self.choose_class)
            events = layer.events
            getattr(events, "data", events.set_data).connect(self._count)
            if hasattr(events, "features"):  # of which class the marks are
                events.features.connect(self._count)
            self._bound.add(layer)
        self._count()

    def _count(self, event: Any = None) -> None:
        layer = self.layer()
        if layer is None:
            self.told.setText("Click a few sites of every class, or paint them.")
        elif type(layer).__name__ == "Points":
            kinds = layer.features["kind"].astype(str).value_counts()
            self.told.setText(", ".join(f"{n} {kind}" for kind, n in kinds.items()) or "Click on sites in the image.")
        else:
            self.told.setText("Each painted blob is a site; its label is its class.")
        self.changed.emit()
