"""Columns that stand alone: no lattice says how wide they are, and the background is louder than they."""

import numpy as np
import pytest
from scipy import ndimage

from atomscope.data import Stack
from atomscope.data.params import FindParams
from atomscope.find.detect import detect, is_lattice
from atomscope.find.prepare import prepare
from atomscope.pipeline import find_atoms
from truth import match

SIDE = 320


def scene(seed: int, width: float, many: int = 20, snr: float = 5.0, slow: float = 3.0):
    """Lone columns of height 1 on a slow background ``slow`` times as loud and a grainy support, in white noise."""
    rng = np.random.default_rng(seed)
    places: list[np.ndarray] = []
    while len(places) < many:
        place = rng.uniform(3 * width, SIDE - 1 - 3 * width, 2)
        if all(np.hypot(*(place - p)) > 5 * width for p in places):
            places.append(place)
    at = np.arange(SIDE)
    image = np.zeros((SIDE, SIDE))
    for place in places:
        image += np.outer(*(np.exp(-0.5 * ((at - p) / width) ** 2) for p in place))
    for scale, loud in ((40.0, slow), (1.3 * width, 0.1)):
        field = ndimage.gaussian_filter(rng.normal(size=(SIDE, SIDE)), scale, mode="wrap")
        image = image + loud * field / field.std()
    return (image + rng.normal(0, 1 / snr, image.shape)).astype(np.float32), np.array(places)


@pytest.mark.parametrize("width", [1.3, 2.0, 3.5])
@pytest.mark.parametrize("seed", range(3))
def test_lone_columns_are_found_whatever_their_width_and_the_slow_background(seed, width):
    image, places = scene(seed, width)
    found = detect(prepare(image, "bright"))
    assert not is_lattice(found)
    assert 0.5 < found.sigma / width < 2.0
    assert match(np.c_[found.row, found.col], places, 2 * width).f1 > 0.9


@pytest.mark.parametrize("seed", range(3))
def test_a_pair_among_columns_that_are_far_apart_stays_two(seed):
    image, places = scene(seed, 2.0, many=8, snr=12.0)
    mate = places[0] + [0.0, 9.0 if places[0, 1] < SIDE / 2 else -9.0]
    at = np.arange(SIDE)
    image = image + np.outer(*(np.exp(-0.5 * ((at - p) / 2.0) ** 2) for p in mate)).astype(np.float32)
    table = find_atoms(Stack.from_array(image), FindParams()).table
    for place in (places[0], mate):
        assert np.hypot(table["row"] - place[0], table["col"] - place[1]).min() < 2


@pytest.mark.parametrize("seed", range(5))
def test_slow_background_and_noise_alone_hold_no_lattice_and_next_to_no_columns(seed):
    image, _ = scene(seed, 2.0, many=0, slow=3.0)
    found = detect(prepare(image, "bright"))
    assert not is_lattice(found)
    assert len(found.row) <= 2
