"""The detectors of a scan: presets, a list, and the numbers of the one that is dragged."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from atomscope.data.params import Detector
from atomscope.data.params.scan import PRESETS
from atomscope.widgets.detector_shape import SIZES, told
from atomscope.widgets.panel import button, note, row_label
from atomscope.widgets.scan_session import Session

_TITLES = {
    "inner": "Inner radius",
    "outer": "Outer radius",
    "height": "Height",
    "width": "Width",
    "start_deg": "From angle",
    "span_deg": "Over",
}
_TIPS = {
    "BF": "Bright field: the bright disk.",
    "ABF": "Annular bright field: the outer half of the bright disk.",
    "ADF": "Annular dark field: from the bright disk to three times its radius.",
    "HAADF": "High-angle annular dark field: all beyond three times the radius of the bright disk.",
}


class DetectorBox(QWidget):
    """Choose, add and remove detectors, and type their sizes."""

    #: A preset (BF, ABF, ADF, HAADF) or a shape is wanted.
    preset_wanted = Signal(str)
    shape_wanted = Signal(str)
    #: Another row is the current one; the current one shall go.
    picked = Signal(int)
    removed = Signal()
    #: A number was typed: the new Detector.
    edited = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session: Session | None = None
        self._quiet = False
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        row = QHBoxLayout()
        row.setSpacing(4)
        self.presets = {name: button(name, _TIPS[name], _telling(self.preset_wanted, name)) for name in PRESETS}
        for push in self.presets.values():
            push.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            push.setMinimumWidth(40)
            row.addWidget(push, 1)
        self.add_button = QToolButton()
        self.add_button.setText("Add")
        self.add_button.setToolTip("Another detector, of any shape.")
        self.add_button.setMinimumWidth(52)
        self.add_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(self.add_button)
        for shape in SIZES:
            action = menu.addAction(shape.capitalize())
            if action is not None:
                action.triggered.connect(_telling(self.shape_wanted, shape))
        self.add_button.setMenu(menu)
        row.addWidget(self.add_button)
        column.addLayout(row)
        self.list = QListWidget()
        self.list.setIconSize(QSize(12, 12))
        self.list.setFixedHeight(66)
        self.list.setToolTip("Click to see a detector's image and to drag it; Delete removes it with its image.")
        self.list.currentRowChanged.connect(self._row_changed)
        column.addWidget(self.list)
        self.readout = note(keep_room=True)
        column.addWidget(self.readout)
        self._rows = QFormLayout()
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setVerticalSpacing(4)
        self.numbers: dict[str, QDoubleSpinBox] = {}
        for name, title in _TITLES.items():
            box = QDoubleSpinBox()
            box.setKeyboardTracking(False)
            box.setDecimals(2)
            box.setRange(0.0, 1e6)
            box.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            box.valueChanged.connect(self._typed)
            self.numbers[name] = box
            self._rows.addRow(row_label(title), box)
        column.addLayout(self._rows)

    def show_session(self, session: Session | None) -> None:
        """Show the detectors of a scan."""
        self._session = session
        self._quiet = True
        try:
            self.list.clear()
            for entry in [] if session is None else session.entries:
                self.list.addItem(QListWidgetItem(_swatch(entry.colour), entry.detector.title))
            if session is not None:
                self.list.setCurrentRow(session.current)
        finally:
            self._quiet = False
        for one in (*self.presets.values(), self.add_button):
            one.setEnabled(session is not None and session.beam is not None)
        self.show_numbers()

    def show_numbers(self) -> None:
        """Show the sizes of the current detector."""
        entry = None if self._session is None else self._session.entry()
        if entry is None or self._session is None:
            self.readout.setText("")
            for box in self.numbers.values():
                self._rows.setRowVisible(box, False)
            return
        session, d = self._session, entry.detector
        placed, scale, unit = session.placed(d), self._scale(), self._unit()
        self.readout.setText(told(placed, unit, session.stack.pixel_axes[1].scale))
        self._quiet = True
        try:
            for name, box in self.numbers.items():
                self._rows.setRowVisible(box, name in SIZES[d.shape])
                if name not in SIZES[d.shape]:
                    continue
                angle = name.endswith("_deg")
                value = getattr(d, name)
                box.setSuffix(" °" if angle else f" {unit}")
                box.setSingleStep(5.0 if angle else scale)
                box.setMaximum(360.0 if angle else 1e6)
                box.setValue((placed.outer if value is None else value) * (1.0 if angle else scale))
        finally:
            self._quiet = False

    def keyPressEvent(self, event: Any) -> None:
        """Remove the current detector with Delete."""
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace) and self.list.hasFocus():
            self.removed.emit()
        else:
            super().keyPressEvent(event)

    def _unit(self) -> str:
        assert self._session is not None
        row, col = self._session.stack.pixel_axes
        return col.unit if row.unit == col.unit and col.calibrated else "px"

    def _scale(self) -> float:
        """Return what lengths of detectors are multiplied by to be shown."""
        assert self._session is not None
        in_px = self._session.scan_unit == "px"
        return self._session.stack.pixel_axes[1].scale if in_px and self._unit() != "px" else 1.0

    def _typed(self, *_: Any) -> None:
        entry = None if self._session is None else self._session.entry()
        if self._quiet or entry is None:
            return
        d, scale = entry.detector, self._scale()
        values = {}
        for name in SIZES[d.shape]:
            shown = self.numbers[name].value()
            value = shown if name.endswith("_deg") else shown / scale
            before = getattr(d, name)
            if before is None and name == "outer":
                assert self._session is not None
                if abs(value - self._session.placed(d).outer) < 0.01 / scale:
                    continue  # untouched: it still ends nowhere
            if before is None or abs(value - before) > 0.005 / (1.0 if name.endswith("_deg") else scale):
                values[name] = value
        if "inner" in values and values["inner"] >= self._session_outer(d, values):
            values["inner"] = max(0.0, self._session_outer(d, values) - 0.5)
        for name in ("outer", "height", "width", "span_deg"):
            if name in values:
                floor = values.get("inner", d.inner) if name == "outer" and d.shape != "disk" else 0.0
                values[name] = max(values[name], floor + 0.5)
        if values:
            self.edited.emit(d.replace(**values))

    def _session_outer(self, d: Detector, values: dict[str, float]) -> float:
        assert self._session is not None
        return values.get("outer", self._session.placed(d).outer)

    def _row_changed(self, row: int) -> None:
        if not self._quiet and row >= 0:
            self.picked.emit(row)


def _swatch(colour: str) -> QIcon:
    square = QPixmap(12, 12)
    square.fill(QColor(colour))
    return QIcon(square)


def _telling(signal: Any, value: str) -> Any:
    return lambda *_: signal.emit(value)
