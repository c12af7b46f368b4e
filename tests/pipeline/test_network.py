"""The network that comes with the program, through the verb that a user calls."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest

import atomscope as ats
from atomscope import io
from atomscope.data.params import FindParams
from atomscope.errors import DamagedFileError, FileError, InputError
from atomscope.models import Model
from atomscope.pipeline.finder_training import calibrate, draw_batch, train
from atomscope.pipeline.finders import SHIPPED, load_finder
from atomscope.simulate import image, movie
from truth import match


@pytest.mark.parametrize("lattice", ["graphene", "perovskite"])
def test_it_finds_the_columns_of_a_simulated_image(lattice):
    stack, truth = image(lattice, size_px=256, snr=10, seed=0)
    sites = ats.find_atoms(stack, method="network")
    result = match(sites, truth, 2.0, shape=stack.shape, margin=8)
    assert result.f1 > 0.98
    assert result.rms < 0.3


@pytest.mark.parametrize("seed", [0, 1])
def test_faint_columns_between_bright_ones_are_found_and_holes_stay_holes(seed):
    stack, truth = image("WS2", size_px=320, snr=20, seed=seed, vacancies=0.05, defects_on="B")
    planted = truth.table["kind"] == "vacancy"
    sites = ats.find_atoms(stack)
    assert match(sites, truth.with_table(truth.table[~planted]), 2.0, shape=stack.shape, margin=8).f1 > 0.99
    empty = ats.structure(sites, image=stack).sites.table
    assert abs((empty["kind"] == "vacancy").sum() - planted.sum()) <= 3


def test_it_comes_with_a_card_and_is_small():
    card = io.read_model(SHIPPED).meta
    assert {"data", "seed", "steps", "held_out_f1"} <= set(card)
    assert SHIPPED.stat().st_size < 8e6


def test_nothing_is_found_in_noise_alone():
    noise = np.random.default_rng(0).normal(size=(256, 256))
    assert len(ats.find_atoms(noise, method="network")) < 40


def test_a_movie_gives_the_same_for_every_chunking():
    frames = np.asarray(movie("graphene", frames=4, size_px=96, snr=8, seed=1)[0].data)
    one = ats.find_atoms(da.from_array(frames, chunks=(1, 96, 96)), method="network").table
    all_ = ats.find_atoms(da.from_array(frames, chunks=(4, 50, 96)), method="network").table
    np.testing.assert_array_equal(one[["row", "col", "score"]], all_[["row", "col", "score"]])


def test_a_file_that_is_missing_damaged_or_of_another_kind_is_told(tmp_path, monkeypatch):
    frame = np.zeros((32, 32))
    with pytest.raises(FileError, match="no such model file"):
        ats.find_atoms(frame, method="network", model=str(tmp_path / "none.safetensors"))
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(SHIPPED.read_bytes()[:2000])
    with pytest.raises(DamagedFileError):
        ats.find_atoms(frame, method="network", model=str(cut))
    patches = np.random.default_rng(0).normal(size=(40, 8, 8)).astype(np.float32)
    model = ats.fit(patches, ats.RVAE(hidden=4), epochs=1)
    assert isinstance(model, Model)
    other = io.write_model(model.to_state(), tmp_path / "rvae.safetensors")
    with pytest.raises(InputError, match="wanted a Finder"):
        load_finder(FindParams(method="network", model=str(other)))


def test_training_from_nothing_is_resumed_and_leaves_a_finder(tmp_path):
    path = train(tmp_path, steps=2, save_every=1, held_out=10)
    assert io.read_model(path).spec["kind"] == "Finder"
    assert (tmp_path / "finder_training.csv").exists()
    again = train(tmp_path, steps=2, held_out=10)  # all is done: nothing is trained again
    assert io.read_model(again).meta["steps"] == 2
    images, answers = draw_batch(0, 5, batch=2, side=32)
    assert images.shape == answers.shape == (2, 32, 32)
    heights, probabilities, f1 = calibrate(load_finder(FindParams(method="network")), frames=10)
    assert (np.diff(heights) > 0).all()
    assert (np.diff(probabilities) >= 0).all()
    assert f1 > 0.4
