"""Long work gives way for a moment while somebody moves the pointer and waits for what is under it."""

from __future__ import annotations

import threading
import time

#: Seconds for which work gives way after a move, and for which it waits at most before it goes on a little.
_MOMENT, _MOST = 0.25, 1.0


class Attention:
    """What a person does now comes before work that takes long; without a window nothing ever waits."""

    def __init__(self) -> None:
        self._until = 0.0
        self._idle = threading.Event()

    def ask(self) -> None:
        """Say that a person has just done something and looks at what comes of it."""
        self._until = time.monotonic() + _MOMENT

    def give_way(self) -> None:
        """Wait until nobody has moved for a moment, but never for long; called by work between its parts."""
        end = time.monotonic() + _MOST
        while (now := time.monotonic()) < min(self._until, end):
            self._idle.wait(max(0.0, min(self._until, end) - now))


attention = Attention()
