"""Patches streamed from disk: every one once, well mixed, in bounded memory, whatever the chunks."""

from __future__ import annotations

import threading
import tracemalloc

import numpy as np
import pytest
import torch
import zarr

from atomscope.data import Given, Patches
from atomscope.data.params import RVAE, FitParams
from atomscope.errors import AtomscopeError
from atomscope.models import fit
from atomscope.models.vae import batches
from atomscope.models.vae.batches import Batches
from atomscope.models.vae.streams import Stream, piece_length
from atomscope.patches.store import ZarrSink

N, SIDE = 720, 8
EACH = 4 * SIDE * SIDE
CHUNKS = {
    "one patch a chunk": {"chunks": (1, SIDE, SIDE)},
    "some": {"chunks": (7, SIDE, SIDE)},
    "many": {"chunks": (500, SIDE, SIDE)},
    "all in one": {"chunks": (N, SIDE, SIDE)},
    "cut in space": {"chunks": (100, 3, 5)},
    "shards": {"chunks": (8, SIDE, SIDE), "shards": (120, SIDE, SIDE)},
}


def numbered() -> np.ndarray:
    """Patches that hold their own number."""
    return np.broadcast_to(np.arange(N, dtype=np.float32)[:, None, None], (N, SIDE, SIDE)).copy()


@pytest.fixture
def forced(monkeypatch):
    monkeypatch.setattr(batches, "IN_MEMORY_BYTES", 0)
    monkeypatch.setattr(batches, "POOL_BYTES", 240 * EACH)


@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_an_epoch_has_every_patch_once_and_names_it(forced, tmp_path, chunks, seed):
    store = zarr.create_array(tmp_path / "p.zarr", shape=(N, SIDE, SIDE), dtype="f4", **CHUNKS[chunks])
    store[:] = numbered()
    many = Batches(Patches.from_array(store), 50, 0.1, seed)
    for epoch in (0, 1):
        seen, numbers = zip(*[(x[:, 0, 0, 0].numpy(), k) for x, k, _ in many.epoch(epoch)], strict=True)
        seen, numbers = np.concatenate(seen), np.concatenate(numbers)
        np.testing.assert_array_equal(seen, numbers)
        assert len(np.unique(seen)) == len(seen) == many.steps * 50 >= len(many.train) - 50
        assert np.isin(seen, many.train).all()
    again = [k for _, k, _ in many.epoch(1)]
    np.testing.assert_array_equal(np.concatenate(again), numbers)  # the seed and the epoch decide
    held = torch.cat([x[:, 0, 0, 0] for x, _, _ in many.held_out()]).numpy()
    np.testing.assert_array_equal(held, many.validation)
    some = many.train[::7]
    np.testing.assert_array_equal(torch.cat([x[:, 0, 0, 0] for x, _, _ in many.take(some, 33)]).numpy(), some)


class Told:
    """A store that notes what is asked of it."""

    def __init__(self, store) -> None:
        self.store, self.shape, self.chunks, self.ndim, self.dtype = store, store.shape, store.chunks, 3, store.dtype
        self.asked: list[tuple[int, int]] = []

    def __getitem__(self, key):
        assert isinstance(key, slice), "read one by one"
        self.asked.append((key.start, min(key.stop, self.shape[0])))
        return self.store[key]


@pytest.mark.parametrize("chunks", CHUNKS)
def test_targets_come_with_their_patches_and_are_read_in_whole_pieces(forced, tmp_path, chunks):
    store = zarr.create_array(tmp_path / "p.zarr", shape=(N, SIDE, SIDE), dtype="f4", **CHUNKS[chunks])
    store[:] = numbered()
    later = Told(zarr.create_array(tmp_path / "t.zarr", shape=(N, SIDE, SIDE), dtype="f4", **CHUNKS[chunks]))
    later.store[:] = numbered() + 1000
    many = Batches(Patches.from_array(store), 50, 0.1, 0, target=later)
    batches_of = (many.epoch(0), many.held_out(), many.take(many.train[::7], 33))
    for made in batches_of:
        later.asked.clear()
        parts = list(made)
        for x, numbers, target in parts:
            np.testing.assert_array_equal(x[:, 0, 0, 0], numbers)
            np.testing.assert_array_equal(target[:, 0, 0, 0], numbers + 1000)
        assert len(set(later.asked)) == len(later.asked)  # no piece twice
        assert all(start % many.stream.piece == 0 for start, _ in later.asked)
    assert many.most(N) == 120  # there is as much again of the targets


