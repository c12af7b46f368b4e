"""Where the beam is on the detector: centre and convergence semi-angle, found or typed."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QDoubleSpinBox, QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from atomscope import pipeline
from atomscope.data import Stack
from atomscope.widgets.panel import button, note, row_label


class BeamBox(QWidget):
    """Three numbers, and a button that finds them."""

    #: Another beam was typed.
    edited = Signal(object)
    #: It shall be found again.
    find_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._quiet = False
        self._scale, self._unit = 1.0, "px"
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        line = QHBoxLayout()
        line.setSpacing(4)
        line.addWidget(row_label("Centre (row, col)", "Where the undiffracted beam meets the detector, px."))
        self.row_box, self.col_box, self.radius_box = (_number(tip) for tip in ("Row, px.", "Column, px.", "Radius."))
        line.addWidget(self.row_box, 1)
        line.addWidget(self.col_box, 1)
        column.addLayout(line)
        line = QHBoxLayout()
        line.setSpacing(4)
        line.addWidget(row_label("Convergence", "Convergence semi-angle: the radius of the bright disk."))
        line.addWidget(self.radius_box, 3)
        self.find_button = button("Find", "Find the bright disk again in the mean pattern.", self.find_wanted.emit)
        self.find_button.setMinimumWidth(48)
        self.find_button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        line.addWidget(self.find_button, 2)
        column.addLayout(line)
        self.told = note()
        column.addWidget(self.told)
        for box in (self.row_box, self.col_box, self.radius_box):
            box.valueChanged.connect(self._typed)
        self.show_beam(None, None)

    def show_beam(self, beam: pipeline.Beam | None, stack: Stack | None) -> None:
        """Show a beam."""
        self.setEnabled(beam is not None)
        if beam is None or stack is None:
            self.told.setText("")
            return
        row, col = stack.pixel_axes
        calibrated = row.unit == col.unit and col.calibrated
        self._scale, self._unit = (col.scale, col.unit) if calibrated else (1.0, "px")
        self._quiet = True
        try:
            self.row_box.setRange(0, stack.frame_shape[0] - 1)
            self.col_box.setRange(0, stack.frame_shape[1] - 1)
            self.radius_box.setRange(0.5 * self._scale, max(stack.frame_shape) * self._scale)
            self.radius_box.setSuffix(f" {self._unit}")
            self.row_box.setValue(beam.row)
            self.col_box.setValue(beam.col)
            self.radius_box.setValue(beam.radius_px * self._scale)
        finally:
            self._quiet = False
        if not beam.found:
            self.told.setText("No bright disk stands out of the mean pattern: type its centre and radius.")
        else:
            self.told.setText(f"radius {beam.radius_px:.2f} px" if self._unit != "px" else "")

    def _typed(self, *_: Any) -> None:
        if not self._quiet:
            radius = self.radius_box.value() / self._scale
            self.edited.emit(pipeline.Beam(self.row_box.value(), self.col_box.value(), radius))


def _number(tip: str) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setKeyboardTracking(False)
    box.setDecimals(2)
    box.setSingleStep(0.5)
    box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    box.setMinimumWidth(60)
    box.setToolTip(tip)
    box.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    return box
