"""Work gives way to a person for a moment, and goes on."""

from __future__ import annotations

import time

import numpy as np

import atomscope as ats
from atomscope.data import attention


def took(call) -> float:
    start = time.monotonic()
    call()
    return time.monotonic() - start


def test_nobody_waits_where_nobody_moves():
    assert took(attention.give_way) < 0.05


def test_work_waits_for_a_moment_after_a_move():
    attention.ask()
    assert 0.15 < took(attention.give_way) < 0.9
    assert took(attention.give_way) < 0.05


def test_work_goes_on_though_the_pointer_never_rests(monkeypatch):
    monkeypatch.setattr(attention, "_until", time.monotonic() + 60)
    array = np.random.default_rng(0).integers(0, 9, (9, 8, 16, 16)).astype(np.uint16)
    mask = np.ones((16, 16), bool)
    assert took(lambda: ats.virtual_image(array, mask)) < 10
    assert np.array_equal(ats.virtual_image(array, mask).frame(0), array.sum((-2, -1)))
