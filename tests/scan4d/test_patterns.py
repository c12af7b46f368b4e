"""Patterns of regions, profiles, and the bright disk."""

import numpy as np
import pytest

from atomscope.data import Stack
from atomscope.errors import InputError, ShapeError
from atomscope.scan4d import Corrections, bright_disk, pattern_of, radial_profile, virtual_images
from scan4d.scans import FORMS, counts, forms


@pytest.mark.parametrize("form", FORMS)
def test_patterns_are_those_of_numpy_however_the_scan_is_stored(tmp_path, form):
    array = counts()
    stack = forms(tmp_path)[form](array)
    assert np.array_equal(pattern_of(stack, kind="sum"), array.sum((0, 1)))
    assert np.array_equal(pattern_of(stack, kind="mean"), array.sum((0, 1)) / 63)
    assert np.array_equal(pattern_of(stack, kind="max"), array.max((0, 1)))
    np.testing.assert_allclose(pattern_of(stack, kind="variance"), array.var((0, 1)), rtol=1e-12)
    region = np.random.default_rng(1).random((7, 9)) < 0.3
    assert np.array_equal(pattern_of(stack, region, "sum"), array[region].sum(0))
    assert np.array_equal(pattern_of(stack, region, "max"), array[region].max(0))
    np.testing.assert_allclose(pattern_of(stack, region, "variance"), array[region].var(0), rtol=1e-12)


@pytest.mark.parametrize("high", [300, 5000, 65535])
def test_large_counts_are_summed_and_squared_exactly(high):
    array = counts((20, 30, 17, 13), np.uint16, high)
    assert np.array_equal(pattern_of(Stack.from_array(array), kind="sum"), array.sum((0, 1)))
    made = pattern_of(Stack.from_array(array), kind="variance")
    np.testing.assert_allclose(made, array.astype(float).var((0, 1)), rtol=1e-11)


def test_the_variance_of_large_floats_is_not_lost():
    array = np.random.default_rng(2).normal(1e6, 1e-2, (6, 7, 9, 8))
    np.testing.assert_allclose(pattern_of(Stack.from_array(array), kind="variance"), array.var((0, 1)), rtol=1e-6)


def test_a_detector_and_a_region_can_change_places():
    array = counts((8, 5, 15, 12))
    rng = np.random.default_rng(3)
    mask, region = rng.integers(0, 5, (15, 12)), rng.integers(0, 5, (8, 5))
    stack = Stack.from_array(array)
    image, pattern = virtual_images(stack, [mask])[0], pattern_of(stack, region, "sum")
    assert (mask * pattern).sum() == (image * region).sum()


def test_pixels_that_are_no_numbers_do_not_count():
    array = np.random.default_rng(4).random((4, 5, 6, 7))
    array[0, 0, 2, 3] = array[1, 2, 2, 3] = array[3, 3, 0, 0] = np.nan
    with pytest.warns(UserWarning, match="3 pixels"):
        np.testing.assert_allclose(pattern_of(Stack.from_array(array)), np.nanmean(array, (0, 1)), rtol=1e-12)
    with pytest.warns(UserWarning, match="3 pixels"):
        np.testing.assert_allclose(pattern_of(Stack.from_array(array), kind="max"), np.nanmax(array, (0, 1)))
    with pytest.warns(UserWarning, match="3 pixels"):
        made = pattern_of(Stack.from_array(array), kind="variance")
    good = np.ones((6, 7), bool)
    good[2, 3] = good[0, 0] = False
    np.testing.assert_allclose(made[good], array.var((0, 1))[good], rtol=1e-9)


def test_corrected_patterns():
    array = counts((4, 5, 15, 12))
    dark, gain = np.full((15, 12), 3.0), np.linspace(1, 2, 180).reshape(15, 12)
    made = pattern_of(Stack.from_array(array), corrections=Corrections(dark, gain))
    np.testing.assert_allclose(made, ((array - dark) * gain).mean((0, 1)))
    made = pattern_of(Stack.from_array(array), kind="variance", corrections=Corrections(dark, gain))
    np.testing.assert_allclose(made, ((array - dark) * gain).var((0, 1)))


def test_a_region_must_hold_a_position():
    stack = Stack.from_array(counts())
    with pytest.raises(InputError, match="no position"):
        pattern_of(stack, np.zeros((7, 9), bool))
    with pytest.raises(ShapeError, match="shape of the scan"):
        pattern_of(stack, np.zeros((9, 7), bool))


def test_a_profile_is_the_mean_of_rings():
    rows, cols = np.indices((41, 37))
    r = np.hypot(rows - 19.3, cols - 18.1)
    radius, mean, sd = radial_profile(np.exp(-r / 9), (19.3, 18.1))
    np.testing.assert_allclose(mean[1:16], np.exp(-radius[1:16] / 9), rtol=0.01)
    assert (sd[:16] < 0.05).all()


def disk(shape, row, col, radius, blur=0.7):
    rows, cols = np.indices(shape)
    return 100 / (1 + np.exp((np.hypot(rows - row, cols - col) - radius) / (blur / 2)))


@pytest.mark.parametrize(
    "case", ["plain", "stop", "off centre", "dead", "noise", "disks", "cut off", "small", "gradient"]
)
def test_the_bright_disk_is_found(case):
    rng = np.random.default_rng(5)
    shape, row, col, radius = (96, 120), 46.3, 61.8, 21.4
    if case == "off centre":
        row, col = 25.7, 88.2
    if case == "cut off":
        row, col = 12.0, 14.5
    if case == "small":
        radius = 4.6
    pattern = disk(shape, row, col, radius) + 2
    rows, cols = np.indices(shape)
    if case == "stop":
        pattern[:, 52:60] = 1.0  # an arm through the disk
        pattern[np.hypot(rows - 46, cols - 56) < 9] = 1.0
    if case == "dead":
        for r, c in rng.integers(0, 90, (25, 2)):
            pattern[r, c] = rng.choice([0.0, 1e5])
    if case == "noise":
        pattern = rng.poisson(pattern * 0.3).astype(float)
    if case == "disks":
        for angle in np.arange(6) * np.pi / 3:
            pattern += 0.4 * disk(shape, row + 34 * np.sin(angle), col + 34 * np.cos(angle), radius)
    if case == "gradient":
        pattern *= 1 + 0.3 * (cols - col) / radius * (np.hypot(rows - row, cols - col) < radius + 5)
    found = bright_disk(pattern)
    near = {"noise": 0.4, "disks": 0.6, "gradient": 0.5}.get(case, 0.25)
    assert abs(found.row - row) < near and abs(found.col - col) < near, found
    assert abs(found.radius_px - radius) < max(near, 0.35), found


def test_a_flat_pattern_has_no_disk():
    with pytest.raises(InputError, match="flat"):
        bright_disk(np.ones((20, 20)))
