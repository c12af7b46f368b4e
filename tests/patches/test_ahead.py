"""Asking for memory early changes nothing but the time."""

import sys
import weakref

import numpy as np
import pytest

from atomscope.data import Sites, Stack
from atomscope.data.params import CropParams
from atomscope.patches import ahead, crop
from atomscope.patches.ahead import MemoryAhead

MB = 2**20


def large():
    """More windows than one step of memory, in three frames."""
    stack = Stack.from_array(np.random.default_rng(0).normal(size=(3, 70, 70)))
    n = 6000
    rows, cols = np.random.default_rng(1).uniform(20, 50, (2, n))
    return stack, Sites.from_positions(rows, cols, np.arange(n) % 3, shape=stack.shape)


@pytest.fixture(params=["as it is", "no such call", "refused"])
def system(request, monkeypatch):
    calls = []
    if request.param == "no such call":
        monkeypatch.setattr(ahead, "_populate_call", lambda: None)
    elif request.param == "refused":
        monkeypatch.setattr(ahead, "_populate_call", lambda: lambda *what: calls.append(what) or -1)
    return request.param, calls


def test_what_was_written_stays(system):
    array = np.empty(40 * MB, np.uint8)
    memory = MemoryAhead(array)
    for start in range(0, len(array), 5 * MB):
        array[start : start + 5 * MB] = start // (5 * MB) + 1
        memory.written(start + 5 * MB)
    memory.close()
    np.testing.assert_array_equal(array[:: 5 * MB], np.arange(1, 9))
    np.testing.assert_array_equal(array[5 * MB - 1 :: 5 * MB], np.arange(1, 9))


def test_only_whole_steps_inside_the_array_are_asked_for(monkeypatch):
    asked = []
    monkeypatch.setattr(ahead, "_populate_call", lambda: lambda *what: asked.append(what) or 0)
    monkeypatch.setattr(ahead, "_LEAD", 16 * MB)
    array = np.empty(60 * MB + 12345, np.uint8)
    begin = array.ctypes.data
    memory = MemoryAhead(array)
    memory.written(0)
    memory.close()
    assert 0 < len(asked) < 4, "no further ahead than the lead"
    memory = MemoryAhead(array)
    memory.written(array.nbytes)
    memory._thread.submit(int).result()  # the last in the queue
    memory.close()
    for address, size, _ in asked:
        assert begin <= address and address + size <= begin + array.nbytes
        assert address % size == 0
    assert len({address for address, _, _ in asked}) == (begin + array.nbytes) // (8 * MB) - -(-begin // (8 * MB))


@pytest.mark.parametrize("size", [0, 1, 8 * MB - 1])
def test_small_arrays_are_left_alone(size):
    memory = MemoryAhead(np.empty(size, np.uint8))
    memory.written(size)
    memory.close()


def test_patches_are_the_same_on_every_system(system, tmp_path):
    kind, calls = system
    patches = crop(*large(), CropParams(window_px=32))
    on_disk = crop(*large(), CropParams(window_px=32), out=tmp_path / "p.zarr")  # which asks for nothing early
    np.testing.assert_array_equal(patches.values, on_disk.values[:])
    if kind == "refused":
        assert len(calls) == 1, "a system that refuses is not asked again"


def test_memory_is_given_back_with_the_patches():
    patches = crop(*large(), CropParams(window_px=32))
    array = weakref.ref(patches.values if patches.values.base is None else patches.values.base)
    del patches
    assert array() is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a call of Linux")
def test_linux_has_the_call():
    assert ahead._populate_call() is not None
