"""The part of the dock of tracks that says how sites change between states, and how long these last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QComboBox,
    QFormLayout,
    QHeaderView,
    QSpinBox,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from atomscope import pipeline
from atomscope.data import Sites
from atomscope.errors import InputError
from atomscope.widgets.panel import button, note

#: Columns of states, the ones that people gave a name first, and how many states a table can still show.
_STATES, _MOST = ("kind", "class_name", "state", "cluster", "class", "formula"), 12
#: What a place or a thing is known by.
_FOLLOWED = {"places": "lattice_site", "tracks": "track"}


class StatesBox(QWidget):
    """Which column holds the states, what is followed, and the matrix of probabilities with its intervals."""

    #: The transitions shall be measured.
    wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        rows = QFormLayout()
        rows.setContentsMargins(0, 0, 0, 0)
        self.states, self.follow, self.only, self.lag = QComboBox(), QComboBox(), QComboBox(), QSpinBox()
        self.states.setToolTip("The column of states: kinds, classes, clusters, formulas of motifs.")
        self.follow.setToolTip("Places of the lattice, whoever is there; or tracks, wherever they go.")
        self.only.setToolTip("Which sublattice counts.")
        self.lag.setToolTip("From how many frames to how many later jumps are counted.")
        self.lag.setRange(1, 10_000)
        for name, box in (
            ("States", self.states),
            ("Follow", self.follow),
            ("Only", self.only),
            ("Lag (frames)", self.lag),
        ):
            rows.addRow(name, box)
        column.addLayout(rows)
        self.button = button("Measure transitions", "How often a site goes from state to state.", self.wanted.emit)
        column.addWidget(self.button)
        self.table = QTableWidget(0, 0)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.table.setToolTip("From the state of the row to that of the column: probability and its 95 % interval.")
        self.table.hide()
        column.addWidget(self.table)
        self.told = note()
        column.addWidget(self.told)
        self.copy = button("Copy", "Copy all numbers, to be pasted into a spreadsheet.", self._copied)
        self.copy.hide()
        column.addWidget(self.copy)
        self._text = ""

    def show_columns(self, features: pd.DataFrame | None) -> bool:
        """Offer what a table of sites has; return whether anything can be measured."""
        has = pd.DataFrame() if features is None else features
        names = [n for n in _STATES if n in has and 1 < has[n].nunique() <= _MOST]
        followed = [name for name, column in _FOLLOWED.items() if column in has and (has[column] >= 0).any()]
        kinds = sorted(map(str, has["sublattice"].dropna().unique())) if "sublattice" in has else []
        for box, words in (
            (self.states, names),
            (self.follow, followed),
            (self.only, ["all", *kinds] if len(kinds) > 1 else []),
        ):
            now = box.currentText()
            box.clear()
            box.addItems(words)
            box.setCurrentIndex(max(0, box.findText(now)))
        self._row(self.follow, len(followed) > 1)
        self._row(self.only, len(kinds) > 1)
        return bool(names and followed)

    def forget(self) -> None:
        """Show nothing: other sites are chosen, or their tracks are others now."""
        for part in (self.table, self.copy):
            part.hide()
        self.told.setText("")

    def work(self, sites: Sites, frame_time_s: float | None) -> Callable[..., tuple[Any, pd.DataFrame]]:
        """Return what measures the transitions and how long states last, as is chosen here.

        Raises
        ------
        InputError
            If no site is left.
        """
        table, only = sites.table, self.only.currentText()
        if only not in ("", "all"):
            table = table[table["sublattice"].astype(str) == only]
        if not len(table) or not self.states.currentText():
            raise InputError("transitions: wanted linked sites with a column of states; read the occupancy, or cluster")
        followed = sites.with_table(table.assign(track=table[_FOLLOWED[self.follow.currentText()]]))
        column, lag = self.states.currentText(), self.lag.value()

        def measure(*_: Any, **__: Any) -> tuple[Any, pd.DataFrame]:
            found = pipeline.transitions(followed, column=column, lag=lag, frame_time_s=frame_time_s)
            return found, pipeline.dwell_times(followed, column, frame_time_s=frame_time_s)

        return measure

    def show_transitions(self, found: Any, dwell: pd.DataFrame) -> None:
        """Show what was measured."""
        names = [str(s) for s in found.states]
        unit = "s" if "mean_s" in dwell else "frames"
        heads = [f"to {n}" for n in names]
        self.table.setRowCount(len(names))
        self.table.setColumnCount(len(heads))
        self.table.setHorizontalHeaderLabels(heads)
        self.table.setVerticalHeaderLabels(names)
        for i in range(len(names)):
            for j in range(len(names)):
                between = (found.low[i, j], found.high[i, j])
                self._cell(i, j, found.matrix[i, j], between, f"{int(found.counts[i, j])} jumps")
        head = self.table.horizontalHeader()
        if head is not None:
            head.setSectionResizeMode(
                QHeaderView.ResizeMode.Stretch if len(names) < 3 else QHeaderView.ResizeMode.ResizeToContents
            )
        self.table.setFixedHeight(min(260, 34 + 40 * len(names)))
        self.table.show()
        slow = found.timescales
        name = next(c for c in ("timescale_s", "timescale") if c in slow)
        told = [f"Slowest timescale: {v:.3g} {unit}." for v in slow[name].to_numpy()[:1] if np.isfinite(v)]
        lasts = [_lasts(row, unit) for _, row in dwell.iterrows() if row["runs"] > 0]
        self.told.setText("\n".join([*lasts, *told, *found.notes]))
        self._text = f"{found.table().to_csv(sep=chr(9), index=False)}\n{dwell.to_csv(sep=chr(9), index=False)}"
        self.copy.show()

    def _cell(self, row: int, col: int, value: float, between: tuple[float, float], tip: str) -> None:
        low, high = between
        text = "–" if not np.isfinite(value) else f"{value:.3g}\n{low:.3g} – {high:.3g}"
        item = QTableWidgetItem(text)
        item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
        item.setToolTip(tip)
        self.table.setItem(row, col, item)
        self.table.setRowHeight(row, 38)

    def _row(self, box: QWidget, on: bool) -> None:
        layout = self.layout()
        rows = layout.itemAt(0) if layout is not None else None
        form = rows.layout() if rows is not None else None
        if isinstance(form, QFormLayout):
            form.setRowVisible(box, on)

    def _copied(self) -> None:
        board = QApplication.clipboard()
        if board is not None:
            board.setText(self._text)


def _lasts(row: pd.Series, unit: str) -> str:
    if not np.isfinite(row[f"mean_{unit}"]):
        return f"{row['state']} was not seen to end; it lasts {row[f'mean_low_{unit}']:.3g} {unit} or more."
    between = f"{row[f'mean_low_{unit}']:.3g} to {row[f'mean_high_{unit}']:.3g}"
    return f"{row['state']} lasts {row[f'mean_{unit}']:.3g} {unit} ({between})."
