"""Teaching a finder, through the verb that a user calls."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pandas as pd
import pytest

import atomscope as ats
from atomscope import io
from atomscope.data import ModelState, Stack
from atomscope.errors import DamagedFileError, FileError, InputError, ParameterError, Stopped, UnknownFormatError
from atomscope.models.finder import Finder
from atomscope.pipeline.finders import SHIPPED
from truth import match

KINDS = ("bright", "faint", "hole")


def spots(seed=0, frames=2, size=96, n=14):
    """Three kinds of spots far apart on noise: two heights and a dark one; a table of all."""
    rng = np.random.default_rng(seed)
    at, out, tables = np.arange(size), [], []
    grid = np.stack(np.meshgrid(*2 * [np.arange(12, size - 8, 18)], indexing="ij"), -1).reshape(-1, 2)
    for t in range(frames):
        places = grid[rng.permutation(len(grid))[:n]] + rng.uniform(-2, 2, (n, 2))
        kind = np.arange(n) % 3
        height = np.array([1.0, 0.45, -0.8])[kind]
        image = np.einsum(
            "n,nr,nc->rc",
            height,
            np.exp(-0.5 * ((at - places[:, :1]) / 2.2) ** 2),
            np.exp(-0.5 * ((at - places[:, 1:]) / 2.2) ** 2),
        )
        out.append(image + rng.normal(0, 0.06, image.shape))
        names = np.array(KINDS, object)[kind]
        tables.append(pd.DataFrame({"frame": t, "row": places[:, 0], "col": places[:, 1], "kind": names}))
    return Stack.from_array(np.stack(out).astype(np.float32), name="spots"), pd.concat(tables, ignore_index=True)


@pytest.fixture(scope="module")
def lesson():
    stack, table = spots()
    return stack, table, table[table["frame"] == 0]


@pytest.fixture(scope="module")
def taught(lesson):
    stack, _, first = lesson
    return ats.train_finder(stack, first, steps=40)


def test_classes_come_back_on_a_frame_that_was_not_shown(lesson, taught):
    stack, table, _ = lesson
    assert taught.taught.classes == tuple(sorted(KINDS))
    assert dict(zip(taught.taught.classes, taught.taught.peaked, strict=True)) == {
        "bright": True,
        "faint": True,
        "hole": False,
    }
    assert taught.taught.width_px == pytest.approx(2.2, rel=0.3)
    sites = ats.find_atoms(stack, model=taught, first_frame=1)
    truth = table[table["frame"] == 1]
    assert match(sites.table, truth, 3.0).f1 > 0.8
    found = sites.table
    assert list(found["kind"].cat.categories) == list(taught.taught.classes)
    assert found["score"].between(0, 1).all()
    holes = found[found["kind"] == "hole"]
    assert len(holes)
    assert holes["amplitude"].isna().all()  # what does not stand out is not fitted
    assert not holes["flag"].str.contains("fit failed").any()


def test_it_comes_back_from_its_file_and_gives_the_same_for_every_chunking(lesson, taught, tmp_path):
    stack, _, _ = lesson
    path = ats.save_finder(taught, tmp_path / "spots.safetensors")
    again = ats.load_finder(path)
    assert again.taught == taught.taught
    one = ats.find_atoms(stack, method="network", model=str(path)).table
    two = ats.find_atoms(da.from_array(np.asarray(stack.data), chunks=(2, 40, 96)), model=taught).table
    pd.testing.assert_frame_equal(one, two, check_exact=False, rtol=1e-4, atol=1e-4)


def test_a_pixel_size_says_how_large_sites_are_elsewhere(taught):
    from atomscope.data.taught import Taught

    told = Taught(("atom",), (True,), 2.0, 0.01)
    assert told.width_in(0.02) == pytest.approx(1.0)
    assert told.width_in(None) == 2.0
    assert taught.taught.width_in(0.5) == taught.taught.width_px  # not calibrated when it was taught


def test_one_click_is_enough_to_begin(lesson):
    stack, table, _ = lesson
    one = table[(table["frame"] == 0) & (table["kind"] == "bright")][:1]
    finder = ats.train_finder(stack, one, steps=4, complete=False)
    assert finder.meta["annotated"] == {"bright": 1}
    assert len(ats.find_atoms(stack, model=finder))


def test_paint_teaches_as_clicks_do(lesson):
    stack, _, first = lesson
    labels = np.zeros(stack.frame_shape, np.uint8)
    for _, site in first[first["kind"] == "bright"].iterrows():
        labels[int(site["row"]) - 2 : int(site["row"]) + 3, int(site["col"]) - 2 : int(site["col"]) + 3] = 1
    finder = ats.train_finder(stack, {0: labels}, steps=4)
    assert finder.meta["annotated"] == {"atom": int((first["kind"] == "bright").sum())}


def test_a_taught_finder_can_be_taught_more(lesson, taught):
    stack, table, _ = lesson
    more = ats.train_finder(stack, table, start=taught, steps=4)
    assert more.taught.width_px == taught.taught.width_px
    assert more.meta["frames"] == [0, 1]


def test_reports_tell_the_loss_and_what_is_found_on_the_way(lesson):
    stack, _, first = lesson
    told = []
    ats.train_finder(stack, first, steps=16, watch=stack.frame(1), on_progress=told.append)
    assert told[-1].done == told[-1].total
    assert all(np.isfinite(p.payload["loss"]) for p in told)
    looks = [p.payload["sites"] for p in told if "sites" in p.payload]
    assert looks
    assert {"row", "col", "kind"} <= set(looks[-1].columns)


def test_a_stop_keeps_a_finder_and_a_checkpoint_goes_on(lesson, tmp_path):
    stack, _, first = lesson
    path = tmp_path / "teach.safetensors"
    count = 0

    def after_a_while():
        nonlocal count
        count += 1
        return count > 9

    with pytest.raises(Stopped) as stop:
        ats.train_finder(stack, first, steps=10, checkpoint=path, should_stop=after_a_while)
    assert isinstance(stop.value.partial, Finder)
    assert path.exists()
    steps = []
    again = ats.train_finder(stack, first, steps=10, checkpoint=path, on_progress=lambda p: steps.append(p.done))
    assert steps[0] > 9
    assert not path.exists()
    whole = ats.train_finder(stack, first, steps=10)
    a, b = (np.concatenate([t.detach().numpy().ravel() for t in f.net.parameters()]) for f in (again, whole))
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_images_smaller_than_what_the_network_sees_can_be_taught():
    stack, table = spots(size=40, n=3, frames=1)
    finder = ats.train_finder(stack, table, steps=3)
    assert len(finder.taught.classes) == 3


def test_what_cannot_be_taught_is_said(lesson):
    stack, _, first = lesson
    with pytest.raises(InputError, match="is constant"):
        ats.train_finder(np.zeros((64, 64)), pd.DataFrame({"row": [5.0], "col": [5.0]}), steps=1)
    with pytest.raises(InputError, match="no annotations"):
        ats.train_finder(stack, first[:0], steps=1)
    with pytest.raises(ParameterError, match="did you mean 'steps'"):
        ats.train_finder(stack, first, step=1)
    with pytest.raises(FileError, match="no such model file"):
        ats.train_finder(stack, first, start="nowhere.safetensors")


def test_files_that_are_no_taught_finder_are_said(taught, tmp_path):
    state = taught.to_state()

    def written(spec=None, tensors=None):
        bad = ModelState({**state.spec, **(spec or {})}, (8, 8), 1, {**state.tensors, **(tensors or {})}, state.meta)
        return io.write_model(bad, tmp_path / "bad.safetensors")

    told = state.spec["taught"]
    for spec, tensors, words in (
        ({"taught": {**told, "classes": ["one"]}}, None, "what this finder was taught is damaged"),
        ({"taught": {**told, "threshold": 7}}, None, "what this finder was taught is damaged"),
        ({"taught": {**told, "classes": ["a", "b"], "peaked": [True, True]}}, None, "judge of shape"),
        (None, {"judge": state.tensors["judge"][:, :3]}, "judge of shape"),
        (None, {"judge": state.tensors["judge"] * np.nan}, "judge"),
    ):
        with pytest.raises(InputError, match=words):
            ats.load_finder(written(spec, tensors))
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(SHIPPED.read_bytes()[:2000])
    with pytest.raises(DamagedFileError):
        ats.load_finder(cut)
    foreign = tmp_path / "notes.txt"
    foreign.write_text("hello")
    with pytest.raises(UnknownFormatError):
        ats.load_finder(foreign)
