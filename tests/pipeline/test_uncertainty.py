"""How sure the network that comes with the program is, through the verbs that a user calls."""

from __future__ import annotations

import importlib
import shutil

import dask.array as da
import numpy as np
import pytest

import atomscope as ats
from atomscope import io
from atomscope.data import ModelState
from atomscope.data.columns import COLUMNS
from atomscope.errors import DamagedFileError, FileError, InputError, ParameterError, Stopped
from atomscope.find import find_in_frame
from atomscope.find.doubt import QUANTITIES, doubt_of
from atomscope.pipeline.finders import SHIPPED
from atomscope.simulate import image, movie

HOW = {"method": "network", "uncertainty": "dropout", "passes": 3}


@pytest.fixture(scope="module")
def frame():
    return np.asarray(image("graphene", size_px=96, dose=2.0, seed=0)[0].frame(0), np.float32)


@pytest.fixture
def members(tmp_path):
    """An ensemble: the shipped finder and two that differ a little."""
    shutil.copy(SHIPPED, tmp_path / "a.safetensors")
    state = io.read_model(SHIPPED)
    for seed in (1, 2):
        rng = np.random.default_rng(seed)
        tensors = {
            n: (t * (1 + 0.05 * rng.normal(size=t.shape)) if n.endswith("weight") else t).astype(np.float32)
            for n, t in state.tensors.items()
        }
        moved = ModelState(state.spec, state.window, state.channels, tensors, state.meta)
        io.write_model(moved, tmp_path / f"b{seed}.safetensors")
    return tmp_path


def test_entropy_and_mutual_information_are_those_of_the_textbook():
    votes = np.array([[0.0, 0.5, 0.9], [1.0, 0.5, 0.7]])
    p, entropy, information = doubt_of(votes)
    np.testing.assert_allclose(p, [0.5, 0.5, 0.8])
    np.testing.assert_allclose(entropy, [np.log(2), np.log(2), -0.8 * np.log(0.8) - 0.2 * np.log(0.2)], rtol=1e-6)
    assert information[0] == pytest.approx(np.log(2))  # sure of opposite things
    assert information[1] == pytest.approx(0, abs=1e-6)  # agree that it is open
    assert 0 < information[2] < entropy[2]


def test_asking_how_sure_does_not_change_what_is_found(frame):
    plain = ats.find_atoms(frame, method="network").table
    asked = ats.find_atoms(frame, **HOW).table
    np.testing.assert_array_equal(plain[["row", "col", "score"]], asked[["row", "col", "score"]])
    assert asked["probability"].between(0, 1).all()
    assert (asked["mutual_information"] <= asked["entropy"] + 1e-6).all()
    assert asked["entropy"].max() <= np.log(2) + 1e-6
    assert {COLUMNS[name][0] for name in QUANTITIES[1:]} == {"nats"}


def test_the_numbers_are_the_same_for_every_chunking_and_tiling(monkeypatch):
    frames = np.asarray(movie("graphene", frames=3, size_px=(96, 168), snr=4, seed=1)[0].data)
    one = ats.find_atoms(da.from_array(frames, chunks=(1, 96, 168)), **HOW).table
    all_ = ats.find_atoms(da.from_array(frames, chunks=(3, 50, 40)), **HOW).table
    last = ats.find_atoms(frames, **HOW, first_frame=2).table
    np.testing.assert_array_equal(one[list(QUANTITIES)], all_[list(QUANTITIES)])
    np.testing.assert_array_equal(one.loc[one["frame"] == 2, list(QUANTITIES)], last[list(QUANTITIES)])
    whole = ats.uncertainty_map(frames[0], quantity="probability", passes=3).frame(0)
    monkeypatch.setattr(importlib.import_module("atomscope.models.seen"), "_TILE", 64)
    tiled = ats.uncertainty_map(frames[0], quantity="probability", passes=3).frame(0)
    np.testing.assert_allclose(tiled, whole, atol=2e-3)
    small = ats.find_atoms(frames, **HOW).table
    np.testing.assert_allclose(small[list(QUANTITIES)], one[list(QUANTITIES)], atol=2e-3)


def test_a_map_is_lazy_and_says_at_a_site_what_the_site_says(frame):
    movie_ = np.stack([frame, frame[::-1]])

    class OnlyTheSecond:
        shape, dtype, ndim = movie_.shape, movie_.dtype, 3

        def __getitem__(self, index):
            assert index[0] == 1 or index[0] == slice(0, 0, None)  # dask asks for nothing, to see the type
            return movie_[index]

    stack = ats.Stack.from_array(OnlyTheSecond())
    maps = {q: ats.uncertainty_map(stack, quantity=q, passes=3) for q in QUANTITIES}
    sites = ats.find_atoms(movie_, **HOW, refine=False).table
    sites = sites[sites["frame"] == 1]
    for name, one in maps.items():
        assert one.shape == movie_.shape
        got = one.frame(1)
        at = np.clip(np.rint(sites[["row", "col"]].to_numpy()).astype(int), 0, 95)
        assert np.corrcoef(got[at[:, 0], at[:, 1]], sites[name])[0, 1] > 0.8


