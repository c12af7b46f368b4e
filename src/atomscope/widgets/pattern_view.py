"""A diffraction pattern in a dock: on the scale that was chosen, with the detectors over it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QRectF, Qt, Signal
from qtpy.QtWidgets import QSizePolicy, QWidget

from atomscope import pipeline
from atomscope.widgets import tone

#: Arrow keys as (rows, cols).
_ARROWS = {
    Qt.Key.Key_Up: (-1, 0),
    Qt.Key.Key_Down: (1, 0),
    Qt.Key.Key_Left: (0, -1),
    Qt.Key.Key_Right: (0, 1),
}


class PatternView(pg.GraphicsLayoutWidget):
    """One pattern, row down and column to the right, a pixel as high as it is wide in its unit."""

    #: The pointer is over a pixel: (row, col), or None when it left.
    hovered = Signal(object)
    #: An arrow key: rows, cols, and whether it is the position of the scan that shall move.
    nudged = Signal(int, int, bool)
    #: Plus or minus: which radius, and by how many px.
    grown = Signal(str, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setBackground(None)
        self.setFrameShape(self.Shape.NoFrame)
        self.setMinimumSize(200, 240)
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.ci.layout.setContentsMargins(0, 0, 0, 0)
        self.box = self.addViewBox(lockAspect=True, invertY=True, enableMenu=False)
        self.box.setDefaultPadding(0.02)
        self.image = pg.ImageItem(axisOrder="row-major")
        self.box.addItem(self.image)
        self.beam = pg.PlotCurveItem(pen=pg.mkPen("#ffffff", width=1, style=Qt.PenStyle.DashLine))
        self.beam.setZValue(5)
        self.box.addItem(self.beam)
        self.pattern: np.ndarray | None = None
        self._scale, self._gamma = "log", 0.5
        self._percentiles = (1.0, 99.9)
        self._shape: tuple[int, int] | None = None
        self._zoomed = False
        self._beam: tuple[float, float, tuple[float, float]] | None = None
        self.box.sigRangeChangedManually.connect(self._was_zoomed)
        self.box.sigResized.connect(self._resized)
        self.scene().sigMouseMoved.connect(self._moved)
        self.set_colours("inferno")
        tone.follow(self, lambda: None)

    def show_pattern(self, pattern: np.ndarray | None, per_px: tuple[float, float] = (1.0, 1.0)) -> None:
        """Show a pattern, shape (rows, cols); None clears the view."""
        self.pattern = pattern
        if pattern is None:
            self.image.clear()
            return
        if pattern.shape != self._shape:
            self._shape = pattern.shape
            rows, cols = pattern.shape
            self.box.setAspectLocked(True, ratio=per_px[1] / per_px[0])
            self._draw()
            self.image.setRect(QRectF(-0.5, -0.5, cols, rows))
            self.box.setLimits(xMin=-cols, xMax=2 * cols, yMin=-rows, yMax=2 * rows)
            self.show_all()
            return
        self._draw()

    def show_all(self) -> None:
        """Show the whole pattern."""
        self._zoomed = False
        if self._shape is not None:
            rows, cols = self._shape
            self.box.setRange(QRectF(-0.5, -0.5, cols, rows), padding=0.02)

    def set_scale(self, scale: str, gamma: float, percentiles: tuple[float, float]) -> None:
        """Choose how numbers become brightness."""
        self._scale, self._gamma, self._percentiles = scale, gamma, percentiles
        self._draw()

    def set_colours(self, name: str) -> None:
        """Choose the colour map."""
        self.image.setLookupTable(pipeline.colors_of(name)[:, :3])

    def set_beam(self, row: float, col: float, radius_px: tuple[float, float]) -> None:
        """Draw the bright disk as a dashed ring."""
        if (row, col, radius_px) == self._beam:
            return
        self._beam = (row, col, radius_px)
        angle = np.linspace(0, 2 * np.pi, 121)
        self.beam.setData(col + radius_px[1] * np.cos(angle), row + radius_px[0] * np.sin(angle))

    def _draw(self) -> None:
        if self.pattern is None:
            return
        values = pipeline.rescaled(self.pattern, self._scale, self._gamma)
        levels = pipeline.robust_limits(values, *self._percentiles)
        self.image.setImage(values, autoLevels=False, levels=levels)

    def _moved(self, place: Any) -> None:
        if self._shape is None:
            return
        at = self.box.mapSceneToView(place)
        row, col = round(at.y()), round(at.x())
        inside = 0 <= row < self._shape[0] and 0 <= col < self._shape[1]
        self.hovered.emit((row, col) if inside else None)

    def hasHeightForWidth(self) -> bool:
        """Say that the view would be square."""
        return True

    def heightForWidth(self, width: int) -> int:
        """Return the height that goes with a width: the same, within bounds."""
        return max(240, min(460, width))

    def _resized(self, *_: Any) -> None:
        if not self._zoomed:
            self.show_all()

    def _was_zoomed(self, *_: Any) -> None:
        self._zoomed = True

    def mouseDoubleClickEvent(self, event: Any) -> None:
        """Show the whole pattern again."""
        super().mouseDoubleClickEvent(event)
        self.show_all()

    def leaveEvent(self, event: Any) -> None:
        """Say that the pointer left."""
        super().leaveEvent(event)
        self.hovered.emit(None)

    def keyPressEvent(self, event: Any) -> None:
        """Move the detector with the arrows, the position of the scan with Shift; plus and minus change radii."""
        key, shift = event.key(), bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        if key in _ARROWS:
            self.nudged.emit(*_ARROWS[key], shift)
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal, Qt.Key.Key_Minus, Qt.Key.Key_Underscore):
            inner = bool(event.modifiers() & Qt.KeyboardModifier.AltModifier)
            by = -1 if key in (Qt.Key.Key_Minus, Qt.Key.Key_Underscore) else 1
            self.grown.emit("inner" if inner else "outer", by)
        else:
            super().keyPressEvent(event)
            return
        event.accept()
