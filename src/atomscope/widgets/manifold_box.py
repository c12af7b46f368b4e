"""What the decoder draws, in the dock and as layers; and latents of a grid as maps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Layer
from qtpy.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from atomscope import pipeline
from atomscope.errors import AtomscopeError, InputError
from atomscope.widgets.bridge import sites_of, stack_of
from atomscope.widgets.jobs import show_error
from atomscope.widgets.latest import Latest
from atomscope.widgets.overlay import add_or_replace, is_image
from atomscope.widgets.panel import button
from atomscope.widgets.plots import Picture
from atomscope.widgets.state import ViewerState

PLANE, SINGLE = "z1 against z2", "each latent by itself"
ALL = "all classes"


class ManifoldBox(QWidget):
    """A picture of the manifold, and buttons that make layers and files of it.

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
        self._layers: dict[str, Any] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self.kind = QComboBox()
        self.kind.addItems([PLANE, SINGLE])
        self.kind.setToolTip("Rows are z1, columns are z2; or a row for each latent and each class.")
        self.picture = Picture("Train or load a model to see it.")
        self.level_box = QComboBox()
        self.level_box.setToolTip("Which of the models: there is one of each window size.")
        self.label_box = QComboBox()
        self.label_box.setToolTip("Class that is drawn, or all of them side by side.")
        for box in (self.kind, self.level_box, self.label_box):
            box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            box.setMinimumWidth(60)
        choices = QHBoxLayout()
        choices.setSpacing(6)
        for box in (self.level_box, self.kind, self.label_box):
            choices.addWidget(box, 1)
        column.addLayout(choices)
        column.addWidget(self.picture)
        line = QHBoxLayout()
        self.show_button = button("To viewer", "Show it beside the image, with its ticks.", self.show_layers)
        self.map_button = button("Map", "Show the latents of grid sites as pictures, a pixel a site.", self.show_maps)
        self.save_button = button("Save pictures…", "Save both pictures as TIFF and PNG.", self.save)
        for one in (self.show_button, self.map_button, self.save_button):
            line.addWidget(one)
        line.addStretch(1)
        column.addLayout(line)
        self._newest = Latest(self, self.picture.show_array)
        self.kind.currentTextChanged.connect(self._draw)
        self.label_box.currentTextChanged.connect(self._draw)
        self.level_box.currentTextChanged.connect(self._level_chosen)
        self.follow(None)

    @property
    def array(self) -> np.ndarray | None:
        """The picture that is shown."""
        return self.picture.array

    def follow(self, points: Any) -> None:
        """Show the model of another Points layer, or the same one's new model."""
        if points is not self._points:
            self._layers = {}  # those of the other layer stay as they are
        self._points = points
        scales = self._scales()
        _fill(
            self.level_box, [] if scales is None else [f"{name}: {', '.join(z)}" for name, z in scales.columns.items()]
        )
        self._level_chosen()

    def _level_chosen(self, *_: Any) -> None:
        model = self._model()
        names = [] if model is None else pipeline.class_names(model)
        _fill(self.label_box, [*names, ALL] if names else [])
        self._draw()

    def _scales(self) -> Any:
        return None if self._points is None else self._state.work(self._points).scales

    def _model(self) -> Any:
        scales = self._scales()
        if scales is not None:
            return scales.levels[max(0, self.level_box.currentIndex())].model
        return None if self._points is None else self._state.work(self._points).model

    def _label(self) -> Any:
        return "all" if self.label_box.currentText() == ALL else max(0, self.label_box.currentIndex())

    def _draw(self, *_: Any) -> None:
        model, single, label = self._model(), self.kind.currentText() == SINGLE, self._label()
        self.show_button.setEnabled(model is not None)
        self.save_button.setEnabled(model is not None)
        self.map_button.setEnabled(self._points is not None)
        if model is None:
            self._newest.forget()
            self.picture.show_array(None)
        elif single:
            self._newest.ask(lambda: pipeline.one_by_one(model, label=label))
        else:
            self._newest.ask(lambda: pipeline.manifold(model, 5 if label == "all" else 8, label=label))

    def _image(self) -> Any:
        image = self._state.work(self._points).image_layer()
        if image is None or image not in self._viewer.layers:
            image = next((layer for layer in self._viewer.layers if is_image(layer)), None)
        if image is None:
            raise InputError("wanted the image that the points lie in, found none; open it first")
        return image

    def show_layers(self) -> None:
        """Add the manifold and its ticks as layers."""
        single = self.kind.currentText() == SINGLE
        how = {"single": single, "label": self._label()}
        self._add(lambda: pipeline.manifold_layers(stack_of(self._image()), self._model(), **how))

    def show_maps(self) -> None:
        """Add a map of each latent as a layer."""

        def made() -> Any:
            image = self._image()
            return pipeline.latent_maps(stack_of(image), sites_of(self._points, image, self._viewer))

        self._add(made)

    def _add(self, make: Callable[[], Any]) -> None:
        if self._points is None:
            return
        try:
            for data in make():
                layer = Layer.create(*data)
                self._layers[layer.name] = add_or_replace(self._viewer, layer, self._layers.get(layer.name))
        except AtomscopeError as error:
            self._say(str(error))

    def save(self) -> None:
        """Save the pictures where the user says."""
        folder = QFileDialog.getExistingDirectory(self, "Folder for the pictures of the manifold")
        if folder:
            self.save_to(Path(folder))

    def save_to(self, folder: Path) -> None:
        """Save the pictures."""
        try:
            label = self._label()
            pipeline.save_pictures(self._model(), folder, label=None if label == "all" else label)
        except AtomscopeError as error:
            show_error(error)
            self._say(str(error))


def _fill(box: QComboBox, names: list[str]) -> None:
    """Offer names, keeping the choice; a box that offers nothing is not there."""
    chosen = box.currentText()
    box.blockSignals(True)
    box.clear()
    box.addItems(names)
    box.setCurrentIndex(max(0, names.index(chosen)) if chosen in names else 0)
    box.blockSignals(False)
    box.setVisible(bool(names))
