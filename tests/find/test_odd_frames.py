"""What microscopes and people really send: dark atoms, holes, plateaus, ramps, stripes, tiny and empty frames."""

import logging

import numpy as np
import pytest

from atomscope.data.params import FindParams
from atomscope.errors import ShapeError
from atomscope.find import estimate_spacing, find_in_frame

SPACING, WIDTH = 14.0, 2.2


def lattice(shape=(154, 182), spacing=SPACING, width=WIDTH, noise=0.1, seed=0):
    line = [np.arange(spacing / 2, n - 2, spacing) for n in shape]
    profile = [
        np.exp(-((np.arange(n)[:, None] - at) ** 2) / (2 * width**2)).sum(1) for n, at in zip(shape, line, strict=True)
    ]
    truth = np.stack(np.meshgrid(*line, indexing="ij"), axis=-1).reshape(-1, 2)
    return np.outer(*profile) + np.random.default_rng(seed).normal(0, noise, shape), truth


def worst(found, truth):
    distance = np.linalg.norm(found[["row", "col"]].to_numpy()[:, None] - truth[None], axis=2)
    return max(distance.min(axis=0).max(), distance.min(axis=1).max())


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float16, np.float32, np.float64])
def test_dtype_does_not_matter(dtype):
    image, truth = lattice()
    found = find_in_frame(np.clip(image * 100 + 60, 0, 255).astype(dtype))
    assert len(found) == len(truth)
    assert worst(found, truth) < 0.5
    assert found["background"].median() == pytest.approx(60, abs=8)


def test_a_mask_of_true_and_false_is_an_image():
    image, truth = lattice()
    assert worst(find_in_frame(image > 0.5), truth) < 0.8


def test_dark_columns_mirror_bright_ones():
    image, _ = lattice()
    bright, dark = find_in_frame(image), find_in_frame(-image, FindParams(polarity="dark"))
    np.testing.assert_allclose(dark[["row", "col"]], bright[["row", "col"]], atol=1e-4)
    assert (dark["amplitude"] < 0).all()


def test_a_large_offset_does_not_cost_precision():
    image, truth = lattice()
    assert worst(find_in_frame(image + 1e6), truth) < 0.5


def test_unmeasured_pixels_are_left_out():
    image, truth = lattice()
    image[40:70, 50:90] = np.nan
    image[3, 3] = np.inf
    found = find_in_frame(image)
    outside = ~((found["row"] > 41) & (found["row"] < 68) & (found["col"] > 51) & (found["col"] < 88))
    assert outside.all()
    free = ~((truth[:, 0] > 36) & (truth[:, 0] < 74) & (truth[:, 1] > 46) & (truth[:, 1] < 94))
    distance = np.linalg.norm(found[["row", "col"]].to_numpy()[:, None] - truth[None][:, free], axis=2)
    assert distance.min(axis=0).max() < 0.6


def test_scattered_dead_pixels_lose_no_column():
    image, truth = lattice()
    image[np.random.default_rng(1).random(image.shape) < 0.1] = np.nan
    found = find_in_frame(image)
    assert len(found) == len(truth)
    assert worst(found, truth) < 0.6


@pytest.mark.parametrize(
    "frame",
    [np.full((64, 64), np.nan), np.full((64, 64), -np.inf), np.ones((64, 64), np.uint8), np.zeros((1, 1))],
    ids=["nan", "inf", "constant", "one pixel"],
)
def test_a_frame_without_contrast_gives_no_sites_and_a_warning(frame, caplog):
    with caplog.at_level(logging.WARNING):
        found = find_in_frame(frame)
    assert len(found) == 0
    assert "amplitude" in found
    assert caplog.records
    assert estimate_spacing(frame).confidence == 0


