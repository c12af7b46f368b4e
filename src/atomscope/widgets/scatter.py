"""A scatter of sites with a lasso: dots for a few thousand, a density picture of mean colours for more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QPointF, QRectF, Qt, QTimer, Signal
from qtpy.QtWidgets import QWidget

from atomscope.widgets import tone
from atomscope.widgets.plot_style import dress

#: More points than this are drawn as a picture: Qt needs about 2 s for a million dots, the picture 30 ms.
DOTS = 20_000
#: Screen pixels a cell of the picture.
_CELL = 2


def inside_polygon(x: np.ndarray, y: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Say which points lie inside a polygon (even-odd rule).

    Parameters
    ----------
    x, y : arrays, shape (n,)
        NaN is outside.
    corners : array, shape (m, 2)
        The polygon; it closes itself.

    Returns
    -------
    numpy.ndarray, shape (n,), bool

    Notes
    -----
    The points are sorted by y once, so that each edge looks only at the points beside it: a hand-drawn lasso of
    hundreds of corners costs two passes over the points in all, not one pass an edge.
    """
    out = np.zeros(len(x), bool)
    corners = np.asarray(corners, float)
    if len(corners) < 3:
        return out
    (x0, y0), (x1, y1) = corners.min(axis=0), corners.max(axis=0)
    near = np.flatnonzero((x >= x0) & (x <= x1) & (y >= y0) & (y <= y1))
    near = near[np.argsort(y[near], kind="stable")]
    px, py = x[near], y[near]
    odd = np.zeros(len(near), bool)
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if ay == by:
            continue
        low, high = np.searchsorted(py, [min(ay, by), max(ay, by)], side="left")
        crossing = ax + (py[low:high] - ay) * ((bx - ax) / (by - ay))
        odd[low:high] ^= px[low:high] < crossing
    out[near] = odd
    return out


class LassoBox(pg.ViewBox):
    """Left-drag draws a lasso, right- or middle-drag moves, the wheel zooms, a double click shows all."""

    #: Corners of a finished lasso, shape (m, 2), in data coordinates.
    drawn = Signal(object)
    #: A click, in data coordinates.
    clicked = Signal(object)

    def __init__(self) -> None:
        super().__init__(enableMenu=False)
        self._corners: list[QPointF] = []
        self._line = pg.PlotCurveItem()
        self._line.setZValue(50)
        self.paint_lasso("#ffd166")
        self.addItem(self._line, ignoreBounds=True)

    def paint_lasso(self, colour: str) -> None:
        """Give the lasso a colour."""
        self._line.setPen(pg.mkPen(colour, width=2))

    def mouseDragEvent(self, event: Any, axis: Any = None) -> None:
        """Draw, or move with another button."""
        if event.button() != Qt.MouseButton.LeftButton:
            super().mouseDragEvent(event, axis)
            return
        event.accept()
        if event.isStart():
            self._corners = [self.mapToView(event.buttonDownPos())]
        self._corners.append(self.mapToView(event.pos()))
        corners = np.array([(p.x(), p.y()) for p in self._corners])
        if event.isFinish():
            self._line.setData([], [])
            self.drawn.emit(corners)
        else:
            closed = np.vstack([corners, corners[:1]])
            self._line.setData(closed[:, 0], closed[:, 1])

    def mouseClickEvent(self, event: Any) -> None:
        """Tell of a click; show everything on a double one."""
        if event.button() == Qt.MouseButton.LeftButton:
            event.accept()
            if event.double():
                self.autoRange()
            else:
                self.clicked.emit(self.mapToView(event.pos()))


class Dots(pg.ScatterPlotItem):
    """Dots that leave clicks to the plot under them."""

    def mouseClickEvent(self, ev: Any) -> None:
        """Take none."""
        ev.ignore()


