"""The dock widget *Teach a finder*: click a few sites, train, look, find in the whole movie, correct, go on."""

from __future__ import annotations

import time
import weakref
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtWidgets import QComboBox, QFileDialog, QHBoxLayout

from atomscope import pipeline
from atomscope.data import Progress, Sites, Stack
from atomscope.data.params import FindParams, TeachParams
from atomscope.errors import AtomscopeError, InputError
from atomscope.widgets.annotator import Annotator
from atomscope.widgets.bridge import current_frame, sites_of, stack_of
from atomscope.widgets.form import ParamsForm
from atomscope.widgets.layerbox import LayerBox
from atomscope.widgets.marks import annotations_of, put_marks, rectangles_of, show_classes
from atomscope.widgets.overlay import add_or_replace, is_image, points_layer
from atomscope.widgets.panel import Panel, RunBar, button, note, row_label
from atomscope.widgets.preview import PreviewLayer
from atomscope.widgets.step_loss import StepLoss
from atomscope.widgets.warmup import warm_up


class TeachWidget(Panel):
    """Teach a finder from a few annotated sites.

    Parameters
    ----------
    napari_viewer : napari viewer
    """

    def __init__(self, napari_viewer: Any, parent: Any = None) -> None:
        super().__init__(napari_viewer, parent)
        #: The finder that was taught or opened last, and its file.
        self.finder: Any = None
        self.path: Path | None = None
        self._why = ""
        self.image_box = LayerBox(self.viewer, is_image, "open an image first")
        self.image_box.setToolTip("The image or movie to annotate.")
        rows = self.rows()
        rows.addRow(row_label("Image"), self.image_box)
        self.annotator = Annotator(self.viewer, self.image_box)
        self.body.addWidget(self.annotator)
        rows = self.rows()
        self.start_box = QComboBox()
        self.start_box.addItems(["The shipped finder", "Nothing"])
        self.start_box.setToolTip("Weights that the training starts from; Continue starts from the taught finder.")
        rows.addRow(row_label("Start from"), self.start_box)
        self.form = ParamsForm(TeachParams)
        self.body.addWidget(self.form)
        self.loss = StepLoss()
        self.loss.setToolTip(
            "Three trainings: two on half of the marks each, asked about the other half; then that which is kept."
        )
        self.body.addWidget(self.loss)
        self.heading("The taught finder")
        self.card = note("None yet.")
        self.body.addWidget(self.card)
        self.find_button = button("Find in all frames", "Search the whole movie with it.", self.find_all)
        self.learn_button = button(
            "Learn from this frame",
            "The points of the frame on screen are right now (after you added and removed some): learn from them too.",
            self.learn,
        )
        self.save_button = button("Save model…", "Keep it in a file that opens in any session.", self._ask_save)
        self.open_button = button("Open model…", "Open one that was saved.", self._ask_open)
        for pair in ((self.find_button, self.learn_button), (self.save_button, self.open_button)):
            line = QHBoxLayout()
            line.setSpacing(4)
            for one in pair:
                line.addWidget(one)
            self.body.addLayout(line)
        self.body.addStretch(1)
        self.more = button("Continue", "Train the taught finder further, with all annotations.", self.go_on)
        self.run_bar = RunBar(
            self.runner, "Train", "Learn from the annotations; the frame on screen shows what is found.", self.run,
            (self.more,),
        )  # fmt: skip
        self.foot.addWidget(self.run_bar)

        self._preview = PreviewLayer(self.viewer)
        self._found: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
        self._job: tuple[Any, Stack, int, float] | None = None
        self.image_box.layer_changed.connect(self._allow)
        self.annotator.changed.connect(self._allow)
        self.runner.busy_changed.connect(lambda busy: self._allow())
        self._allow()
        warm_up()

    def _allow(self) -> None:
        image, marks = self.image_box.layer(), self.annotator.layer()
        why = "Open an image first." if image is None else "" if marks is not None else "Click or paint sites first."
        self.run_bar.allow(why)
        if why != self._why and not self.runner.busy:
            self._why = why
            self.run_bar.say(why)
        free = not self.runner.busy
        self.more.setEnabled(free and not why and self.finder is not None)
        for one in (self.find_button, self.save_button):
            one.setEnabled(free and self.finder is not None and (image is not None or one is self.save_button))
        self.open_button.setEnabled(free)
        self.learn_button.setEnabled(free and image is not None and self._found.get(image) is not None)

    # training

    def run(self) -> None:
        """Train from the start that is chosen."""
        self._train("shipped" if self.start_box.currentIndex() == 0 else None)

    def go_on(self) -> None:
        """Train the taught finder further."""
        if self.finder is not None:
            self._train(self.finder)

    def _train(self, start: Any) -> None:
        image, marks = self.image_box.layer(), self.annotator.layer()
        if image is None or marks is None:
            return
        try:
            stack, params, classes = stack_of(image), self.form.params(), self.annotator.classes()
            told = annotations_of(marks, image, self.viewer, stack, classes)
            regions = rectangles_of(self.viewer, image, stack)
            if not len(told):
                raise InputError("nothing is annotated yet: click or paint at least one site of every class")
            pipeline.read_annotations(stack, told, regions, classes, params.polarity)
        except AtomscopeError as error:
            self.run_bar.refuse(error)
            return
        frame = current_frame(self.viewer, image)
        self.loss.begin()
        self._job = (image, stack, frame, time.monotonic())

        def work(on_progress: Any, should_stop: Any) -> Any:
            return pipeline.train_finder(
                stack, told, params, regions=regions, classes=classes, start=start, watch=stack.frame(frame),
                on_progress=on_progress, should_stop=should_stop,
            )  # fmt: skip

        self.runner.start(
            f"Teach on {image.name}", work, on_done=self._done, on_error=self._failed, on_reports=self._reports
        )

    def _reports(self, batch: list[Progress]) -> None:
        rows = [dict(p.payload) for p in batch if isinstance(p.payload, dict)]
        looks = [row.pop("sites") for row in rows if row.get("sites") is not None]
        self.loss.take(batch)
        if looks and self._job is not None and self._job[0] in self.viewer.layers:
            image, stack, frame, _ = self._job
            table = looks[-1]
            self._preview.show(
                image,
                Sites.from_positions(
                    table["row"].to_numpy(), table["col"].to_numpy(), frame, axes=stack.axes, shape=stack.shape
                ),
            )

    def _done(self, finder: Any, stopped: bool) -> None:
        if self._job is None:
            return
        if finder is None:
            self.run_bar.say("Stopped before anything was learnt; nothing was changed.")
            return
        seconds = time.monotonic() - self._job[3]
        self._keep(finder, None)
        verb = "Stopped; kept the finder so far" if stopped else "Taught"
        self.run_bar.say(f"{verb}, {seconds:.0f} s. Next: Find in all frames.")

    def _keep(self, finder: Any, path: Path | None) -> None:
        self.finder, self.path = finder, path
        if finder.taught is None:
            self.card.setText("A finder of columns of any kind (not taught).")
        else:
            told = ", ".join(f"{n} {name}" for name, n in finder.meta.get("annotated", {}).items())
            text = (
                f"Finds {', '.join(finder.taught.classes)}; taught on {told}. Site width "
                f"{finder.taught.width_px:.1f} px; F1 to be expected {finder.meta.get('expected_f1', np.nan):.2f}."
            )
            self.card.setText("\n".join([text, *pipeline.class_lines(finder)]))
        self._allow()

    def _failed(self, error: BaseException) -> None:
        self.run_bar.say(str(error), bad=True)

    # using it

    def find_all(self) -> None:
        """Find in every frame."""
        image, finder = self.image_box.layer(), self.finder
        if image is None or finder is None:
            return
        stack = stack_of(image)
        self._preview.remove()
        began = time.monotonic()

        def work(on_progress: Any, should_stop: Any) -> Any:
            sites = pipeline.find_atoms(stack, model=finder, on_progress=on_progress, should_stop=should_stop)
            return sites, found_layer(stack, sites, image, finder) if len(sites) else None

        def done(value: Any, stopped: bool) -> None:
            sites = value if isinstance(value, Sites) else value[0] if value is not None else None
            if sites is None or not len(sites):
                self.run_bar.say("Nothing was found. Annotate more sites, or check the contrast.", bad=True)
                return
            points = found_layer(stack, sites, image, finder) if stopped else value[1]
            add_or_replace(self.viewer, points, self._found.get(image))
            self._found[image] = points
            work = self.state.work(points)
            work.stack, work.image = stack, weakref.ref(image)
            work.note_source()
            if self.path is not None:
                work.note("find", FindParams(method="network", model=str(self.path)))
            kinds = sites.table["kind"].astype(str).value_counts()
            names = kinds.index if finder.taught is None else finder.taught.classes
            told = ", ".join(f"{kinds.get(name, 0):,} {name}" for name in names)  # a class that was not found too
            self.run_bar.say(
                f"{told}{' so far' if stopped else ''}, {time.monotonic() - began:.0f} s. Correct a frame, then learn."
            )
            self._allow()
            self.state.tell(points, "sites")

        self.runner.start(f"Find in {image.name}", work, on_done=done, on_error=self._failed, total=stack.n_frames)

    def learn(self) -> None:
        """Take the points of the frame on screen as annotations, and train further."""
        image, points = self.image_box.layer(), None
        points = self._found.get(image) if image is not None else None
        if image is None or points is None or points not in self.viewer.layers:
            return
        marks = self.annotator.layer()
        if marks is None or type(marks).__name__ != "Points":
            self.annotator.click()
            marks = self.annotator.layer()
        stack, frame, classes = stack_of(image), current_frame(self.viewer, image), self.annotator.classes()
        table = sites_of(points, image, self.viewer).in_frame(frame)
        kind = table["kind"].astype(str)
        put_marks(marks, image, stack, frame, table.assign(kind=kind.where(kind.isin(classes), classes[0])), classes)
        self.go_on()

    # files

    def _ask_save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save the finder", "finder.safetensors", "Model (*.safetensors)")
        if path:
            self.save(Path(path))

    def _ask_open(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Open a finder", "", "Model (*.safetensors)")
        if path:
            self.open(Path(path))

    def save(self, path: Path) -> None:
        """Keep the finder in a file."""
        try:
            self.path = pipeline.save_finder(self.finder, path.with_suffix(".safetensors"))
            self.run_bar.say(f"Saved {self.path.name}. In Find atoms: method network, and this file.")
        except AtomscopeError as error:
            self.run_bar.refuse(error)

    def open(self, path: Path) -> None:
        """Open a finder that was saved."""
        try:
            finder = pipeline.load_finder(path)
        except AtomscopeError as error:
            self.run_bar.refuse(error)
            return
        if finder.taught is not None:
            self.annotator.name_classes(finder.taught.classes)
        self._keep(finder, path)
        self.run_bar.say(f"Opened {path.name}.")


def found_layer(stack: Stack, sites: Sites, image: Any, finder: Any) -> Any:
    """Build the Points layer of what a finder found, each class as it is marked (safe in a worker thread)."""
    points = points_layer(stack, sites, image, f"{image.name} found")
    if finder.taught is not None and len(finder.taught.classes) > 1:
        show_classes(points, sites.table["kind"].astype(str), tuple(finder.taught.classes))
    return points
