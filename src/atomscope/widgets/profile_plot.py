"""The radial profile of the pattern that is shown, with the radii of the detector."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from atomscope.widgets import tone
from atomscope.widgets.plot_style import BLUE, dress


class ProfilePlot(pg.PlotWidget):
    """Mean intensity over the distance from the beam, logarithmic; the band is the detector, and can be dragged."""

    #: The band is being dragged: inner and outer radius in the unit of the axis; and it was let go.
    changing = Signal(float, float)
    done = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent, background=None)
        self.setFixedHeight(140)
        self.setFrameShape(self.Shape.NoFrame)
        self.setMouseEnabled(x=False, y=False)
        plot = self.getPlotItem()
        plot.setLabel("left", "mean")
        plot.setLabel("bottom", "distance from the beam (px)")
        plot.getAxis("left").setWidth(52)
        plot.setLogMode(y=True)
        self._curve = plot.plot()
        self._quiet = False
        self.band = pg.LinearRegionItem(brush=pg.mkBrush(78, 161, 255, 50), swapMode="block")
        self.band.setZValue(-1)
        self.band.hide()
        self.addItem(self.band)
        self.band.sigRegionChanged.connect(self._dragged)
        self.band.sigRegionChangeFinished.connect(self._finished)
        dress(self, plot, paint=self._paint)
        self.radius, self.mean = np.zeros(0), np.zeros(0)

    def _paint(self) -> None:
        self._curve.setPen(pg.mkPen(tone.curve(self, BLUE), width=2))

    def show_profile(self, radius: np.ndarray, mean: np.ndarray, unit: str) -> None:
        """Show a profile; rings without intensity leave a gap."""
        self.radius, self.mean = radius, mean
        good = np.isfinite(mean) & (mean > 0)
        self._curve.setData(radius, np.where(good, mean, np.nan), connect="finite")
        self.getPlotItem().setLabel("bottom", f"distance from the beam ({unit})")
        if len(radius):
            self.setXRange(0, float(radius[-1]), padding=0.02)

    def show_band(self, inner: float, outer: float, colour: str) -> None:
        """Show the radii of a detector."""
        self._quiet = True
        try:
            fill = pg.mkColor(colour)
            fill.setAlpha(50)
            self.band.setBrush(fill)
            self.band.setRegion((inner, outer))
            for line in self.band.lines:
                line.setPen(pg.mkPen(colour, width=2))
            self.band.show()
        finally:
            self._quiet = False

    def hide_band(self) -> None:
        """Show no radii: the detector is not round."""
        self.band.hide()

    def _dragged(self) -> None:
        if not self._quiet:
            low, high = self.band.getRegion()
            self.changing.emit(max(0.0, float(low)), float(high))

    def _finished(self) -> None:
        if not self._quiet:
            self.done.emit()
