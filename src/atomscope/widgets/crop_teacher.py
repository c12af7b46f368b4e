"""The part of a dock that teaches a classifier: what whole frames hold, a training, a file."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QFormLayout, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from atomscope import pipeline
from atomscope.data import counted
from atomscope.data.params import ClassifierParams
from atomscope.errors import AtomscopeError, InputError
from atomscope.widgets.bridge import current_frame, stack_of
from atomscope.widgets.class_buttons import ClassButtons, class_names
from atomscope.widgets.fold import Fold
from atomscope.widgets.form import ParamsForm
from atomscope.widgets.frame_labels import FrameLabels
from atomscope.widgets.jobs import JobRunner, show_error
from atomscope.widgets.panel import button, note, row_label
from atomscope.widgets.step_loss import StepLoss

_MODELS, _TABLES = "Classifier (*.safetensors)", "Table (*.csv)"


class CropTeacher(QWidget):
    """Say what frames hold, train a classifier on them.

    Parameters
    ----------
    viewer : napari viewer
    runner : JobRunner
    image : callable
        Returns the image layer of the frames that are labelled, or None.
    say : callable
        Shows a line of status.
    """

    #: There is a new classifier.
    changed = Signal()

    def __init__(
        self, viewer: Any, runner: JobRunner, image: Callable[[], Any], say: Callable[..., None], parent: Any = None
    ) -> None:
        super().__init__(parent)
        self.viewer, self.runner, self._image, self._say = viewer, runner, image, say
        self.model: Any = None
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addWidget(
            note("Say of some frames of a movie of small images what they hold, not where. 20 of each are a start.")
        )
        rows = QFormLayout()
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setHorizontalSpacing(10)
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.classes_line = QLineEdit("none, defect")
        self.classes_line.setToolTip("What frames can hold, with commas between; none holds nothing to locate.")
        self.classes_line.editingFinished.connect(self.name_buttons)
        rows.addRow(row_label("Classes"), self.classes_line)
        column.addLayout(rows)
        self.buttons = ClassButtons("The frame on screen holds {0}; go to the next.", stay=False)
        self.buttons.pressed.connect(self.label)
        column.addWidget(self.buttons)
        self.told = note()
        column.addWidget(self.told)
        self.read = button("Read labels…", "Take the labels of a table: frame, label.", self._ask_read)
        self.write = button("Write labels…", "Keep the labels as a table.", self._ask_write)
        self.form = ParamsForm(ClassifierParams)
        settings = Fold("Training settings", self.form, self)
        self.train = button("Train", "Learn what tells the classes apart.", self.run)
        self.open = button("Open…", "Use a classifier that was saved.", self._ask_open)
        self.save = button("Save…", "Keep this classifier as a file.", self._ask_save)
        for part in ((self.read, self.write), settings, (self.train, self.open, self.save)):
            if isinstance(part, QWidget):
                column.addWidget(part)
                continue
            line = QHBoxLayout()
            line.setSpacing(6)
            for one in part:
                line.addWidget(one, 1)
            column.addLayout(line)
        self.loss = StepLoss("epoch")
        column.addWidget(self.loss)
        self.card = note("No classifier yet.")
        column.addWidget(self.card)
        self.name_buttons()
        runner.busy_changed.connect(self.allow)
        viewer.dims.events.current_step.connect(self.count)

    def classes(self) -> tuple[str, ...]:
        """Return the names of the classes."""
        return class_names(self.classes_line.text(), ("none", "defect"))

    def name_buttons(self) -> None:
        """Make a button for each class."""
        self.buttons.name(self.classes())
        self.count()

    # labels

    def label(self, index: int) -> None:
        """Say that the frame on screen is of a class, and go to the next frame."""
        layer = self._image()
        if layer is None or self.runner.busy or index >= len(self.classes()):
            return
        frame, stack = current_frame(self.viewer, layer), stack_of(layer)
        FrameLabels(layer).say(frame, self.classes()[index])
        if frame + 1 < stack.n_frames:
            at = np.unravel_index(frame + 1, stack.navigation_shape)
            for k, i in enumerate(at):
                self.viewer.dims.set_current_step(self.viewer.dims.ndim - layer.ndim + k, int(i))
        self.count()

    def count(self, event: Any = None) -> None:
        """Say how many frames are labelled, and what is said of the one on screen."""
        layer = self._image()
        if layer is None or layer.ndim < 3:
            self.told.setText(
                "" if layer is None else "This is one image; open a movie (a stack) of small ones to label."
            )
        else:
            labels = FrameLabels(layer)
            here = labels.get().get(current_frame(self.viewer, layer))
            told = ", ".join(f"{n} {name}" for name, n in sorted(labels.count().items())) or "Nothing is labelled yet"
            self.told.setText(f"{told}. This frame: {here}." if here else f"{told}.")
        self.allow()

    def allow(self, *_: Any) -> None:
        """Enable what can be done now."""
        layer, free = self._image(), not self.runner.busy
        movie = layer is not None and layer.ndim > 2
        labelled = movie and bool(FrameLabels(layer).get())
        self.buttons.setEnabled(free and movie)
        self.read.setEnabled(free and movie)
        self.write.setEnabled(free and labelled)
        self.train.setEnabled(free and labelled)
        self.train.setToolTip("Learn what tells the classes apart." if labelled else "Label some frames first.")
        self.open.setEnabled(free)
        self.save.setEnabled(free and self.model is not None)

    # training

    def run(self) -> None:
        """Train on the labelled frames."""
        layer = self._image()
        if layer is None:
            return
        try:
            stack, params, labels = stack_of(layer), self.form.params(), FrameLabels(layer).get()
            if len(set(labels.values())) < 2:
                told = ", ".join(sorted(set(labels.values()))) or "none"
                raise InputError(f"label frames of at least two classes; so far there are only: {told}")
        except AtomscopeError as error:
            self._refuse(error)
            return
        self.loss.begin()
        began = time.monotonic()

        def work(on_progress: Any, should_stop: Any) -> Any:
            crops = np.stack([stack.frame(frame) for frame in labels])
            return pipeline.train_classifier(
                crops, list(labels.values()), params, on_progress=on_progress, should_stop=should_stop
            )

        def done(model: Any, stopped: bool) -> None:
            if model is None or not model.meta.get("epochs"):
                self._say("Cancelled before the first epoch; nothing was changed.")
                return
            last = model.meta["rows"][-1]
            self.use(model, f"{counted(len(labels), 'frame')}, {100 * last['accuracy']:.0f} % of them recognised")
            verb = "Cancelled; kept the classifier so far" if model.meta.get("stopped") else "Trained"
            self._say(f"{verb}, {time.monotonic() - began:.0f} s. Next: Locate.")

        self.runner.start(
            f"Learn from frames of {layer.name}",
            work,
            on_done=done,
            on_error=lambda error: self._say(str(error), bad=True),
            on_reports=self.loss.take,
            total=params.epochs,
        )

    def use(self, model: Any, told: str) -> None:
        """Take a classifier."""
        self.model = model
        names = [name for k, name in enumerate(model.classes) if k != model.background]
        self.card.setText(f"Locates {', '.join(names)}: {told}.")
        self.allow()
        self.changed.emit()

    # files

    def _refuse(self, error: BaseException) -> None:
        show_error(error)
        self._say(str(error), bad=True)

    def _ask_read(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Read labels", "", _TABLES)
        if path:
            self.read_from(Path(path))

    def _ask_write(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Write labels", "labels.csv", _TABLES)
        if path:
            self.write_to(Path(path))

    def _ask_open(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Open a classifier", "", _MODELS)
        if path:
            self.open_from(Path(path))

    def _ask_save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save the classifier", "defects.safetensors", _MODELS)
        if path:
            self.save_to(Path(path))

    def read_from(self, path: Path) -> None:
        """Take labels of frames from a table."""
        layer = self._image()
        if layer is None:
            return
        try:
            FrameLabels(layer).read(path, stack_of(layer).n_frames)
        except AtomscopeError as error:
            self._refuse(error)
            return
        more = [name for name in FrameLabels(layer).count() if name not in self.classes()]
        if more:
            self.classes_line.setText(", ".join([*self.classes(), *more]))
        self.name_buttons()
        self._say(f"Read {path.name}.")

    def write_to(self, path: Path) -> None:
        """Keep the labels as a table."""
        try:
            self._say(f"Wrote {FrameLabels(self._image()).write(path).name}.")
        except OSError as error:
            self._refuse(InputError(f"cannot write {path.name}: {error}"))

    def open_from(self, path: Path) -> None:
        """Take the classifier of a file."""
        try:
            self.use(pipeline.load_classifier(path), f"from {path.name}")
        except AtomscopeError as error:
            self._refuse(error)

    def save_to(self, path: Path) -> None:
        """Keep the classifier as a file."""
        try:
            self._say(f"Saved {pipeline.save_classifier(self.model, path.with_suffix('.safetensors')).name}.")
        except AtomscopeError as error:
            self._refuse(error)
