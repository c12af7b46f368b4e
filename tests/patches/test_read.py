"""Each frame, and each chunk, is read once."""

import dask.array as da
import numpy as np

from atomscope.data import Sites, Stack
from atomscope.data.params import CropParams
from atomscope.patches import crop, estimate
from atomscope.patches.read import read_frames


def counted(data, per_chunk):
    seen = []

    def block(block_info=None):
        low, high = block_info[None]["array-location"][0]
        seen.append((low, high))
        return data[low:high]

    counts = [min(per_chunk, len(data) - i) for i in range(0, len(data), per_chunk)]
    chunks = (tuple(counts), (data.shape[1],), (data.shape[2],))
    return da.map_blocks(block, chunks=chunks, dtype=data.dtype, meta=np.empty((0, 0, 0), data.dtype)), seen


def test_chunks_are_read_once_and_only_those_with_sites():
    data = np.random.default_rng(0).normal(size=(40, 20, 20)).astype(np.float32)
    frames = np.array([39, 3, 3, 5, 17, 4, 18])
    sites = Sites.from_positions(np.full(7, 9.2), np.full(7, 9.8), frames, shape=data.shape)
    for per_chunk, expected in ((1, [3, 4, 5, 17, 18, 39]), (10, [0, 10, 30])):
        array, seen = counted(data, per_chunk)
        patches = crop(Stack.from_array(array), sites, CropParams(window_px=4, normalise="none"))
        lows = [low for low, _ in seen]
        assert sorted(set(lows)) == expected
        assert per_chunk > 1 or sorted(lows) == expected
        reference = crop(Stack.from_array(data), sites, CropParams(window_px=4, normalise="none"))
        np.testing.assert_array_equal(patches.values, reference.values)


def test_neighbouring_frames_of_a_chunk_are_read_together():
    data = np.random.default_rng(0).normal(size=(30, 8, 8))
    array, seen = counted(data, 10)
    for index, frame in read_frames(Stack.from_array(array), np.arange(4, 25)):
        np.testing.assert_array_equal(frame, data[index])
    assert seen == [(0, 10), (10, 20), (20, 30)]


def test_chunks_of_one_frame_are_read_together_while_small(monkeypatch):
    monkeypatch.setattr("atomscope.patches.read._SINGLES_BYTES", 4 * 8 * 8 * 8)
    data = np.random.default_rng(0).normal(size=(30, 8, 8))
    array, seen = counted(data, 1)
    together = []
    for index, frame in read_frames(Stack.from_array(array), np.array([2, 3, 4, 5, 6, 7, 20, 29])):
        np.testing.assert_array_equal(frame, data[index])
        together.append(len(seen))
    assert together == [4, 4, 4, 4, 6, 6, 7, 8]


def test_arrays_are_read_frame_by_frame():
    class Frames:
        shape, dtype, ndim = (30, 8, 8), np.dtype(float), 3
        asked = 0

        def __getitem__(self, where):
            Frames.asked += 1
            return np.zeros(self.shape)[where]

    stack = Stack.from_array(Frames())
    before = Frames.asked
    for i, _ in enumerate(read_frames(stack, np.arange(30))):
        assert Frames.asked - before == i + 1


def test_estimate_reads_nothing():
    array, seen = counted(np.zeros((5, 40, 40), np.float32), 1)
    sites = Sites.from_positions([20.0, 2.0, 20.0], [20.0, 20.0, 20.0], [0, 1, 9], shape=array.shape)
    assert estimate(Stack.from_array(array), sites, CropParams(window_px=10)) == (1, 400)
    assert estimate(array.shape, sites, CropParams(window_px=10, edge="pad")) == (2, 800)
    assert seen == []
