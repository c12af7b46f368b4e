"""The pattern with its detectors, how it is shown, and its radial profile."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from atomscope.data.params import Detector
from atomscope.widgets.detector_item import DetectorItem
from atomscope.widgets.panel import note
from atomscope.widgets.pattern_tone import PatternTone
from atomscope.widgets.pattern_view import PatternView
from atomscope.widgets.profile_plot import ProfilePlot
from atomscope.widgets.scan_session import Entry, Session

_HELP = (
    "Drag a detector or its edges. Arrows move it, + and - change its outer radius (with Alt the inner one), "
    "Shift and arrows move the marked position."
)


class PatternPane(QWidget):
    """What is seen of one pattern of a scan, and dragged over it."""

    #: The current detector is being changed: the new Detector; and it was let go.
    changing = Signal(object)
    done = Signal()
    #: Another detector was clicked: its number.
    picked = Signal(int)
    #: The position of the scan shall move: rows, cols.
    position_nudged = Signal(int, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session: Session | None = None
        self._items: dict[Entry, DetectorItem] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        self.title = note(keep_room=True)
        column.addWidget(self.title)
        self.view = PatternView()
        self.view.setToolTip(_HELP)
        column.addWidget(self.view)
        self.readout = note(keep_room=True)
        column.addWidget(self.readout)
        self.tone = PatternTone()
        column.addWidget(self.tone)
        self.profile = ProfilePlot()
        self.profile.setToolTip("Mean intensity over the distance from the beam. The band is the detector: drag it.")
        column.addWidget(self.profile)
        self._profile: Any = None
        self._shown: Any = None
        self._profile_scale = 1.0
        self._profile_timer = QTimer(self)  # a plot takes as long to draw as the pattern: ten a second will do
        self._profile_timer.setSingleShot(True)
        self._profile_timer.setInterval(100)
        self._profile_timer.timeout.connect(self._show_profile)
        self.tone.changed.connect(self._toned)
        self.view.hovered.connect(self._hovered)
        self.view.nudged.connect(self._nudged)
        self.view.grown.connect(self._grown)
        self.profile.changing.connect(self._band_dragged)
        self.profile.done.connect(self.done)
        self._toned()
        self._hovered(None)

    @property
    def dragging(self) -> bool:
        """Whether a detector is being dragged."""
        return any(item.dragging for item in self._items.values())

    def item_of(self, entry: Entry) -> DetectorItem:
        """Return what draws a detector."""
        return self._items[entry]

    def show_session(self, session: Session | None) -> None:
        """Show the detectors of a scan."""
        for item in self._items.values():
            self.view.box.removeItem(item)
        self._items.clear()
        if session is not self._session:
            self.view.show_pattern(None)
            self.title.setText("")
        self._session, self._profile, self._shown = session, None, None
        self.profile.setVisible(session is not None)
        if session is not None:
            self.refresh()

    def refresh(self) -> None:
        """Draw the detectors and the beam again."""
        session = self._session
        if session is None:
            return
        for gone in [entry for entry in self._items if entry not in session.entries]:
            self.view.box.removeItem(self._items.pop(gone))
        for number, entry in enumerate(session.entries):
            if entry not in self._items:
                item = self._items[entry] = DetectorItem(entry.colour)
                item.changing.connect(self.changing)
                item.done.connect(self.done)
                item.picked.connect(self._item_picked)
                self.view.box.addItem(item, ignoreBounds=True)
            self._items[entry].place(session.placed(entry.detector), number == session.current)
        beam = session.beam
        if beam is not None:
            per_px = session.placed(Detector()).per_px
            rows = beam.radius_px * per_px[1] / per_px[0]
            self.view.set_beam(beam.row, beam.col, (rows, beam.radius_px))
        self._soon()

    def show_pattern(self, pattern: np.ndarray, title: str, profile: Any) -> None:
        """Show a pattern, shape (rows, cols), and its profile, a table."""
        session = self._session
        if session is None:
            return
        row, col = session.stack.pixel_axes
        square = row.unit != col.unit or not col.calibrated
        self.view.show_pattern(pattern, (1.0, 1.0) if square else (row.scale, col.scale))
        self.title.setText(title)
        self._profile = profile
        self._soon()

    def _soon(self) -> None:
        if not self._profile_timer.isActive():
            self._profile_timer.start()

    def _show_profile(self) -> None:
        session, profile = self._session, self._profile
        if session is None or profile is None:
            self._show_band()
            return
        if profile is not self._shown:
            self._shown = profile
            self._draw_profile(session, profile)
        self._show_band()

    def _draw_profile(self, session: Session, profile: Any) -> None:
        col = session.stack.pixel_axes[1]
        unit = next((u for n, u in (("radius_mrad", "mrad"), ("radius_per_nm", "1/nm")) if n in profile), "px")
        name = {"mrad": "radius_mrad", "1/nm": "radius_per_nm"}.get(unit, "radius_px")
        self.profile.show_profile(profile[name].to_numpy(), profile["intensity"].to_numpy(), unit)
        self._profile_scale = col.scale if unit != "px" else 1.0

    def _per_axis(self) -> float:
        """Return the length of a step of the profile's axis for one unit of a detector."""
        assert self._session is not None
        return self._profile_scale / self._session.placed(Detector()).per_px[1]

    def _show_band(self) -> None:
        session = self._session
        entry = None if session is None else session.entry()
        round_ = entry is not None and entry.detector.shape in ("disk", "annulus", "segment")
        if session is None or entry is None or not round_ or not session.on_beam(entry.detector):
            self.profile.hide_band()
            return
        inner = 0.0 if entry.detector.shape == "disk" else entry.detector.inner
        scale = self._per_axis()
        self.profile.show_band(inner * scale, session.placed(entry.detector).outer * scale, entry.colour)

    # what the user does

    def _band_dragged(self, inner: float, outer: float) -> None:
        entry = None if self._session is None else self._session.entry()
        if entry is None or self._session is None:
            return
        d, scale = entry.detector, self._per_axis()
        inner, outer = inner / scale, outer / scale
        values: dict[str, float] = {}
        if d.outer is not None or abs(outer - self._session.placed(d).outer) > 0.5:
            values["outer"] = max(outer, 0.5)
        if d.shape != "disk":
            values["inner"] = min(inner, outer - 0.5) if outer > 0.5 else 0.0
        self.changing.emit(d.replace(**values))

    def _item_picked(self) -> None:
        sender, session = self.sender(), self._session
        for entry, item in self._items.items():
            if item is sender and session is not None and entry in session.entries:
                self.picked.emit(session.entries.index(entry))
                return

    def _nudged(self, rows: int, cols: int, position: bool) -> None:
        if position:
            self.position_nudged.emit(rows, cols)
            return
        entry = None if self._session is None else self._session.entry()
        if entry is not None and self._session is not None:
            self.changing.emit(self._session.placed(entry.detector).moved(rows, cols))
            self.done.emit()

    def _grown(self, part: Any, px: int) -> None:
        entry = None if self._session is None else self._session.entry()
        if entry is not None and self._session is not None:
            self.changing.emit(self._session.placed(entry.detector).grown(part, px))
            self.done.emit()

    def _toned(self) -> None:
        tone = self.tone
        self.view.set_scale(tone.scale_box.currentText(), tone.gamma_box.value(), tone.percentiles)
        self.view.set_colours(tone.colours_box.currentText())

    def _hovered(self, at: Any) -> None:
        session, pattern = self._session, self.view.pattern
        if at is None or session is None or pattern is None:
            self.readout.setText("")
            return
        row_axis, col_axis = session.stack.pixel_axes
        row, col = session.beam_centre
        down, right = (at[0] - row) * row_axis.scale, (at[1] - col) * col_axis.scale
        unit = col_axis.unit if row_axis.unit == col_axis.unit else "px"
        far = f"{np.hypot(down, right):.2f} {'px' if unit == 'pixel' else unit}"
        angle = np.degrees(np.arctan2(down, right))
        self.readout.setText(f"row {at[0]}, col {at[1]}: {pattern[at]:.5g}; {far} from the beam at {angle:.0f}°")
