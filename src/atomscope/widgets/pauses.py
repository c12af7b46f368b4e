"""While a job runs beside the window, the interpreter stops the window for shorter times."""

from __future__ import annotations

import gc
import sys
import threading

#: Seconds after which a thread that computes must let another one in (Python's default is 0.005). A frame of the
#: window is drawn in hundreds of calls that each let go of the interpreter; each may have to wait this long to go on.
_SWITCH = 0.0005
#: Seconds after the end of the last job when collections are whole again: its result is shown first.
_REST = 3.0


class ShortPauses:
    """Between ``begin`` and ``end``, which may be nested and called in any thread.

    Notes
    -----
    A full garbage collection of a process with napari and torch in it looks at some 400 000 objects and holds the
    interpreter, whichever thread it starts in, for 0.2 to 0.5 s. The objects that exist when a job begins are
    therefore left out of collections (``gc.freeze``) until it is over; then they are collected as ever.
    """

    def __init__(self, rest: float = _REST) -> None:
        self._lock = threading.Lock()
        self._rest = rest
        self._count = 0
        self._switch = sys.getswitchinterval()
        self._frozen = False
        self._later: threading.Timer | None = None

    def begin(self) -> None:
        """Note that a job begins."""
        with self._lock:
            if self._later is not None:
                self._later.cancel()
                self._later = None
            if self._count == 0:
                self._switch = sys.getswitchinterval()
                sys.setswitchinterval(min(self._switch, _SWITCH))
                # somebody else's frozen objects are not ours to thaw
                self._frozen = self._frozen or gc.get_freeze_count() == 0
            self._count += 1
            if self._frozen:
                gc.freeze()

    def end(self) -> None:
        """Note that a job has ended."""
        with self._lock:
            self._count -= 1
            if self._count == 0:
                sys.setswitchinterval(self._switch)
                self._later = threading.Timer(self._rest, self._thaw)
                self._later.daemon = True
                self._later.start()

    def _thaw(self) -> None:
        with self._lock:
            if self._count == 0 and self._frozen:
                self._frozen = False
                gc.unfreeze()


short_pauses = ShortPauses()
