"""A network taught by masks: from one ordered frame to the movie, through the verbs that a user calls."""

from __future__ import annotations

import importlib
from dataclasses import replace

import numpy as np
import pytest

import atomscope as ats
from atomscope import io
from atomscope.errors import DamagedFileError, FileError, InputError, ShapeError, TrainingError
from atomscope.models.segmenter import Example, Segmenter, train_segmenter
from atomscope.simulate import particle_movie
from truth import match

segmenter_module = importlib.import_module("atomscope.models.segmenter")


@pytest.fixture(scope="module")
def small():
    stack, truth, scene = particle_movie(frames=2, size_px=128, particles=14, seed=5)
    model = ats.train_particles(stack, scene.labels(0), steps=40, crop_px=64, batch_size=4)
    return stack, truth, scene, model


def test_a_few_steps_on_one_frame_find_most_of_the_next(small):
    stack, truth, _, model = small
    result = match(ats.find_particles(stack, network=model), truth, 5.0, shape=stack.shape, margin=17)
    assert result.f1 > 0.7


def test_the_answer_is_the_same_for_every_tiling_and_brightness(small, monkeypatch):
    model, image = small[3], np.random.default_rng(0).normal(size=(170, 203)).astype(np.float32)
    whole = model.answer(image)
    assert whole.shape == (2, 170, 203)
    monkeypatch.setattr(segmenter_module, "_TILE", 64)
    np.testing.assert_allclose(model.answer(image), whole, atol=2e-5)
    np.testing.assert_allclose(model.answer(1e4 + 37 * image), whole, atol=2e-3)


def test_the_same_seed_trains_the_same_network_and_going_on_starts_from_it(small):
    stack, _, scene, _ = small
    fields = dict(steps=4, crop_px=32, batch_size=2)
    a, b = (ats.train_particles(stack, scene.labels(0), **fields) for _ in range(2))
    image = stack.frame(1)
    np.testing.assert_array_equal(a.answer(image), b.answer(image))
    more = ats.train_particles(stack, scene.labels(0), init=a, learning_rate=1e-9, **fields)
    assert float((more.net.head.weight - a.net.head.weight).detach().abs().max()) < 1e-6


def test_it_is_reopened_from_its_file_and_other_files_are_told(small, tmp_path):
    stack, _, _, model = small
    path = io.write_model(model.to_state(), tmp_path / "rods.safetensors")
    again = ats.find_particles(stack, method="network", model=str(path)).table
    np.testing.assert_array_equal(again["row"], ats.find_particles(stack, network=model).table["row"])
    with pytest.raises(FileError, match="no such model"):
        ats.find_particles(stack, method="network", model=str(tmp_path / "none.safetensors"))
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DamagedFileError):
        ats.find_particles(stack, method="network", model=str(cut))
    state = model.to_state()
    for wrong, told in (
        (replace(state, spec={"kind": "RVAE"}), "wanted a Segmenter"),
        (replace(state, meta={"format": 99}), "newer"),
        (replace(state, spec={**state.spec, "channels": ["a"]}), "another architecture"),
        (replace(state, spec={**state.spec, "widths": [1]}), "damaged"),
    ):
        with pytest.raises(InputError, match=told):
            Segmenter.from_state(wrong)
    shipped = importlib.import_module("atomscope.pipeline.finders").SHIPPED
    with pytest.raises(InputError, match="wanted a Segmenter"):
        ats.find_particles(stack, method="network", model=str(shipped))


def test_a_stop_returns_the_network_as_it_is(small):
    stack, _, scene, _ = small
    calls = iter([False, False, True])
    model = ats.train_particles(
        stack,
        scene.labels(0),
        steps=50,
        crop_px=32,
        batch_size=2,
        should_stop=lambda: next(calls),
    )
    assert model.meta["stopped"] and model.meta["steps"] == 2


def test_paint_that_cannot_be_learnt_from_is_told(small):
    stack, _, scene, _ = small
    labels = scene.labels(0)
    with pytest.raises(ShapeError, match="shape of a frame"):
        ats.train_particles(stack, labels[:-1])
    with pytest.raises(TrainingError, match="nothing is painted"):
        ats.train_particles(stack, np.zeros_like(labels))
    with pytest.raises(TrainingError, match="everything is painted"):
        ats.train_particles(stack, np.ones_like(labels))
    with pytest.raises(TrainingError, match="constant"):
        ats.train_particles(np.zeros((2, 128, 128)), labels)
    with pytest.raises(InputError, match="whole numbers"):
        ats.train_particles(stack, labels.astype(float))
    with pytest.raises(InputError, match="asked for"):
        ats.train_particles(stack, labels, frame=9)
    with pytest.raises(TrainingError, match="nothing is painted"):
        train_segmenter([], ("a",))


def test_any_number_of_channels_is_learnt():
    rng = np.random.default_rng(0)
    image = rng.normal(size=(64, 64))
    target = np.stack([image > 1, image < -1, image > 0]).astype(np.float32)
    params = ats.SegmenterParams(steps=60, crop_px=32, batch_size=4, rotation=False, zoom=1)
    model = train_segmenter([Example(image, target, np.ones((64, 64)))], ("high", "low", "positive"), params)
    assert model.answer(image).shape == (3, 64, 64)
    assert model.meta["rows"][-1]["loss"] < 0.8 * model.meta["rows"][0]["loss"]


@pytest.mark.slow
@pytest.mark.parametrize("snr", [6.0, 3.0])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_one_ordered_frame_teaches_the_whole_movie(seed, snr):
    stack, truth, scene = particle_movie(frames=12, seed=seed, snr=snr)
    model = ats.train_particles(stack, scene.labels(0))
    sites = ats.find_particles(stack, network=model)
    assert match(sites, truth, 5.0, shape=stack.shape, margin=17).f1 >= 0.95
    found, planted = ats.order_parameter(sites)["order"], ats.order_parameter(truth)["order"]
    assert planted.iloc[0] > 0.95 and planted.iloc[-1] < 0.6
    assert np.abs(found - planted).max() <= 0.02
