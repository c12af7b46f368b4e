"""Normalising can be undone, and does not depend on how the data are cut."""

import dask.array as da
import numpy as np
import pytest

from atomscope.data import Sites, Stack
from atomscope.data.params import CropParams
from atomscope.patches import crop
from atomscope.patches.normalise import apply, moments, offset_and_scale, standardise

MODES = ["none", "patch", "frame", "dataset"]


def scene(seed=0, frames=12, offset=300.0):
    rng = np.random.default_rng(seed)
    data = rng.normal(offset, 5, (frames, 40, 44)).astype(np.float32) * np.linspace(1, 2, frames)[:, None, None]
    data[4, 11, 12] = np.nan
    n = 700
    sites = Sites.from_positions(
        rng.uniform(-2, 41, n), rng.uniform(-2, 45, n), rng.integers(0, frames, n), shape=data.shape
    )
    return data.astype(np.float32), sites


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("edge", ["drop", "pad", "nan"])
@pytest.mark.parametrize("kernel", ["linear", "cubic"])
def test_equal_to_the_bit_for_every_chunking(mode, edge, kernel):
    data, sites = scene()
    params = CropParams(window_px=(7, 10), normalise=mode, edge=edge, interpolation=kernel)
    stacks = [Stack.from_array(data)]
    stacks += [Stack.from_array(da.from_array(data, chunks=c)) for c in ((1, 40, 44), (7, 40, 44), (50, 13, 44))]
    first, *others = (crop(stack, sites, params) for stack in stacks)
    for other in others:
        np.testing.assert_array_equal(other.values, first.values)
        np.testing.assert_array_equal(other.normalisation.offset, first.normalisation.offset)
        np.testing.assert_array_equal(other.normalisation.scale, first.normalisation.scale)
        np.testing.assert_array_equal(other.site, first.site)
        assert other.flags == first.flags


def test_a_patch_does_not_depend_on_the_other_sites():
    data, sites = scene()
    params = CropParams(window_px=7, edge="nan")
    together = crop(Stack.from_array(data), sites, params)
    for k in range(0, len(together), 97):
        site = together.site[k]
        alone = crop(Stack.from_array(data), sites.with_table(sites.table[sites.table["site"] == site]), params)
        np.testing.assert_array_equal(alone.values[0], together.values[k])


@pytest.mark.parametrize("mode", MODES)
def test_undone_exactly_enough(mode):
    data, sites = scene()
    raw = crop(Stack.from_array(data), sites, CropParams(window_px=8, normalise="none"))
    patches = crop(Stack.from_array(data), sites, CropParams(window_px=8, normalise=mode))
    np.testing.assert_array_equal(patches.site, raw.site)
    np.testing.assert_allclose(patches.normalisation.invert(patches.values), raw.values, rtol=1e-6, atol=1e-4)
    np.testing.assert_allclose(patches.normalisation.apply(raw.values), patches.values, rtol=1e-4, atol=1e-4)


def test_patch_statistics_are_zero_and_one_also_on_a_high_background():
    data, sites = scene(offset=1e5)
    patches = crop(Stack.from_array(data), sites, CropParams(window_px=8))
    np.testing.assert_allclose(patches.values.mean(axis=(1, 2)), 0, atol=3e-3)
    np.testing.assert_allclose(patches.values.std(axis=(1, 2)), 1, atol=1e-3)


def test_frame_and_dataset_statistics():
    data, sites = scene()
    frame = crop(Stack.from_array(data), sites, CropParams(window_px=8, normalise="frame"))
    numbers = sites.table.set_index("site").loc[frame.site, "frame"].to_numpy()
    np.testing.assert_allclose(frame.normalisation.offset, np.nanmean(data, axis=(1, 2))[numbers], rtol=1e-5)
    np.testing.assert_allclose(frame.normalisation.scale, np.nanstd(data, axis=(1, 2))[numbers], rtol=1e-4)
    whole = crop(Stack.from_array(data), sites, CropParams(window_px=8, normalise="dataset"))
    assert abs(whole.values.mean(dtype=np.float64)) < 1e-4
    assert abs(whole.values.std(dtype=np.float64) - 1) < 1e-4
    assert len(np.unique(whole.normalisation.scale)) == 1


def test_one_hot_pixel_leaves_other_frames_alone():
    data, sites = scene()
    hot = data.copy()
    hot[0, 20, 20] = 1e7
    params = CropParams(window_px=8, normalise="frame")
    a, b = (crop(Stack.from_array(d), sites, params) for d in (data, hot))
    elsewhere = sites.table.set_index("site").loc[a.site, "frame"].to_numpy() > 0
    np.testing.assert_array_equal(a.values[elsewhere], b.values[elsewhere])


@pytest.mark.parametrize("mode", ["patch", "frame", "dataset"])
@pytest.mark.parametrize("value", [0.0, 0.1, 12345.678])
def test_constant_pixels_are_flagged_and_finite(mode, value):
    data = np.full((2, 30, 30), value, np.float32)
    sites = Sites.from_positions([14.2, 15.0], [14.7, 15.0], [0, 1], shape=data.shape)
    patches = crop(Stack.from_array(data), sites, CropParams(window_px=9, normalise=mode))
    np.testing.assert_allclose(patches.values, 0, atol=1e-3)
    np.testing.assert_array_equal(patches.normalisation.scale, 1)
    assert patches.flags == {0: "constant", 1: "constant"}


def test_nan_pixels_stay_out_of_the_statistics():
    data, sites = scene()
    patches = crop(Stack.from_array(data), sites, CropParams(window_px=8, edge="nan"))
    holes = np.isnan(patches.values).any(axis=(1, 2))
    assert holes.any()
    np.testing.assert_allclose(np.nanmean(patches.values[holes], axis=(1, 2)), 0, atol=1e-3)
    np.testing.assert_allclose(np.nanstd(patches.values[holes], axis=(1, 2)), 1, atol=1e-3)


def test_moments_equal_naive_ones():
    values = np.random.default_rng(0).normal(50, 3, (77, 9, 11)).astype(np.float32)
    mean, deviation = moments(values)
    np.testing.assert_allclose(mean, values.astype(np.float64).mean(axis=(1, 2)), rtol=1e-7)
    np.testing.assert_allclose(deviation, values.astype(np.float64).std(axis=(1, 2)), rtol=1e-5)


@pytest.mark.parametrize("background", [0.0, 50.0, 1e5])
def test_standardising_in_place_equals_moments_and_apply(background):
    values = np.random.default_rng(0).normal(background, 3, (300, 9, 11)).astype(np.float32)
    values[5] = 7.0
    values[6, 2, 3] = np.nan
    values[7] = np.nan
    truth = values.copy()
    mean, deviation = moments(truth)
    offset, scale, constant = offset_and_scale(mean, deviation)
    apply(truth, offset, scale)
    found = standardise(values)
    np.testing.assert_allclose(found, (mean, deviation), rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(values, truth, atol=5e-3 if background > 100 else 5e-4)
    assert constant[5]
    np.testing.assert_array_equal(offset_and_scale(*found)[2], constant)
