"""Lazy maps: of the difference from the lattice, and of what a classifier speaks for."""

from __future__ import annotations

import numpy as np
import pytest

import atomscope as ats
from atomscope import pipeline
from atomscope.errors import InputError
from atomscope.simulate import image


class Counted:
    """An array that counts the frames that are read of it."""

    def __init__(self, data):
        self.data, self.read = data, []
        self.shape, self.dtype, self.ndim = data.shape, data.dtype, data.ndim

    def __getitem__(self, key):
        self.read.append(key)
        return self.data[key]


@pytest.fixture(scope="module")
def model():
    rng = np.random.default_rng(0)
    at, where = np.arange(32), rng.uniform(4, 27, (60, 2))
    crops = rng.normal(0, 0.2, (60, 32, 32))
    for k in range(1, 60, 2):
        crops[k] += np.exp(-((at[:, None] - where[k, 0]) ** 2 + (at - where[k, 1]) ** 2) / (2 * 1.5**2))
    return ats.train_classifier(crops, np.array(["none", "spot"])[np.arange(60) % 2], epochs=10)


def test_a_difference_map_computes_only_the_frame_that_is_looked_at():
    frame = image("graphene", size_px=96, snr=10, vacancies=0.02, seed=0)[0].frame(0)
    movie = Counted(np.stack([frame, np.zeros_like(frame), frame]))
    made = ats.difference_map(ats.Stack(movie, ats.Stack.from_array(movie.data).axes, name="m"))
    assert made.shape == movie.shape and not movie.read
    np.testing.assert_allclose(made.frame(2), ats.difference_image(frame), rtol=1e-5)
    assert len(movie.read) == 1
    assert np.isnan(made.frame(1)).all()  # no lattice: no difference, and no error in the middle of a movie


def test_a_map_peaks_where_the_sites_are_and_has_a_value_at_every_pixel(model):
    rng = np.random.default_rng(3)
    frame, at = rng.normal(0, 0.2, (97, 131)), np.array([[20.0, 30], [70, 100]])
    r, c = np.mgrid[:97, :131]
    for row, col in at:
        frame += np.exp(-((r - row) ** 2 + (c - col) ** 2) / (2 * 1.5**2))
    made = ats.activation_map(model, frame, "spot")
    shown = made.frame(0)
    assert shown.shape == frame.shape and np.isfinite(shown).all()
    for row, col in at:
        box = shown[int(row) - 10 : int(row) + 11, int(col) - 10 : int(col) + 11]
        top = np.array(np.unravel_index(box.argmax(), box.shape)) - 10
        assert np.hypot(*top) <= 4
    sites = ats.locate(model, frame).table
    level = model.meta["levels"]["spot"][1]
    values = shown[np.rint(sites["row"]).astype(int), np.rint(sites["col"]).astype(int)]
    assert (values > 0.8 * level).all()
    assert np.isnan(ats.activation_map(model, np.full((2, 40, 40), np.nan)).frame(1)).all()


def test_the_layers_are_ours_and_a_wrong_class_is_told(model):
    for data, kwargs, kind in (
        pipeline.activation_layer(model, np.random.default_rng(0).normal(size=(2, 40, 40))),
        pipeline.difference_layer(np.random.default_rng(0).normal(size=(2, 40, 40))),
    ):
        assert kind == "image" and data.shape == (2, 40, 40)
        assert kwargs["metadata"]["napari-atomscope"]["kind"] == "overlay"
        assert kwargs["contrast_limits"][0] < kwargs["contrast_limits"][1]
    with pytest.raises(InputError, match="wanted a class of spot; got 'none'"):
        ats.activation_map(model, np.zeros((40, 40)), "none")
