"""Blocks are read from any source at once; damaged chunks are told, absent ones are the fill value."""

import numpy as np
import pytest
import zarr
from zarr import codecs

import atomscope as ats
from atomscope.errors import DamagedFileError
from scan4d.scans import FORMS, counts, forms

BLOCKS = [(slice(0, 7), slice(0, 9), slice(0, 15), slice(0, 12)), (slice(2, 5), slice(3, 4), slice(1, 14), slice(7, 8))]


@pytest.mark.parametrize("form", FORMS)
def test_a_block_is_that_part_of_the_array(tmp_path, form):
    array = counts()
    stack = forms(tmp_path)[form](array)
    for index in BLOCKS:
        block = stack.block(index)
        assert block.shape == array[index].shape and np.array_equal(block, array[index])
    assert len(stack.stored_chunks) == 4
    if stack.mapped is not None:
        assert np.array_equal(stack.mapped, array)


def test_chunks_that_are_not_there_are_the_fill_value(tmp_path):
    for name, shards in (("a", None), ("b", (4, 4, 6, 5))):
        made = zarr.create_array(
            tmp_path / f"{name}.zarr", shape=(8, 8, 6, 5), chunks=(2, 2, 6, 5), shards=shards, dtype="u2", fill_value=7
        )
        made[0, 0] = 3
        made[5, 5] = 9
        stack = ats.open(tmp_path / f"{name}.zarr")
        assert np.array_equal(stack.block(tuple(slice(0, n) for n in stack.shape)), made[...])


@pytest.mark.parametrize("codec", [codecs.BloscCodec(cname="zstd"), codecs.ZstdCodec(), codecs.GzipCodec(), None])
@pytest.mark.parametrize("shards", [None, (4, 4, 20, 20)])
def test_a_chunk_that_was_cut_off_is_told(tmp_path, codec, shards):
    made = zarr.create_array(
        tmp_path / "a.zarr", shape=(8, 8, 20, 20), chunks=(2, 2, 20, 20), shards=shards, dtype="u2", compressors=codec
    )
    made[...] = counts((8, 8, 20, 20), high=60000)
    file = next(p for p in (tmp_path / "a.zarr" / "c").rglob("*") if p.is_file())
    stack = ats.open(tmp_path / "a.zarr")
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(DamagedFileError, match="copy it again"):
        stack.block(tuple(slice(0, n) for n in stack.shape))
