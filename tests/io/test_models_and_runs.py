import errno
import json
import os
import signal
import stat
import struct
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from test_tables import make

from atomscope.data import ModelState, Run, Stack
from atomscope.errors import DamagedFileError, FileError, InputError, SaveError, UnknownFormatError
from atomscope.io import (
    list_runs,
    list_samples,
    read_model,
    read_recipe,
    read_run,
    recipe_lines,
    sample_folder,
    sample_path,
    save_stack,
    write_model,
    write_recipe,
    write_run,
    write_table,
)


def state(value: float = 1.0) -> ModelState:
    rng = np.random.default_rng(0)
    return ModelState(
        {"kind": "rvae", "latent_dim": 2, "pose": ["rotation"], "sigma": None},
        (32, 24),
        1,
        {
            "encoder.weight": (rng.normal(size=(64, 128)) * value).astype(np.float32),
            "transposed": np.arange(6, dtype=np.float32).reshape(2, 3).T,
            "half": np.arange(4, dtype=np.float16),
            "optimizer.step": np.array(7, dtype=np.int64),
            "rng": np.arange(16, dtype=np.uint8),
            "mask": np.array([True, False]),
            "nothing": np.zeros((0, 3), np.float32),
        },
        {"epoch": 3, "loss": float("nan"), "value": value, "text": "ü", "nested": {"a": [1, 2.5, None]}},
    )


def equal(a: ModelState, b: ModelState) -> bool:
    same = a.spec == b.spec and a.window == b.window and a.channels == b.channels and set(a.tensors) == set(b.tensors)
    return same and all(
        np.array_equal(a.tensors[n], b.tensors[n])
        and a.tensors[n].dtype == b.tensors[n].dtype
        and a.tensors[n].shape == b.tensors[n].shape
        for n in a.tensors
    )


def full(*args):
    raise OSError(errno.ENOSPC, "No space left on device")


