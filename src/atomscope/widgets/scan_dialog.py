"""Ask which scan the frames of a file are, and what a frame of a raw file is; a picture shows whether it is right."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from atomscope import pipeline
from atomscope.errors import AtomscopeError, ChoiceNeededError
from atomscope.widgets.plots import to_pixmap

#: Types offered for the pixels of a raw file; any other that numpy knows may be typed.
_TYPES = ("uint16", "float32", "uint8", "uint32", "int16", "int32", ">u2", ">u4", "float64")
#: Scan positions along a side of the preview, its size on the screen, and seconds of work before the window answers.
_SIDE, _SCREEN_PX, _TICK_S = 48, 192, 0.02
_WAIT_MS = 150


class ScanDialog(QDialog):
    """Likely scans in a list, best guess first; the numbers beneath can be changed; two pictures show the outcome.

    Parameters
    ----------
    path : Path
    error : ChoiceNeededError
        Its ``choices`` and ``options`` are the list; options with a type are those of a raw file.
    """

    def __init__(self, path: Path, error: ChoiceNeededError) -> None:
        super().__init__()
        self.path, self.options = path, error.options
        self.raw = not error.options or "dtype" in error.options[0]
        self.stack: Any = None
        self._work: Iterator[None] = iter(())
        self.setWindowTitle(f"Open {path.name}")
        self.list = QListWidget()
        self.list.addItems(error.choices)
        self.list.currentRowChanged.connect(self._take)
        self.list.itemDoubleClicked.connect(lambda *_: self._accept())
        self.status = QLabel()
        self.status.setWordWrap(True)
        self.pictures = [QLabel(), QLabel()]
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Open | QDialogButtonBox.StandardButton.Cancel)
        buttons.accepted.connect(self._accept)
        buttons.rejected.connect(self.reject)
        self.open_button = buttons.button(QDialogButtonBox.StandardButton.Open)
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(_WAIT_MS)
        self._later.timeout.connect(self.check)
        self._ticks = QTimer(self)
        self._ticks.setInterval(0)
        self._ticks.timeout.connect(self._tick)
        column = QVBoxLayout(self)
        column.addWidget(QLabel(self._question()))
        wide = QHBoxLayout()
        left = QVBoxLayout()
        left.addWidget(self.list, 1)
        left.addLayout(self._numbers())
        wide.addLayout(left, 1)
        wide.addLayout(self._drawings())
        column.addLayout(wide)
        column.addWidget(self.status)
        column.addWidget(buttons)
        self.resize(720, 480)
        if self.options:
            self.list.setCurrentRow(0)
        else:
            self.check()

    def _question(self) -> str:
        if self.raw:
            size = self.path.stat().st_size
            return f"{self.path.name} ({size:,} bytes) does not say what it holds. What is it?"
        return f"{self.path.name} does not say which scan its frames are. Which one?"

    def _numbers(self) -> QFormLayout:
        form = QFormLayout()
        self.rows, self.cols = _spin("Rows of the scan", 0, "frames in a row"), _spin("Columns of the scan")
        self.flyback = _spin("Frames after each row, taken while the beam went back", 0)
        self.before, self.after = _spin("Frames before the scan", 0), _spin("Frames after the scan", 0)
        self.det_rows, self.det_cols = _spin("Rows of a frame"), _spin("Columns of a frame")
        self.offset, self.gap = _spin("Bytes before the first frame", 0), _spin("Bytes between two frames", 0)
        self.dtype = QComboBox()
        self.dtype.setEditable(True)
        self.dtype.addItems(_TYPES)
        self.dtype.setToolTip("Type of a pixel; > means the highest byte first")
        form.addRow("Scan rows × cols", _beside(self.rows, self.cols))
        form.addRow("Fly-back", self.flyback)
        form.addRow("Left out before, after", _beside(self.before, self.after))
        if self.raw:
            form.addRow("Frame rows × cols", _beside(self.det_rows, self.det_cols))
            form.addRow("Type", self.dtype)
            form.addRow("Bytes before, between", _beside(self.offset, self.gap))
        for spin in self._spins():
            spin.valueChanged.connect(lambda *_: self._later.start())
        self.dtype.currentTextChanged.connect(lambda *_: self._later.start())
        return form

    def _spins(self) -> list[QSpinBox]:
        places = [self.rows, self.cols, self.flyback, self.before, self.after]
        return [*places, self.det_rows, self.det_cols, self.offset, self.gap]

    def _drawings(self) -> QVBoxLayout:
        column = QVBoxLayout()
        for label, words in zip(self.pictures, ("Scan: sum of each pattern", "Pattern in the middle"), strict=True):
            column.addWidget(QLabel(words))
            label.setFixedSize(_SCREEN_PX, _SCREEN_PX)
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            column.addWidget(label)
        column.addStretch(1)
        return column

    def _take(self, row: int) -> None:
        """Put the numbers of a choice into the fields."""
        if not 0 <= row < len(self.options):
            return
        said: dict[str, Any] = self.options[row]
        shape = said.get("scan_shape")
        rows, cols = shape[-2:] if isinstance(shape, tuple | list) else (0, 1)
        scan = (rows, cols, said.get("flyback", 0), *said.get("skip_frames", (0, 0)))
        frame = (*said.get("frame_shape", (1, 1)), said.get("offset", 0), said.get("gap", 0))
        for spin, value in zip(self._spins(), (*scan, *frame), strict=True):
            spin.setValue(int(value))
        if "dtype" in said:
            self.dtype.setCurrentText(str(said["dtype"]))
        self.check()

    def said(self) -> dict[str, Any]:
        """Return the keywords of ``pipeline.open`` that the fields stand for."""
        said: dict[str, Any] = {"scan_shape": "movie"}
        if self.rows.value():
            said = {"scan_shape": (self.rows.value(), self.cols.value())}
            if self.flyback.value():
                said["flyback"] = self.flyback.value()
            if self.before.value() or self.after.value():
                said["skip_frames"] = (self.before.value(), self.after.value())
        if self.raw:
            said |= {"dtype": self.dtype.currentText().strip()}
            said |= {"frame_shape": (self.det_rows.value(), self.det_cols.value())}
            said |= {n: s.value() for n, s in (("offset", self.offset), ("gap", self.gap)) if s.value()}
        return said

    def check(self) -> None:
        """Try to open the file as the fields say; draw it, or say why it cannot be."""
        self._later.stop()
        self._ticks.stop()
        self.stack = None
        try:
            self.stack = pipeline.open(self.path, **self.said())
        except AtomscopeError as error:
            self.status.setText(str(error).removeprefix(f"{self.path}: "))
            for label in self.pictures:
                label.clear()
        else:
            sizes = " × ".join(str(n) for n in self.stack.shape)
            self.status.setText(f"{sizes}, {self.stack.data.dtype}")
            self._work = self._drawing(self.stack)
            self._ticks.start()
        if self.open_button is not None:
            self.open_button.setEnabled(self.stack is not None)

    def _drawing(self, stack: Any) -> Iterator[None]:
        """Draw the middle pattern, then the sum of the pattern at up to 48 x 48 positions; a step a pattern."""
        shape = stack.navigation_shape
        middle = int(np.ravel_multi_index(tuple(n // 2 for n in shape), shape)) if shape else 0
        self._show(1, np.sqrt(np.clip(stack.frame(middle), 0, None), dtype=np.float32))  # weak beams show as well
        yield
        if len(shape) != 2:
            self.pictures[0].setText("(no scan)")
            return
        places = [np.unique(np.linspace(0, n - 1, min(n, _SIDE)).astype(int)) for n in shape]
        sums = np.full((len(places[0]), len(places[1])), np.nan)
        for i, row in enumerate(places[0]):
            for j, col in enumerate(places[1]):
                frame = stack.frame(int(row) * shape[1] + int(col))
                sums[i, j] = np.nansum(frame, dtype=np.float64)
                yield
            self._show(0, sums)

    def _tick(self) -> None:
        until = time.perf_counter() + _TICK_S
        try:
            while time.perf_counter() < until:
                next(self._work)
        except StopIteration:
            self._ticks.stop()
        except AtomscopeError as error:
            self._ticks.stop()
            self.status.setText(str(error))

    def _show(self, which: int, picture: np.ndarray) -> None:
        pixmap = to_pixmap(picture)
        self.pictures[which].setPixmap(pixmap.scaled(_SCREEN_PX, _SCREEN_PX, Qt.AspectRatioMode.KeepAspectRatio))

    def _accept(self) -> None:
        self.check()
        if self.stack is not None:
            self.accept()

    def done(self, result: int) -> None:
        """Stop drawing and close."""
        self._ticks.stop()
        self._later.stop()
        super().done(result)


def ask_scan(path: Path, error: ChoiceNeededError) -> dict[str, Any] | None:
    """Ask; return the keywords of ``pipeline.open``, or None when the user would rather not."""
    dialog = ScanDialog(path, error)
    return dialog.said() if dialog.exec() == QDialog.DialogCode.Accepted else None


def _spin(tip: str, least: int = 1, word: str = "") -> QSpinBox:
    spin = QSpinBox()
    spin.setRange(least, 2**31 - 1)
    spin.setToolTip(tip)
    if word:
        spin.setSpecialValueText(word)
    return spin


def _beside(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    for widget in widgets:
        row.addWidget(widget)
    return row
