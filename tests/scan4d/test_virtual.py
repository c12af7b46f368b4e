"""Virtual images are one naive numpy line, for every type, size and way of storing."""

import time

import numpy as np
import pytest

import atomscope as ats
from atomscope.errors import CalibrationError, InputError, ParameterError, ShapeError, Stopped
from atomscope.scan4d import Corrections, detector_mask, preview_images
from scan4d.scans import FORMS, counts, forms, plain

RNG = np.random.default_rng(1)
ASYMMETRIC = RNG.random((15, 12)) < 0.4
WEIGHTS = RNG.integers(0, 9, (15, 12))


@pytest.mark.parametrize("form", FORMS)
def test_an_image_is_the_naive_sum_however_the_scan_is_stored(tmp_path, form):
    array = counts()
    stack = forms(tmp_path)[form](array)
    one, many = ats.virtual_image(stack, [ASYMMETRIC, WEIGHTS])
    assert np.array_equal(one.frame(0), plain(array, ASYMMETRIC))
    assert np.array_equal(many.frame(0), plain(array, WEIGHTS))


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8"])
@pytest.mark.parametrize("high", [4, 2**15 - 1, 2**31 - 1])
def test_whole_numbers_are_summed_exactly_up_to_their_largest_values(dtype, high):
    array = counts((3, 5, 64, 48), np.dtype(dtype), high, seed=2)
    mask = np.random.default_rng(3).random((64, 48)) < 0.7
    weights = np.arange(64 * 48).reshape(64, 48)
    one, many = ats.virtual_image(array, [mask, weights])
    assert np.array_equal(one.frame(0), plain(array, mask))
    assert np.array_equal(many.frame(0), plain(array, weights))


@pytest.mark.parametrize("shape", [(2, 3, 300, 260), (1, 40, 128, 128)])
def test_saturated_patterns_are_summed_exactly(shape):
    array = np.full(shape, 65535, np.uint16)
    array[..., ::3, :] -= 1
    mask = np.ones(shape[-2:], bool)
    assert np.array_equal(ats.virtual_image(array, mask).frame(0), plain(array, mask))


@pytest.mark.parametrize("shape", [(1, 11, 9, 7), (11, 1, 8, 8), (6, 9, 7), (2, 3, 4, 9, 7), (1, 1, 5, 5)])
def test_lines_single_positions_and_series_keep_their_axes(shape):
    array = counts(shape)
    mask = np.random.default_rng(4).random(shape[-2:]) < 0.5
    image = ats.virtual_image(array, mask)
    wanted = plain(array, mask)
    assert image.shape == (wanted.shape if wanted.ndim > 1 else (1, *wanted.shape))
    assert np.array_equal(image.data.compute(callbacks=()).reshape(wanted.shape), wanted)


def test_floats_are_summed_in_double_precision():
    array = np.random.default_rng(5).normal(1e3, 1, (4, 6, 15, 12)).astype(np.float32)
    np.testing.assert_allclose(ats.virtual_image(array, ASYMMETRIC).frame(0), plain(array, ASYMMETRIC), rtol=1e-13)


def test_images_of_disjoint_masks_add_up_and_no_mask_is_nothing():
    array = counts()
    whole = np.ones((15, 12), bool)
    a, b, all_, none = ats.virtual_image(array, [ASYMMETRIC, ~ASYMMETRIC, whole, np.zeros((15, 12), bool)])
    assert np.array_equal(a.frame(0) + b.frame(0), all_.frame(0))
    assert np.array_equal(all_.frame(0), array.sum((-2, -1)))
    assert not none.frame(0).any()
    assert not ats.virtual_image(array, np.zeros((15, 12), bool)).frame(0).any()


def test_annuli_that_meet_add_up():
    array = counts((4, 5, 31, 28))
    where = {"centre_row_px": 14.3, "centre_col_px": 13.1}
    rings = [ats.Detector(inner=i, outer=o, **where) for i, o in ((3, 7), (7, 11.5), (3, 11.5))]
    a, b, both = (image.frame(0) for image in ats.virtual_image(array, rings))
    assert np.array_equal(a + b, both)


