"""One field of a parameter class as one input widget, made by magicgui."""

from __future__ import annotations

import ast
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from magicgui.widgets import create_widget
from pydantic.fields import FieldInfo
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QAbstractSpinBox, QComboBox, QLineEdit, QWidget

#: Largest number a spin box offers when the parameter has no upper bound.
_HUGE = 10**9


@dataclass
class Field:
    """An input widget with the words round it.

    Attributes
    ----------
    name, title, tooltip, unit : str
    advanced : bool
        Folded away until asked for.
    widget : magicgui widget
    get, set : callable
        Read and write the value in the terms of the parameter class.
    """

    name: str
    title: str
    tooltip: str
    unit: str
    advanced: bool
    widget: Any
    get: Callable[[], Any]
    set: Callable[[Any], None]

    @property
    def native(self) -> QWidget:
        """The Qt widget."""
        return self.widget.native


class _Wheel(QObject):
    """Wheeling through a long form must not change the values on the way."""

    def eventFilter(self, watched: Any, event: Any) -> bool:
        if event.type() == QEvent.Type.Wheel and not watched.hasFocus():
            event.ignore()  # the form scrolls instead
            return True
        return False


def _split(annotation: Any) -> tuple[list[Any], bool]:
    """Return the members of a union without None, and whether None was one of them."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        members = list(typing.get_args(annotation))
        return [m for m in members if m is not type(None)], type(None) in members
    return [annotation], False


def choices_of(info: FieldInfo) -> list[Any]:
    """Return the values of a ``Literal`` field, empty for other fields."""
    members, _ = _split(info.annotation)
    if len(members) == 1 and typing.get_origin(members[0]) is typing.Literal:
        return list(typing.get_args(members[0]))
    return []


def make_field(name: str, info: FieldInfo, value: Any) -> Field:
    """Make the input widget of one field.

    Parameters
    ----------
    name : str
    info : pydantic FieldInfo
    value : object
        What it shows first.
    """
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    title = info.title or name.replace("_", " ").capitalize()
    members, optional = _split(info.annotation)
    unit = str(extra.get("unit") or "")
    tooltip = _tooltip(info, name, unit)
    choices = choices_of(info)
    if choices:
        widget, get, put = _combo(choices, optional)
    elif members == [bool] and optional:
        widget, get, put = _plain(_maybe())
    elif members == [bool]:
        widget, get, put = _plain(create_widget(annotation=bool))
    elif members in ([int], [float]) and not optional:
        widget, get, put = _plain(_spin_box(members[0], info, unit, value))
        if members == [float]:
            unit = ""  # shown inside the box; one of whole numbers has no room for it
    else:
        widget, get, put = _text(members, optional)
    put(value)
    native = widget.native
    if value == () and isinstance(native, QLineEdit):
        native.setPlaceholderText("none")
    native.setToolTip(tooltip)
    native.setObjectName(name)
    native.setMinimumWidth(60)
    if isinstance(native, QAbstractSpinBox | QComboBox):
        native.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        native.installEventFilter(_Wheel(native))
    return Field(name, title, tooltip, unit, bool(extra.get("advanced")), widget, get, put)


def _tooltip(info: FieldInfo, name: str, unit: str) -> str:
    bounds = [
        f"{sign} {bound:g}"
        for kind, sign in (("ge", "at least"), ("gt", "above"), ("le", "at most"), ("lt", "below"))
        for bound in [getattr(m, kind) for m in info.metadata if getattr(m, kind, None) is not None]
    ]
    text = info.description or ""
    facts = "; ".join([*bounds, *([f"in {unit}"] if unit else []), f"recipe name: {name}"])
    return f"<qt>{text}<br><small>{facts}</small></qt>"


def _bounds(kind: type, info: FieldInfo) -> tuple[Any, Any]:
    low, high = -_HUGE, _HUGE
    nudge = 1 if kind is int else 1e-6
    for item in info.metadata:
        if getattr(item, "ge", None) is not None:
            low = item.ge
        if getattr(item, "gt", None) is not None:
            low = item.gt + nudge
        if getattr(item, "le", None) is not None:
            high = item.le
        if getattr(item, "lt", None) is not None:
            high = item.lt - nudge
    return low, high


def _spin_box(kind: type, info: FieldInfo, unit: str, value: Any) -> Any:
    low, high = _bounds(kind, info)
    if kind is int:
        widget = create_widget(annotation=int, options={"min": low, "max": high, "step": 1})
    else:
        # Enough digits for the default (a learning rate of 0.003) and never a wall of zeros.
        digits = max(2, len(f"{float(value):.6f}".rstrip("0").partition(".")[2]))
        widget = create_widget(annotation=float, options={"min": low, "max": high, "step": 10.0**-digits * 10})
        widget.native.setDecimals(max(digits + 1, 3))
        widget.native.setStepType(type(widget.native).StepType.AdaptiveDecimalStepType)
        widget.native.textFromValue = lambda number: f"{number:.6g}"
    widget.native.setKeyboardTracking(False)
    widget.native.setAlignment(Qt.AlignmentFlag.AlignLeft)
    if unit and kind is float:
        widget.native.setSuffix(f" {unit}")
    return widget


def _plain(widget: Any) -> tuple[Any, Callable[[], Any], Callable[[Any], None]]:
    def put(value: Any) -> None:
        widget.value = value

    return widget, lambda: widget.value, put


def _combo(choices: list[Any], optional: bool) -> tuple[Any, Callable[[], Any], Callable[[Any], None]]:
    options = [("auto", None)] if optional else []
    options += [(str(choice), choice) for choice in choices]
    widget = create_widget(annotation=typing.Any, widget_type="ComboBox", options={"choices": options})
    return _plain(widget)


def _maybe() -> Any:
    """Make a choice of yes and no that may be left to the program."""
    options = [("auto", None), ("yes", True), ("no", False)]
    return create_widget(annotation=typing.Any, widget_type="ComboBox", options={"choices": options})


def _text(members: list[Any], optional: bool) -> tuple[Any, Callable[[], Any], Callable[[Any], None]]:
    """Make a line of text, for what may be left empty (auto) or is one number or several."""
    widget = create_widget(annotation=str)
    line: QLineEdit = widget.native
    several = any(typing.get_origin(m) in (tuple, list) for m in members)
    if optional:
        line.setPlaceholderText("auto")
        line.setClearButtonEnabled(True)
    elif several:
        line.setPlaceholderText("32 or 32, 48")

    def get() -> Any:
        text = widget.value.strip()
        if not text or text == "auto":
            return None if optional else ""
        if members == [str]:
            return text
        if several:
            text = text.replace("×", ",").replace("x", ",")
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError):
            return text  # the parameter class says what is wrong with it

    def put(value: Any) -> None:
        if value is None:
            widget.value = ""
        elif isinstance(value, tuple | list):
            widget.value = ", ".join(str(item) for item in value)
        else:
            widget.value = f"{value:g}" if isinstance(value, float) else str(value)

    return widget, get, put