def test_pixels_that_were_not_measured_and_empty_frames_say_nothing(frame):
    holed = frame.copy()
    holed[:, :30] = np.nan
    got = ats.uncertainty_map(holed, passes=2).frame(0)
    assert np.isnan(got[:, :30]).all()
    assert np.isfinite(got[:, 30:]).all()
    assert np.isnan(ats.uncertainty_map(np.zeros((20, 20)), passes=2).frame(0)).all()
    empty = ats.find_atoms(np.zeros((20, 20)), **HOW).table
    assert set(QUANTITIES) <= set(empty.columns)


def test_sites_by_hand_can_be_asked_about(frame):
    by_peaks = ats.find_atoms(frame)
    moved = by_peaks.with_table(by_peaks.table.assign(row=by_peaks.table["row"].where(by_peaks.table.index > 0, 999.0)))
    asked = ats.uncertainty(frame, moved, passes=3)
    assert len(asked) == len(by_peaks)
    assert asked.table[list(QUANTITIES)].iloc[0].isna().all()
    assert asked.table["probability"].iloc[1:].median() > 0.5
    with pytest.raises(InputError, match="frames 0 to 7"):
        ats.uncertainty(frame, by_peaks.with_table(by_peaks.table.assign(frame=np.arange(len(by_peaks)) % 8)))
    with pytest.raises(Stopped) as stop:
        ats.uncertainty(frame, by_peaks, should_stop=lambda: True)
    assert len(stop.value.partial) == len(by_peaks)


def test_an_ensemble_finds_together_and_says_where_it_disagrees(frame, members):
    how = {"method": "network", "model": str(members), "uncertainty": "ensemble"}
    sites = ats.find_atoms(frame, **how).table
    assert len(sites) > 20
    assert (sites["mutual_information"] > 0).any()
    files = ";".join(str(p) for p in sorted(members.glob("*.safetensors")))
    again = ats.find_atoms(frame, **{**how, "model": files}).table
    np.testing.assert_array_equal(sites["probability"], again["probability"])
    picture = ats.uncertainty_map(frame, uncertainty="ensemble", model=str(members)).frame(0)
    assert picture.shape == frame.shape


def test_members_that_cannot_work_together_are_told(frame, members, tmp_path):
    how = {"method": "network", "uncertainty": "ensemble"}
    with pytest.raises(ParameterError, match="at least two finders"):
        ats.find_atoms(frame, **how)
    with pytest.raises(ParameterError, match="asks one finder"):
        ats.find_atoms(frame, method="network", uncertainty="dropout", model=str(members))
    state = io.read_model(SHIPPED)
    other = ModelState({**state.spec, "unit_px": 3.0}, state.window, state.channels, state.tensors, state.meta)
    io.write_model(other, members / "c.safetensors")
    with pytest.raises(InputError, match="the same scale"):
        ats.find_atoms(frame, **how, model=str(members))
    newer = ModelState(state.spec, state.window, state.channels, state.tensors, {**state.meta, "format": 99})
    io.write_model(newer, members / "c.safetensors")
    with pytest.raises(InputError, match=r"c\.safetensors: .*newer"):
        ats.find_atoms(frame, **how, model=str(members))
    (members / "c.safetensors").write_bytes(SHIPPED.read_bytes()[:999])
    with pytest.raises(DamagedFileError):
        ats.find_atoms(frame, **how, model=str(members))
    (tmp_path / "none").mkdir()
    with pytest.raises(FileError, match=r"holds no \.safetensors"):
        ats.find_atoms(frame, **how, model=str(tmp_path / "none"))


def test_peaks_can_be_asked_about_too(frame):
    peaks = ats.find_atoms(frame).table
    asked = ats.find_atoms(frame, uncertainty="dropout", passes=3).table
    np.testing.assert_array_equal(peaks[["row", "col", "score"]], asked[["row", "col", "score"]])
    assert asked[list(QUANTITIES)].notna().all(axis=None)


def test_questions_that_make_no_sense_are_told(frame):
    with pytest.raises(ParameterError, match="passes"):
        ats.find_atoms(frame, method="network", uncertainty="dropout", passes=1)
    with pytest.raises(ParameterError, match="wants networks to ask"):
        find_in_frame(frame, ats.FindParams(uncertainty="dropout"))
    with pytest.raises(ParameterError, match="quantity one of"):
        ats.uncertainty_map(frame, quantity="doubt")
