from __future__ import annotations

import threading
import time

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QWidget

from atomscope.data import Progress
from atomscope.errors import InputError, Stopped
from atomscope.widgets import jobs
from atomscope.widgets.jobs import JobRunner
from atomscope.widgets.latest import Latest
from atomscope.widgets.panel import RunBar


class Log:
    def __init__(self):
        self.done, self.errors, self.reports = [], [], []

    def start(self, runner, work, **kwargs):
        runner.start(
            "work",
            work,
            on_done=lambda value, stopped: self.done.append((value, stopped)),
            on_error=self.errors.append,
            on_reports=self.reports.extend,
            **kwargs,
        )


@pytest.fixture
def runner(qtbot):
    widget = QWidget()
    qtbot.addWidget(widget)
    one = JobRunner(widget)
    one.keep = widget
    yield one
    one.drop()


def steps(n, seconds=0.005):
    def work(on_progress, should_stop):
        for i in range(n):
            if should_stop():
                raise Stopped(partial=i)
            time.sleep(seconds)
            on_progress(Progress(i + 1, n, "frames", {"i": i}))
        return "all"

    return work


def test_the_value_and_every_report_come_back_on_the_gui_thread(qtbot, runner):
    log, threads = Log(), []
    runner.progressed.connect(lambda *_: threads.append(threading.current_thread()))
    log.start(runner, steps(100))
    assert runner.busy
    qtbot.waitUntil(lambda: bool(log.done), timeout=5000)
    assert log.done == [("all", False)]
    assert [r.payload["i"] for r in log.reports] == list(range(100))
    assert set(threads) == {threading.main_thread()}
    assert not runner.busy


def test_a_flood_of_reports_becomes_at_most_twenty_updates_a_second(qtbot, runner):
    log, updates = Log(), []
    runner.progressed.connect(lambda *_: updates.append(time.monotonic()))
    log.start(runner, steps(2000, 0.0003))
    qtbot.waitUntil(lambda: bool(log.done), timeout=10000)
    assert len(log.reports) == 2000
    seconds = max(updates[-1] - updates[0], 0.1)
    assert len(updates) <= 22 * seconds + 2


def test_cancel_stops_within_one_step_and_gives_the_part_that_was_done(qtbot, runner):
    log = Log()
    log.start(runner, steps(1000))
    qtbot.waitUntil(lambda: len(log.reports) > 3, timeout=5000)
    runner.cancel()
    assert runner.cancelling
    began = time.monotonic()
    qtbot.waitUntil(lambda: bool(log.done), timeout=2000)
    assert time.monotonic() - began < 0.5
    value, stopped = log.done[0]
    assert stopped
    assert 0 < value < 1000


def test_the_cancel_button_of_the_activity_dock_works(qtbot, runner):
    log = Log()
    log.start(runner, steps(1000))
    qtbot.waitUntil(lambda: bool(log.reports), timeout=5000)
    qtbot.waitUntil(lambda: runner._bar is not None, timeout=2000)
    runner._bar.cancel()  # what the button in the dock calls
    qtbot.waitUntil(lambda: bool(log.done), timeout=2000)
    assert log.done[0][1]


def test_a_newer_job_drops_the_result_of_the_older(qtbot, runner):
    old, new = Log(), Log()
    old.start(runner, steps(40))
    new.start(runner, lambda on_progress, should_stop: "new")
    qtbot.waitUntil(lambda: bool(new.done), timeout=5000)
    qtbot.wait(300)
    assert old.done == []
    assert new.done == [("new", False)]


def test_an_error_of_ours_is_told_once(qtbot, runner):
    log = Log()

    def work(on_progress, should_stop):
        raise InputError("wanted this, got that; do so")

    log.start(runner, work)
    qtbot.waitUntil(lambda: bool(log.errors), timeout=5000)
    assert [str(e) for e in log.errors] == ["wanted this, got that; do so"]
    assert log.done == []
    assert not runner.busy


def test_a_destroyed_widget_stops_its_thread_and_nothing_is_called(qtbot):
    widget, log, ended = QWidget(), Log(), threading.Event()
    runner = JobRunner(widget)

    def work(on_progress, should_stop):
        try:
            return steps(10000)(on_progress, should_stop)
        finally:
            ended.set()

    log.start(runner, work)
    qtbot.waitUntil(lambda: bool(log.reports), timeout=5000)
    widget.deleteLater()
    del runner, widget
    qtbot.waitUntil(ended.is_set, timeout=3000)
    qtbot.wait(100)
    assert log.done == []


def test_run_becomes_cancel_and_then_cancelling(qtbot, runner):
    log, slow = Log(), threading.Event()

    def work(on_progress, should_stop):
        while not should_stop():
            time.sleep(0.005)
        slow.wait(5)
        raise Stopped()

    bar = RunBar(runner, "Go", "tip", lambda: log.start(runner, work))
    qtbot.addWidget(bar)
    bar.show()
    assert bar.button.text() == "Go"
    qtbot.mouseClick(bar.button, Qt.MouseButton.LeftButton)
    assert bar.button.text() == "Cancel"
    qtbot.mouseClick(bar.button, Qt.MouseButton.LeftButton)
    assert bar.button.text() == "Cancelling…"
    assert not bar.button.isEnabled()
    slow.set()
    qtbot.waitUntil(lambda: bool(log.done), timeout=3000)
    assert bar.button.text() == "Go"
    assert bar.button.isEnabled()


def test_latest_skips_what_a_newer_request_replaced(qtbot):
    widget, values, ran = QWidget(), [], []
    qtbot.addWidget(widget)
    latest = Latest(widget, values.append, delay_ms=10)

    def ask(i):
        def work():
            ran.append(i)
            time.sleep(0.05)
            return i

        latest.ask(work)

    for i in range(20):
        ask(i)
        qtbot.wait(4)
    qtbot.waitUntil(lambda: not latest.busy, timeout=3000)
    assert values[-1] == 19
    assert len(ran) < 10


def test_nothing_is_told_after_the_end_though_the_bar_lets_events_in(qtbot, runner, monkeypatch):
    class Bar:
        is_canceled, n, total = False, 0, 0

        def update(self, _steps):
            time.sleep(0.4)  # the task ends meanwhile
            QApplication.processEvents()

        def close(self):
            pass

    monkeypatch.setattr(jobs, "cancelable_progress", lambda **_: Bar())
    told = []
    runner.progressed.connect(lambda done, *_: told.append(done))
    runner.start(
        "work",
        steps(10, 0.03),
        on_done=lambda value, _stopped: told.append(value),
        on_error=told.append,
        on_reports=lambda batch: told.extend(f"report {p.done}" for p in batch),
    )
    qtbot.waitUntil(lambda: "all" in told, timeout=5000)
    qtbot.wait(200)
    assert told[-1] == "all" and [x for x in told if isinstance(x, str)] == [
        *(f"report {i}" for i in range(1, 11)),
        "all",
    ]
