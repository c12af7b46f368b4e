"""The system is asked for patterns before they are read; what is read does not change."""

import mmap

import numpy as np
import pytest

import atomscope as ats
from atomscope.scan4d.blocks import _map_of, expect, pages
from scan4d.scans import FORMS, counts, forms


@pytest.mark.parametrize("form", FORMS)
def test_any_scan_may_be_expected(tmp_path, form):
    array = counts()
    stack = forms(tmp_path)[form](array)
    expect(stack, np.arange(stack.n_frames))
    assert np.array_equal(stack.frame(3), array.reshape(-1, *array.shape[-2:])[3])


def test_the_pages_of_each_pattern_are_asked_for(tmp_path):
    array = counts((40, 30, 64, 50))
    np.save(tmp_path / "scan.npy", array)
    stack = ats.open(tmp_path / "scan.npy")
    asked = pages(stack, _map_of(stack), np.array([0, 700, 1199]))
    size = 64 * 50 * 2
    offset = (tmp_path / "scan.npy").stat().st_size - array.nbytes
    for (start, length), index in zip(asked, (0, 700, 1199), strict=True):
        first = offset + index * size
        assert start % mmap.PAGESIZE == 0 and first - mmap.PAGESIZE < start <= first and start + length == first + size


def test_patterns_that_lie_scattered_are_not_asked_for(tmp_path):
    np.save(tmp_path / "scan.npy", np.asfortranarray(counts((40, 30, 16, 12))))
    stack = ats.open(tmp_path / "scan.npy")
    held = _map_of(stack)
    assert held is None or pages(stack, held, np.arange(5)) == []