def calibrated(array, scale=(2.0, 2.0), unit="mrad"):
    axes = [
        ats.Axis("scan_row", 0.5, "nm", 1.0, "navigation"),
        ats.Axis("scan_col", 0.25, "nm", 0.0, "navigation"),
        ats.Axis("row", scale[0], unit),
        ats.Axis("col", scale[1], unit),
    ]
    return ats.Stack.from_array(array, axes)


def test_an_image_has_the_axes_of_the_scan():
    image = ats.virtual_image(calibrated(counts()), ats.preset("BF", 8.0))
    assert [(a.name, a.scale, a.unit, a.offset, a.kind) for a in image.axes] == [
        ("row", 0.5, "nm", 1.0, "signal"),
        ("col", 0.25, "nm", 0.0, "signal"),
    ]


def test_radii_use_the_calibration_of_each_axis():
    stack = calibrated(counts((2, 2, 41, 41)), scale=(2.0, 1.0))
    mask = detector_mask(ats.Detector(shape="disk", outer=10.0, unit="mrad"), (41, 41), stack.axes)
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    assert (rows[0], rows[-1]) == (16, 24) and (cols[0], cols[-1]) == (11, 29)


def test_radii_are_half_open_and_presets_are_fractions_of_the_angle():
    centre = {"centre_row_px": 20.0, "centre_col_px": 20.0}
    row = np.arange(41) - 20.0
    for name, inner, outer in (("BF", 0, 6), ("ABF", 3, 6), ("ADF", 6, 18), ("HAADF", 18, np.inf)):
        mask = detector_mask(ats.preset(name, 6.0, "px", **centre), (41, 41))
        assert np.array_equal(mask[20], (abs(row) >= inner) & (abs(row) < outer)), name
    assert ats.preset("haadf", 6.0, inner=50.0).inner == 50.0


def test_segments_make_up_their_ring_and_start_clockwise_from_the_right():
    ring = detector_mask(ats.Detector(inner=3, outer=9), (21, 21))
    parts = [
        detector_mask(ats.Detector(shape="segment", inner=3, outer=9, start_deg=a), (21, 21)) for a in (0, 90, 180, 270)
    ]
    assert np.array_equal(sum(p.astype(int) for p in parts), ring)
    first = np.argwhere(parts[0]) - 10
    assert (first >= 0).all() and first[:, 1].min() > 0, "the first quarter is to the right and below"


def test_rectangles_and_points():
    mask = detector_mask(ats.Detector(shape="rectangle", height=4, width=6, centre_row_px=5, centre_col_px=7), (12, 16))
    assert np.argwhere(mask).min(0).tolist() == [3, 4] and np.argwhere(mask).max(0).tolist() == [6, 9]
    point = detector_mask(ats.Detector(shape="point", centre_row_px=2.2, centre_col_px=3.6), (12, 16))
    assert np.argwhere(point).tolist() == [[2, 4]]


def test_the_zero_of_calibrated_axes_is_the_centre():
    axes = [ats.Axis("r", kind="navigation"), ats.Axis("row", 0.5, "mrad", -2.0), ats.Axis("col", 0.5, "mrad", -4.0)]
    mask = detector_mask(ats.Detector(shape="disk", outer=0.4, unit="mrad"), (20, 20), axes)
    assert np.argwhere(mask).tolist() == [[4, 8]]


def test_what_cannot_be_is_said():
    array = counts()
    with pytest.raises(InputError, match="wholly outside"):
        ats.virtual_image(array, ats.Detector(shape="disk", outer=3, centre_row_px=40, centre_col_px=5))
    with pytest.raises(CalibrationError, match="given in mrad, but the patterns are in pixel"):
        ats.virtual_image(array, ats.preset("BF", 20.0))
    with pytest.raises(CalibrationError, match="1/nm"):
        ats.virtual_image(calibrated(array, unit="1/nm"), ats.preset("BF", 20.0))
    with pytest.raises(ShapeError, match="shape of the patterns"):
        ats.virtual_image(array, np.ones((12, 15), bool))
    with pytest.raises(InputError, match="finite weights"):
        ats.virtual_image(array, np.full((15, 12), np.nan))
    with pytest.raises(ShapeError, match="wanted a scan of patterns"):
        ats.virtual_image(array[0, 0], ats.Detector(shape="disk", outer=3))
    with pytest.raises(ParameterError, match="outer radius must be larger"):
        ats.Detector(inner=5, outer=5)
    with pytest.raises(ParameterError, match="BF, ABF, ADF, HAADF"):
        ats.preset("DF", 5)


