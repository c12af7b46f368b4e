"""The part of the Walls dock that teaches: paint, train, keep."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from napari.utils.colormaps import DirectLabelColormap
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QFileDialog, QFormLayout, QHBoxLayout, QVBoxLayout, QWidget

from atomscope import pipeline
from atomscope.data import counted
from atomscope.data.params import WallTrainParams
from atomscope.errors import AtomscopeError
from atomscope.widgets.bridge import KEY, note_of, placement, stack_of
from atomscope.widgets.fold import Fold
from atomscope.widgets.form import ParamsForm
from atomscope.widgets.jobs import JobRunner, show_error
from atomscope.widgets.layerbox import LayerBox
from atomscope.widgets.panel import button, note, row_label
from atomscope.widgets.step_loss import StepLoss

#: Walls, surely no wall, and what no one should paint with.
_COLOURS: Any = {0: "transparent", 1: "#ff9f1c", 2: "#56b4e9", None: "#9aa0a6"}
_MODEL_FILES = "Wall network (*.safetensors)"


def is_paint(layer: Any) -> bool:
    """Whether a layer is labels that someone may have painted (not our domains)."""
    return type(layer).__name__ == "Labels" and note_of(layer).get("kind") != "domains"


class WallTeacher(QWidget):
    """Paint walls on a frame or two, train a network on them.

    Parameters
    ----------
    viewer : napari viewer
    runner : JobRunner
    image : callable
        Returns the image layer that is looked at, or None.
    say : callable
        Shows a line of status.
    """

    #: There is a new network.
    taught = Signal()
    #: The network in hand is this file: a recipe can name it.
    kept = Signal(str)

    def __init__(
        self, viewer: Any, runner: JobRunner, image: Callable[[], Any], say: Callable[..., None], parent: Any = None
    ) -> None:
        super().__init__(parent)
        self.viewer, self.runner, self._image, self._say = viewer, runner, image, say
        self.network: Any = None
        self._began = 0.0
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addWidget(
            note(
                "Paint label 1 along all walls of one frame, then Train. Where you paint label 2 (no wall) in a frame, "
                "only what you painted counts there."
            )
        )
        rows = QFormLayout()
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setHorizontalSpacing(10)
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.paint_box = LayerBox(viewer, is_paint, "press Paint walls first")
        self.paint_box.setToolTip("The Labels layer that holds the painted walls.")
        rows.addRow(row_label("Painted walls"), self.paint_box)
        column.addLayout(rows)
        self.form = ParamsForm(WallTrainParams)
        self.go_on = QCheckBox("Go on from the last network")
        self.go_on.setToolTip("After more painting: start from what was learnt instead of from nothing.")
        self.go_on.setEnabled(False)
        inside = QWidget()
        settings = QVBoxLayout(inside)
        settings.setContentsMargins(0, 0, 0, 0)
        settings.addWidget(self.form)
        settings.addWidget(self.go_on)
        column.addWidget(Fold("Training settings", inside, self))
        self.paint = button("Paint walls", "Make a Labels layer over the image and take up the brush.", self.take_brush)
        self.train = button("Train", "Train a network on what is painted.", self.run)
        self.open = button("Open…", "Use a network that was saved.", self.ask_open)
        self.save = button("Save…", "Keep this network as a file.", self.ask_save)
        for pair in ((self.paint, self.train), (self.open, self.save)):
            line = QHBoxLayout()
            line.setSpacing(6)
            for one in pair:
                line.addWidget(one, 1)
            column.addLayout(line)
        self.loss = StepLoss()
        column.addWidget(self.loss)
        self.card = note("No network yet.")
        column.addWidget(self.card)
        self.save.setEnabled(False)
        runner.busy_changed.connect(self._busy)

    def take_brush(self) -> None:
        """Make (or take) the Labels layer and paint with label 1."""
        image = self._image()
        if image is None:
            return
        stack = stack_of(image)
        layer = next((x for x in self.viewer.layers if is_paint(x) and x.data.shape == stack.shape), None)
        if layer is None:
            layer = self.viewer.add_labels(
                np.zeros(stack.shape, np.uint8),
                name=f"{image.name} painted walls",
                metadata={KEY: {"kind": "paint"}},
                colormap=DirectLabelColormap(color_dict=_COLOURS),
                **placement(image),
            )
            layer.brush_size = 4
            layer.n_edit_dimensions = 2
        layer.selected_label = 1
        layer.mode = "paint"
        self.viewer.layers.selection.active = layer
        self.paint_box.refresh()
        self.paint_box.choose(getattr(layer, "__wrapped__", layer))

    def run(self) -> None:
        """Train on the painted frames."""
        image, paint = self._image(), self.paint_box.layer()
        if image is None or paint is None:
            self._say("Press Paint walls and draw along the walls of a frame first.", bad=True)
            return
        try:
            stack, params = stack_of(image), self.form.params()
        except AtomscopeError as error:
            show_error(error)
            self._say(str(error), bad=True)
            return
        labels = np.array(paint.data)  # as it is now: painting may go on
        init = self.network if self.go_on.isChecked() else None
        self.loss.begin()
        self._began = time.monotonic()

        def work(on_progress: Any, should_stop: Any) -> Any:
            return pipeline.train_walls(
                stack, labels, params, init=init, on_progress=on_progress, should_stop=should_stop
            )

        self.runner.start(
            f"Learn the walls of {image.name}",
            work,
            on_done=self._done,
            on_error=self._failed,
            on_reports=self.loss.take,
            total=params.steps,
        )

    def _done(self, network: Any, stopped: bool) -> None:
        if network is None:
            self._say("Cancelled before the first step; nothing was changed.")
            return
        self.use(network)
        early = "Cancelled; kept the network so far" if network.meta.get("stopped") else "Trained"
        steps = counted(network.meta["steps"], "step")
        self._say(f"{early}: {steps}, {time.monotonic() - self._began:.0f} s. Next: find walls.")

    def _failed(self, error: BaseException) -> None:
        self._say(str(error), bad=True)

    def use(self, network: Any, name: str = "") -> None:
        """Take a network for the next finding."""
        self.network = network
        meta = network.meta
        parts = (("frames", "painted frame"), ("steps", "step"))
        told = [counted(meta[k], name) for k, name in parts if k in meta]
        self.card.setText("Network" + (f" {name}" if name else "") + ": " + (", ".join(told) or "ready") + ".")
        self.go_on.setEnabled(True)
        self._busy(False)
        self.taught.emit()

    def _busy(self, busy: bool) -> None:
        for one in (self.paint, self.train, self.open):
            one.setEnabled(not busy)
        self.save.setEnabled(not busy and self.network is not None)

    def ask_save(self) -> None:
        """Ask where to keep the network."""
        path, _ = QFileDialog.getSaveFileName(self, "Save the network", "walls.safetensors", _MODEL_FILES)
        if path:
            self.save_to(Path(path))

    def save_to(self, path: Path) -> None:
        """Keep the network as a file."""
        try:
            written = pipeline.save_wall_net(self.network, path.with_suffix(".safetensors"))
        except AtomscopeError as error:
            show_error(error)
            self._say(str(error), bad=True)
            return
        self._say(f"Saved {written.name}.")
        self.kept.emit(str(written))

    def ask_open(self) -> None:
        """Ask for the file of a network."""
        path, _ = QFileDialog.getOpenFileName(self, "Open a network", "", _MODEL_FILES)
        if path:
            self.open_from(Path(path))

    def open_from(self, path: Path) -> None:
        """Take the network of a file."""
        try:
            network = pipeline.load_wall_net(path)
        except AtomscopeError as error:
            show_error(error)
            self._say(str(error), bad=True)
            return
        self.use(network, path.stem)
        self._say(f"Opened {path.name}.")
        self.kept.emit(str(path))
