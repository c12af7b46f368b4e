"""Long work off the GUI thread: one job at a time, progress in the activity dock, a Cancel that works.

The contract: the function runs in a worker thread and touches neither layers nor widgets; everything that does
runs in the callbacks, on the GUI thread. The worker leaves its reports in a queue that a timer on the GUI thread
empties twenty times a second, so that a fast job cannot flood the event loop, and no report is lost.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from napari.qt.threading import create_worker
from napari.utils import cancelable_progress
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QObject, QTimer, Signal, Slot
from qtpy.QtWidgets import QApplication

from atomscope.data.progress import Progress
from atomscope.errors import AtomscopeError
from atomscope.widgets.lifeline import Lifeline
from atomscope.widgets.task import Outcome, Task

log = logging.getLogger(__name__)

#: Milliseconds between two looks at the queue: at most 20 updates a second.
INTERVAL_MS = 50


class JobRunner(QObject):
    """Runs one job at a time for one widget.

    Parameters
    ----------
    parent : QObject
        The widget; when Qt destroys it the job is asked to stop and nothing is called back.
    """

    #: Emitted when a job starts (True) or is over (False).
    busy_changed = Signal(bool)
    #: Each batch of reports: done, total, what.
    progressed = Signal(int, int, str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._task: Task | None = None
        self._bar: Any = None
        self._making_bar = False
        self._total = 0
        self._cancelling = False
        self._callbacks: tuple[Any, Any, Any] = (None, None, None)
        self._timer = QTimer(self)
        self._timer.setInterval(INTERVAL_MS)
        self._timer.timeout.connect(self._look)
        # The holder outlives this object, so that a destroyed widget can still stop its thread.
        self._holder = _Holder()
        Lifeline(self, self._holder.drop)
        app = QApplication.instance()
        if app is not None:
            app.aboutToQuit.connect(self.drop)

    @property
    def busy(self) -> bool:
        """Whether a job is running."""
        return self._task is not None

    @property
    def cancelling(self) -> bool:
        """Whether the running job has been asked to stop."""
        return self._cancelling

    def start(
        self,
        name: str,
        work: Callable[..., Any],
        *,
        on_done: Callable[[Any, bool], None],
        on_error: Callable[[BaseException], None] | None = None,
        on_reports: Callable[[list[Progress]], None] | None = None,
        total: int = 0,
    ) -> None:
        """Start ``work(on_progress=..., should_stop=...)`` in a thread.

        Parameters
        ----------
        name : str
            Shown in the activity dock.
        work : callable
            Pure work; called with ``on_progress`` and ``should_stop`` (a :class:`Stop`) only.
        on_done : callable
            Called on the GUI thread with the value (the part that was finished, or None, when it was stopped),
            and whether it was stopped.
        on_error, on_reports : callable, optional
            Called on the GUI thread. Errors are shown by napari too.
        total : int
            Units to do; 0 when not known yet.
        """
        self.drop()
        task = self._task = self._holder.task = Task(name, work)
        self._cancelling = False
        self._callbacks = (on_done, on_error, on_reports)
        self._total = total
        worker = task.stop.worker = create_worker(task, _ignore_errors=True)
        # The receiver lives on the GUI thread and dies with this object: a late answer is then dropped by Qt.
        worker.returned.connect(_Receiver(self, task).take)
        worker.start()
        self._timer.start()
        self.busy_changed.emit(True)

    def cancel(self) -> None:
        """Ask the running job to stop; it answers through ``on_done`` within one batch or frame."""
        if self._task is not None and not self._cancelling:
            self._cancelling = True
            self._task.stop.ask()
            self.busy_changed.emit(True)

    def drop(self) -> None:
        """Stop the running job and forget it: its result is not wanted any more."""
        if self._task is None:
            return
        self._task.stop.ask(drop=True)
        self._end()

    def _end(self) -> None:
        self._timer.stop()
        self._task = self._holder.task = None
        self._cancelling = False
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.close()
        self.busy_changed.emit(False)

    def _look(self) -> None:
        task = self._task
        if task is None:
            return
        if self._bar is None and not self._make_bar(task):
            return
        if self._bar.is_canceled:
            self.cancel()
        self._deliver(task)

    def _make_bar(self, task: Task) -> bool:
        """Make the bar in the activity dock; return whether there is one and the task still runs.

        Not done in `start`: napari lets the event loop run while it makes one, and inside a button that is still
        being pressed is no place for that. Anything may happen meanwhile, the end of the task too.
        """
        if self._making_bar:
            return False
        self._making_bar = True
        bar = cancelable_progress(total=self._total, desc=task.name)
        self._making_bar = False
        if task is not self._task:
            bar.close()
            return False
        self._bar = bar
        return True

    def _deliver(self, task: Task) -> None:
        """Empty the queue of reports."""
        batch: list[Progress] = []
        while task.reports:
            batch.append(task.reports.popleft())
        if not batch:
            return
        last = batch[-1]
        self.progressed.emit(last.done, last.total, last.what)
        if self._callbacks[2] is not None:
            self._callbacks[2](batch)
        if self._bar is not None:  # last: napari lets the event loop run, and the end of the task may come in it
            if last.total and self._bar.total != last.total:
                self._bar.total = last.total
            self._bar.update(last.done - self._bar.n)

    def finish(self, task: Task, outcome: Outcome) -> None:
        """Take the answer of a task, unless it was dropped meanwhile."""
        if task is not self._task:
            return
        self._deliver(task)
        on_done, on_error, _ = self._callbacks
        self._end()
        if outcome.error is None:
            on_done(outcome.value, outcome.stopped)
            return
        show_error(outcome.error)
        if on_error is not None:
            on_error(outcome.error)


class _Receiver(QObject):
    """Carries the answer of one task to the runner on the GUI thread."""

    def __init__(self, runner: JobRunner, task: Task) -> None:
        super().__init__(runner)
        self._runner = runner
        self._task = task

    @Slot(object)
    def take(self, outcome: Outcome) -> None:
        """Hand the answer over."""
        self._runner.finish(self._task, outcome)
        self.deleteLater()


class _Holder:
    """Knows the running task after the runner is gone."""

    def __init__(self) -> None:
        self.task: Task | None = None

    def drop(self) -> None:
        """Stop the task; nobody waits for it."""
        if self.task is not None:
            self.task.stop.ask(drop=True)


def show_error(error: BaseException) -> None:
    """Show an error as a napari notification: a sentence for ours, with the traceback for a bug."""
    if isinstance(error, AtomscopeError):
        log.info("%s", error)
        from napari.utils.notifications import show_error as show

        show(str(error))
        return
    log.error("unexpected error", exc_info=error)
    notification_manager.receive_error(type(error), error, error.__traceback__)
