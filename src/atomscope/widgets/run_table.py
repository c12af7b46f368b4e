"""The table of the runs in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

_COLUMNS = ("name", "created", "sites", "epochs", "loss")


class RunTable(QTableWidget):
    """A row for each run; one or several can be chosen."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, len(_COLUMNS), parent)
        self._folders: list[Path] = []
        self.setHorizontalHeaderLabels([c.capitalize() for c in _COLUMNS])
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setMinimumHeight(160)
        self.setShowGrid(False)
        head, side = self.horizontalHeader(), self.verticalHeader()
        if head is not None and side is not None:
            head.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
            head.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
            head.setMinimumSectionSize(44)
            side.hide()
        self.setWordWrap(False)

    def show_runs(self, runs: Sequence[dict[str, Any]], folder: Path) -> None:
        """Show the runs of a folder, as ``pipeline.list_runs`` tells them."""
        self._folders = []
        self.setRowCount(len(runs))
        for i, run in enumerate(runs):
            where = run.get("folder") or run.get("path")
            self._folders.append(Path(where) if where else folder / str(run.get("name")))
            for j, name in enumerate(_COLUMNS):
                value = run.get(name, run.get(f"n_{name}", ""))
                text = f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)
                item = QTableWidgetItem(text.replace("T", " ")[5:16] if name == "created" else text)
                item.setToolTip(run.get("error") or f"{run.get('name')}\n{self._folders[-1]}")
                if j > 1:
                    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.setItem(i, j, item)

    def current(self) -> Path | None:
        """Return the folder of the run that was clicked last, None when there is none."""
        row = self.currentRow()
        return self._folders[row] if 0 <= row < len(self._folders) else None

    def chosen(self) -> list[Path]:
        """Return the folders of all chosen runs, in the order of the table."""
        model = self.selectionModel()
        rows = sorted(index.row() for index in model.selectedRows()) if model is not None else []
        return [self._folders[row] for row in rows if row < len(self._folders)]
