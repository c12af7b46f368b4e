"""Small plots of trust: a histogram of scores, and what was said against what is so."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyqtgraph as pg
from qtpy.QtWidgets import QWidget

from atomscope.widgets import tone
from atomscope.widgets.plot_style import BLUE, dress


class _Plot(pg.PlotWidget):
    def __init__(self, below: str, beside: str, parent: QWidget | None = None) -> None:
        super().__init__(parent, background=None)
        self.setFixedHeight(150)
        self.getPlotItem().setLabel("bottom", below)
        self.getPlotItem().setLabel("left", beside)
        self.setMouseEnabled(x=False, y=False)
        self.setFrameShape(self.Shape.NoFrame)


class ScoreHistogram(_Plot):
    """How many sites have which score."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("score", "sites", parent)
        self._bars = pg.BarGraphItem(x=[], height=[], width=0.05, pen=None)
        self.addItem(self._bars)
        dress(self, self.getPlotItem(), paint=self._paint)
        self.setXRange(0, 1, padding=0.03)
        self.getPlotItem().getAxis("bottom").setTicks([[(k / 4, f"{k / 4:g}") for k in range(5)]])

    def _paint(self) -> None:
        self._bars.setOpts(brush=tone.curve(self, BLUE))

    def show_counts(self, counts: np.ndarray, edges: np.ndarray) -> None:
        """Show a histogram, counts (n,) between edges (n + 1,)."""
        self.counts = np.asarray(counts)
        width = np.diff(edges)
        self._bars.setOpts(x=edges[:-1] + width / 2, height=counts, width=0.92 * width)
        self.setYRange(0, max(1, int(self.counts.max(initial=0))), padding=0.05)


class ReliabilityPlot(_Plot):
    """What was said against what is so, with 95 % intervals; on the dashed line both are equal."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("probability said", "share right", parent)
        self._right = pg.PlotCurveItem([0, 1], [0, 1])
        self._error = pg.ErrorBarItem(x=np.zeros(0), y=np.zeros(0))
        self._line = pg.PlotDataItem(symbol="o", symbolSize=6, symbolPen=None)
        for item in (self._right, self._error, self._line):
            self.addItem(item)
        dress(self, self.getPlotItem(), paint=self._paint)
        self.setXRange(0, 1, padding=0.03)
        self.setYRange(0, 1, padding=0.08)
        for side in ("left", "bottom"):
            self.getPlotItem().getAxis(side).setTicks([[(k / 4, f"{k / 4:g}") for k in range(5)]])
        self.table: pd.DataFrame | None = None

    def _paint(self) -> None:
        blue = tone.curve(self, BLUE)
        self._right.setPen(pg.mkPen(tone.quiet(self), style=pg.QtCore.Qt.PenStyle.DashLine))
        self._error.setOpts(pen=pg.mkPen(blue))
        self._line.setPen(pg.mkPen(blue, width=2))
        self._line.setSymbolBrush(blue)

    def show_curve(self, table: pd.DataFrame | None) -> None:
        """Show the table of a Reliability; None clears the plot."""
        self.table = table
        if table is None or not len(table):
            self._line.setData([], [])
            self._error.setData(x=np.zeros(0), y=np.zeros(0), top=np.zeros(0), bottom=np.zeros(0))
            return
        x, y = table["probability"].to_numpy(), table["fraction"].to_numpy()
        up, down = table["fraction_high"].to_numpy() - y, y - table["fraction_low"].to_numpy()
        self._line.setData(x, y)
        self._error.setData(x=x, y=y, top=up, bottom=down)
