"""The dock widget *Defects without labels*: what differs from its own lattice; what whole frames are said to hold."""

from __future__ import annotations

import time
import weakref
from typing import Any

import numpy as np
from napari.layers import Layer
from qtpy.QtWidgets import QHBoxLayout

from atomscope import pipeline
from atomscope.data import Progress, Sites, Stack, counted
from atomscope.data.params import CandidateParams
from atomscope.errors import AtomscopeError
from atomscope.widgets.bridge import current_frame, placement, sites_of, stack_of
from atomscope.widgets.crop_teacher import CropTeacher
from atomscope.widgets.form import ParamsForm
from atomscope.widgets.frames_panel import FramesPanel, look_at
from atomscope.widgets.layerbox import LayerBox
from atomscope.widgets.locator import Locator
from atomscope.widgets.made import MadeLayers
from atomscope.widgets.marks import add_marks, put_marks
from atomscope.widgets.overlay import is_image, points_layer
from atomscope.widgets.panel import RunBar, button, note, row_label

#: Rings round what is brighter and what is darker than the lattice, as the difference image has them.
_RINGS = {"brighter": "#4ea1ff", "darker": "#ff5c5c"}


class CandidatesWidget(FramesPanel):
    """Find defects that nobody marked.

    Parameters
    ----------
    napari_viewer : napari viewer
    """

    def __init__(self, napari_viewer: Any, parent: Any = None) -> None:
        super().__init__(napari_viewer, parent)
        self._made = MadeLayers(self.viewer)
        self.image_box = LayerBox(self.viewer, is_image, "open an image first")
        self.image_box.setToolTip("The image or movie to search.")
        self.chip = note()
        rows = self.rows()
        rows.addRow(row_label("Image"), self.image_box)
        rows.addRow(self.chip)
        self.heading("What differs from its own lattice", "Vacancies, dopants, adatoms: all that is not crystal.")
        self.form = ParamsForm(CandidateParams)
        self.body.addWidget(self.form)
        self.count = note()
        self.body.addWidget(self.count)
        self.difference = button(
            "Difference image", "Add what is left without the lattice, computed as you look.", self.add_difference
        )
        self.marks = button(
            "Use as marks", "Make marks of the candidates on screen, to correct and to teach a finder.", self.to_marks
        )
        line = QHBoxLayout()
        line.setSpacing(6)
        line.addWidget(self.difference)
        line.addWidget(self.marks)
        self.body.addLayout(line)
        self.heading("What you know of whole frames", "Say which small images hold a defect; learn where it is.")
        self.teacher = CropTeacher(
            self.viewer, self.runner, self.image_box.layer, lambda text, bad=False: self.run_bar.say(text, bad)
        )
        self.body.addWidget(self.teacher)
        self.locator = Locator(self, self.teacher, self._made)
        self.body.addWidget(self.locator)
        self.body.addStretch(1)
        self.here = button("This frame", "Search the frame on screen only.", self.run_here)
        self.run_bar = RunBar(
            self.runner, "All frames", "Find what differs from the lattice of its frame.", self.run_all, (self.here,)
        )
        self.foot.addWidget(self.run_bar)

        self._why = ""
        self._bad = 0
        self.image_box.layer_changed.connect(self._image_changed)
        self.runner.busy_changed.connect(self._allow)
        self._image_changed()

    def _image_changed(self) -> None:
        text, self._why, many = look_at(self.image_box.layer())
        self.chip.setText(text)
        self.here.setVisible(many)
        self.run_bar.rename("Candidates in all frames" if many else "Find candidates")
        self.run_bar.say(self._why)
        self.count.setText("")
        self.teacher.count()
        self._allow()

    def _allow(self, *_: Any) -> None:
        free = not self.runner.busy
        self.run_bar.allow(self._why)
        self.difference.setEnabled(free and not self._why)
        self.marks.setEnabled(free and self._made.get(self.image_box.layer(), "candidates") is not None)

    def _failed(self, error: BaseException) -> None:
        self.run_bar.say(str(error), bad=True)

    # what differs from its own lattice

    def _run(self, layer: Any, frame: int | None) -> None:
        try:
            stack, params = stack_of(layer), self.form.params()
        except AtomscopeError as error:
            self.run_bar.refuse(error)
            return
        frames = [frame] if frame is not None else list(range(stack.n_frames))
        name, began = f"{layer.name} candidates", time.monotonic()
        self._bad = 0

        def work(on_progress: Any, should_stop: Any) -> Any:
            sites = pipeline.defect_candidates(
                stack, params, frame=frames, on_progress=on_progress, should_stop=should_stop
            )
            return sites, rings(stack, sites, layer, name) if len(sites) else None

        def done(value: Any, stopped: bool) -> None:
            sites, points = value if isinstance(value, tuple) else (value, None)
            if sites is None or (stopped and not len(sites)):
                self.run_bar.say("Cancelled; nothing was changed.")
                return
            if not len(sites):
                self.run_bar.say("Nothing differs from the lattice. Lower the threshold to see less sure places.")
                return
            points = self._made.put(layer, "candidates", points or rings(stack, sites, layer, name))
            work = self.state.work(points)
            work.stack, work.image = stack, weakref.ref(layer)
            work.note_source()
            n = sites.table["contrast"].astype(str).value_counts()
            self.count.setText(f"{n.get('brighter', 0):,} brighter (blue), {n.get('darker', 0):,} darker (red)")
            some = counted(self._bad, "frame shows", "frames show")
            bad = f" {some} no lattice." if self._bad else ""
            text = f"{counted(len(sites), 'candidate')}, {time.monotonic() - began:.1f} s.{bad}"
            self.run_bar.say(f"Cancelled; kept {text}" if stopped else text)
            self._allow()
            self.state.tell(points, "sites")

        self.runner.start(
            f"Candidates of {layer.name}",
            work,
            on_done=done,
            on_error=self._failed,
            on_reports=self._reports,
            total=len(frames),
        )

    def _reports(self, batch: list[Progress]) -> None:
        self._bad += sum(p.payload is None for p in batch)

    def add_difference(self) -> None:
        """Add the difference from the lattice as a lazy image under the candidates."""
        layer = self.image_box.layer()
        if layer is None:
            return
        try:
            data, kwargs, kind = pipeline.difference_layer(stack_of(layer), self.form.params())
        except AtomscopeError as error:
            self.run_bar.refuse(error)
            return
        self._made.put(layer, "difference", Layer.create(data, kwargs | placement(layer), kind))
        self._made.raise_up(layer, "candidates")

    def to_marks(self) -> None:
        """Make marks of the candidates of the frame on screen: what Teach a finder learns from."""
        layer = self.image_box.layer()
        points = self._made.get(layer, "candidates")
        if layer is None or points is None:
            return
        stack, frame = stack_of(layer), current_frame(self.viewer, layer)
        table = sites_of(points, layer, self.viewer).in_frame(frame)
        classes = tuple(_RINGS)
        marks = add_marks(self.viewer, layer, classes)
        put_marks(marks, layer, stack, frame, table.assign(kind=table["contrast"].astype(str)), classes)
        marks.mode = "select"
        self.run_bar.say(
            f"{counted(len(table), 'mark')}. Delete what is none; then Teach a finder, with the classes "
            f"{', '.join(classes)}."
        )


def rings(stack: Stack, sites: Sites, image: Any, name: str) -> Any:
    """Build the Points layer of candidates, ringed by their contrast (safe in a worker thread)."""
    points = points_layer(stack, sites, image, name)
    points.border_color = [_RINGS[word] for word in sites.table["contrast"].astype(str)]
    points.size = np.asarray(points.size) * 1.5
    return points
