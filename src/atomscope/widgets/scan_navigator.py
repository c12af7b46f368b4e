"""The dock widget *4D-STEM*: a map of the scan on the canvas, patterns in the dock, detectors that are dragged."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QComboBox, QHBoxLayout, QLineEdit, QSizePolicy, QWidget

from atomscope import pipeline
from atomscope.data import Progress, Stack
from atomscope.data.params import Detector
from atomscope.errors import AtomscopeError
from atomscope.widgets.beam_box import BeamBox
from atomscope.widgets.bridge import note_of
from atomscope.widgets.detector_box import DetectorBox
from atomscope.widgets.field_box import FieldBox
from atomscope.widgets.fold import Fold
from atomscope.widgets.jobs import show_error
from atomscope.widgets.latest import Latest
from atomscope.widgets.panel import Panel, RunBar, button, row_label
from atomscope.widgets.pattern_pane import PatternPane
from atomscope.widgets.scan_fields_maker import FieldMaker
from atomscope.widgets.scan_images import ScanImages
from atomscope.widgets.scan_position import ScanPosition
from atomscope.widgets.scan_script import image_line, script
from atomscope.widgets.scan_session import Session
from atomscope.widgets.scan_work import First, Seen, first_detector, opening, preset_at, seen, shape_at

#: Detectors that are let go within so many px of the beam are centred on it.
_SNAP_PX = 0.75
_ARROWS = {"Shift-Up": (-1, 0), "Shift-Down": (1, 0), "Shift-Left": (0, -1), "Shift-Right": (0, 1)}


class ScanNavigatorWidget(Panel):
    """Look at a scan of patterns: images of detectors over the scan, patterns of its positions.

    Parameters
    ----------
    napari_viewer : napari viewer
    """

    def __init__(self, napari_viewer: Any, parent: Any = None) -> None:
        super().__init__(napari_viewer, parent)
        self.sessions: list[Session] = []
        self._session: Session | None = None
        self._frame = 0
        self._first: dict[int, First] = {}
        self._build()
        self.images = ScanImages(self, self.viewer, self._reading)
        self.images.made.connect(self._image_made)
        self.images.failed.connect(self._complain)
        self._patterns = Latest(self, self._show_pattern, self._complain, delay_ms=0)
        self._frame_timer = QTimer(self)
        self._frame_timer.setSingleShot(True)
        self._frame_timer.setInterval(200)
        self._frame_timer.timeout.connect(self._open_frame)
        self._adopt_timer = QTimer(self)
        self._adopt_timer.setSingleShot(True)
        self._adopt_timer.timeout.connect(self._adopt_all)
        self.scan_box.currentIndexChanged.connect(self._chosen)
        self.pane.changing.connect(self._changing)
        self.pane.done.connect(self._let_go)
        self.pane.picked.connect(self._pick)
        self.pane.position_nudged.connect(self.position.nudge)
        self.detectors.preset_wanted.connect(self.add_preset)
        self.detectors.shape_wanted.connect(self.add_shape)
        self.detectors.picked.connect(self._pick)
        self.detectors.removed.connect(self.remove_detector)
        self.detectors.edited.connect(self._edited)
        self.beam_box.edited.connect(self.set_beam)
        self.beam_box.find_wanted.connect(self.find_beam)
        self.position.changed.connect(self.look)
        self.fields.wanted.connect(self._field_wanted)
        self.maker.failed.connect(self._complain)
        self.maker.said.connect(self.fields.told.setText)
        self.maker.made.connect(self._bind_keys)
        self.viewer.layers.events.inserted.connect(self._layer_added)
        self.viewer.layers.events.removed.connect(self._layer_removed)
        self.viewer.dims.events.current_step.connect(self._frame_changed)
        self._show_session()
        self._adopt_timer.start(0)

    def _build(self) -> None:
        line = QHBoxLayout()
        line.setSpacing(6)
        line.addWidget(row_label("Scan", "A scan of patterns: an image of 4 axes, or of 5 for a series."))
        self.scan_box = QComboBox()
        self.scan_box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        line.addWidget(self.scan_box, 1)
        self.close_button = button("Close", "Close the scan; its images stay.", self.close_scan)
        line.addWidget(self.close_button)
        self.body.addLayout(line)
        line = QHBoxLayout()
        line.setSpacing(6)
        line.addWidget(row_label("Pattern of", "Which positions the pattern below is of."))
        self.position = ScanPosition(self.viewer, self.map_layer, self.awake)
        line.addWidget(self.position, 1)
        self.body.addLayout(line)
        self.pane = PatternPane()
        self.body.addWidget(self.pane)
        self.heading("Detectors", "Each one makes an image of the scan, in a layer of its own.")
        self.detectors = DetectorBox()
        self.body.addWidget(self.detectors)
        self.heading("Beam", "The presets and the radii are counted from here.")
        self.beam_box = BeamBox()
        self.body.addWidget(self.beam_box)
        self.heading("Centre of mass and field (DPC)")
        self.fields = FieldBox()
        self.maker = FieldMaker(self, self.viewer)
        self.body.addWidget(self.fields)
        self.body.addWidget(Fold("Python", self._script_box()))
        self.body.addStretch(1)
        self.run_bar = RunBar(
            self.runner,
            "Read all patterns",
            "Go through the scan once: from then on images of detectors on the beam are immediate and exact.",
            self.run,
        )
        self.foot.addWidget(self.run_bar)

    def _script_box(self) -> QWidget:
        box = QWidget()
        row = QHBoxLayout(box)
        row.setContentsMargins(0, 0, 0, 0)
        self.script_line = QLineEdit()
        self.script_line.setReadOnly(True)
        self.script_line.setToolTip("Makes the image of the current detector again.")
        row.addWidget(self.script_line, 1)
        row.addWidget(button("Copy", "Copy it, with the imports that it needs.", self.copy_script))
        return box

    # scans

    def awake(self) -> bool:
        """Whether the dock is in sight and a scan is open."""
        return bool(self.sight.now) and self._session is not None

    def map_layer(self) -> Any:
        """Return a layer over the positions of the scan, or None."""
        return None if self._session is None else self._session.map_layer(self.viewer)

    @property
    def session(self) -> Session | None:
        """The scan that is looked at."""
        return self._session

    def _layer_added(self, event: Any = None) -> None:
        if any(_is_scan(layer) for layer in self.viewer.layers):
            self._adopt_timer.start(0)  # napari is not done with adding it

    def _adopt_all(self) -> None:
        for layer in [one for one in self.viewer.layers if _is_scan(one)]:
            self.adopt(layer)

    def adopt(self, layer: Any) -> None:
        """Open the scan of an Image layer of 4 or 5 axes: images over the scan take its place on the canvas."""
        try:
            session = Session(layer)
        except AtomscopeError as error:
            self._complain(error)
            return
        self.viewer.layers.remove(layer)
        self.sessions.append(session)
        self.scan_box.blockSignals(True)
        self.scan_box.addItem(session.name)
        self.scan_box.setCurrentIndex(len(self.sessions) - 1)
        self.scan_box.blockSignals(False)
        self._chosen()

    def close_scan(self) -> None:
        """Close the scan that is looked at; layers that were made of it stay."""
        if self._session is None:
            return
        index = self.sessions.index(self._session)
        self.sessions.pop(index)
        self.scan_box.blockSignals(True)
        self.scan_box.removeItem(index)
        self.scan_box.blockSignals(False)
        self._chosen()

    def _chosen(self, *_: Any) -> None:
        index = self.scan_box.currentIndex()
        session = self.sessions[index] if 0 <= index < len(self.sessions) else None
        if session is self._session:
            return
        self.runner.drop()
        self.images.drop()
        self.maker.drop()
        self._patterns.forget()
        self._session = session
        self._first = {}
        self._frame = 0 if session is None else session.frame(self.viewer)
        self.position.at = None
        self._show_session()
        if session is not None:
            self.look()
            if session.scan(self._frame).products is None:
                self.run()

    def _show_session(self) -> None:
        session = self._session
        self.scan_box.setEnabled(session is not None)
        self.close_button.setEnabled(session is not None)
        self.pane.show_session(session)
        self._show_state()
        why = "" if session is not None else "Open a scan: drop a file on the window, or File > Open Sample."
        self.run_bar.allow(why)
        self.run_bar.say(why)

    def _show_state(self) -> None:
        session = self._session
        self.pane.refresh()
        self.detectors.show_session(session)
        self.beam_box.show_beam(None if session is None else session.beam, None if session is None else session.stack)
        self.fields.allow(session is not None and session.scan(self._frame).products is not None)
        self._show_script()

    # the pass over the scan

    def run(self) -> None:
        """Go through the scan that is looked at."""
        session = self._session
        if session is None:
            return
        self.images.drop()
        scan, frame = session.scan(self._frame), self._frame
        name = session.name if not session.series else f"{session.name}, scan {frame}"

        def done(value: Any, stopped: bool) -> None:
            self._read(session, frame, stopped)

        def reports(batch: list[Progress]) -> None:
            for progress in batch:
                if isinstance(progress.payload, First):
                    self._looked(session, frame, progress.payload)
            last = next((p.payload for p in reversed(batch) if isinstance(p.payload, Stack)), None)
            if last is not None and session.entries:
                self.images.so_far(session, frame, last.frame(0))

        self.runner.start(
            f"Patterns of {name}",
            opening(scan, session.beam),
            on_done=done,
            on_error=self._failed,
            on_reports=reports,
            total=scan.stack.n_frames,
        )

    def _looked(self, session: Session, frame: int, first: First) -> None:
        """Show what the first look saw."""
        if session is not self._session:
            return
        self._first[frame] = first
        if session.beam is None:
            session.beam = first.beam
        if not session.entries:
            session.add(first_detector(session.scan(frame), session.beam))
        self.images.refresh(session, frame)
        self._show_state()
        self.look()

    def _read(self, session: Session, frame: int, stopped: bool) -> None:
        if session is not self._session:
            return
        if stopped:
            self.run_bar.say("Cancelled: images are coarse where they were not finished.")
        else:
            n = session.scan(frame).stack.n_frames
            self.run_bar.say(f"{n:,} patterns read: detectors on the beam are immediate.")
            for entry in session.entries:
                entry.detector = session.scan(frame).snapped(entry.detector)
        self.images.refresh(session, frame)
        self._show_state()
        self.look()

    def _failed(self, error: BaseException) -> None:
        self.run_bar.say(str(error), bad=True)

    def _complain(self, error: BaseException) -> None:
        self.run_bar.say(str(error), bad=True)
        show_error(error)

    def _frame_changed(self, event: Any = None) -> None:
        session = self._session
        if session is None or not session.series:
            return
        frame = session.frame(self.viewer)
        if frame != self._frame:
            self._frame = frame
            self.look()
            self._frame_timer.start()

    def _open_frame(self) -> None:
        """Make the images of the scan of a series that is on screen."""
        session = self._session
        if session is None:
            return
        if session.scan(self._frame).products is None:
            self.run()
        else:
            self.images.refresh(session, self._frame)
            self._show_state()

    # detectors

    def add_preset(self, name: str) -> None:
        """Add BF, ABF, ADF or HAADF, or look at it if it is there."""
        session = self._session
        if session is None or session.beam is None:
            return
        there = [i for i, entry in enumerate(session.entries) if entry.detector.name == name]
        if there:
            self._pick(there[0])
            self._edited(preset_at(name, session.scan(self._frame), session.beam))
            return
        self._add(preset_at(name, session.scan(self._frame), session.beam))

    def add_shape(self, shape: str) -> None:
        """Add a detector of a shape."""
        session = self._session
        if session is not None and session.beam is not None:
            self._add(shape_at(shape, session.scan(self._frame), session.beam))

    def _add(self, detector: Detector) -> None:
        session = self._session
        assert session is not None
        try:
            session.scan(self._frame).mask(detector)
        except AtomscopeError as error:
            self._complain(error)
            return
        session.add(detector.replace(name=session.title(detector)))
        self._show_state()
        self._solo()
        self.images.refresh(session, self._frame, [session.entries[-1]])

    def remove_detector(self) -> None:
        """Remove the current detector and its image."""
        session = self._session
        entry = None if session is None else session.entry()
        if session is None or entry is None:
            return
        if entry.layer is not None and entry.layer in self.viewer.layers:
            self.viewer.layers.remove(entry.layer)  # which removes the detector
        else:
            self._forget(session, entry)

    def _pick(self, number: int) -> None:
        session = self._session
        if session is None or not 0 <= number < len(session.entries):
            return
        session.current = number
        self._show_state()
        self._solo()

    def _solo(self) -> None:
        """Let the image of the current detector be the one that is seen."""
        session = self._session
        entry = None if session is None else session.entry()
        if session is None or entry is None:
            return
        for layer in session.layers():
            if layer in self.viewer.layers:
                layer.visible = layer is entry.layer
        if entry.layer is not None and entry.layer in self.viewer.layers:
            self.viewer.layers.selection.active = entry.layer

    def _changing(self, detector: Detector) -> None:
        """Follow a detector that is being dragged."""
        session = self._session
        entry = None if session is None else session.entry()
        if session is None or entry is None or session.beam is None:
            return
        if session.on_beam(detector, _SNAP_PX):
            detector = detector.replace(centre_row_px=session.beam.row, centre_col_px=session.beam.col)
        scan = session.scan(self._frame)
        try:
            detector = scan.snapped(detector)
            scan.mask(detector)
        except AtomscopeError:
            return  # no pixel is in it: it stays as it was
        entry.detector = detector
        entry.forget()
        self.pane.refresh()
        self.detectors.show_numbers()
        self._show_script()
        self.images.follow(session, self._frame, entry)

    def _edited(self, detector: Detector) -> None:
        self._changing(detector)
        self._let_go()

    def _let_go(self) -> None:
        self.images.settle()

    def _image_made(self, layer: Any) -> None:
        self._bind_keys(layer)

    def _layer_removed(self, event: Any = None) -> None:
        """Remove the detector whose image was deleted."""
        gone = getattr(event, "value", None)
        for session in self.sessions:
            for entry in [one for one in session.entries if one.layer is not None and one.layer is gone]:
                self._forget(session, entry)
            for key in [k for k, layer in session.made.items() if layer is gone]:
                del session.made[key]

    def _forget(self, session: Session, entry: Any) -> None:
        session.entries.remove(entry)
        session.current = max(0, min(session.current, len(session.entries) - 1))
        if session is self._session:
            self._show_state()

    def _reading(self) -> bool:
        return self.runner.busy

    # beam

    def set_beam(self, beam: pipeline.Beam) -> None:
        """Put the beam elsewhere; detectors that were on it follow, and the scan is read again."""
        session = self._session
        if session is None:
            return
        old = session.beam
        followers = [entry for entry in session.entries if session.on_beam(entry.detector)]
        self.runner.drop()
        self.images.drop()
        session.beam = beam
        session.forget()
        for entry in session.entries:
            if entry in followers:
                entry.detector = entry.detector.replace(centre_row_px=beam.row, centre_col_px=beam.col)
            entry.forget()
        if old is not None and (old.row, old.col, old.radius_px) != (beam.row, beam.col, beam.radius_px):
            self._show_state()
            self.run()

    def find_beam(self) -> None:
        """Find the beam again in the mean pattern."""
        session = self._session
        if session is None:
            return
        scan, first = session.scan(self._frame), self._first.get(self._frame)
        mean = scan.products.mean.frame(0) if scan.products is not None else None if first is None else first.mean
        if mean is None:
            return
        beam = scan.beam_of(np.asarray(mean))
        if not beam.found:
            self.run_bar.say("No bright disk stands out of the mean pattern: type its centre and radius.", bad=True)
            return
        self.set_beam(beam)

    # patterns

    def look(self, *_: Any) -> None:
        """Show the pattern that is wanted, soon."""
        session = self._session
        if session is None:
            return
        where = self.position.where(session.shape)
        if isinstance(where, str):
            self._patterns.forget()
            self.pane.title.setText(where)
            return
        scan, centre, first = session.scan(self._frame), session.beam_centre, self._first.get(self._frame)
        mean = None if first is None else first.mean
        self._patterns.ask(lambda: (session, seen(scan, where, centre, mean)))

    def _show_pattern(self, value: tuple[Session, Seen | str]) -> None:
        session, what = value
        if session is not self._session:
            return
        if isinstance(what, str):
            self.pane.title.setText(what)
            return
        self.pane.show_pattern(what.pattern.frame(0), what.title, what.profile)

    # fields, Python, keys

    def _field_wanted(self, what: str, params: Any) -> None:
        if self._session is not None:
            self.maker.start(self._session, self._frame, what, params)

    def _line(self) -> str:
        session = self._session
        entry = None if session is None else session.entry()
        if session is None or entry is None:
            return ""
        return image_line(session.stack, session.name, entry.detector, self._frame if session.series else None)

    def _show_script(self) -> None:
        self.script_line.setText(self._line())
        self.script_line.setCursorPosition(0)

    def copy_script(self) -> None:
        """Put Python that makes the image of the current detector on the clipboard."""
        line, clipboard = self._line(), QApplication.clipboard()
        if line and clipboard is not None:
            clipboard.setText(script(line))
            self.run_bar.say("Copied.")

    def _bind_keys(self, layer: Any) -> None:
        """Let Shift and the arrows move the marker while an image of the scan is the active layer."""
        told = weakref.ref(self)

        def moving(rows: int, cols: int) -> Any:
            def move(_layer: Any) -> None:
                dock = told()
                if dock is not None and dock.awake():
                    dock.position.nudge(rows, cols)

            return move

        for key, (rows, cols) in _ARROWS.items():
            layer.bind_key(key, moving(rows, cols), overwrite=True)


def _is_scan(layer: Any) -> bool:
    """Whether a layer is an image with patterns in its last two axes, and not one of our pictures."""
    image = type(layer).__name__ == "Image" and not layer.rgb and not layer.multiscale and layer.ndim in (4, 5)
    return image and note_of(layer).get("kind", "image") == "image"
