"""How long walls are: a table and, for a movie, a curve."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyqtgraph as pg
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QVBoxLayout, QWidget

from atomscope.widgets import tone
from atomscope.widgets.plot_style import BLUE, EpochAxis, dress

_MOST_ROWS = 1000


class WallLengths(QWidget):
    """A row a frame of a movie, or a row a wall of one image; the total length against the frame."""

    #: A frame was chosen in the table.
    frame_chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        self.plot = pg.PlotWidget(background=None, axisItems={"bottom": EpochAxis("bottom")})
        self.plot.setFixedHeight(130)
        self.plot.setFrameShape(self.plot.Shape.NoFrame)
        self.plot.setMouseEnabled(x=False, y=False)
        self.plot.setLabel("bottom", "frame")
        self._curve = self.plot.plot()
        dress(self.plot, self.plot.getPlotItem(), paint=self._paint)
        self.plot.hide()
        column.addWidget(self.plot)
        self.table = QTableWidget(0, 3)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setMinimumHeight(150)
        side, top = self.table.verticalHeader(), self.table.horizontalHeader()
        if side is not None and top is not None:
            side.hide()
            top.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.table.itemSelectionChanged.connect(self._chosen)
        column.addWidget(self.table)
        self.shown = pd.DataFrame()
        self._by_frame = False
        self.hide()

    def _paint(self) -> None:
        self._curve.setPen(pg.mkPen(tone.curve(self.plot, BLUE), width=2))

    def show_lengths(self, lengths: pd.DataFrame, frames: np.ndarray) -> None:
        """Show the lengths of walls.

        Parameters
        ----------
        lengths : pandas.DataFrame
            From ``pipeline.wall_lengths``.
        frames : array of int
            The frames that were searched: those without walls are 0 long.
        """
        unit = "nm" if lengths["length_nm"].notna().any() else "px"
        column = f"length_{unit}"
        self._by_frame = len(frames) > 1
        if self._by_frame:
            groups = lengths.groupby("frame")
            table = pd.DataFrame({"frame": frames}).set_index("frame")
            table["walls"] = groups.size().reindex(table.index, fill_value=0)
            table["length"] = groups[column].sum().reindex(table.index, fill_value=0.0)
            table = table.reset_index()
            self.plot.setLabel("left", f"length ({unit})")
            self._curve.setData(table["frame"].to_numpy(float), table["length"].to_numpy(float))
        else:
            table = lengths.rename(columns={column: "length"})[["wall", "sites", "length"]]
        self.plot.setVisible(self._by_frame)
        self.shown = table
        self.table.blockSignals(True)
        self.table.setHorizontalHeaderLabels([*map(str.capitalize, table.columns[:2]), f"Length ({unit})"])
        self.table.setRowCount(min(len(table), _MOST_ROWS))
        for i, values in enumerate(table.head(_MOST_ROWS).itertuples(index=False)):
            for k, text in enumerate((f"{values[0]}", f"{values[1]}", f"{values[2]:,.1f}")):
                item = QTableWidgetItem(text)
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.table.setItem(i, k, item)
        self.table.blockSignals(False)
        self.show()

    def _chosen(self) -> None:
        rows = {index.row() for index in self.table.selectedIndexes()}
        if self._by_frame and len(rows) == 1:
            self.frame_chosen.emit(int(self.shown["frame"].iloc[rows.pop()]))