@pytest.mark.parametrize("seed", range(3))
def test_pure_noise_gives_almost_no_sites(seed):
    rng = np.random.default_rng(seed)
    assert len(find_in_frame(rng.normal(size=(512, 512)))) <= 1
    assert len(find_in_frame(rng.poisson(20, size=(512, 512)).astype(np.uint16))) <= 1
    assert estimate_spacing(rng.normal(size=(256, 256))).confidence < 0.2


@pytest.mark.parametrize("shape", [(1, 50), (2, 2), (3, 3), (5, 7), (16, 16), (20, 300), (300, 20)])
def test_tiny_frames_do_not_crash(shape):
    assert len(find_in_frame(np.random.default_rng(0).normal(size=shape))) <= 1


@pytest.mark.parametrize("shape", [(256, 256), (48, 200)])
def test_one_atom_alone_is_found(shape):
    y, x = np.mgrid[: shape[0], : shape[1]]
    at = np.array([20.3, 31.7])
    image = np.exp(-((y - at[0]) ** 2 + (x - at[1]) ** 2) / (2 * 2.5**2))
    found = find_in_frame(image + np.random.default_rng(0).normal(0, 0.1, shape))
    assert len(found) == 1
    assert np.hypot(*(found[["row", "col"]].to_numpy()[0] - at)) < 0.4
    assert estimate_spacing(image).confidence < 0.2


def test_background_may_slope_and_wave():
    image, truth = lattice()
    rows, cols = image.shape
    image += np.linspace(0, 5, rows)[:, None] + 3 * np.sin(np.arange(cols) / 40)
    found = find_in_frame(image)
    assert len(found) == len(truth)
    assert worst(found, truth) < 0.6


def test_noisy_scan_lines_make_no_doubles():
    image, truth = lattice()
    rng = np.random.default_rng(0)
    image += rng.normal(0, 0.15, (len(image), 1))
    image = np.stack([np.roll(line, shift) for line, shift in zip(image, rng.integers(-1, 2, len(image)), strict=True)])
    inner = find_in_frame(image).query("flag == ''")
    assert np.linalg.norm(inner[["row", "col"]].to_numpy()[:, None] - truth[None], axis=2).min(axis=1).max() < 2
    assert len(inner) <= len(truth)


def test_saturated_columns_keep_their_place():
    image, truth = lattice()
    assert worst(find_in_frame(np.clip(image, 0, 0.6)), truth) < 0.6


def test_noiseless_columns_are_placed_to_a_thousandth_of_a_pixel():
    image, truth = lattice(noise=0.0)
    assert worst(find_in_frame(image), truth) < 2e-3


def test_dumbbells_are_two_columns():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:240, :240]
    image, truth = np.zeros((240, 240)), []
    for i, row in enumerate(np.arange(12, 240, 20.0)):
        for col in np.arange(15 + 18 * (i % 2), 240, 36.0):
            truth += [(row, col - 6.5), (row, col + 6.5)]
    for row, col in truth:
        image += np.exp(-((y - row) ** 2 + (x - col) ** 2) / (2 * 4.5**2))
    inner = find_in_frame(image + rng.normal(0, 0.1, image.shape)).query("flag == ''")
    truth = np.array(truth)
    deep = truth[(np.minimum(truth, 239 - truth) > 16).all(axis=1)]
    distance = np.linalg.norm(inner[["row", "col"]].to_numpy()[:, None] - deep[None], axis=2)
    assert distance.min(axis=0).max() < 1.5
    assert np.percentile(np.sort(distance, axis=0)[1], 1) > 8


def test_columns_at_the_edge_are_flagged():
    image, _ = lattice(spacing=10.0, width=2.0)
    found = find_in_frame(image)
    room = np.minimum(found[["row", "col"]], np.array(image.shape) - 1 - found[["row", "col"]]).min(axis=1)
    assert found["flag"][room < 4].str.contains("edge").all()
    assert (found["flag"][room > 7] == "").all()


def test_a_frame_must_be_two_dimensional():
    with pytest.raises(ShapeError, match="one frame"):
        find_in_frame(np.zeros((2, 3, 4)))