@pytest.mark.parametrize("seed", [0, 1])
def test_targets_on_disk_train_like_those_in_memory(monkeypatch, tmp_path, seed):
    rng = np.random.default_rng(seed)
    x, later = (rng.normal(size=(N, SIDE, SIDE)).astype(np.float32) for _ in range(2))
    stored = {"now": x, "then": later}
    now, then = (zarr.create_array(str(tmp_path / k), data=v, chunks=(64, SIDE, SIDE)) for k, v in stored.items())
    pairs = [(now, later), (now, then), (x, then), (x, later)]
    for limit in (0, 10**9):  # streamed, and read into memory
        monkeypatch.setattr(batches, "IN_MEMORY_BYTES", limit)
        monkeypatch.setattr(batches, "POOL_BYTES", 240 * EACH)
        how, spec = FitParams(epochs=2, batch_size=50, seed=seed), RVAE(hidden=8, predicts=True)
        # Pieces of what is all in memory need not be whole chunks: streamed, their order is another.
        some = pairs if limit else pairs[:3]
        runs = [fit(Patches.from_array(a), spec, how, given=Given(target=b)) for a, b in some]
        for other in runs[1:]:
            for name in ("loss", "val_loss"):
                np.testing.assert_array_equal(other.history.table[name], runs[0].history.table[name])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_batches_are_mixed_from_all_over_the_pool(forced, tmp_path, seed):
    store = zarr.create_array(tmp_path / "p.zarr", shape=(N, SIDE, SIDE), dtype="f4", chunks=(25, SIDE, SIDE))
    store[:] = numbered()
    many = Batches(Patches.from_array(store), 50, 0.0, seed)
    spreads = [np.std(k) for _, k, _ in many.epoch(0)]
    assert np.median(spreads) > 0.6 * N / np.sqrt(12)  # of a uniform choice: N / sqrt(12)


def test_a_piece_is_never_a_part_of_a_chunk():
    class Like:
        shape, chunks = (N, SIDE, SIDE), (500, SIDE, SIDE)

    assert piece_length(Like, 10 * EACH) == 500
    assert piece_length(Like, 1100 * EACH) == 720
    assert piece_length(np.zeros((N, SIDE, SIDE), np.float32), 10 * EACH) == 10


def test_two_pools_are_all_that_is_in_memory():
    n, side, limit = 4000, 32, 4 * 32 * 32 * 800
    values = np.zeros((n, side, side), np.float32)
    stream = Stream(values, np.arange(n), limit, 8)
    tracemalloc.start()
    for _ in stream.batches(100, 40, np.random.default_rng(0)):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.4 * limit  # two pools, a batch and what is being read


def test_a_stop_in_the_middle_of_an_epoch_leaves_no_thread(forced):
    many = Batches(Patches.from_array(np.random.default_rng(0).normal(size=(N, SIDE, SIDE)).astype("f4")), 20, 0, 0)
    stream = many.epoch(0)
    next(stream)
    stream.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("patches")]


def test_a_store_that_breaks_is_told(forced):
    class Broken:
        shape, dtype, ndim = (N, SIDE, SIDE), np.dtype("f4"), 3
        asked = 0

        def __getitem__(self, key):
            Broken.asked += 1
            if Broken.asked > 10:
                raise OSError("the disk is gone")
            return np.random.default_rng(0).normal(size=(N, SIDE, SIDE)).astype("f4")[key]

    with pytest.raises((OSError, AtomscopeError), match="the disk is gone"):
        fit(Patches.from_array(Broken()), RVAE(hidden=8), FitParams(epochs=3, batch_size=50))


def test_what_crop_writes_is_read_in_large_pieces(tmp_path):
    sink = ZarrSink(tmp_path / "p.zarr", 20, (32, 32))
    assert sink._values.chunks[0] * 32 * 32 * 4 >= 2**20
    sink.discard()


def test_the_statistics_of_the_training_data_travel_with_the_model(forced, tmp_path):
    from atomscope.io import read_model, write_model
    from atomscope.models import Model

    x = np.random.default_rng(0).normal(70, 9, (N, SIDE, SIDE)).astype(np.float32)
    model = fit(Patches.from_array(x), RVAE(hidden=8), FitParams(epochs=1, batch_size=50))
    write_model(model.to_state(), tmp_path)
    again = Model.from_state(read_model(tmp_path))
    np.testing.assert_allclose(float(again.net.offset), x.mean(), rtol=1e-5)
    np.testing.assert_allclose(float(again.net.scale), x.std(), rtol=1e-4)
