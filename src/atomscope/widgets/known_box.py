"""What is known of the sites beside their pixels: columns for a model, and classes given by hand to a few of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLineEdit, QMenu, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from atomscope.data import counted
from atomscope.data.columns import is_folded
from atomscope.widgets.fold import Fold
from atomscope.widgets.panel import button, note, row_label

#: The column that classes given by hand are written to.
NAMED = "named"
#: Columns that say nothing of what a site is or how it was measured.
NOT_KNOWN = ("site", "flag", "angle_order", "cluster_probability", "class_probability", "class_name")
#: More distinct values than this are no classes.
MOST = 32


def label_columns(features: pd.DataFrame) -> list[str]:
    """Return the columns that can hold classes of some sites: text, or few whole numbers."""
    found = []
    for name in map(str, features.columns):
        values = features[name]
        if name in (*NOT_KNOWN, "frame") or is_folded(name):
            continue
        if pd.api.types.is_float_dtype(values.dtype):
            some = values.dropna()
            if not len(some) or (some % 1).any():
                continue
        if 2 <= len(classes_in(values)) <= MOST:
            found.append(name)
    return sorted(found, key=lambda name: name != NAMED)


def classes_in(values: pd.Series) -> list[str]:
    """Return the classes that a column names, of the sites that have one."""
    if pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype):
        return [str(v) for v in sorted(values[values >= 0].unique())]
    return sorted({text for text in values.dropna().astype(str).str.strip() if text})


def known_columns(features: pd.DataFrame) -> list[str]:
    """Return the columns that a model can take as known: no empty value, and more than one."""
    usable = []
    for name in map(str, features.columns):
        values = features[name]
        if name in NOT_KNOWN or is_folded(name) or values.isna().any() or values.nunique() < 2:
            continue
        text = not pd.api.types.is_numeric_dtype(values.dtype)
        if text and ((values.astype(str).str.strip() == "").any() or values.nunique() > MOST):
            continue
        usable.append(name)
    return usable


class KnownBox(QWidget):
    """Choose what a model is told of the sites, and name the classes of selected points."""

    #: A choice changed.
    changed = Signal()
    #: Points were named: the column of the points has changed.
    named = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._points: Any = None
        self.labels_box = QComboBox()
        self.labels_box.setToolTip(
            "Column with the class of a few sites. The others learn from it: they are sorted into the same classes."
        )
        self.known_button = QToolButton()
        self.known_button.setToolTip(
            "Columns that the model is told and need not learn: a time, a dose, a sample. Latents say what is left."
        )
        self.known_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._menu = QMenu(self.known_button)
        self.known_button.setMenu(self._menu)
        for box in (self.labels_box, self.known_button):
            box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            box.setMinimumWidth(80)
        self.class_line = QLineEdit()
        self.class_line.setPlaceholderText("vacancy")
        self.class_line.setToolTip("Class of the points that are selected in the layer; empty takes their class away.")
        self.set_button = button("Name selected", "Give the selected points this class.", self.name_selected)
        self.class_line.returnPressed.connect(self.name_selected)
        self.says = note()
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        for text, *parts in (
            ("Labels", self.labels_box),
            ("Known", self.known_button),
            ("Class", self.class_line, self.set_button),
        ):
            row = QHBoxLayout()
            row.setSpacing(6)
            row.addWidget(row_label(str(text)))
            for part in parts:
                row.addWidget(part, 0 if part is self.set_button else 1)
            column.addLayout(row)
        column.addWidget(self.says)
        self.fold = Fold("Labels and known columns", inside, self)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.fold)
        self.labels_box.currentIndexChanged.connect(self._tell)
        self.follow(None)

    def follow(self, points: Any) -> None:
        """Offer the columns of a Points layer; what was chosen stays chosen where it is still there."""
        self._points = points
        labels, known = self.labels(), self.conditions()
        features = pd.DataFrame() if points is None else points.features
        self.labels_box.blockSignals(True)
        self.labels_box.clear()
        self.labels_box.addItem("none", None)
        for name in label_columns(features):
            self.labels_box.addItem(name, name)
        self.labels_box.setCurrentIndex(max(0, self.labels_box.findData(labels)))
        self.labels_box.blockSignals(False)
        self._menu.clear()
        for name in known_columns(features):
            action = self._menu.addAction(name)
            action.setCheckable(True)
            action.setChecked(name in known)
            action.toggled.connect(self._tell)
        self.known_button.setEnabled(bool(self._menu.actions()))
        self._tell()

    def labels(self) -> str | None:
        """Return the column of the labels."""
        return self.labels_box.currentData()

    def conditions(self) -> tuple[str, ...]:
        """Return the columns that are known."""
        return tuple(action.text() for action in self._menu.actions() if action.isChecked())

    def classes(self) -> list[str]:
        """Return the classes that the labels name."""
        name = self.labels()
        return [] if name is None or self._points is None else classes_in(self._points.features[name])

    def choose(self, labels: str | None = None, conditions: tuple[str, ...] = ()) -> None:
        """Choose columns."""
        self.labels_box.setCurrentIndex(max(0, self.labels_box.findData(labels)))
        for action in self._menu.actions():
            action.setChecked(action.text() in conditions)

    def table(self) -> pd.DataFrame | None:
        """Return the columns of the points, with their site ids; None without points."""
        if self._points is None:
            return None
        table = self._points.features.reset_index(drop=True)
        ids = pd.to_numeric(table["site"], errors="coerce")
        return table[(ids.notna() & ~ids.duplicated()).to_numpy()].astype({"site": np.int64})

    def name_selected(self) -> None:
        """Give the selected points the class in the line."""
        if self._points is None or not len(self._points.selected_data):
            self.says.setText("Select points in the layer first (press S, then drag round them).")
            return
        text = self.class_line.text().strip()
        features = self._points.features.copy()
        old = features[NAMED] if NAMED in features else pd.Series([""] * len(features), index=features.index)
        values = np.array(old.astype(object).where(old.notna(), ""), dtype=object)
        chosen = sorted(self._points.selected_data)
        values[chosen] = text
        features[NAMED] = values
        self._points.features = features
        self.follow(self._points)
        if len(classes_in(features[NAMED])) >= 2:
            self.choose(NAMED, self.conditions())
        count = pd.Series(values[values != ""]).value_counts()
        self.says.setText(", ".join(f"{name}: {n}" for name, n in count.items()) or "No point has a class.")
        self.named.emit()

    def _tell(self, *_: Any) -> None:
        self.known_button.setText(", ".join(self.conditions()) or "none")
        name, classes = self.labels(), self.classes()
        if name is None or self._points is None:
            self.says.setText("")
        else:
            values = self._points.features[name]
            numeric = pd.api.types.is_numeric_dtype(values.dtype)
            some = int((values >= 0).sum() if numeric else (values.fillna("").astype(str).str.strip() != "").sum())
            self.says.setText(f"{counted(len(classes), 'class')}, on {some:,} of {counted(len(values), 'site')}.")
        self.changed.emit()
