import errno
import os
import signal
import subprocess
import sys
import textwrap
import threading
import tracemalloc

import numpy as np
import pytest
import zarr

from atomscope.data import Axis, Stack, compute
from atomscope.errors import InputError, SaveError, Stopped
from atomscope.io import open_stack, save_stack

RNG = np.random.default_rng(0)
T, Y, X = Axis("frame", 0.5, "s", 3.0, "navigation"), Axis("row", 0.02, "nm", 1.0), Axis("col", 0.03, "nm")
MOVIE = RNG.integers(0, 1000, (70, 20, 30)).astype(np.uint16)


@pytest.mark.parametrize(
    ("array", "axes"),
    [
        (MOVIE, (T, Y, X)),
        (MOVIE[0], (Y, X)),
        (MOVIE[:1], (T, Y, X)),
        (MOVIE, None),
        (MOVIE.astype(np.float64) / 7, (T, Y, X)),
        (MOVIE > 500, (T, Y, X)),
        (MOVIE.astype(">i4"), (T, Y, X)),
        (MOVIE, (Axis("energy", 5.0, "eV", kind="navigation"), Y, X)),
        (MOVIE, (Axis("tilt", 2.0, "deg", kind="navigation"), Y, X)),
        (MOVIE.reshape(7, 10, 20, 30), (T, Axis("z", 1.0, "nm", kind="navigation"), Y, X)),
        (MOVIE.reshape(7, 10, 20, 30), None),
        (
            MOVIE.reshape(7, 10, 20, 30),
            (
                Axis("scan_row", 0.1, "nm", kind="navigation"),
                Axis("scan_col", 0.1, "nm", kind="navigation"),
                Axis("row", 0.05, "1/nm"),
                Axis("col", 0.05, "1/nm"),
            ),
        ),
        (MOVIE.reshape(2, 5, 7, 20, 30), None),
    ],
    ids=lambda v: "" if v is None or isinstance(v, tuple) else f"{v.dtype}{v.shape}",
)
@pytest.mark.parametrize("shard_frames", [None, 3])
def test_what_is_saved_comes_back_with_equal_axes(tmp_path, array, axes, shard_frames):
    stack = Stack.from_array(array, axes, name="my movie", metadata={"dose": np.float32(3), "odd": {1, 2}})
    back = open_stack(save_stack(stack, tmp_path / "a.zarr", shard_frames=shard_frames))
    assert back.axes == stack.axes
    assert back.data.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(compute(back.data), array)
    assert back.data.chunksize == (1,) * (array.ndim - 2) + array.shape[-2:]
    assert back.metadata["dose"] == 3


def test_it_is_ome_zarr_0_5_for_everybody(tmp_path):
    save_stack(Stack.from_array(MOVIE, (T, Y, X)), tmp_path / "a.zarr")
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="r")
    ome = group.attrs["ome"]
    record = ome["multiscales"][0]
    assert ome["version"] == "0.5"
    assert record["axes"] == [
        {"name": "t", "type": "time", "unit": "second"},
        {"name": "y", "type": "space", "unit": "nanometer"},
        {"name": "x", "type": "space", "unit": "nanometer"},
    ]
    steps = record["datasets"][0]["coordinateTransformations"]
    assert [s["type"] for s in steps] == ["scale", "translation"]
    assert steps[0]["scale"] == [0.5, 0.02, 0.03]
    assert steps[1]["translation"] == [3.0, 1.0, 0.0]
    array = group[record["datasets"][0]["path"]]
    assert array.metadata.zarr_format == 3
    assert array.metadata.dimension_names == ("t", "y", "x")
    assert array.chunks == (1, 20, 30)
    assert array.shards == (64, 20, 30)
    # Without our own attributes the calibration is still there.
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="r+")
    del group.attrs["atomscope"]
    assert open_stack(tmp_path / "a.zarr").axes == (T, Y, X)


def test_progress_is_told_for_every_frame(tmp_path):
    told = []
    save_stack(Stack.from_array(MOVIE), tmp_path / "a.zarr", on_progress=told.append)
    assert [(p.done, p.total, p.what) for p in told] == [(i + 1, 70, "frames") for i in range(70)]


def test_stopping_leaves_nothing_and_what_was_there_stays(tmp_path):
    save_stack(Stack.from_array(MOVIE[:3]), tmp_path / "old.zarr")
    for name, overwrite in (("new.zarr", False), ("old.zarr", True)):
        seen = []
        with pytest.raises(Stopped):
            save_stack(
                Stack.from_array(MOVIE),
                tmp_path / name,
                overwrite=overwrite,
                shard_frames=4,
                on_progress=seen.append,
                should_stop=lambda seen=seen: len(seen) >= 10,
            )
        assert len(seen) == 10
    assert [p.name for p in tmp_path.iterdir()] == ["old.zarr"]
    np.testing.assert_array_equal(compute(open_stack(tmp_path / "old.zarr").data), MOVIE[:3])


