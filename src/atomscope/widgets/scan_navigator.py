"""The dock widget *4D-STEM*: a map of the scan on the canvas, patterns in the dock, detectors that are dragged."""

from __future__ import annotations

import weakref
from typing import Any

from qtpy.QtWidgets import QApplication, QHBoxLayout, QLineEdit, QWidget

from atomscope.data import attention
from atomscope.widgets.beam_box import BeamBox
from atomscope.widgets.detector_box import DetectorBox
from atomscope.widgets.detector_desk import DetectorDesk
from atomscope.widgets.field_box import FieldBox
from atomscope.widgets.fold import Fold
from atomscope.widgets.latest import Latest, swift_pool
from atomscope.widgets.panel import button, row_label
from atomscope.widgets.pattern_pane import PatternPane
from atomscope.widgets.scan_fields_maker import FieldMaker
from atomscope.widgets.scan_panel import ScanPanel
from atomscope.widgets.scan_position import ScanPosition
from atomscope.widgets.scan_script import image_line, script
from atomscope.widgets.scan_session import Session
from atomscope.widgets.scan_work import Seen, seen

_ARROWS = {"Shift-Up": (-1, 0), "Shift-Down": (1, 0), "Shift-Left": (0, -1), "Shift-Right": (0, 1)}


class ScanNavigatorWidget(ScanPanel):
    """Look at a scan of patterns: images of detectors over the scan, patterns of its positions.

    Parameters
    ----------
    napari_viewer : napari viewer
    """

    def __init__(self, napari_viewer: Any, parent: Any = None) -> None:
        super().__init__(napari_viewer, parent)
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
        self.desk = DetectorDesk(self, self.pane, self.detectors)
        self.heading("Beam", "The presets and the radii are counted from here.")
        self.beam_box = BeamBox()
        self.body.addWidget(self.beam_box)
        self.heading("Centre of mass and field (DPC)")
        self.fields = FieldBox()
        self.maker = FieldMaker(self, self.viewer)
        self.body.addWidget(self.fields)
        self.body.addWidget(Fold("Python", self._script_box()))
        self.body.addStretch(1)

        self._patterns = Latest(self, self._show_pattern, self.complain, delay_ms=0, pool=swift_pool())
        self.pane.position_nudged.connect(self.position.nudge)
        self.position.changed.connect(self.look)
        self.desk.changed.connect(self._show_script)
        self.beam_box.edited.connect(self.desk.set_beam)
        self.beam_box.find_wanted.connect(self.desk.find_beam)
        self.fields.wanted.connect(self._field_wanted)
        self.images.made.connect(self._dress)
        self.maker.made.connect(self._dress)
        self.maker.said.connect(self.fields.told.setText)
        self.sight.changed.connect(self.look)
        self.show_session()

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

    def awake(self) -> bool:
        """Whether the dock is in sight and a scan is open."""
        return bool(self.sight.now) and self.session is not None

    def map_layer(self) -> Any:
        """Return a layer over the positions of the scan, or None."""
        return None if self.session is None else self.session.map_layer(self.viewer)

    def drop_all(self) -> None:
        """Stop and forget all that is under way."""
        super().drop_all()
        self.maker.drop()
        self._patterns.forget()

    def show_session(self) -> None:
        """Show another scan, or that there is none."""
        session = self.session
        self.position.at = None
        self.close_button.setEnabled(session is not None)
        self.pane.show_session(session)
        self.fields.told.setText("")
        self.show_state()
        why = "" if session is not None else "Open a scan: drop a file on the window, or choose a layer above."
        self.run_bar.allow(why)
        self.run_bar.say(why)

    def show_state(self) -> None:
        """Show what has changed of the scan that is looked at."""
        session = self.session
        self.pane.refresh()
        self.detectors.show_session(session)
        self.beam_box.show_beam(None if session is None else session.beam, None if session is None else session.stack)
        self.fields.allow(session is not None and session.scan(self.frame).products is not None)
        self._show_script()

    # patterns

    def look(self, *_: Any) -> None:
        """Show the pattern that is wanted, soon."""
        session = self.session
        if session is None:
            return
        where = self.position.where(session.shape)
        if isinstance(where, str):
            self._patterns.forget()
            self.pane.title.setText(where)
            return
        attention.ask()
        scan, centre, first = session.scan(self.frame), session.beam_centre, self.firsts.get(self.frame)
        mean = None if first is None else first.mean
        self._patterns.ask(lambda: (session, seen(scan, where, centre, mean)))

    def _show_pattern(self, value: tuple[Session, Seen | str]) -> None:
        session, what = value
        if session is not self.session:
            return
        if isinstance(what, str):
            self.pane.title.setText(what)
            return
        self.pane.show_pattern(what.pattern.frame(0), what.title, what.profile)

    # fields, Python, keys

    def _field_wanted(self, what: str, params: Any) -> None:
        if self.session is not None:
            self.maker.start(self.session, self.frame, what, params)

    def _line(self) -> str:
        session = self.session
        entry = None if session is None else session.entry()
        if session is None or entry is None:
            return ""
        return image_line(session.stack, session.name, entry.detector, self.frame if session.series else None)

    def _show_script(self) -> None:
        self.script_line.setText(self._line())
        self.script_line.setCursorPosition(0)

    def copy_script(self) -> None:
        """Put Python that makes the image of the current detector on the clipboard."""
        line, clipboard = self._line(), QApplication.clipboard()
        if line and clipboard is not None:
            clipboard.setText(script(line))
            self.run_bar.say("Copied.")

    def _dress(self, layer: Any) -> None:
        """Keep what is marked above a new image, on which Shift and the arrows move the marker."""
        self.position.raise_up()
        told = weakref.ref(self)

        def moving(rows: int, cols: int) -> Any:
            def move(_layer: Any) -> None:
                dock = told()
                if dock is not None and dock.awake():
                    dock.position.nudge(rows, cols)

            return move

        for key, (rows, cols) in _ARROWS.items():
            layer.bind_key(key, moving(rows, cols), overwrite=True)
