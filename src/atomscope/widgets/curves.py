"""Small plots of trust: a histogram of scores, and what was said against what is so."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyqtgraph as pg
from qtpy.QtWidgets import QWidget

from atomscope.widgets.plots import style_axes

_GREY, _BLUE = "#9aa0a6", "#4ea1ff"


class _Plot(pg.PlotWidget):
    def __init__(self, below: str, beside: str, parent: QWidget | None = None) -> None:
        super().__init__(parent, background=None)
        self.setFixedHeight(150)
        style_axes(self.getPlotItem())
        self.getPlotItem().setLabel("bottom", below, color=_GREY)
        self.getPlotItem().setLabel("left", beside, color=_GREY)
        self.setMouseEnabled(x=False, y=False)


class ScoreHistogram(_Plot):
    """How many sites have which score."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("score", "sites", parent)
        self._bars = pg.BarGraphItem(x=[], height=[], width=0.05, brush=_BLUE, pen=None)
        self.addItem(self._bars)
        self.setXRange(0, 1, padding=0.02)

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
        self.addItem(pg.PlotCurveItem([0, 1], [0, 1], pen=pg.mkPen(_GREY, style=pg.QtCore.Qt.PenStyle.DashLine)))
        self._error = pg.ErrorBarItem(x=np.zeros(0), y=np.zeros(0), pen=pg.mkPen(_BLUE))
        self._line = pg.PlotDataItem(pen=pg.mkPen(_BLUE, width=2), symbol="o", symbolSize=6, symbolBrush=_BLUE)
        self.addItem(self._error)
        self.addItem(self._line)
        self.setXRange(0, 1, padding=0.02)
        self.setYRange(0, 1, padding=0.05)
        self.table: pd.DataFrame | None = None

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
