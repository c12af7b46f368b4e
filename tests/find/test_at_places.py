"""Heights at known places: planted columns come back, with errors that are what is left of the noise."""

from __future__ import annotations

import numpy as np
import pytest

from atomscope.errors import InputError
from atomscope.find.at_places import amplitudes_at

SHAPE = (72, 90)
WIDTH = 2.0


def places_of(spacing, shape=SHAPE, seed=0):
    """Return places of a square lattice that lie between pixels, the whole of each spot inside."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*(np.arange(10, n - 9, spacing) for n in shape), indexing="ij"), -1).reshape(-1, 2)
    return grid + rng.uniform(-0.5, 0.5, grid.shape)


def drawn(places, heights, sigma=WIDTH, shape=SHAPE, plane=(3.0, 0.5, -0.8)):
    """Return round Gaussians, without an end, on a plane."""
    row, col = np.indices(shape)
    image = plane[0] + plane[1] * row / shape[0] + plane[2] * col / shape[1]
    for (r, c), h in zip(places, heights, strict=True):
        image = image + h * np.exp(-0.5 * ((row - r) ** 2 + (col - c) ** 2) / sigma**2)
    return image


def heights_of(places, seed=1):
    return np.random.default_rng(seed).uniform(0.2, 2.0, len(places))


def test_without_noise_heights_are_those_planted_whatever_the_plane():
    places = places_of(16)  # spots are cut off at 3.5 widths, where they are 0.2 % of their height
    true = heights_of(places)
    for plane in ((0.0, 0.0, 0.0), (3.0, 0.5, -0.8), (-100.0, 40.0, 30.0)):
        height, sd = amplitudes_at(drawn(places, true, plane=plane), places, WIDTH)
        assert height == pytest.approx(true, abs=2e-3)
        assert (sd < 1e-3).all()


def test_columns_that_overlap_share_the_light():
    places = places_of(5)  # 2.5 widths apart: a neighbour gives 4 % of its height to the middle of a column
    true = heights_of(places)
    image = drawn(places, true)
    height, _ = amplitudes_at(image, places, WIDTH)
    assert height == pytest.approx(true, abs=0.02)
    pair = np.array([[30.0, 40.0], [30.0, 43.0]])
    height, _ = amplitudes_at(drawn(pair, [1.0, 0.3]), pair, WIDTH)
    assert height == pytest.approx([1.0, 0.3], abs=0.01)


def test_a_place_with_nothing_has_no_height_beside_bright_ones():
    places = places_of(7)
    true = np.where(np.arange(len(places)) % 7 == 3, 0.0, 1.0)
    height, _ = amplitudes_at(drawn(places, true), places, WIDTH)
    assert np.abs(height[true == 0]).max() < 0.01


@pytest.mark.parametrize("spacing", [5, 12])
def test_errors_are_what_the_noise_makes(spacing):
    places = places_of(spacing)
    true = heights_of(places)
    rng = np.random.default_rng(2)
    clean, z = drawn(places, true), []
    for _ in range(20):
        height, sd = amplitudes_at(clean + rng.normal(0, 0.1, SHAPE), places, WIDTH)
        z.append((height - true) / sd)
    assert abs(np.mean(z)) < 0.1
    assert np.std(z) == pytest.approx(1, abs=0.1)
    assert np.mean(np.abs(z) < 1.96) == pytest.approx(0.95, abs=0.025)


def test_a_place_outside_of_the_frame_has_no_number_and_does_no_harm():
    places = places_of(16)
    true = heights_of(places)
    image = drawn(places, true)
    more = np.array([[-0.6, 5.0], [SHAPE[0] - 0.4, 5.0], [5.0, -30.0], [5.0, 1e6], [np.nan, 5.0]])
    height, sd = amplitudes_at(image, np.concatenate([more, places]), WIDTH)
    assert np.isnan(height[: len(more)]).all() and np.isnan(sd[: len(more)]).all()
    assert height[len(more) :] == pytest.approx(amplitudes_at(image, places, WIDTH)[0])
    for height in amplitudes_at(image, more, WIDTH):
        assert np.isnan(height).all()
    assert [len(x) for x in amplitudes_at(image, np.zeros((0, 2)), WIDTH)] == [0, 0]


def test_a_column_on_the_edge_is_measured_with_a_larger_error():
    places = np.array([[0.0, 40.0], [36.0, 40.0]])
    noise = np.random.default_rng(3).normal(0, 0.01, SHAPE)
    height, sd = amplitudes_at(drawn(places, [1.0, 1.0]) + noise, places, WIDTH)
    assert height == pytest.approx([1, 1], abs=0.02)
    assert sd[0] > 1.2 * sd[1]


def test_pixels_that_are_no_numbers_are_left_out():
    places = places_of(16)
    true = heights_of(places)
    image = drawn(places, true)
    holes = np.random.default_rng(4).random(SHAPE) < 0.2
    image[holes] = np.nan
    image[0, 0] = np.inf
    height, _ = amplitudes_at(image, places, WIDTH)
    assert height == pytest.approx(true, abs=2e-3)


def test_a_place_of_which_no_pixel_is_known_has_no_number():
    places = places_of(16)
    true = heights_of(places)
    image = drawn(places, true)
    r, c = np.rint(places[5]).astype(int)
    image[r - 8 : r + 9, c - 8 : c + 9] = np.nan
    height, sd = amplitudes_at(image, places, WIDTH)
    assert np.isnan(height[5]) and np.isnan(sd[5])
    others = np.arange(len(places)) != 5
    assert height[others] == pytest.approx(true[others], abs=2e-3)
    height, sd = amplitudes_at(np.full(SHAPE, np.nan), places, WIDTH)
    assert np.isnan(height).all() and np.isnan(sd).all()


def test_whole_numbers_are_taken_as_they_are():
    places = places_of(16)
    counts = np.rint(drawn(places, 1000 * heights_of(places), plane=(100, 0, 0))).astype(np.uint16)
    height, _ = amplitudes_at(counts, places, WIDTH)
    assert height == pytest.approx(1000 * heights_of(places), abs=3)


@pytest.mark.parametrize("width", [0, -1.0, np.nan])
def test_a_width_that_is_none_is_refused(width):
    with pytest.raises(InputError, match="positive width"):
        amplitudes_at(np.zeros(SHAPE), places_of(16), width)
