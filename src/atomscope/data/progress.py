"""How long work tells where it is and learns that it should stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from atomscope.errors import Stopped


@dataclass(frozen=True)
class Progress:
    """One report of a running step.

    Attributes
    ----------
    done, total : int
        Units finished and units in all (frames, patches, epochs).
    what : str
        One word for the unit or phase, such as ``"frames"``.
    payload : object or None
        A result worth showing at once (the Sites of the frame, the losses of the epoch).
    """

    done: int
    total: int
    what: str = ""
    payload: Any = None


OnProgress = Callable[[Progress], None]
ShouldStop = Callable[[], bool]


def report(on_progress: OnProgress | None, done: int, total: int, what: str = "", payload: Any = None) -> None:
    """Call ``on_progress`` if there is one."""
    if on_progress is not None:
        on_progress(Progress(done, total, what, payload))


def check_stop(should_stop: ShouldStop | None, partial: Callable[[], Any] | None = None) -> None:
    """Raise :class:`~atomscope.errors.Stopped`, carrying what ``partial`` makes, when asked to stop."""
    if should_stop is not None and should_stop():
        raise Stopped(partial=None if partial is None else partial())
