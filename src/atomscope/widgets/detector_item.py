"""A detector drawn over the pattern: its edges and its body are dragged with the pointer."""

from __future__ import annotations

from typing import Any

import pyqtgraph as pg
from qtpy.QtCore import QPointF, QRectF, Qt, Signal
from qtpy.QtGui import QColor, QPainterPath

from atomscope.widgets.detector_shape import Part, Place, Placed

#: How near to an edge, on the screen, it is grabbed.
_NEAR = 7.0
_CURSORS = {
    "move": Qt.CursorShape.SizeAllCursor,
    "height": Qt.CursorShape.SizeVerCursor,
    "width": Qt.CursorShape.SizeHorCursor,
    "corner": Qt.CursorShape.SizeFDiagCursor,
}


class DetectorItem(pg.GraphicsObject):
    """One detector in a view of patterns; x is the column, y is the row.

    Parameters
    ----------
    colour : str
    """

    #: It is being dragged: the new Detector.
    changing = Signal(object)
    #: It was let go.
    done = Signal()
    #: It was clicked while another one was the current one.
    picked = Signal()

    def __init__(self, colour: str) -> None:
        super().__init__()
        self._colour = QColor(colour)
        self._placed: Placed | None = None
        self._path = QPainterPath()
        self._current = True
        self._over: Part | None = None
        self._grabbed: tuple[Part, Place, Placed] | None = None
        self.setZValue(10)

    @property
    def dragging(self) -> bool:
        """Whether it is being dragged."""
        return self._grabbed is not None

    def place(self, placed: Placed, current: bool) -> None:
        """Draw a detector; only the current one is filled, and can be dragged."""
        self.prepareGeometryChange()
        self._placed, self._current = placed, current
        self._path = outline(placed)
        self.setZValue(11 if current else 10)
        self.update()

    def boundingRect(self) -> QRectF:
        """Return where it draws."""
        return self._path.boundingRect().adjusted(-2, -2, 2, 2)

    def paint(self, painter: Any, *_: Any) -> None:
        """Draw the outline, and the body in a thin colour."""
        painter.setRenderHint(painter.RenderHint.Antialiasing)
        body = QColor(self._colour)
        body.setAlpha(0 if not self._current else 70 if self._over else 45)
        painter.setBrush(body)
        width = 3 if self._current and self._over else 2 if self._current else 1
        painter.setPen(pg.mkPen(self._colour, width=width, cosmetic=True))
        painter.drawPath(self._path)
        if self._placed is not None and self._current:  # a cross at the centre
            row, col = self._placed.centre
            arm = 5 * self._px()
            painter.drawLine(QPointF(col - arm, row), QPointF(col + arm, row))
            painter.drawLine(QPointF(col, row - arm), QPointF(col, row + arm))

    def _px(self) -> float:
        """Return the length of a pixel of the screen."""
        length = self.pixelLength(pg.Point(1, 0))
        return float(length) if length else 1.0

    def _part(self, at: Any) -> Part | None:
        if self._placed is None:
            return None
        return self._placed.part_at((at.y(), at.x()), _NEAR * self._px())

    def hoverEvent(self, event: Any) -> None:
        """Show what would be dragged."""
        over = None
        if not event.isExit():
            over = self._part(event.pos())
            if over is not None and self._current and not event.acceptDrags(Qt.MouseButton.LeftButton):
                over = None
            if over is not None:
                event.acceptClicks(Qt.MouseButton.LeftButton)
        if self.dragging:
            return
        if over is None or not self._current:
            self.unsetCursor()
        else:
            self.setCursor(_CURSORS.get(over, Qt.CursorShape.SizeBDiagCursor))
        if over != self._over:
            self._over = over
            self.update()

    def mouseDragEvent(self, event: Any) -> None:
        """Drag the part that the button was pressed on."""
        if event.button() != Qt.MouseButton.LeftButton or self._placed is None or not self._current:
            event.ignore()
            return
        if event.isStart():
            down = event.buttonDownPos()
            part = self._part(down)
            if part is None:
                event.ignore()
                return
            self._grabbed = (part, (down.y(), down.x()), self._placed)
        if self._grabbed is None:
            event.ignore()
            return
        event.accept()
        part, start, before = self._grabbed
        at = event.pos()
        self.changing.emit(before.dragged(part, start, (at.y(), at.x())))
        if event.isFinish():
            self._grabbed = None
            self.done.emit()

    def mouseClickEvent(self, event: Any) -> None:
        """Become the current one."""
        if event.button() == Qt.MouseButton.LeftButton and not self._current and self._part(event.pos()) is not None:
            event.accept()
            self.picked.emit()
        else:
            event.ignore()


def outline(placed: Placed) -> QPainterPath:
    """Return the outline of a detector; x is the column, y is the row."""
    d, (row, col) = placed.detector, placed.centre
    path = QPainterPath()
    path.setFillRule(Qt.FillRule.OddEvenFill)
    per_row, per_col = placed.per_px
    if d.shape == "point":
        path.addRect(QRectF(round(col) - 0.5, round(row) - 0.5, 1, 1))
        return path
    if d.shape == "rectangle":
        high, wide = d.height / per_row, d.width / per_col
        path.addRect(QRectF(col - wide / 2, row - high / 2, wide, high))
        return path
    boxes = []
    for radius in (placed.outer, d.inner if d.shape != "disk" else 0.0):
        wide, high = 2 * radius / per_col, 2 * radius / per_row
        boxes.append(QRectF(col - wide / 2, row - high / 2, wide, high))
    outer, inner = boxes
    if d.shape == "segment" and d.span_deg < 360:  # Qt counts angles the other way round
        path.arcMoveTo(outer, -d.start_deg)
        path.arcTo(outer, -d.start_deg, -d.span_deg)
        path.arcTo(inner, -d.start_deg - d.span_deg, d.span_deg)
        path.closeSubpath()
        return path
    path.addEllipse(outer)
    if inner.width() > 0:
        path.addEllipse(inner)
    return path
