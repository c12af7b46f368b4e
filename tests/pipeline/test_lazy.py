"""Nothing is loaded whole, and chunks never change a result."""

import sys

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import zarr

import atomscope as ats
from atomscope.data import Stack
from atomscope.data.lazy import frame_chunks
from peak import peak_gb


@pytest.fixture(scope="module")
def movie():
    stack, _ = ats.simulate.movie("graphene", frames=51, size_px=64, snr=8, seed=5)
    return np.stack([f for _, f in stack.frames()]).astype(np.float32)


def found_and_cut(movie, chunk):
    stack = ats.Stack.from_array(da.from_array(movie, chunks=(chunk, 64, 64)))
    sites = ats.find_atoms(stack)
    return sites.table, ats.crop(stack, sites, window_px=16, normalise="frame")


@pytest.fixture(scope="module")
def one(movie):
    """What is found and cut where every frame is a chunk."""
    return found_and_cut(movie, 1)


@pytest.mark.parametrize("chunk", [7, 50])
def test_results_are_equal_to_the_bit_for_every_chunking(movie, one, chunk):
    many = found_and_cut(movie, chunk)
    pd.testing.assert_frame_equal(one[0], many[0], check_exact=True)
    assert np.array_equal(one[1].values, many[1].values)
    assert one[1].flags == many[1].flags


class Counting:
    """An array that counts the frames which are read of it."""

    def __init__(self, array):
        self.array, self.read = array, set()
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim

    def __getitem__(self, key):
        first = key[0] if isinstance(key, tuple) else key
        frames = range(self.shape[0])[first] if isinstance(first, slice) else [int(first)]
        self.read.update(frames)
        return self.array[key]


def test_a_200_gb_movie_is_shown_from_few_frames(tmp_path):
    """50 000 frames of 1024 x 2048 uint16, most of them absent on disk."""
    array = zarr.create_array(
        tmp_path / "big.zarr", shape=(50_000, 1024, 2048), chunks=(1, 1024, 2048), dtype="u2", fill_value=3
    )
    assert array.nbytes > 200e9
    for frame in (0, 25_000, 49_999):
        array[frame] = np.random.default_rng(frame).integers(0, 99, (1024, 2048))
    opened = ats.open(tmp_path / "big.zarr")
    assert opened.shape == array.shape and opened.data.chunksize == (1, 1024, 2048)
    counting = Counting(array)
    (_, kwargs, kind), *_ = ats.layers(ats.Stack.from_array(counting))
    assert kind == "image" and "contrast_limits" in kwargs
    assert len(counting.read) <= 8, "contrast comes from a sample of frames"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="resource limits are POSIX")
def test_finding_in_a_200_gb_movie_stays_under_2_gb(tmp_path):
    array = zarr.create_array(
        tmp_path / "big.zarr", shape=(50_000, 1024, 2048), chunks=(1, 1024, 2048), dtype="u2", fill_value=0
    )
    frame, _ = ats.simulate.image("graphene", size_px=1024, snr=10)
    picture = np.clip(frame.frame(0) * 1000 + 200, 0, 65535).astype(np.uint16)
    for i in (0, 1, 2):
        array[i, :, :1024] = picture
    find = """
import sys
import atomscope as ats
sites = ats.find_atoms(ats.open(sys.argv[1]), last_frame=20)
assert set(sites.table["frame"]) <= {0, 1, 2} and len(sites) > 100
"""
    assert peak_gb(find, tmp_path / "big.zarr") < 2


@pytest.mark.parametrize("shape", [(150, 150, 4, 4), (20_000, 6, 5), (3, 200, 70, 4, 4), (1, 20_000, 4, 4)])
def test_very_many_frames_share_chunks_and_are_still_read_one_by_one(shape):
    class Asked:
        def __init__(self):
            self.shape, self.ndim, self.dtype, self.read = shape, len(shape), np.dtype(np.uint16), []

        def __getitem__(self, index):
            out = np.broadcast_to(np.uint16(7), shape)[index]
            self.read.append(out.size)
            return out

    array = Asked()
    stack = Stack.from_array(array)
    assert 4_000 < np.prod(stack.data.numblocks) <= 2**14
    array.read.clear()
    frame = np.asarray(stack.data[(0,) * (len(shape) - 2)].compute())
    assert frame.shape == shape[-2:] and sum(array.read) == frame.size


def test_a_chunk_of_many_frames_is_bounded():
    assert frame_chunks((1000, 1000, 256, 256), 2) == (1, 32, 256, 256)
    assert frame_chunks((50_000, 1024, 2048), 2) == (1, 1024, 2048)
    assert frame_chunks((10_000, 64, 64), 2) == (1, 64, 64), "as many as dask slices in no time"
