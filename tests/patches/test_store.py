"""Writing patches replaces only patches, and leaves nothing half done."""

import numpy as np
import pytest

from atomscope.data import Sites, Stack
from atomscope.data.params import CropParams
from atomscope.errors import DamagedFileError, SaveError, Stopped
from atomscope.patches import crop, open_patches
from atomscope.patches.store import ZarrSink

PARAMS = CropParams(window_px=5)


def something(frames=3):
    stack = Stack.from_array(np.random.default_rng(0).normal(size=(frames, 20, 20)))
    return stack, Sites.from_positions(np.full(frames, 9.5), np.full(frames, 9.5), np.arange(frames), shape=stack.shape)


def test_other_peoples_folders_are_not_touched(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(SaveError, match="holds no patches"):
        crop(*something(), PARAMS, out=tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_a_stopped_crop_leaves_what_was_there(tmp_path):
    out = tmp_path / "p.zarr"
    before = crop(*something(2), PARAMS, out=out).values[:]
    with pytest.raises(Stopped):
        crop(*something(3), PARAMS, out=out, should_stop=lambda: True)
    np.testing.assert_array_equal(open_patches(out).values[:], before)
    assert [p.name for p in tmp_path.iterdir()] == ["p.zarr"]


def test_a_full_disk_is_said_and_cleaned_up(tmp_path, monkeypatch):
    def full(self, *_):
        raise OSError(28, "No space left on device")

    out = tmp_path / "p.zarr"
    monkeypatch.setattr("zarr.core.array.Array.__setitem__", full)
    with pytest.raises(SaveError, match="No space left"):
        crop(*something(), PARAMS, out=out)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SaveError, match="another folder"):
        crop(*something(), PARAMS, out=tmp_path / "file" / "p.zarr")


def test_several_shards(tmp_path, monkeypatch):
    monkeypatch.setattr("atomscope.patches.store._SHARD_BYTES", 4000)
    monkeypatch.setattr("atomscope.patches.store._CHUNK_BYTES", 500)
    stack, sites = something(100)
    disk = crop(stack, sites, CropParams(window_px=5, normalise="dataset"), out=tmp_path / "p.zarr")
    memory = crop(stack, sites, CropParams(window_px=5, normalise="dataset"))
    assert disk.values.shards[0] < 50
    np.testing.assert_array_equal(disk.values[:], memory.values)


def test_damaged_patches(tmp_path):
    with pytest.raises(DamagedFileError):
        open_patches(tmp_path / "nothing.zarr")
    sink = ZarrSink(tmp_path / "p.zarr", 3, (5, 5))
    with pytest.raises(DamagedFileError):
        open_patches(tmp_path / "p.zarr.part")
    sink.discard()
    assert not (tmp_path / "p.zarr.part").exists()
