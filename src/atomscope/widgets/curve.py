"""A small plot of one curve; with a line at the frame on screen, which can be dragged."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyqtgraph as pg
from qtpy.QtWidgets import QWidget

from atomscope.widgets import tone
from atomscope.widgets.plot_style import BLUE, ORANGE, EpochAxis, dress


class Curve(pg.GraphicsLayoutWidget):
    """One curve with a band of uncertainty.

    Parameters
    ----------
    x, y : str
        What the axes show.
    at_frame : callable, optional
        Called with the frame that a person dragged the line to or clicked on.
    """

    def __init__(self, x: str, y: str, at_frame: Callable[[int], None] | None = None, parent: QWidget | None = None):
        super().__init__(parent)
        self.setBackground(None)
        self.setFrameShape(self.Shape.NoFrame)
        self.setMinimumHeight(150)
        self.setMaximumHeight(220)
        self.ci.layout.setContentsMargins(0, 0, 0, 0)
        self.plot = self.addPlot(axisItems={"bottom": EpochAxis("bottom")})
        self.plot.setMouseEnabled(x=False, y=False)
        self.plot.setLabel("left", y)
        self.plot.setLabel("bottom", x)
        self.plot.getAxis("left").setWidth(52)
        self._low = self.plot.plot(pen=None)
        self._high = self.plot.plot(pen=None)
        self._band = pg.FillBetweenItem(self._low, self._high, brush=pg.mkBrush(78, 161, 255, 60))
        self.plot.addItem(self._band)
        self._curve = self.plot.plot(symbolPen=None)
        self._at_frame = at_frame
        self._told = -1
        self.x, self.y = np.zeros(0), np.zeros(0)
        self.line: pg.InfiniteLine | None = None
        if at_frame is not None:
            self.line = pg.InfiniteLine(angle=90, movable=True)
            self.line.hide()
            self.plot.addItem(self.line)
            self.line.sigPositionChanged.connect(self._moved)
            self.scene().sigMouseClicked.connect(self._clicked)
        dress(self, self.plot, paint=self._paint)

    def _paint(self) -> None:
        blue = tone.curve(self, BLUE)
        self._curve.setPen(pg.mkPen(blue, width=2))
        self._curve.setSymbolBrush(blue)
        if self.line is not None:
            self.line.setPen(pg.mkPen(tone.curve(self, ORANGE), width=2))

    def show_curve(self, x: np.ndarray, y: np.ndarray, sd: np.ndarray | None = None) -> None:
        """Show y over x, and a band of one standard error; points without a number leave a gap."""
        self.x, self.y = np.asarray(x, float), np.asarray(y, float)
        few = len(self.x) < 3  # one point is a dot, not an invisible line
        self._curve.setData(self.x, self.y, connect="finite", symbol="o" if few else None)
        sd = np.zeros(len(self.x)) if sd is None else np.nan_to_num(sd)
        good = np.isfinite(self.y)
        self._low.setData(self.x[good], (self.y - sd)[good])
        self._high.setData(self.x[good], (self.y + sd)[good])
        if self.line is not None:
            self.line.setVisible(len(self.x) > 1)

    def show_frame(self, frame: int) -> None:
        """Put the line at a frame."""
        if self.line is not None:
            self._told = frame
            self.line.setValue(frame)

    def _moved(self) -> None:
        assert self.line is not None
        frame = round(float(self.line.value()))
        if frame != self._told and len(self.x) and self._at_frame is not None:
            self._told = int(np.clip(frame, self.x[0], self.x[-1]))
            self._at_frame(self._told)

    def _clicked(self, event: object) -> None:
        place = self.plot.vb.mapSceneToView(event.scenePos()).x()
        if self.line is not None and self.line.isVisible():
            self.line.setValue(place)
