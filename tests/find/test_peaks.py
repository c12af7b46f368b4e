"""Maxima of a map that comes strip by strip are those of the whole map."""

from __future__ import annotations

import numpy as np
import pytest

from atomscope.find import peaks
from atomscope.find.peaks import local_maxima, maxima_of_strips, subpixel


@pytest.mark.parametrize("rows", [1, 2, 7, 64, 200])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_strips_of_any_height_give_the_whole_maps_maxima_to_the_last_bit(rows, seed):
    # Rounded, so that there are plateaus, some of them across the strips.
    answer = np.random.default_rng(seed).normal(size=(131, 57)).round(1).astype(np.float32)
    row, col = local_maxima(answer)
    got = maxima_of_strips(answer[top : top + rows] for top in range(0, 131, rows))
    assert got.shape == answer.shape
    np.testing.assert_array_equal(got.place, np.stack(subpixel(answer, row, col), axis=1))
    np.testing.assert_array_equal(got.height, answer[row, col])


def test_maxima_do_not_depend_on_how_many_rows_are_searched_at_a_time(monkeypatch):
    answer = np.random.default_rng(0).normal(size=(60, 40)).round(1)
    whole = local_maxima(answer)
    monkeypatch.setattr(peaks, "_BAND_PIXELS", 7 * 40)
    np.testing.assert_array_equal(local_maxima(answer), whole)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2)])
def test_small_maps_have_their_highest_pixel(shape):
    answer = np.random.default_rng(0).normal(size=shape)
    best = np.unravel_index(answer.argmax(), shape)
    assert [*best] in np.stack(local_maxima(answer), axis=1).tolist()
    assert maxima_of_strips([answer]).height.max() == answer.max()
