"""Small work that only matters if it is the newest: previews and pictures, computed off the GUI thread."""

from __future__ import annotations

import atexit
import functools
import threading
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, QRunnable, QThreadPool, QTimer, Signal, Slot

from atomscope.widgets.lifeline import Lifeline


class _Answers(QObject):
    ready = Signal(int, object, object)


class _Work(QRunnable):
    def __init__(self, number: int, work: Callable[[], Any], answers: _Answers, gone: threading.Event) -> None:
        super().__init__()
        self._number, self._work, self._answers, self._gone = number, work, answers, gone

    def run(self) -> None:
        value, error = None, None
        try:
            if not self._gone.is_set():
                value = self._work()
        except Exception as caught:
            error = caught
        if self._gone.is_set():
            return
        try:
            self._answers.ready.emit(self._number, value, error)
        except RuntimeError:  # the widget was destroyed between the two lines
            return


@functools.cache
def swift_pool() -> QThreadPool:
    """Return threads of their own for work that takes a moment: jobs that run for long never stand before it."""
    pool = QThreadPool()
    pool.setMaxThreadCount(2)
    atexit.register(pool.waitForDone, 20_000)
    return pool


class Latest(QObject):
    """Runs the newest of many requests; older ones that have not begun are forgotten.

    Parameters
    ----------
    parent : QObject
    on_value : callable
        Called on the GUI thread with the value.
    on_error : callable, optional
        Called on the GUI thread with the exception.
    delay_ms : int
        A request waits this long for a newer one.
    pool : QThreadPool, optional
        Qt's own when absent, which long jobs share.
    """

    def __init__(
        self,
        parent: QObject,
        on_value: Callable[[Any], None],
        on_error: Callable[[BaseException], None] | None = None,
        delay_ms: int = 120,
        pool: QThreadPool | None = None,
    ) -> None:
        super().__init__(parent)
        self._pool = pool
        self._on_value, self._on_error = on_value, on_error
        self._pending: Callable[[], Any] | None = None
        self._running = False
        self._number = 0
        self._answers = _Answers()
        self._answers.ready.connect(self._take)
        self._gone = threading.Event()
        Lifeline(self, self._gone.set)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(delay_ms)
        self._timer.timeout.connect(self._start)

    @property
    def busy(self) -> bool:
        """Whether an answer is still to come."""
        return self._running or self._pending is not None

    def ask(self, work: Callable[[], Any]) -> None:
        """Ask for ``work()``; a newer request replaces one that has not begun."""
        self._pending = work
        self._timer.start()

    def forget(self) -> None:
        """Drop what was asked for; an answer under way is ignored."""
        self._pending = None
        self._number += 1
        self._timer.stop()

    def _start(self) -> None:
        if self._running or self._pending is None:
            return
        work, self._pending = self._pending, None
        self._running = True
        self._number += 1
        pool = self._pool or QThreadPool.globalInstance()
        if pool is not None:
            pool.start(_Work(self._number, work, self._answers, self._gone))

    @Slot(int, object, object)
    def _take(self, number: int, value: Any, error: BaseException | None) -> None:
        self._running = False
        if number == self._number:
            if error is None:
                self._on_value(value)
            elif self._on_error is not None:
                self._on_error(error)
        if self._pending is not None and not self._timer.isActive():
            self._start()
