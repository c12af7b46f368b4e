"""Crops labelled as a whole teach where things are: class activation maps, through the verbs that a user calls."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import atomscope as ats
from atomscope import io
from atomscope.errors import DamagedFileError, InputError, Stopped, TrainingError
from atomscope.models.classifier import Classifier
from atomscope.simulate import image


def spots(n=120, side=32, seed=0):
    """Crops of noise, half of them with one bright spot somewhere; labels; where."""
    rng = np.random.default_rng(seed)
    at, where = np.arange(side), rng.uniform(4, side - 5, (n, 2))
    crops = rng.normal(0, 0.2, (n, side, side))
    labels = np.array(["none", "spot"])[np.arange(n) % 2]
    for k in range(1, n, 2):
        crops[k] += np.exp(-((at[:, None] - where[k, 0]) ** 2 + (at - where[k, 1]) ** 2) / (2 * 1.5**2))
    return crops, labels, where


@pytest.fixture(scope="module")
def model():
    crops, labels, _ = spots()
    return ats.train_classifier(crops, labels, epochs=12)


def test_what_was_only_told_of_is_located(model):
    crops, labels, where = spots(seed=1)
    sites = ats.locate(model, crops)
    best = sites.table.sort_values("score").groupby("frame").last().reindex(range(len(crops)))
    error = np.hypot(best["row"] - where[:, 0], best["col"] - where[:, 1])[labels == "spot"]
    assert (error <= 8).mean() >= 0.9 and error.median() <= 4
    assert set(sites.table["kind"]) == {"spot"}
    assert (model.probabilities(crops).argmax(1) == (labels == "spot")).mean() > 0.9


def test_an_image_larger_than_the_crops_is_searched_whole(model):
    rng = np.random.default_rng(3)
    frame, at = rng.normal(0, 0.2, (96, 130)), np.array([[20.0, 30], [70, 100], [40, 80]])
    r, c = np.mgrid[:96, :130]
    for row, col in at:
        frame += np.exp(-((r - row) ** 2 + (c - col) ** 2) / (2 * 1.5**2))
    found = ats.locate(model, frame).table
    for row, col in at:
        assert np.hypot(found["row"] - row, found["col"] - col).min() < 4


def test_it_is_reopened_from_its_file_and_other_files_are_told(model, tmp_path):
    crops = spots(seed=2)[0][:10]
    path = io.write_model(model.to_state(), tmp_path / "c.safetensors")
    np.testing.assert_array_equal(ats.locate(path, crops).table["row"], ats.locate(model, crops).table["row"])
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DamagedFileError):
        ats.locate(cut, crops)
    state = model.to_state()
    for wrong, told in (
        (replace(state, spec={"kind": "Finder"}), "wanted a Classifier"),
        (replace(state, spec={**state.spec, "classes": ["a"], "background": 0}), "another architecture"),
        (replace(state, spec={**state.spec, "background": 7}), "damaged"),
        (replace(state, meta={"format": 9}), "newer"),
    ):
        with pytest.raises(InputError, match=told):
            Classifier.from_state(wrong)
    with pytest.raises(InputError, match="how high"):
        ats.locate(replace(model, meta={}), crops)


def test_crops_and_labels_that_cannot_be_learnt_from_are_told():
    crops, labels, _ = spots(8)
    for bad_crops, bad_labels, error, told in (
        (crops, labels[:-1], InputError, "a label for each"),
        (crops, ["a"] * 8, TrainingError, "at least two classes"),
        (crops[:3], ["a", "b", "c"], TrainingError, "at least two of each"),
        (crops[:0], [], TrainingError, "no crops"),
        (np.zeros((8, 32, 32)), labels, TrainingError, "constant"),
        (crops * np.nan, labels, InputError, "finite"),
        (crops[:, :8], labels, InputError, "at least 16"),
    ):
        with pytest.raises(error, match=told):
            ats.train_classifier(bad_crops, bad_labels)
    with pytest.raises(InputError, match="none of the classes"):
        ats.train_classifier(crops, labels, background="vacuum")


def test_constant_and_tiny_frames_hold_nothing(model):
    assert len(ats.locate(model, np.zeros((2, 40, 40)))) == 0
    assert len(ats.locate(model, np.eye(3))) == 0


def test_a_stop_returns_what_there_is(model):
    crops, labels, _ = spots(20)
    calls = iter([False, False, True])
    stopped = ats.train_classifier(crops, labels, epochs=50, batch_size=5, should_stop=lambda: next(calls))
    assert stopped.meta["stopped"]
    calls = iter([False, True])
    with pytest.raises(Stopped) as stop:
        ats.locate(model, crops, should_stop=lambda: next(calls))
    assert set(stop.value.partial.table["frame"]) <= {0}


def crystal_crops(lattice, seed, n, side=64, **kwargs):
    """Crops of one large simulated image: ``n`` without a defect in or near, ``n`` with exactly one."""
    rng = np.random.default_rng(seed)
    stack, truth = image(lattice, size_px=768, rotation_deg=float(rng.uniform(0, 90)), seed=seed, **kwargs)
    frame, t = stack.frame(0), truth.table
    defects = t.loc[t["kind"] != "atom", ["row", "col"]].to_numpy()
    crops, labels, where = [], [], []
    while len(crops) < 2 * n:
        r, c = rng.integers(0, 768 - side, 2)
        at = defects - [r, c]
        near, well = ((at > -8) & (at < side + 8)).all(1), ((at > 6) & (at < side - 6)).all(1)
        label = "none" if not near.any() else "defect" if near.sum() == well.sum() == 1 else ""
        if label and labels.count(label) < n:
            crops.append(frame[r : r + side, c : c + side])
            labels.append(label)
            where.append(at[well][0] if label == "defect" else (np.nan, np.nan))
    return np.array(crops), np.array(labels), np.array(where)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["vacancies", "substitutions"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_planted_defects_are_located_from_labels_of_crops(seed, kind):
    fields = {kind: 0.006, "snr": 6.0, "displacement_nm": 0.004}
    crops, labels, _ = crystal_crops("graphene", seed, 100, **fields)
    model = ats.train_classifier(crops, labels)
    crops, labels, where = crystal_crops("graphene", seed + 100, 100, **fields)
    found = ats.locate(model, crops).table.sort_values("score").groupby("frame").last().reindex(range(len(crops)))
    error = np.hypot(found["row"] - where[:, 0], found["col"] - where[:, 1])[labels == "defect"]
    assert (error <= 64 / 8).mean() >= 0.9
    assert error.median() <= 64 / 8


def test_a_defect_near_the_edge_of_a_crop_is_not_seen_at_the_edge_itself(model):
    crops, _, _ = spots(2)
    at = np.arange(32)
    near = crops[0] + np.exp(-((at[:, None] - 16) ** 2 + (at - 6) ** 2) / (2 * 1.5**2))
    found = ats.locate(model, near).table
    assert len(found) == 1 and np.hypot(found["row"] - 16, found["col"] - 6)[0] < 4