def test_pixels_that_are_no_numbers_are_left_out_and_counted():
    array = counts((3, 4, 15, 12)).astype(np.float32)
    array[0, 0, 3, 4] = np.nan
    array[2, 1, ::5, 2] = np.inf
    with pytest.warns(UserWarning, match="4 pixels"):
        image = ats.virtual_image(array, np.ones((15, 12)))
    assert np.array_equal(image.frame(0), np.where(np.isfinite(array), array, 0).astype(float).sum((-2, -1)))


def test_corrections_of_the_masks_are_corrections_of_the_patterns():
    array = counts((4, 5, 15, 12), high=900)
    rng = np.random.default_rng(6)
    dark, gain = rng.random((15, 12)) * 9, rng.random((15, 12)) + 0.5
    dead = np.zeros((15, 12), bool)
    dead[4, 4] = dead[4, 5] = dead[0, 0] = True
    fixed = (array - dark) * gain
    for r, c in np.argwhere(dead):
        near = [
            (i, j) for i in range(r - 1, r + 2) for j in range(c - 1, c + 2) if i >= 0 and j >= 0 and not dead[i, j]
        ]
        fixed[:, :, r, c] = np.mean([fixed[:, :, i, j] for i, j in near], 0)
    made = ats.virtual_image(array, ASYMMETRIC, corrections=Corrections(dark, gain, dead)).frame(0)
    np.testing.assert_allclose(made, (fixed * ASYMMETRIC).sum((-2, -1)), rtol=1e-12)


class Slow:
    """An array that takes its time."""

    def __init__(self, array):
        self.array, self.reads = array, 0
        self.shape, self.ndim, self.dtype = array.shape, array.ndim, array.dtype

    def __getitem__(self, index):
        time.sleep(0.01)
        self.reads += 1
        return self.array[index]


def test_images_come_bit_by_bit_and_a_stop_keeps_what_is_there():
    array = counts((64, 64, 96, 96), np.uint16)
    mask = np.ones((96, 96), bool)
    seen = []
    ats.virtual_image(array, mask, on_progress=seen.append)
    assert seen[-1].done == seen[-1].total == 64 * 64
    assert np.array_equal(seen[-1].payload.frame(0), plain(array, mask))
    slow = Slow(array)
    with pytest.raises(Stopped) as stop:
        ats.virtual_image(ats.Stack.from_array(slow), mask, should_stop=lambda: slow.reads > 9)
    partial = stop.value.partial.frame(0)
    there = np.isfinite(partial)
    assert there.any() and not there.all() and np.array_equal(partial[there], plain(array, mask)[there])


@pytest.mark.parametrize("form", ["numpy", "npy", "zarr blocks", "dask blocks", "gaps"])
def test_a_preview_with_time_is_the_image_and_one_without_is_there_at_once(tmp_path, form):
    array = counts((70, 66, 15, 12))
    stack = forms(tmp_path)[form](array)
    whole = preview_images(stack, [ASYMMETRIC], 60.0)[0]
    assert np.array_equal(whole, plain(array, ASYMMETRIC))
    first = preview_images(stack, [ASYMMETRIC], 0.0)[0]
    assert np.isin(first, whole).all() and len(np.unique(first)) > 1


def test_a_preview_is_about_the_image():
    rows, cols = np.indices((256, 256)) / 40
    wanted = np.sin(rows) * np.cos(cols) + 2
    array = (wanted[..., None, None] * np.ones((6, 6)) * 1000).astype(np.uint16)
    made = preview_images(ats.Stack.from_array(array), [np.ones((6, 6), bool)], 0.0)[0]
    assert made.shape == (256, 256) and np.unique(made).size >= 4