class LatentScatter(pg.PlotWidget):
    """Sites in the plane of two columns, coloured, with a selection.

    Attributes
    ----------
    x, y : numpy.ndarray, shape (n,)
    selected : numpy.ndarray, shape (n,), bool
    """

    #: A lasso chose these: mask of shape (n,).
    chosen = Signal(object)
    #: The site under the pointer changed: its row, or -1.
    hovered = Signal(int)
    #: Other points are shown.
    shown = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        self.box = LassoBox()
        super().__init__(parent, viewBox=self.box, background=None)
        self.setMinimumHeight(260)
        self.x = self.y = np.zeros(0)
        self.selected = np.zeros(0, bool)
        self._rgba = np.zeros((0, 4), np.uint8)
        self._under = -1
        self._dots = Dots(size=6, pen=None, pxMode=True)
        self._rings = Dots(size=8, brush=None, pxMode=True)
        self._picture = pg.ImageItem()
        for z, item in enumerate((self._picture, self._dots, self._rings)):
            item.setZValue(z)
            self.addItem(item, ignoreBounds=item is not self._dots)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(40)
        self._timer.timeout.connect(self._paint_picture)
        self.box.sigRangeChanged.connect(self._range_changed)
        self.box.sigResized.connect(self._range_changed)
        self.box.drawn.connect(self._lasso)
        self.box.clicked.connect(self._click)
        #: Asked at a click, before it clears the selection: whether something was there.
        self.on_click: Callable[[QPointF], bool] | None = None
        self.scene().sigMouseMoved.connect(self._moved)
        dress(self, self.getPlotItem(), paint=self._paint)
        self.getPlotItem().showGrid(x=True, y=True, alpha=0.12)

    def _paint(self) -> None:
        self._rings.setPen(pg.mkPen(*((255,) * 3 if tone.is_dark(self) else (30,) * 3), 150, width=1))
        self.box.paint_lasso(tone.curve(self, "#ffd166"))

    @property
    def dense(self) -> bool:
        """Whether the points are drawn as a picture."""
        return len(self.x) > DOTS

    def show_points(self, x: np.ndarray, y: np.ndarray, rgba: np.ndarray, x_name: str, y_name: str) -> None:
        """Show points.

        Parameters
        ----------
        x, y : arrays, shape (n,)
            NaN is not shown.
        rgba : array, shape (n, 4)
            0 to 1.
        x_name, y_name : str
        """
        moved = len(x) != len(self.x) or (x_name, y_name) != self.names
        self.x, self.y = np.asarray(x, float), np.asarray(y, float)
        if len(self.selected) != len(self.x):
            self.selected = np.zeros(len(self.x), bool)
        self.getPlotItem().setLabel("bottom", x_name)
        self.getPlotItem().setLabel("left", y_name)
        self.set_colours(rgba)
        if moved:
            self.show_all()
        self.shown.emit()

    @property
    def names(self) -> tuple[str, str]:
        """What is along x and along y."""
        bottom, left = (self.getPlotItem().getAxis(side).labelText for side in ("bottom", "left"))
        return str(bottom), str(left)

    def dim(self, on: bool) -> None:
        """Make dots faint, for what is drawn over them; the picture is, round a choice."""
        self._dots.setOpacity(0.3 if on else 1.0)

    def show_all(self) -> None:
        """Show the whole cloud, without letting a few outliers squeeze it."""
        good = np.isfinite(self.x) & np.isfinite(self.y)
        if not good.any():
            return
        low = np.percentile(np.stack([self.x[good], self.y[good]]), 0.1, axis=1)
        high = np.percentile(np.stack([self.x[good], self.y[good]]), 99.9, axis=1)
        pad = np.maximum(0.06 * (high - low), 1e-6)
        low, high = low - pad, high + pad
        self.box.setRange(QRectF(low[0], low[1], *(high - low)), padding=0)

    def set_colours(self, rgba: np.ndarray) -> None:
        """Colour the points, rgba of shape (n, 4), 0 to 1."""
        self._rgba = (np.clip(np.asarray(rgba, float), 0, 1) * 255).astype(np.uint8)
        self._draw()

    def set_selected(self, mask: np.ndarray) -> None:
        """Show a selection, mask of shape (n,)."""
        self.selected = np.asarray(mask, bool)
        if self.dense:
            self._timer.start()
        self._draw_rings()

    def _draw(self) -> None:
        if self.dense:
            self._dots.clear()
            self._picture.show()
            self._timer.start()
        else:
            self._picture.hide()
            good = np.flatnonzero(np.isfinite(self.x) & np.isfinite(self.y))
            colours, which = np.unique(self._rgba[good] & 0xF8, axis=0, return_inverse=True)
            brushes = np.array([pg.mkBrush(*(int(c) for c in rgba)) for rgba in colours], dtype=object)
            brush = brushes[which.ravel()] if len(good) else None
            self._dots.setData(self.x[good], self.y[good], brush=brush)
        self._draw_rings()

    def _draw_rings(self) -> None:
        where = np.flatnonzero(self.selected) if len(self.selected) == len(self.x) else np.zeros(0, int)
        if self.dense or len(where) > DOTS // 4:
            where = where[:0] if self.dense else where[:: max(1, len(where) // (DOTS // 4))]
        self._rings.setData(self.x[where], self.y[where])

    def _range_changed(self, *_: Any) -> None:
        if self.dense:
            self._timer.start()

    def _paint_picture(self) -> None:
        """Draw the density at the resolution of the screen: colour is the mean, strength the logarithm of the count."""
        if not self.dense:
            return
        rect = self.box.viewRect()
        cols = max(16, int(self.box.width() / _CELL))
        rows = max(16, int(self.box.height() / _CELL))
        with np.errstate(invalid="ignore"):
            c = (self.x - rect.left()) * (cols / rect.width())
            r = (self.y - rect.top()) * (rows / rect.height())
            good = np.flatnonzero((c >= 0) & (c < cols) & (r >= 0) & (r < rows))
        cell = r[good].astype(np.int64) * cols + c[good].astype(np.int64)
        size = rows * cols
        count = np.bincount(cell, minlength=size)
        seen = count > 0
        image = np.zeros((size, 4), np.uint8)
        for k in range(3):
            total = np.bincount(cell, weights=self._rgba[good, k].astype(float), minlength=size)
            image[seen, k] = total[seen] / count[seen]
        strength = np.log1p(count[seen]) / np.log1p(max(1, np.percentile(count[seen], 99))) if seen.any() else 0
        alpha = np.zeros(size)
        alpha[seen] = 90 + 165 * np.clip(strength, 0, 1)
        if self.selected.any():
            chosen = np.bincount(cell[self.selected[good]], minlength=size) > 0
            alpha[seen & ~chosen] *= 0.22
        image[:, 3] = alpha
        self._picture.setImage(image.reshape(rows, cols, 4), axisOrder="row-major", autoLevels=False, levels=(0, 255))
        self._picture.setRect(rect)

    def _lasso(self, corners: np.ndarray) -> None:
        mask = inside_polygon(self.x, self.y, corners)
        self.set_selected(mask)
        self.chosen.emit(mask)

    def _click(self, at: QPointF) -> None:
        if (self.on_click is None or not self.on_click(at)) and self.selected.any():
            self._lasso(np.zeros((0, 2)))

    def row_at(self, at: QPointF) -> int:
        """Return the row of the site at a point of the plane (within 10 px of the screen), or -1."""
        step_x, step_y = self.box.viewPixelSize()
        with np.errstate(invalid="ignore"):
            distance = ((self.x - at.x()) / step_x) ** 2 + ((self.y - at.y()) / step_y) ** 2
        best = int(np.nanargmin(distance)) if np.isfinite(distance).any() else -1
        return best if best >= 0 and distance[best] < 10**2 else -1

    def _moved(self, position: QPointF) -> None:
        inside = self.box.sceneBoundingRect().contains(position)
        under = self.row_at(self.box.mapSceneToView(position)) if inside else -1
        if under != self._under:
            self._under = under
            self.hovered.emit(under)