class TestModels:
    @pytest.mark.parametrize("name", ["model.safetensors", "model.json", "folder", "with.dots.safetensors"])
    def test_a_model_comes_back_to_the_bit(self, tmp_path, name):
        write_model(state(), tmp_path / name)
        back = read_model(tmp_path / name)
        assert equal(back, state())
        assert back.meta["epoch"] == 3
        assert np.isnan(back.meta["loss"])
        assert back.meta["nested"] == {"a": [1, 2.5, None]}

    def test_the_copy_beside_it_is_readable(self, tmp_path):
        write_model(state(), tmp_path)
        told = json.loads((tmp_path / "model.json").read_text(encoding="utf-8"))
        assert told["spec"]["latent_dim"] == 2
        assert told["tensors"]["encoder.weight"] == {"shape": [64, 128], "dtype": "float32"}

    def test_the_weights_file_alone_is_enough_and_the_copy_is_never_trusted(self, tmp_path):
        write_model(state(), tmp_path)
        (tmp_path / "model.json").write_text("{}")
        assert equal(read_model(tmp_path), state())
        (tmp_path / "model.json").unlink()
        assert equal(read_model(tmp_path / "model.safetensors"), state())

    def test_read_weights_can_be_trained_on(self, tmp_path):
        back = read_model(write_model(state(), tmp_path))
        back.tensors["encoder.weight"][:] = 0  # not read-only, not a map of the file

    @pytest.mark.parametrize("part", [0.0, 0.001, 0.02, 0.5, 0.999])
    def test_a_truncated_model_is_refused(self, tmp_path, part):
        file = write_model(state(), tmp_path)
        whole = file.read_bytes()
        file.write_bytes(whole[: int(len(whole) * part)])
        with pytest.raises(DamagedFileError, match=r"model\.safetensors"):
            read_model(tmp_path)

    @pytest.mark.parametrize(
        "head",
        [
            b'{"__metadata__":{"atomscope":"not json"}}',
            b'{"__metadata__":{"atomscope":"[1,2]"}}',
            b'{"__metadata__":{"atomscope":"{\\"format\\":\\"atomscope-model\\",\\"version\\":1}"}}',
            b'{"a":{"dtype":"F32","shape":[99999999999],"data_offsets":[0,4]},"__metadata__":{"atomscope":"{}"}}',
            b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,400]}}',
            b"[" * 5000,
            b"\xff" * 64,
        ],
    )
    def test_hostile_headers_are_refused(self, tmp_path, head):
        (tmp_path / "m.safetensors").write_bytes(struct.pack("<Q", len(head)) + head + bytes(8))
        with pytest.raises((DamagedFileError, UnknownFormatError), match=r"m\.safetensors"):
            read_model(tmp_path / "m.safetensors")

    def test_a_header_longer_than_the_file_is_refused(self, tmp_path):
        (tmp_path / "m.safetensors").write_bytes(struct.pack("<Q", 2**62) + b"{}")
        with pytest.raises(DamagedFileError):
            read_model(tmp_path / "m.safetensors")

    def test_a_pickle_is_never_opened(self, tmp_path):
        import pickle

        class Evil:
            def __reduce__(self):
                return (Path(tmp_path / "pwned").touch, ())

        for name in ("model.pt", "model.tar", "model.safetensors"):
            (tmp_path / name).write_bytes(pickle.dumps(Evil()))
            with pytest.raises((DamagedFileError, UnknownFormatError)):
                read_model(tmp_path / name)
        assert not (tmp_path / "pwned").exists()

    def test_a_newer_file_says_so(self, tmp_path):
        from safetensors.numpy import save_file

        told = {"format": "atomscope-model", "version": 99, "spec": {}, "window": [1, 1], "channels": 1}
        save_file({}, tmp_path / "m.safetensors", metadata={"atomscope": json.dumps(told)})
        with pytest.raises(UnknownFormatError, match="newer"):
            read_model(tmp_path / "m.safetensors")

    def test_somebody_elses_safetensors_is_not_ours(self, tmp_path):
        from safetensors.numpy import save_file

        save_file({"a": np.zeros(3)}, tmp_path / "m.safetensors")
        with pytest.raises(UnknownFormatError, match="not a model of atomscope"):
            read_model(tmp_path / "m.safetensors")

    def test_what_cannot_be_text_is_refused_before_anything_is_written(self, tmp_path):
        bad = ModelState({"kind": "x"}, (8, 8), 1, {}, {"function": print})
        with pytest.raises(InputError, match=r"meta\.function"):
            write_model(bad, tmp_path / "m.safetensors")
        with pytest.raises(InputError, match="tensor"):
            write_model(ModelState({}, (8, 8), 1, {"a": np.array(["x"])}), tmp_path / "m.safetensors")
        assert list(tmp_path.iterdir()) == []

    def test_a_full_disk_keeps_the_old_model(self, tmp_path, monkeypatch):
        write_model(state(1.0), tmp_path / "m.safetensors")
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(SaveError, match="full"):
            write_model(state(2.0), tmp_path / "m.safetensors")
        monkeypatch.undo()
        assert equal(read_model(tmp_path / "m.safetensors"), state(1.0))
        assert sorted(p.name for p in tmp_path.iterdir()) == ["m.json", "m.safetensors"]

    @pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
    def test_killed_at_any_moment_weights_and_description_are_of_one_moment(self, tmp_path):
        code = f"""
        import sys, itertools; sys.path.insert(0, {str(Path(__file__).parent)!r})
        from test_models_and_runs import state
        from atomscope.io import write_model
        for i in itertools.count(1):
            write_model(state(float(i)), {str(tmp_path / "m.safetensors")!r})
            if i == 1: print("go", flush=True)
        """
        rng = np.random.default_rng(0)
        for _ in range(3):
            child = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True)
            assert child.stdout.readline().strip() == "go"
            try:
                child.wait(timeout=float(rng.uniform(0.0, 0.05)))
            except subprocess.TimeoutExpired:
                child.send_signal(signal.SIGKILL)
                child.wait()
            child.stdout.close()
            back = read_model(tmp_path / "m.safetensors")
            assert equal(back, state(back.meta["value"]))


def run(**changes) -> Run:
    made = {
        "name": "gold, first try",
        "sites": make(),
        "model": state(),
        "history": pd.DataFrame({"epoch": [1, 2, 3], "loss": [0.1 + 0.2, 0.25, np.nan], "val_loss": [1.0, 0.5, 0.2]}),
        "recipe": [{"step": "find", "threshold": 4.0}, {"step": "crop", "window_px": (32, 24)}],
        "source": "/data/movie.zarr",
        "created": "2026-01-02T03:04:05+00:00",
        "meta": {"note": "ü", "n": np.int64(3)},
    }
    return Run(**{**made, **changes})


