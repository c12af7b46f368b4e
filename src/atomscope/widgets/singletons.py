"""None, True and False outlive a fault of PySide6 that would end the process."""

from __future__ import annotations

import ctypes
import sys

#: References that no session can use up.
_MANY = 2**40


def keep_singletons() -> None:
    """Give None, True, False and NotImplemented references to spare, on Pythons before 3.12 under PySide6.

    Notes
    -----
    PySide6 6.12.0 returns these objects as if they were immortal, which they are only since Python 3.12. Before that
    each ``Signal.emit`` takes away a reference of True that it did not own, each ``parent()`` of a top-level widget one
    of None, until Python says "deallocating True or False" and aborts: after a few minutes of scrubbing. The
    references given here make the objects as immortal as they were meant to be. 6.11 and PyQt6 are sound.
    """
    if sys.version_info >= (3, 12) or sys.implementation.name != "cpython" or "PySide6" not in sys.modules:
        return
    for one in (None, True, False, NotImplemented):
        count = ctypes.c_ssize_t.from_address(id(one))  # the first word of an object is its count of references
        if count.value < _MANY and abs(count.value - sys.getrefcount(one)) < 1000:
            count.value += _MANY
