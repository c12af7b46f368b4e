"""The part of the dock of tracks that plots what sites have against time."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
from qtpy.QtWidgets import QComboBox, QVBoxLayout, QWidget

from atomscope import pipeline
from atomscope.widgets.curve import Curve
from atomscope.widgets.latest import Latest, swift_pool

#: Tables with more rows are summed up beside the window.
_AT_ONCE = 200_000


class OverTimeBox(QWidget):
    """What can be plotted, and the plot; a click goes to the frame.

    Parameters
    ----------
    go_to : callable
        Called with a frame.
    """

    def __init__(self, go_to: Callable[[int], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        self.what_box = QComboBox()
        self.what_box.setToolTip("What is plotted for each frame.")
        self.what_box.currentTextChanged.connect(self._plot)
        column.addWidget(self.what_box)
        self.plot = Curve("frame", "", go_to)
        column.addWidget(self.plot)
        self._series: dict[str, pd.Series] = {}
        self._latest = Latest(self, self._take, delay_ms=0, pool=swift_pool())
        self._frame = 0
        self._take({})

    def show_table(self, table: pd.DataFrame | None, frames: int = 0) -> None:
        """Show what a table of sites of so many frames has; None: nothing."""
        self._latest.forget()
        if table is None or not len(table):
            self._take({})
        elif len(table) <= _AT_ONCE:
            self._take(pipeline.over_time(table, frames))
        else:
            self._latest.ask(lambda: pipeline.over_time(table, frames))

    def show_frame(self, frame: int) -> None:
        """Put the line at a frame."""
        self._frame = frame
        self.plot.show_frame(frame)

    def _take(self, series: dict[str, pd.Series]) -> None:
        self._series, now = series, self.what_box.currentText()
        self.what_box.blockSignals(True)
        self.what_box.clear()
        self.what_box.addItems(list(series))
        self.what_box.setCurrentIndex(max(0, self.what_box.findText(now)))
        self.what_box.blockSignals(False)
        self._plot()

    def _plot(self, *_: object) -> None:
        series = self._series.get(self.what_box.currentText())
        self.plot.setVisible(series is not None)
        if series is not None:
            self.plot.plot.setLabel("left", self.what_box.currentText())
            self.plot.show_curve(series.index.to_numpy(), series.to_numpy())
            self.plot.show_frame(self._frame)
