"""The worker's side of a job: what runs in the thread, how it is stopped, how it ends."""

from __future__ import annotations

import atexit
import threading
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QThreadPool

from atomscope.data.progress import Progress
from atomscope.errors import Stopped
from atomscope.widgets.pauses import short_pauses


@dataclass
class Outcome:
    """How a job ended: with a value, stopped on request (perhaps with a part of it), or with an error."""

    value: Any = None
    stopped: bool = False
    error: BaseException | None = None


class Stop:
    """What the work asks whether it should stop. Called, it says yes as soon as anyone asked."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._dropped = threading.Event()
        self.worker: Any = None

    def __call__(self) -> bool:
        """Whether to stop: Cancel was pressed, or nobody waits any more."""
        return self._asked.is_set() or self.unwanted()

    def unwanted(self) -> bool:
        """Whether nobody waits for an answer: the window was closed, or a newer job took over."""
        return self._dropped.is_set() or bool(self.worker is not None and self.worker.abort_requested)

    def ask(self, drop: bool = False) -> None:
        """Ask the work to stop, and say with ``drop`` that not even a part of it is wanted; from any thread."""
        self._asked.set()
        if drop:
            self._dropped.set()


class Task:
    """What the worker thread runs. Its ``str`` is what napari says when it is closed while it runs."""

    __name__ = "task"

    def __init__(self, name: str, work: Callable[..., Any]) -> None:
        self.name = name
        self._work = work
        self.stop = Stop()
        #: Set when the work is over, however it ended.
        self.ended = threading.Event()
        self.reports: deque[Progress] = deque()
        _alive.add(self)

    def __str__(self) -> str:
        return self.name

    def __call__(self) -> Outcome:
        """Work; whatever happens becomes an Outcome."""
        short_pauses.begin()
        try:
            return Outcome(self._work(on_progress=self.reports.append, should_stop=self.stop))
        except Stopped as stop:
            return Outcome(stop.partial, stopped=True)
        except Exception as error:
            return Outcome(error=error)
        finally:
            short_pauses.end()
            self.ended.set()


_alive: weakref.WeakSet[Task] = weakref.WeakSet()


def _wait_at_exit() -> None:
    """Let threads end before Python takes Qt down: Qt aborts the process for one that reports after that."""
    for task in list(_alive):
        task.stop.ask(drop=True)
    pool = QThreadPool.globalInstance()
    if pool is not None:
        pool.waitForDone(20_000)


atexit.register(_wait_at_exit)
