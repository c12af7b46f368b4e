from __future__ import annotations

import gc
import sys
import time

import pytest

from atomscope.widgets.pauses import ShortPauses


def wait_until(ready, seconds=5.0):
    end = time.monotonic() + seconds
    while not ready() and time.monotonic() < end:
        time.sleep(0.01)
    return ready()


@pytest.fixture(autouse=True)
def nothing_frozen():
    """Wait until the jobs of earlier tests are over and forgotten."""
    assert wait_until(lambda: gc.get_freeze_count() == 0, 20)


def test_everything_is_as_before_when_the_last_job_is_over():
    before = sys.getswitchinterval()
    pauses = ShortPauses(rest=0.05)
    assert gc.get_freeze_count() == 0
    pauses.begin()
    pauses.begin()
    pauses.end()
    assert sys.getswitchinterval() < before
    assert gc.get_freeze_count() > 0
    pauses.end()
    assert sys.getswitchinterval() == before
    assert wait_until(lambda: gc.get_freeze_count() == 0)


def test_a_job_that_follows_at_once_keeps_the_objects_out_of_collections():
    pauses = ShortPauses(rest=0.05)
    pauses.begin()
    pauses.end()
    pauses.begin()
    time.sleep(0.15)
    assert gc.get_freeze_count() > 0
    pauses.end()
    assert wait_until(lambda: gc.get_freeze_count() == 0)


def test_what_somebody_else_froze_stays_frozen():
    gc.freeze()
    try:
        pauses = ShortPauses(rest=0.01)
        pauses.begin()
        pauses.end()
        time.sleep(0.1)
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
