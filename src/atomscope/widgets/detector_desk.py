"""What is done to the detectors of a scan: added, dragged, typed, picked, removed, moved with the beam."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from atomscope import pipeline
from atomscope.data.params import Detector
from atomscope.errors import AtomscopeError
from atomscope.widgets.detector_box import DetectorBox
from atomscope.widgets.pattern_pane import PatternPane
from atomscope.widgets.scan_panel import ScanPanel
from atomscope.widgets.scan_session import Entry, Session
from atomscope.widgets.scan_work import preset_at, shape_at

#: Detectors that are brought within so many px of the beam are centred on it.
_SNAP_PX = 0.75


class DetectorDesk(QObject):
    """Turns what the user does in the pattern and in the box of detectors into detectors and images.

    Parameters
    ----------
    panel : ScanPanel
    pane : PatternPane
    box : DetectorBox
    """

    #: The current detector is another one, or has another size.
    changed = Signal()

    def __init__(self, panel: ScanPanel, pane: PatternPane, box: DetectorBox) -> None:
        super().__init__(panel)
        self._panel, self._pane, self._box = panel, pane, box
        pane.changing.connect(self.change)
        pane.done.connect(self._let_go)
        pane.picked.connect(self.pick)
        box.preset_wanted.connect(self.add_preset)
        box.shape_wanted.connect(self.add_shape)
        box.picked.connect(self.pick)
        box.removed.connect(self.remove)
        box.edited.connect(self._edited)
        panel.viewer.layers.events.removed.connect(self._layer_removed)

    def _scan(self) -> pipeline.LiveScan:
        assert self._panel.session is not None
        return self._panel.session.scan(self._panel.frame)

    def add_preset(self, name: str) -> None:
        """Add BF, ABF, ADF or HAADF; if it is there, look at it and give it its radii again."""
        session = self._panel.session
        if session is None or session.beam is None:
            return
        detector = preset_at(name, self._scan(), session.beam)
        there = [i for i, entry in enumerate(session.entries) if entry.detector.name == name]
        if there:
            self.pick(there[0])
            self._edited(detector)
        else:
            self.add(detector)

    def add_shape(self, shape: str) -> None:
        """Add a detector of a shape."""
        session = self._panel.session
        if session is not None and session.beam is not None:
            self.add(shape_at(shape, self._scan(), session.beam))

    def add(self, detector: Detector) -> None:
        """Add a detector and look at its image."""
        session = self._panel.session
        if session is None:
            return
        try:
            self._scan().mask(detector)
        except AtomscopeError as error:
            self._panel.complain(error)
            return
        session.add(detector.replace(name=session.title(detector)))
        self._panel.show_state()
        self._solo()
        self._panel.images.refresh(session, self._panel.frame, [session.entries[-1]])

    def pick(self, number: int) -> None:
        """Make another detector the current one."""
        session = self._panel.session
        if session is not None and 0 <= number < len(session.entries):
            session.current = number
            self._panel.show_state()
            self._solo()

    def _solo(self) -> None:
        """Let the image of the current detector be the one that is seen."""
        session, layers = self._panel.session, self._panel.viewer.layers
        entry = None if session is None else session.entry()
        if session is None or entry is None:
            return
        for layer in session.layers():
            if layer in layers:
                layer.visible = layer is entry.layer
        if entry.layer is not None and entry.layer in layers:
            layers.selection.active = entry.layer

    def change(self, detector: Detector) -> None:
        """Follow the current detector, which is being changed."""
        session = self._panel.session
        entry = None if session is None else session.entry()
        if session is None or entry is None or session.beam is None:
            return
        if session.on_beam(detector, _SNAP_PX):
            detector = detector.replace(centre_row_px=session.beam.row, centre_col_px=session.beam.col)
        try:
            detector = self._scan().snapped(detector)
            self._scan().mask(detector)
        except AtomscopeError:
            return  # no pixel is in it: it stays as it was
        entry.detector = detector
        entry.forget()
        self._pane.refresh()
        self._box.show_numbers()
        self.changed.emit()
        self._panel.images.follow(session, self._panel.frame, entry)

    def _edited(self, detector: Detector) -> None:
        self.change(detector)
        self._let_go()

    def _let_go(self) -> None:
        self._panel.images.settle()

    def remove(self) -> None:
        """Remove the current detector and its image."""
        session, layers = self._panel.session, self._panel.viewer.layers
        entry = None if session is None else session.entry()
        if session is None or entry is None:
            return
        if entry.layer is not None and entry.layer in layers:
            layers.remove(entry.layer)  # which removes the detector
        else:
            self._forget(session, entry)

    def _layer_removed(self, event: Any = None) -> None:
        """Remove the detector whose image was deleted."""
        gone = getattr(event, "value", None)
        for session in self._panel.scan_box.sessions:
            for entry in [one for one in session.entries if one.layer is not None and one.layer is gone]:
                self._forget(session, entry)
            for key in [k for k, layer in session.made.items() if layer is gone]:
                del session.made[key]

    def _forget(self, session: Session, entry: Entry) -> None:
        session.entries.remove(entry)
        session.current = max(0, min(session.current, len(session.entries) - 1))
        if session is self._panel.session:
            self._panel.show_state()

    # beam

    def set_beam(self, beam: pipeline.Beam) -> None:
        """Put the beam elsewhere; detectors that were on it follow, and the scan is read again."""
        session = self._panel.session
        if session is None or session.beam == beam:
            return
        followers = [entry for entry in session.entries if session.on_beam(entry.detector)]
        self._panel.drop_all()
        session.beam = beam
        session.forget()
        for entry in session.entries:
            if entry in followers:
                entry.detector = entry.detector.replace(centre_row_px=beam.row, centre_col_px=beam.col)
            entry.forget()
        self._panel.show_state()
        self._panel.run()

    def find_beam(self) -> None:
        """Find the beam again in the mean pattern."""
        session, first = self._panel.session, self._panel.firsts.get(self._panel.frame)
        if session is None:
            return
        scan = self._scan()
        if scan.products is not None:
            mean = scan.products.mean.frame(0)
        elif first is not None:
            mean = first.mean
        else:
            return
        beam = scan.beam_of(np.asarray(mean))
        if beam.found:
            self.set_beam(beam)
        else:
            words = "No bright disk stands out of the mean pattern: type its centre and radius."
            self._panel.run_bar.say(words, bad=True)
