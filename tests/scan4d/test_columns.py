"""Products and sums of counts are whole numbers, whichever way they are made."""

import numpy as np
import pytest

from atomscope.data import Stack
from atomscope.scan4d import Job, ring_labels, run, together
from atomscope.scan4d.columns import RunningSum
from atomscope.scan4d.together import Together


@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("group", [0, 1, 3, 8, 50])
def test_products_one_by_one_and_in_groups_are_the_same(monkeypatch, k, group):
    rng = np.random.default_rng(k)
    patterns = rng.integers(0, 200, (37, 90)).astype(np.float32)
    weights = rng.integers(0, 5, (k, 90)).astype(np.float32)
    monkeypatch.setattr(together, "best_group", lambda *_: group)
    made = Together(weights, len(patterns), 10)
    for start in range(0, 37, 10):
        made.add(slice(start, min(start + 10, 37)), patterns[start : start + 10])
    for row in range(k):
        assert np.array_equal(made.of(row), patterns @ weights[row])


def test_the_way_that_is_taken_is_tried_once_and_possible():
    together.best_group.cache_clear()
    assert 0 <= together.best_group(4, 400, 16) <= 16
    assert together.best_group(4, 10**6, 4) == 0, "no small products of such patterns"
    first = together.best_group.cache_info()
    together.best_group(4, 400, 16)
    assert together.best_group.cache_info().hits == first.hits + 1


@pytest.mark.parametrize("largest", [255, 65535, 2**23])
@pytest.mark.parametrize("step", [1, 7, 300])
def test_a_running_sum_of_the_largest_counts_is_exact(largest, step):
    tiles = np.full((700, 5), largest, np.float32)
    tiles[::3, 1] -= 1
    total = RunningSum(5, largest)
    for start in range(0, 700, step):
        total.add(tiles[start : start + step])
    assert np.array_equal(total.total(), tiles.astype(np.int64).sum(0))


@pytest.mark.parametrize("dtype", ["u2", "i2", "u4", "f4"])
@pytest.mark.parametrize("weighed", [False, True])
def test_a_scan_that_is_stored_detector_first_is_summed_like_any_other(dtype, weighed):
    rng = np.random.default_rng(3)
    array = rng.integers(0, 30_000, (40, 50, 70, 64)).astype(dtype)
    across = np.ascontiguousarray(array.transpose(2, 3, 0, 1)).transpose(2, 3, 0, 1)
    mask = rng.random((70, 64)) < 0.5
    over = rng.integers(0, 3, (40, 50)).astype(float) if weighed else None
    rings = None if weighed else ring_labels((70, 64), (31.0, 30.0), 2.0)
    job = Job((mask, mask * 7.0), frozenset({"sum", "max"}), over=over, rings=rings)
    one, other = (run(Stack.from_array(data), job) for data in (array, across))
    exact = np.array_equal if dtype != "f4" else lambda a, b: np.allclose(a, b, rtol=1e-12)
    assert exact(one.images, other.images) and exact(one.rings, other.rings)
    assert all(exact(one.patterns[name], other.patterns[name]) for name in ("sum", "max"))
    if not weighed:
        assert exact(other.images[0], np.tensordot(array.astype(np.float64), mask, ((2, 3), (0, 1))))
