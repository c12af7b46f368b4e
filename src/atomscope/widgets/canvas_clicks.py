"""Clicks on the canvas of a viewer, told to a widget that they do not keep alive."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Protocol

from atomscope.widgets.lifeline import Lifeline


class Clicked(Protocol):
    """A widget that wants to know where the canvas was clicked."""

    def clicked(self, world: Any) -> None:
        """Take the place of a click, world coordinates."""


def hear_clicks(viewer: Any, owner: Any) -> None:
    """Tell a widget (a :class:`Clicked`) every click of the left button that is no drag, for as long as it lives."""
    pressed = _clicks(owner)
    viewer.mouse_drag_callbacks.append(pressed)
    Lifeline(owner, partial(_unhook, weakref.ref(viewer), pressed))


def _clicks(owner: Clicked) -> Callable[[Any, Any], Iterator[None]]:
    """Return a callback of the viewer that tells clicks, and does not hold their receiver."""
    told = weakref.ref(owner)

    def pressed(_viewer: Any, event: Any) -> Iterator[None]:
        moved = event.button != 1
        yield
        while event.type == "mouse_move":
            moved = True
            yield
        widget = told()
        if widget is not None and not moved:
            widget.clicked(event.position)

    return pressed


def _unhook(viewer: weakref.ref[Any], callback: Any) -> None:
    there = viewer()
    if there is not None and callback in there.mouse_drag_callbacks:
        there.mouse_drag_callbacks.remove(callback)
