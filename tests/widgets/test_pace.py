from __future__ import annotations

import pytest

from atomscope.widgets.pace import Pace, in_words


def test_nothing_is_said_before_a_few_steps_and_seconds():
    pace = Pace()
    assert [pace.report(t, n, 100, "steps") for t, n in ((0, 1), (1, 2), (2, 3), (2.5, 4))] == [None] * 4


@pytest.mark.parametrize("first", [1.0, 60.0, 300.0])
def test_a_slow_start_does_not_spoil_the_estimate(first):
    """Loading and the first step may take minutes; the 96 steps after the fourth take a second each."""
    pace = Pace()
    for n in range(1, 6):
        left = pace.report(first + n, n, 100, "steps")
    assert left == pytest.approx(95, abs=1)


def test_the_estimate_follows_a_change_of_speed_without_a_jump():
    pace, now, told = Pace(), 0.0, []
    for n in range(1, 200):
        now += 1.0 if n < 60 else 2.0
        left = pace.report(now, n, 200, "steps")
        if left is not None:
            told.append((n, left))
    at = dict(told)
    assert at[59] == pytest.approx(141, abs=2)
    assert at[62] < 1.5 * at[59]  # three slow steps double nothing
    assert at[150] == pytest.approx(100, rel=0.1)
    assert at[199] < 5


def test_other_units_begin_another_estimate():
    pace = Pace()
    for n in range(1, 10):
        pace.report(float(n), n, 100, "steps")
    assert pace.report(10.0, 1, 5, "lessons") is None
    assert pace.report(11.0, 1, 100, "steps") is None


def test_a_finished_or_unknown_job_has_no_time_left():
    pace = Pace()
    for n in range(1, 10):
        pace.report(float(n), n, 10, "steps")
    assert pace.report(10.0, 10, 10, "steps") is None
    assert all(Pace().report(float(t), t, 0) is None for t in range(20))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "5 s"), (12, "10 s"), (54, "55 s"), (56, "1 min"), (788, "13 min"), (4900, "1 h 20 min")],
)
def test_times_are_said_as_precisely_as_they_are_known(seconds, words):
    assert in_words(seconds) == words
