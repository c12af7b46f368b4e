"""A form made from a parameter class: its titles, tips, units and bounds; advanced fields folded away."""

from __future__ import annotations

import contextlib
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFormLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from atomscope.data.params import Params
from atomscope.errors import ParameterError
from atomscope.widgets import tone
from atomscope.widgets.fields import Field, choices_of, make_field
from atomscope.widgets.fold import Fold


class ParamsForm(QWidget):
    """Input widgets for every field of a parameter class.

    A ``Literal`` with a single value is no choice and is not shown; its value is kept.

    Parameters
    ----------
    params_class : type of Params
    parent : QWidget, optional
    hide : iterable of str
        Fields that the caller shows in another way.
    fold : bool
        Whether advanced fields are folded away; with False all fields are in plain sight.
    """

    #: A value changed (it may be invalid).
    changed = Signal()

    def __init__(
        self,
        params_class: type[Params],
        parent: QWidget | None = None,
        *,
        hide: tuple[str, ...] = (),
        fold: bool = True,
    ) -> None:
        super().__init__(parent)
        self._class = params_class
        self._quiet = False
        self.fields: dict[str, Field] = {}
        self._kept: dict[str, Any] = {}
        start = params_class()
        for name, info in params_class.model_fields.items():
            value = getattr(start, name)
            if name in hide or len(choices_of(info)) == 1:
                self._kept[name] = value
            else:
                self.fields[name] = make_field(name, info, value)
                self.fields[name].widget.changed.connect(self._tell)
        self._error = QLabel("", self)
        self._error.setWordWrap(True)
        self._error.setObjectName("form_error")
        tone.tint(self._error, wrong=True)
        self._error.hide()

        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        first = _rows()
        column.addLayout(first)
        folded = [f for f in self.fields.values() if f.advanced and fold]
        for item in self.fields.values():
            if item not in folded:
                first.addRow(_label(item), _with_unit(item))
        self.fold: Fold | None = None
        if folded:
            inside = QWidget()
            rows = _rows()
            inside.setLayout(rows)
            for item in folded:
                rows.addRow(_label(item), _with_unit(item))
            self.fold = Fold("Advanced", inside, self)
            column.addWidget(self.fold)
        column.addWidget(self._error)

    def values(self) -> dict[str, Any]:
        """Return what the form says now, not yet checked."""
        return {**self._kept, **{name: item.get() for name, item in self.fields.items()}}

    def params(self) -> Any:
        """Return the checked parameters; what is wrong is shown under the form.

        Raises
        ------
        ParameterError
            If a value cannot be used.
        """
        try:
            params = self._class(**self.values())
        except ParameterError as error:
            self._show(str(error))
            raise
        self._show("")
        return params

    def set(self, params: Params) -> None:
        """Show these parameters."""
        self._quiet = True
        try:
            for name in self._class.model_fields:
                if name in self.fields:
                    self.fields[name].set(getattr(params, name))
                else:
                    self._kept[name] = getattr(params, name)
        finally:
            self._quiet = False
        self._tell()

    def _tell(self, *_: Any) -> None:
        if self._quiet:
            return
        with contextlib.suppress(ParameterError):  # it is shown in the form
            self.params()
        self.changed.emit()

    def _show(self, message: str) -> None:
        text = message.removeprefix(f"{self._class.__name__}: ")
        for name, item in self.fields.items():
            bad = bool(text) and any(part.strip().split(":")[0].split(".")[0] == name for part in text.split(";"))
            item.native.setStyleSheet(f"border: 1px solid {tone.bad(self)};" if bad else "")
            if bad:
                text = text.replace(f"{name}:", f"{item.title}:")
                if item.advanced and self.fold is not None:
                    self.fold.expand()
        self._error.setText(text)
        self._error.setVisible(bool(text))


def _rows() -> QFormLayout:
    rows = QFormLayout()
    rows.setContentsMargins(0, 0, 0, 0)
    rows.setHorizontalSpacing(10)
    rows.setVerticalSpacing(4)
    rows.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return rows


def _label(item: Field) -> QLabel:
    label = QLabel(item.title)
    label.setToolTip(item.tooltip)
    label.setMinimumWidth(112)  # so that the columns of a folded and an open part line up
    return label


def _with_unit(item: Field) -> QWidget:
    if not item.unit:
        return item.native
    box = QWidget()
    row = QHBoxLayout(box)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(6)
    row.addWidget(item.native, 1)
    row.addWidget(QLabel(item.unit))
    return box
