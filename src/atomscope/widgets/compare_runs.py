"""Runs side by side in the window: their losses in one plot, and a table of what differs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QVBoxLayout, QWidget

from atomscope.widgets import tone
from atomscope.widgets.plot_style import BLUE, ORANGE, EpochAxis, dress

_COLOURS = (BLUE, ORANGE, "#57c785", "#c792ea", "#ff6b8b", "#3bc9db", "#d4c15e")


class CompareRuns(QWidget):
    """The validation losses of several runs (training, where none was kept aside), and what differs between them."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._curves: list[pg.PlotDataItem] = []
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self.view = pg.GraphicsLayoutWidget()
        self.view.setBackground(None)
        self.view.setMinimumHeight(190)
        self.view.setFrameShape(self.view.Shape.NoFrame)
        self.plot = self.view.addPlot(axisItems={"bottom": EpochAxis("bottom")})
        self.plot.setLabel("left", "loss")
        self.plot.setLabel("bottom", "epoch")
        self.plot.setMouseEnabled(x=False, y=False)
        self.plot.addLegend(offset=(-4, 4), labelTextSize="8pt")
        dress(self.view, self.plot, paint=self._paint)
        column.addWidget(self.view)
        self.table = QTableWidget(0, 0)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setMinimumHeight(180)
        self.table.setShowGrid(False)
        column.addWidget(self.table)

    def show_runs(self, histories: Sequence[pd.DataFrame], differences: pd.DataFrame) -> None:
        """Show the losses of runs and the table of :func:`atomscope.pipeline.side_by_side`."""
        for curve in self._curves:
            self.plot.removeItem(curve)
        self._curves = []
        for name, history in zip(differences.columns, histories, strict=True):
            loss = next((c for c in ("val_loss", "loss") if c in history), None)
            y = history[loss].to_numpy(float) if loss else np.zeros(0)
            x = history["epoch"].to_numpy(float) if "epoch" in history else np.arange(1, len(y) + 1.0)
            self._curves.append(self.plot.plot(x, y, name=name, connect="finite"))
        self._paint()
        self._fill(differences)

    def _fill(self, differences: pd.DataFrame) -> None:
        self.table.setRowCount(len(differences))
        self.table.setColumnCount(len(differences.columns))
        self.table.setHorizontalHeaderLabels(list(differences.columns))
        self.table.setVerticalHeaderLabels(list(differences.index))
        for i, row in enumerate(differences.to_numpy()):
            for j, value in enumerate(row):
                text = f"{value:.4g}" if isinstance(value, float) else "–" if value is None else str(value)
                item = QTableWidgetItem("–" if text == "nan" else text)
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.table.setItem(i, j, item)
        head = self.table.horizontalHeader()
        if head is not None:
            head.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)

    def _paint(self) -> None:
        for k, curve in enumerate(self._curves):
            curve.setPen(pg.mkPen(tone.curve(self, _COLOURS[k % len(_COLOURS)]), width=2))
