"""How a pattern is shown: scale, contrast, colours."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QHBoxLayout, QLabel, QSizePolicy, QWidget

SCALES = ("log", "sqrt", "linear", "gamma")
COLOUR_MAPS = ("inferno", "gray", "viridis", "magma", "plasma", "turbo", "gray_r")


class PatternTone(QWidget):
    """A row of choices."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        self.scale_box = QComboBox()
        self.scale_box.addItems(list(SCALES))
        self.scale_box.setToolTip("How intensity becomes brightness.")
        self.gamma_box = _number(0.5, 0.05, 3.0, "Brightness is intensity to this power.", step=0.05)
        self.low_box = _number(1.0, 0.0, 99.0, "Percentage of pixels that are black.")
        self.high_box = _number(99.9, 1.0, 100.0, "Percentage of pixels that are not yet white.", step=0.1)
        self.colours_box = QComboBox()
        self.colours_box.addItems(list(COLOUR_MAPS))
        self.colours_box.setToolTip("Colours of the pattern.")
        for box in (self.scale_box, self.colours_box):
            box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            box.setMinimumWidth(56)
        row.addWidget(self.scale_box, 3)
        row.addWidget(self.gamma_box)
        row.addWidget(self.colours_box, 4)
        row.addWidget(self.low_box)
        row.addWidget(QLabel("to"))
        row.addWidget(self.high_box)
        row.addWidget(QLabel("%"))
        self.scale_box.currentTextChanged.connect(self._tell)
        self.colours_box.currentTextChanged.connect(self._tell)
        for number in (self.gamma_box, self.low_box, self.high_box):
            number.valueChanged.connect(self._tell)
        self._tell()

    @property
    def percentiles(self) -> tuple[float, float]:
        """Of pixels that are black, and that are not yet white."""
        low = self.low_box.value()
        return low, max(self.high_box.value(), low + 0.1)

    def _tell(self, *_: object) -> None:
        self.gamma_box.setVisible(self.scale_box.currentText() == "gamma")
        self.changed.emit()


def _number(value: float, low: float, high: float, tip: str, step: float = 1.0) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setRange(low, high)
    box.setDecimals(2 if step < 0.1 else 1)
    box.setSingleStep(step)
    box.setValue(value)
    box.setToolTip(tip)
    box.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
    box.setStyleSheet("QDoubleSpinBox { min-width: 30px; padding: 1px; }")
    box.setFixedWidth(40)
    box.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    return box
