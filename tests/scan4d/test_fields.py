"""Centres of mass, the turn of the detector, and the potential behind them, against what was planted."""

import numpy as np
import pytest
from scipy import ndimage

from atomscope.data import Stack
from atomscope.data.params import Detector, DPCParams
from atomscope.errors import InputError
from atomscope.scan4d import centre_of_mass, curl_part, field_of, potential, turned


def disks(rows, cols, shape=(48, 40), radius=7.0):
    """Return patterns with a flat disk at each of the places, shape (*rows.shape, *shape)."""
    r, c = np.indices(shape)
    away = np.hypot(r - rows[..., None, None], c - cols[..., None, None])
    return np.clip(radius + 0.5 - away, 0, 1)


def smooth(shape, seed=0, sigma=2.0):
    """Return a smooth periodic potential with sharp maxima, like atoms."""
    made = np.zeros(shape)
    rng = np.random.default_rng(seed)
    for _ in range(7):
        made[rng.integers(shape[0]), rng.integers(shape[1])] = 1.0
    made = ndimage.gaussian_filter(made, sigma, mode="wrap")
    return (made - made.mean()) / made.max()


def gradient(values, step=(1.0, 1.0)):
    """Return the exact gradient of a periodic potential."""
    k = [np.fft.fftfreq(n, s) for n, s in zip(values.shape, step, strict=True)]
    spectrum = np.fft.fft2(values)
    return tuple(np.fft.ifft2(2j * np.pi * q * spectrum).real for q in (k[0][:, None], k[1][None, :]))


def test_the_centre_of_mass_of_a_shifted_disk_is_its_place():
    rng = np.random.default_rng(0)
    rows, cols = rng.integers(12, 34, (5, 7)), rng.integers(12, 28, (5, 7))
    patterns = (disks(rows, cols) > 0.5).astype(np.uint16) * 321
    made = centre_of_mass(Stack.from_array(patterns))
    assert np.array_equal(made.row, rows) and np.array_equal(made.col, cols)
    assert np.array_equal(made.total, patterns.sum((-2, -1), dtype=np.int64))


def test_the_centre_of_mass_is_the_naive_one_for_large_counts_and_within_a_mask():
    array = np.random.default_rng(1).integers(0, 65536, (3, 4, 70, 90)).astype(np.uint16)
    r, c = np.indices((70, 90))
    mask = np.hypot(r - 30, c - 50) < 20
    made = centre_of_mass(Stack.from_array(array), Detector(shape="disk", centre_row_px=30, centre_col_px=50, outer=20))
    total = (array * mask.astype(np.int64)).sum((-2, -1))
    assert np.array_equal(made.row, (array * (mask * r).astype(np.int64)).sum((-2, -1)) / total)
    assert np.array_equal(made.col, (array * (mask * c).astype(np.int64)).sum((-2, -1)) / total)


def test_an_empty_pattern_has_no_centre_of_mass():
    array = np.ones((2, 3, 8, 8), np.uint8)
    array[1, 2] = 0
    made = centre_of_mass(Stack.from_array(array))
    assert np.isnan(made.row[1, 2]) and np.isfinite(made.row).sum() == 5 and made.total[1, 2] == 0


@pytest.mark.parametrize("angle", [0.0, 33.0, -120.0, 179.0])
@pytest.mark.parametrize("flip", [False, True])
def test_turn_and_mirroring_of_the_detector_are_found(angle, flip):
    row, col = gradient(smooth((40, 56)))
    seen_row, seen_col = turned(row, col, -np.radians(angle))
    if flip:
        seen_row = -seen_row
    rng = np.random.default_rng(2)
    seen_row, seen_col = (v + rng.normal(0, 0.05 * v.std(), v.shape) for v in (seen_row, seen_col))
    made = field_of(seen_row, seen_col)
    assert made.flip is flip
    off = np.degrees(made.rotation) - angle
    assert abs((off + 180) % 360 - 180) < 1.0
    assert made.curl < 0.05
    assert np.corrcoef(made.row.ravel(), row.ravel())[0, 1] > 0.99
    known = field_of(seen_row, seen_col, DPCParams(rotation_deg=angle, flip=flip))
    assert np.allclose(known.col, made.col, atol=0.02 * np.abs(col).max())


def test_a_row_of_positions_needs_its_turn_told():
    row, col = np.ones((1, 9)), np.zeros((1, 9))
    with pytest.raises(InputError, match="give rotation_deg and flip"):
        field_of(row, col)
    made = field_of(row, col, DPCParams(rotation_deg=90.0, flip=False))
    assert np.allclose(made.col, -1) and np.allclose(made.row, 0) and np.allclose(made.magnitude, 1)


def test_a_plane_of_descan_is_taken_out():
    row, col = gradient(smooth((30, 41)))
    r, c = np.indices(row.shape)
    made = field_of(row + 0.01 * r - 0.02 * c, col + 0.03 * c, DPCParams(rotation_deg=0.0, flip=False, descan=True))
    assert np.corrcoef(made.row.ravel(), row.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("shape", [(32, 48), (31, 45)])
def test_a_field_gives_back_its_potential(shape):
    step = (0.3, 0.2)
    true = smooth(shape)
    row, col = gradient(true, step)
    made = potential(row, col, step, edges="periodic")
    assert np.linalg.norm(made - true) < 1e-3 * np.linalg.norm(true)


def test_a_field_that_ends_gives_back_its_potential_but_for_edges():
    r, c = np.indices((40, 64)) / 16.0
    true = np.sin(1.3 * r) * np.cos(0.9 * c) + 0.3 * r - 0.2 * c
    step = (1 / 16, 1 / 16)
    row = 1.3 * np.cos(1.3 * r) * np.cos(0.9 * c) + 0.3
    col = -0.9 * np.sin(1.3 * r) * np.sin(0.9 * c) - 0.2
    made = potential(row, col, step)
    true -= true.mean()
    assert np.linalg.norm(made - true) < 0.02 * np.linalg.norm(true)
    wrapped = potential(row, col, step, edges="periodic")
    assert np.linalg.norm(wrapped - true) > 0.1 * np.linalg.norm(true)


def test_a_potential_is_seen_through_the_patterns():
    true = smooth((24, 36), sigma=3.0)
    row, col = gradient(true)
    scale = 4 / np.abs(row).max()
    patterns = disks(24 + scale * row, 20 + scale * col)
    moments = centre_of_mass(Stack.from_array((patterns * 4000).astype(np.uint16)))
    made = field_of(moments.row - 24, moments.col - 20, DPCParams(flip=False))
    assert abs(np.degrees(made.rotation)) < 1 and made.curl < 0.01
    image = potential(made.row, made.col, edges="periodic")
    assert np.corrcoef(image.ravel(), true.ravel())[0, 1] > 0.995
    assert curl_part(made.col, made.row) > 0.2
