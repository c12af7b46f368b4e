"""Being told, safely, that Qt has destroyed a widget."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject

_held: set[Lifeline] = set()


class Lifeline:
    """Calls ``action`` once when Qt destroys ``owner``.

    A lambda connected to ``destroyed`` may have been cleared by Python's garbage collector together with the wrapper
    of the widget by the time Qt emits, and calling it then ends the process. This object is held until it was called.

    Parameters
    ----------
    owner : QObject
    action : callable
        Must not hold the owner.
    """

    def __init__(self, owner: QObject, action: Callable[[], Any]) -> None:
        self._action = action
        _held.add(self)
        owner.destroyed.connect(self.cut)

    def cut(self, *_: Any) -> None:
        """Call the action."""
        _held.discard(self)
        self._action()
