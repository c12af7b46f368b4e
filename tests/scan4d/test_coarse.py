"""A first look reads few patterns and says where everything is."""

from __future__ import annotations

import numpy as np

from atomscope.data import Stack
from atomscope.data.params import Detector
from atomscope.scan4d import Coarse, bright_disk, detector_mask, virtual_images


def scan(shape=(40, 50), frame=(32, 36), seed=0):
    rng = np.random.default_rng(seed)
    rows, cols = np.ogrid[: frame[0], : frame[1]]
    disk = (np.hypot(rows - 14.0, cols - 19.0) < 6) * 40.0
    slope = 1 + np.arange(shape[1]) / shape[1]
    return Stack.from_array(
        rng.poisson(disk[None, None] * slope[None, :, None, None] + 1, (*shape, *frame)).astype("u2")
    )


def test_a_scan_that_fits_is_read_whole_and_images_are_exact():
    stack = scan((12, 15))
    coarse = Coarse(stack, seconds=60)
    assert coarse.whole and coarse.sides == (12, 15)
    detector = Detector(shape="disk", outer=6.0, centre_row_px=14.0, centre_col_px=19.0)
    mask = detector_mask(detector, stack.frame_shape)
    np.testing.assert_allclose(coarse.image(mask), virtual_images(stack, [detector])[0])
    disk = bright_disk(coarse.mean)
    assert abs(disk.row - 14) < 0.3 and abs(disk.col - 19) < 0.3


def test_large_scans_and_patterns_are_sampled_and_binned():
    stack = scan((60, 70), (80, 72))
    coarse = Coarse(stack, seconds=60)
    assert coarse.sides == (48, 48) and not coarse.whole
    mask = detector_mask(Detector(shape="disk", outer=6.0, centre_row_px=14.0, centre_col_px=19.0), stack.frame_shape)
    image, exact = coarse.image(mask), virtual_images(stack, [mask])[0]
    assert image.shape == exact.shape
    assert np.corrcoef(image.mean(0), exact.mean(0))[0, 1] > 0.98


def test_no_time_is_one_look_of_64_positions():
    coarse = Coarse(scan(), seconds=0)
    assert coarse.sides == (8, 8)


def test_pixels_that_are_no_numbers_are_left_out():
    values = np.asarray(scan((9, 9)).data, np.float32)
    values[:, :, 3, 4] = np.nan
    coarse = Coarse(Stack.from_array(values), seconds=60)
    assert np.isnan(coarse.mean[3, 4]) and np.isfinite(coarse.mean).sum() == 32 * 36 - 1
    assert np.isfinite(coarse.image(np.ones((32, 36), bool))).all()
