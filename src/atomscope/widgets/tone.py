"""Colours that read on the theme of the window, light or dark, and follow it when it is changed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QEvent, QObject
from qtpy.QtGui import QColor, QPalette
from qtpy.QtWidgets import QLabel, QWidget

#: (on a dark theme, on a light one): each reads with a contrast of at least 4.5 to 1 on napari's own backgrounds.
_QUIET = ("#a9abae", "#5f5d5c")
_BAD = ("#ff7b7b", "#b3261e")


def is_dark(widget: QWidget) -> bool:
    """Whether a widget has a dark background. napari's style sheets set the palette, so this needs no theme's name."""
    return bool(widget.palette().color(QPalette.ColorRole.Window).lightness() < 128)


def quiet(widget: QWidget) -> str:
    """Return the colour of what need not catch the eye: notes, axes."""
    return _QUIET[0] if is_dark(widget) else _QUIET[1]


def bad(widget: QWidget) -> str:
    """Return the colour of what is wrong."""
    return _BAD[0] if is_dark(widget) else _BAD[1]


def curve(widget: QWidget, colour: str) -> str:
    """Return a bright colour as it is on a dark theme, darker on a light one."""
    return colour if is_dark(widget) else str(QColor(colour).darker(165).name())


class _Follower(QObject):
    """Paints a widget again when its style changed from dark to light or back."""

    def __init__(self, widget: QWidget, paint: Callable[[], Any]) -> None:
        super().__init__(widget)
        self._paint = paint
        self._dark: bool | None = None
        widget.installEventFilter(self)
        self._look(widget)

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """Look at every change of style: painting changes it too, and must not be done for that."""
        if event.type() in (QEvent.Type.StyleChange, QEvent.Type.PaletteChange, QEvent.Type.Polish):
            with contextlib.suppress(RuntimeError):  # Qt is destroying it
                self._look(watched)
        return False

    def _look(self, widget: QWidget) -> None:
        dark = is_dark(widget)
        if dark != self._dark:
            self._dark = dark
            self._paint()


def follow(widget: QWidget, paint: Callable[[], Any]) -> None:
    """Call ``paint`` now, and whenever the background of a widget turns from dark to light or back.

    Parameters
    ----------
    widget : QWidget
        Keeps what follows alive.
    paint : callable
    """
    _Follower(widget, paint)


def tint(label: QLabel, wrong: bool = False, more: str = "") -> None:
    """Write a label in the quiet colour, or in that of what is wrong, whatever the theme becomes.

    Parameters
    ----------
    label : QLabel
    wrong : bool
    more : str
        More of its style sheet.
    """
    first = label.property("wrong") is None
    label.setProperty("wrong", wrong)

    def paint() -> None:
        colour = bad(label) if label.property("wrong") else quiet(label)
        label.setStyleSheet(f"QLabel {{ color: {colour}; {more} }}")

    if first:
        follow(label, paint)
    else:
        paint()