class TestRuns:
    def test_a_run_folder_reopens_with_everything(self, tmp_path):
        folder = write_run(run(), tmp_path / "out")
        back = read_run(folder)
        pd.testing.assert_frame_equal(back.sites.table, make().table, check_exact=True)
        assert back.sites.axes == make().axes
        assert equal(back.model, state())
        pd.testing.assert_frame_equal(back.history, run().history, check_exact=True)
        assert back.recipe == [{"step": "find", "threshold": 4.0}, {"step": "crop", "window_px": [32, 24]}]
        assert (back.name, back.source, back.created) == (run().name, run().source, run().created)
        assert back.meta == {"note": "ü", "n": 3}

    def test_other_programs_can_open_its_files(self, tmp_path):
        folder = write_run(run(), tmp_path / "out")
        assert len(pd.read_parquet(folder / "sites.parquet")) == 60
        assert list(pd.read_csv(folder / "history.csv").columns) == ["epoch", "loss", "val_loss"]
        assert len(yaml.safe_load((folder / "recipe.yaml").read_text())) == 2
        assert json.loads((folder / "run.json").read_text(encoding="utf-8"))["name"] == run().name

    def test_a_run_of_nothing_reopens(self, tmp_path):
        back = read_run(write_run(Run(), tmp_path / "out"))
        assert back.sites is None
        assert back.model is None
        assert back.recipe == []
        assert back.created  # the time of writing

    def test_overwriting_replaces_the_run_and_keeps_a_persons_own_files(self, tmp_path):
        write_run(run(), tmp_path / "out")
        (tmp_path / "out" / "notes.txt").write_text("mine")
        (tmp_path / "out" / "pictures").mkdir()
        (tmp_path / "out" / "pictures" / "a.png").write_bytes(b"x")
        write_run(run(name="second", model=None), tmp_path / "out")
        assert read_run(tmp_path / "out").name == "second"
        assert read_run(tmp_path / "out").model is None
        assert (tmp_path / "out" / "notes.txt").read_text() == "mine"
        assert (tmp_path / "out" / "pictures" / "a.png").exists()
        assert not (tmp_path / "out" / "model.safetensors").exists()
        assert [p.name for p in tmp_path.iterdir()] == ["out"]

    def test_a_folder_of_other_things_is_not_touched(self, tmp_path):
        (tmp_path / "thesis.tex").write_text("years of work")
        with pytest.raises(SaveError, match="other files"):
            write_run(run(), tmp_path)
        assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]
        write_run(run(), tmp_path / "out")
        with pytest.raises(SaveError, match="already holds a run"):
            write_run(run(), tmp_path / "out", overwrite=False)
        with pytest.raises(SaveError, match="a file of that name"):
            write_run(run(), tmp_path / "thesis.tex")

    def test_a_full_disk_while_overwriting_loses_nothing(self, tmp_path, monkeypatch):
        write_run(run(), tmp_path / "out")
        real, calls = os.fsync, []

        def fills_up(handle):
            if stat.S_ISREG(os.fstat(handle).st_mode):
                calls.append(handle)
                if len(calls) == fail_at:
                    full()
            return real(handle)

        fail_at = 10**9
        monkeypatch.setattr(os, "fsync", fills_up)
        write_run(run(name="count"), tmp_path / "count")
        total = len(calls)
        assert total > 4
        for fail_at in range(1, total + 1):  # noqa: B007 - read by fills_up
            calls.clear()
            with pytest.raises(SaveError, match=r"/out.*disk is full"):
                write_run(run(name="second"), tmp_path / "out")
            assert read_run(tmp_path / "out").name == run().name
            assert sorted(p.name for p in tmp_path.iterdir()) == ["count", "out"]

    def test_a_read_only_folder_is_said(self, tmp_path, monkeypatch):
        locked = tmp_path / "locked"
        locked.mkdir()
        locked.chmod(0o555)
        if os.access(locked, os.W_OK):  # root may write anywhere: let the system refuse as it would a person
            real = Path.mkdir

            def refuse(self, *args, **kwargs):
                if self.parent == locked:
                    raise PermissionError(errno.EACCES, "Permission denied", str(self))
                return real(self, *args, **kwargs)

            monkeypatch.setattr(Path, "mkdir", refuse)
        with pytest.raises(SaveError, match="no permission"):
            write_run(run(), locked / "out")
        locked.chmod(0o755)
        assert list(locked.iterdir()) == []

    def test_a_kill_between_the_two_renames_is_mended(self, tmp_path):
        write_run(run(), tmp_path / "out")
        (tmp_path / "out").rename(tmp_path / ".out.old-0123abcd")  # what such a kill leaves
        assert read_run(tmp_path / "out").name == run().name

    def test_damage_is_named(self, tmp_path):
        folder = write_run(run(), tmp_path / "out")
        with pytest.raises(FileError, match="no such run folder"):
            read_run(tmp_path / "nothing")
        with pytest.raises(UnknownFormatError, match=r"run\.json"):
            read_run(tmp_path)
        for name in ("sites.parquet", "model.safetensors", "recipe.yaml", "history.csv", "run.json"):
            whole = (folder / name).read_bytes()
            (folder / name).unlink()
            with pytest.raises((DamagedFileError, UnknownFormatError), match=name):
                read_run(folder)
            (folder / name).write_bytes(whole[:9])
            if name != "history.csv":  # nine bytes of a CSV are a CSV
                with pytest.raises(DamagedFileError, match=name):
                    read_run(folder)
            (folder / name).write_bytes(whole)
        head = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        (folder / "run.json").write_text(json.dumps({**head, "contents": ["../../etc/passwd"]}))
        with pytest.raises(DamagedFileError, match=r"run\.json"):
            read_run(folder)

    def test_runs_are_listed_newest_first_and_a_damaged_one_does_not_hide_the_others(self, tmp_path):
        write_run(run(name="old", created="2025-01-01T00:00:00+00:00"), tmp_path / "a")
        write_run(run(name="new", created="2026-01-01T00:00:00+00:00"), tmp_path / "b")
        write_run(run(), tmp_path / "c")
        (tmp_path / "c" / "run.json").write_text("{")
        listed = list_runs(tmp_path)
        assert [r["name"] for r in listed] == ["new", "old", "c"]
        assert listed[0]["sites"] == 60
        assert listed[0]["epochs"] == 3
        assert listed[0]["model"] == "rvae"
        assert listed[0]["val_loss"] == 0.2
        assert "run.json" in listed[2]["error"]
        assert list_runs(tmp_path / "a")[0]["name"] == "old"


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 300 kB."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root may make a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("this system does not let root mount")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_disk_that_is_really_full_loses_nothing(small_disk):
    write_run(run(), small_disk / "out")
    noise = np.random.default_rng(0).integers(0, 60000, (40, 64, 64)).astype(np.uint16)
    many = make(20_000)
    heavy = ModelState({"kind": "x"}, (8, 8), 1, {"w": np.random.default_rng(0).normal(size=100_000)})
    for save in (
        lambda: save_stack(Stack.from_array(noise), small_disk / "a.zarr", shard_frames=8),
        lambda: write_table(many, small_disk / "t.parquet"),
        lambda: write_table(many, small_disk / "t.csv"),
        lambda: write_model(heavy, small_disk / "m.safetensors"),
        lambda: write_run(run(sites=many, name="second"), small_disk / "out"),
        lambda: write_run(run(model=heavy, name="second"), small_disk / "out"),
    ):
        with pytest.raises(SaveError, match="disk is full"):
            save()
        assert [p.name for p in small_disk.iterdir()] == ["out"]
    assert read_run(small_disk / "out").name == run().name


