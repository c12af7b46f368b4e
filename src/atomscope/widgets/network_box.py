"""The part of the Particles dock that has the network: taught by painted labels, kept in a file, taken from one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QFormLayout, QHBoxLayout, QVBoxLayout, QWidget

from atomscope import pipeline
from atomscope.data import Stack, counted
from atomscope.data.params import SegmenterParams
from atomscope.errors import AtomscopeError
from atomscope.widgets.form import ParamsForm
from atomscope.widgets.jobs import JobRunner, show_error
from atomscope.widgets.layerbox import LayerBox
from atomscope.widgets.panel import button, note, row_label
from atomscope.widgets.step_loss import StepLoss
from atomscope.widgets.warmup import warm_up


def is_labels(layer: Any) -> bool:
    """Whether a layer can hold painted particles."""
    return type(layer).__name__ == "Labels"


class NetworkBox(QWidget):
    """Painted labels in, a network out.

    Parameters
    ----------
    viewer : napari viewer
    runner : JobRunner
        Of the dock: one job at a time.
    asked : callable
        Returns the Stack and the frame on screen, or None when there is no image.
    say : callable
        Shows a line of status; its second argument says that something is wrong.
    """

    #: There is a (new) network.
    changed = Signal()

    def __init__(
        self,
        viewer: Any,
        runner: JobRunner,
        asked: Callable[[], tuple[Stack, int] | None],
        say: Callable[[str, bool], None],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._runner, self._asked, self._say = runner, asked, say
        self.network: Any = None
        #: Where the network lies on disk; None when it was not saved.
        self.file: str | None = None
        self.paint_box = LayerBox(viewer, is_labels, "label a frame first")
        self.paint_box.setToolTip("Each particle of a part of a frame has a number of its own; the rest is 0.")
        self.form = ParamsForm(SegmenterParams)
        self.train_button = button("Train", "Teach a network by the painted labels.", self.train)
        self.open_button = button("Open…", "Take a network from a file.", self.open)
        self.save_button = button("Save…", "Keep the network in a file.", self.save)
        self.told = note("No network yet.")
        self.loss = StepLoss()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        rows = QFormLayout()
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setHorizontalSpacing(10)
        rows.addRow(row_label("Painted labels"), self.paint_box)
        column.addLayout(rows)
        column.addWidget(self.form)
        line = QHBoxLayout()
        for one in (self.train_button, self.open_button, self.save_button):
            line.addWidget(one)
        column.addLayout(line)
        column.addWidget(self.told)
        column.addWidget(self.loss)
        self.paint_box.layer_changed.connect(self.allow)
        runner.busy_changed.connect(self.allow)
        self.allow()
        warm_up()

    def allow(self, *_: Any) -> None:
        """Enable what can be done now."""
        busy = self._runner.busy
        self.train_button.setEnabled(not busy and self.paint_box.layer() is not None)
        self.open_button.setEnabled(not busy)
        self.save_button.setEnabled(not busy and self.network is not None)

    def train(self) -> None:
        """Teach the network."""
        asked, painted = self._asked(), self.paint_box.layer()
        if asked is None or painted is None:
            self._say("Open an image first.", True)
            return
        (stack, frame), labels = asked, painted.data
        try:
            params = self.form.params()
        except AtomscopeError as error:
            show_error(error)
            self._say(str(error), True)
            return
        began = time.monotonic()
        self.loss.begin()

        def work(on_progress: Any, should_stop: Any) -> Any:
            return pipeline.train_particles(
                stack, labels, params, frame=frame, on_progress=on_progress, should_stop=should_stop
            )

        def done(value: Any, stopped: bool) -> None:
            if value is None or not value.meta["steps"]:
                self._say("Cancelled before the first step; nothing was changed.", False)
                return
            steps = counted(value.meta["steps"], "step")
            self._take(value, None, f"Taught by {painted.name}, {steps}; not saved.")
            verb = "Cancelled; kept the network so far" if value.meta["stopped"] else "Trained"
            self._say(f"{verb}, {time.monotonic() - began:.0f} s. Next: All frames.", False)

        self._runner.start(
            f"Train on {painted.name}",
            work,
            on_done=done,
            on_error=lambda error: self._say(str(error), True),
            on_reports=self.loss.take,
            total=params.steps,
        )

    def save(self, path: str = "") -> None:
        """Write the network to a file."""
        path = (
            path or QFileDialog.getSaveFileName(self, "Save the network", "particles.safetensors", "*.safetensors")[0]
        )
        if not path or self.network is None:
            return
        try:
            self.file = str(pipeline.save_segmenter(self.network, path))
        except AtomscopeError as error:
            show_error(error)
            self._say(str(error), True)
            return
        self.told.setText(f"Saved as {self.file}.")

    def open(self, path: str = "") -> None:
        """Take a network from a file."""
        path = path or QFileDialog.getOpenFileName(self, "Open a network", "", "*.safetensors")[0]
        if not path:
            return
        try:
            self._take(pipeline.load_segmenter(path), path, f"From {path}.")
        except AtomscopeError as error:
            show_error(error)
            self._say(str(error), True)

    def _take(self, network: Any, file: str | None, told: str) -> None:
        self.network, self.file = network, file
        self.told.setText(told)
        self.allow()
        self.changed.emit()
