"""What every reader must do. Run over a format by giving its name: see test_readers.py."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from formats import FORMATS, Format
from scan_formats import SCAN_FORMATS

from atomscope.data import Stack, compute
from atomscope.errors import DamagedFileError, FileError, ShapeError, UnknownFormatError
from atomscope.io import describe, list_datasets, open_stack
from atomscope.io.readers.base import LazyFrames

ALL_FORMATS = (*FORMATS, *SCAN_FORMATS)


def make(form: Format, folder: Path) -> Path:
    if form.extra:
        pytest.importorskip("rsciio", reason='needs the extra "formats"')
    path = folder / form.filename
    form.write(path, form.truth())
    return path


def refuses(form: Format, path: Path) -> None:
    """Opening or reading says that the file is damaged or unknown, or not what it is said to be, and names it."""
    kinds = (DamagedFileError, UnknownFormatError, *((ShapeError,) if form.options else ()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(kinds, match=path.name.split(".")[0]):
            stack = open_stack(path, **form.options)
            for i in range(stack.n_frames):
                stack.frame(i)


def largest_file(path: Path) -> Path:
    if path.is_file():
        return path
    files = [f for f in path.rglob("*") if f.is_file() and f.suffix not in (".json", ".txt") and f.name[:2] != ".z"]
    return max(files, key=lambda f: (f.stat().st_size, str(f)))


class ReaderConformance:
    @pytest.fixture(params=ALL_FORMATS, ids=lambda f: f.name.replace(" ", "-"))
    def form(self, request) -> Format:
        return request.param

    @pytest.fixture
    def path(self, form, tmp_path) -> Path:
        return make(form, tmp_path)

    def test_every_frame_equals_what_was_written(self, form, path):
        stack, truth = open_stack(path, key=form.key, **form.options), form.truth()
        assert stack.shape == truth.shape
        assert stack.data.dtype == truth.dtype
        flat = truth.reshape(-1, *truth.shape[-2:])
        for i in range(stack.n_frames):
            np.testing.assert_array_equal(stack.frame(i), flat[i])

    def test_lazy_equals_eager_and_backwards(self, form, path):
        stack, truth = open_stack(path, **form.options), form.truth()
        np.testing.assert_array_equal(compute(stack.data), truth)
        np.testing.assert_array_equal(compute(stack.data[..., 3:9, ::2]), truth[..., 3:9, ::2])
        if truth.ndim > 2:
            np.testing.assert_array_equal(compute(stack.data[::-1]), truth[::-1])
            np.testing.assert_array_equal(compute(stack.data[-1]), truth[-1])

    def test_one_frame_is_one_chunk(self, form, path):
        stack = open_stack(path, **form.options)
        assert stack.data.chunksize == (1,) * (len(stack.shape) - 2) + stack.frame_shape

    def test_axes_and_units_arrive(self, form, path):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            stack = open_stack(path, **form.options)
        assert [a.name for a in stack.axes] == [name for name, _, _ in form.axes]
        assert [a.unit for a in stack.axes] == [unit for _, _, unit in form.axes]
        np.testing.assert_allclose([a.scale for a in stack.axes], [s for _, s, _ in form.axes], rtol=1e-5)
        assert [a.kind for a in stack.axes[-2:]] == ["signal", "signal"]
        assert all(a.kind == "navigation" for a in stack.axes[:-2])

    def test_opening_and_describing_read_no_pixels(self, form, path, monkeypatch):
        def refuse(self, where):
            raise AssertionError(f"frame {where} was read")

        monkeypatch.setattr(LazyFrames, "read_frame", refuse)
        said = describe(path, **form.options)
        json.dumps(said)
        assert said["shape"] == list(open_stack(path, **form.options).shape)
        assert said["datasets"]

    def test_a_listed_data_set_opens_by_its_key(self, form, path):
        first = list_datasets(path)[0]
        np.testing.assert_array_equal(compute(open_stack(path, key=first.key, **form.options).data), form.truth())

    def test_a_frame_may_be_written_into(self, form, path):
        stack, truth = open_stack(path, **form.options), form.truth()
        stack.frame(0)[:] = 0
        np.testing.assert_array_equal(stack.frame(0), truth.reshape(-1, *truth.shape[-2:])[0])

    def test_the_stack_travels_to_another_process(self, form, path):
        stack: Stack = pickle.loads(pickle.dumps(open_stack(path, **form.options)))
        np.testing.assert_array_equal(compute(stack.data), form.truth())

    def test_threads_read_the_same(self, form, path):
        stack, truth = open_stack(path, **form.options), form.truth()
        flat = truth.reshape(-1, *truth.shape[-2:])
        wrong: list[int] = []

        def work(seed: int) -> None:
            order = np.random.default_rng(seed).permutation(stack.n_frames)
            wrong.extend(i for i in order if not np.array_equal(stack.frame(int(i)), flat[i]))

        threads = [threading.Thread(target=work, args=(s,)) for s in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert not wrong

    def test_spaces_and_letters_of_all_alphabets_in_the_path(self, form, tmp_path):
        folder = tmp_path / "Ångström 原子 (µm)"
        folder.mkdir()
        path = make(form, folder)
        np.testing.assert_array_equal(compute(open_stack(str(path), **form.options).data), form.truth())

    def test_another_file_of_that_name_is_refused(self, form, path, tmp_path):
        wrong = tmp_path / "wrong" / path.name
        wrong.parent.mkdir()
        if path.is_dir():
            wrong.mkdir()
            (wrong / "a.txt").write_text("I am something else")
        else:
            wrong.write_text("I am something else\n" * 50)
        refuses(form, wrong)

    def test_an_empty_file_is_refused(self, form, path):
        largest_file(path).write_bytes(b"")
        refuses(form, path)

    def test_an_empty_one_by_itself_is_refused(self, form, path, tmp_path):
        empty = tmp_path / "empty" / path.name
        empty.parent.mkdir()
        if path.is_dir():
            empty.mkdir()
        else:
            empty.touch()
        refuses(form, empty)

    @pytest.mark.parametrize("part", [0.5, 0.93])
    def test_a_truncated_file_is_refused(self, form, path, part):
        file = largest_file(path)
        if form.name == "ripple":
            file = path.with_suffix(".raw")
        whole = file.read_bytes()
        file.write_bytes(whole[: int(len(whole) * part)])
        refuses(form, path)

    def test_a_frame_costs_the_bytes_of_a_frame(self, form, tmp_path):
        if not Path("/proc/self/io").exists():
            pytest.skip("bytes read can be measured on Linux only")
        if form.extra:
            pytest.importorskip("rsciio")
        truth = form.truth()
        shape = (FRAMES_MANY, *truth.shape[1:]) if truth.ndim == 3 else truth.shape
        noise = np.random.default_rng(3).integers(0, 250, shape).astype(truth.dtype)
        path = tmp_path / form.filename
        form.write(path, noise)
        stack = open_stack(path, **form.options)
        stack.frame(0)  # what is read once: headers, chunk indices, modules
        one = noise.nbytes // stack.n_frames
        before = _bytes_read()
        for i in (50, 20, 90):
            stack.frame(i % stack.n_frames)
        read = _bytes_read() - before
        # HDF5 reads at least 64 KiB of data that is not in chunks. Some formats hold several frames in a block.
        blocks = {"hspy": 4, "zspy": 4, "zarr 3 chunks of 5": 5}.get(form.name, 1)
        blocks = stack.n_frames if form.whole else blocks
        assert read <= 3 * (one * blocks + 66_000), f"{read} bytes for 3 frames of {one}"

    def test_removed_afterwards_says_which_file(self, form, path):
        stack = open_stack(path, **form.options)
        if path.is_dir():
            shutil.rmtree(path)
        elif os.name == "nt" and form.memory_mapped:
            with pytest.raises(PermissionError):  # Windows keeps a file that is mapped
                path.unlink()
        else:
            path.unlink()
        try:
            frame = stack.frame(0)
        except FileError as error:
            assert path.name in str(error)
        else:  # a file that is held open can still be read; a Zarr chunk that is not there is empty by definition
            assert frame.shape == stack.frame_shape


FRAMES_MANY = 100


def _bytes_read() -> int:
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("rchar")).split()[1])