class TestRecipes:
    def test_steps_come_back(self, tmp_path):
        steps = [{"step": "open", "path": Path("a.zarr")}, {"step": "fit", "seed": np.int64(3), "lr": 1e-4, "x": None}]
        write_recipe(steps, tmp_path / "r.yaml")
        assert read_recipe(tmp_path / "r.yaml") == [
            {"step": "open", "path": "a.zarr"},
            {"step": "fit", "seed": 3, "lr": 1e-4, "x": None},
        ]
        assert recipe_lines(tmp_path / "r.yaml") == [2, 3]

    def test_small_numbers_stay_numbers(self, tmp_path):
        write_recipe(
            [{"a": 1e-5, "b": 1e20, "c": float("inf"), "d": "1e-5", "e": "yes", "f": True}], tmp_path / "r.yaml"
        )
        assert read_recipe(tmp_path / "r.yaml") == [
            {"a": 1e-5, "b": 1e20, "c": float("inf"), "d": "1e-5", "e": "yes", "f": True}
        ]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "empty"),
            ("- step: find\n  threshold: [1, 2\n- step: crop\n", r"line \d"),
            ("- step: find\n\tthreshold: 1\n", "line 2"),
            ("- step: find\n- crop\n", "line 2.*step 2.*'crop'"),
            ("step: find\n", "steps"),
            ("just words\n", "line 1"),
            ("- step: find\n  threshold: 1\n  threshold: 2\n", "line 3.*'threshold'.*twice"),
            ("- step: !!python/object/apply:os.system ['touch pwned']\n", "line 1"),
            ("- step: *nothing\n", "line 1"),
        ],
    )
    def test_mistakes_are_named_by_their_line(self, tmp_path, text, message):
        (tmp_path / "r.yaml").write_text(text)
        with pytest.raises(DamagedFileError, match=rf"(?s)r\.yaml.*{message}"):
            read_recipe(tmp_path / "r.yaml")

    def test_a_table_with_steps_is_a_recipe_too(self, tmp_path):
        (tmp_path / "r.yaml").write_text("name: mine\nsteps:\n  - step: find\n")
        assert read_recipe(tmp_path / "r.yaml") == [{"step": "find"}]
        assert recipe_lines(tmp_path / "r.yaml") == [3]


class TestSamples:
    def test_every_listed_sample_is_there(self):
        assert sample_folder().is_dir()
        for name in list_samples():
            assert sample_path(name).exists()
            assert sample_path(name.split(".")[0]).exists()

    @pytest.mark.parametrize("name", ["", "nope", "../pyproject.toml", ".hidden"])
    def test_another_name_lists_those_that_are_there(self, name):
        with pytest.raises(FileError, match="no sample"):
            sample_path(name)