def test_overwriting_must_be_asked_for(tmp_path):
    save_stack(Stack.from_array(MOVIE[:3]), tmp_path / "a.zarr")
    with pytest.raises(SaveError, match="already there"):
        save_stack(Stack.from_array(MOVIE), tmp_path / "a.zarr")
    save_stack(Stack.from_array(MOVIE), tmp_path / "a.zarr", overwrite=True)
    assert open_stack(tmp_path / "a.zarr").n_frames == 70
    assert [p.name for p in tmp_path.iterdir()] == ["a.zarr"]


def test_a_movie_may_be_saved_over_itself(tmp_path):
    save_stack(Stack.from_array(MOVIE), tmp_path / "a.zarr")
    save_stack(open_stack(tmp_path / "a.zarr"), tmp_path / "a.zarr", overwrite=True, shard_frames=7)
    np.testing.assert_array_equal(compute(open_stack(tmp_path / "a.zarr").data), MOVIE)


def test_a_name_of_another_kind_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"a\.zarr"):
        save_stack(Stack.from_array(MOVIE), tmp_path / "a.tif")
    with pytest.raises(InputError, match="shard_frames"):
        save_stack(Stack.from_array(MOVIE), tmp_path / "a.zarr", shard_frames=0)


def test_memory_is_one_shard_not_the_movie(tmp_path):
    class Many:
        shape, dtype, ndim = (400, 256, 256), np.dtype(np.uint16), 3

        def __getitem__(self, index):
            return np.full((256, 256), index[0] if isinstance(index[0], int) else 0, np.uint16)

    stack = Stack.from_array(Many())  # 52 MB in all, 131 kB a frame
    save_stack(Stack.from_array(MOVIE), tmp_path / "warm.zarr")
    tracemalloc.start()
    save_stack(stack, tmp_path / "a.zarr", shard_frames=16)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 16 * 131_072, f"{peak / 1e6:.1f} MB"


def test_a_full_disk_is_said_and_leaves_no_litter(tmp_path, monkeypatch):
    save_stack(Stack.from_array(MOVIE[:3]), tmp_path / "a.zarr")

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SaveError, match="disk is full"):
        save_stack(Stack.from_array(MOVIE), tmp_path / "a.zarr", overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["a.zarr"]
    monkeypatch.undo()
    assert open_stack(tmp_path / "a.zarr").n_frames == 3


def test_a_file_that_may_not_grow_fails_cleanly(tmp_path):
    """A real failure of the system while Zarr writes: files may not grow beyond 20 kB."""
    resource = pytest.importorskip("resource")
    code = f"""
    import resource, sys, numpy as np
    from pathlib import Path
    from atomscope.data import Stack
    from atomscope.errors import SaveError
    from atomscope.io import save_stack
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    noise = np.random.default_rng(0).integers(0, 60000, (40, 64, 64)).astype(np.uint16)
    try:
        save_stack(Stack.from_array(noise), Path({str(tmp_path)!r}) / "a.zarr")
    except SaveError as error:
        print("refused", error)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
    assert "refused" in done.stdout, done.stderr
    assert list(tmp_path.iterdir()) == []
    assert resource


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_killed_in_the_middle_leaves_nothing_under_the_name(tmp_path):
    code = f"""
    import numpy as np
    from atomscope.data import Stack
    from atomscope.io import save_stack
    movie = np.random.default_rng(0).integers(0, 60000, (5000, 64, 64)).astype(np.uint16)
    print("go", flush=True)
    save_stack(Stack.from_array(movie), {str(tmp_path / "a.zarr")!r}, shard_frames=2,
               on_progress=lambda p: print(p.done, flush=True) if p.done == 40 else None)
    """
    child = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True)
    for line in child.stdout:
        if line.strip() == "40":
            break
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert not (tmp_path / "a.zarr").exists()
    save_stack(Stack.from_array(MOVIE), tmp_path / "a.zarr")  # and the name is free
    assert open_stack(tmp_path / "a.zarr").n_frames == 70


def test_two_threads_saving_different_names_do_not_disturb_each_other(tmp_path):
    def work(i):
        save_stack(Stack.from_array(MOVIE + i), tmp_path / f"{i}.zarr")

    threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for i in range(3):
        np.testing.assert_array_equal(compute(open_stack(tmp_path / f"{i}.zarr").data), MOVIE + i)
