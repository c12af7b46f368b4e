"""How places stand among the columns round them."""

from __future__ import annotations

import numpy as np
import pytest

from atomscope.data.taught import SURROUNDINGS
from atomscope.find.among import among
from atomscope.find.prepare import prepare
from atomscope.simulate import image


def heights(lattice, seed, gain=1.0):
    """Own heights (over that of the columns round them, less 1) of the sites inside a frame, and its truth."""
    stack, truth = image(lattice, size_px=160, snr=5, vacancies=0.05, substitutions=0.05, seed=seed)
    table = truth.table[truth.table[["row", "col"]].sub(80).abs().max(axis=1) < 64]
    frame = prepare(gain * stack.frame(0) + 7.0).image
    measured, first = among(frame, table[["row", "col"]].to_numpy(), stack.metadata["sigma_px"])
    assert measured.shape == (len(table), SURROUNDINGS)
    assert first.all()
    return measured, table


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("lattice", ["graphene", "perovskite"])
def test_vacancies_and_dopants_stand_apart_on_every_sublattice(lattice, seed):
    measured, table = heights(lattice, seed)
    for _, rows in table.assign(height=measured[:, 0]).groupby("sublattice", observed=True):
        height = {kind: rows["height"][rows["kind"] == kind].to_numpy() for kind in ("vacancy", "atom", "substitution")}
        assert height["vacancy"].max(initial=-9) < height["atom"].min()
        assert height["atom"].max() < height["substitution"].min(initial=99)


def test_brightness_and_contrast_do_not_matter():
    np.testing.assert_allclose(heights("perovskite", 0)[0], heights("perovskite", 0, 250.0)[0], rtol=1e-2, atol=1e-2)


def test_of_several_places_on_one_column_the_nearest_to_its_top_comes_first():
    stack, truth = image("perovskite", size_px=96, snr=20, seed=0)
    at = truth.table[["row", "col"]].to_numpy()
    middle = at[np.abs(at - 48).max(1).argmin()]
    width = stack.metadata["sigma_px"]
    place = middle + np.array([[0.9, 0.0], [0.1, 0.0], [0.0, -1.1], [0.0, 2.6]]) * width
    _, first = among(prepare(stack.frame(0)).image, place, width)
    assert first.tolist() == [False, True, False, True]


def test_frames_without_columns_say_nothing_of_neighbours():
    noise = np.random.default_rng(0).normal(size=(40, 40)).astype(np.float32)
    for frame in (np.zeros((40, 40), np.float32), noise):
        measured, first = among(frame, np.array([[5.0, 5.0], [20.0, 20.0]]), 2.0)
        assert np.isfinite(measured).all()
        assert first.all()
    assert among(noise, np.zeros((0, 2)), 2.0)[0].shape == (0, SURROUNDINGS)
