"""What makes a detector follow the mouse gives the same numbers as the plain way."""

import time

import numpy as np
import pytest

import atomscope as ats
from atomscope.data import Stack
from atomscope.errors import InputError
from atomscope.scan4d import DetectorFirst, detector_mask, make_products, pattern_of, radii
from scan4d.scans import FORMS, counts, forms, plain

CENTRE = (6.4, 5.7)


@pytest.mark.parametrize("form", FORMS)
def test_every_annulus_is_the_naive_sum_however_the_scan_is_stored(tmp_path, form):
    array = counts(high=60000)
    made = make_products(forms(tmp_path)[form](array), CENTRE)
    r = radii(CENTRE, (15, 12))
    for inner, outer in ((0, 1), (0, 5), (3, 7), (2, None), (9, 40), (30, None)):
        mask = (r >= inner) & (r < (np.inf if outer is None else outer))
        assert np.array_equal(made.annulus(inner, outer), plain(array, mask)), (inner, outer)
    assert np.array_equal(made.total, array.sum((-2, -1)))
    assert np.array_equal(made.largest, array.max((0, 1)))
    np.testing.assert_allclose(made.mean, array.mean((0, 1)))
    assert np.array_equal(made.centre_of_mass.col, plain(array, np.indices((15, 12))[1]) / array.sum((-2, -1)))


def test_radii_are_brought_to_rings_and_rings_of_large_scans_are_wider(monkeypatch):
    array = counts()
    made = make_products(Stack.from_array(array), CENTRE, ring_px=0.5)
    assert made.snapped(3.3) == 3.5 and made.snapped(None) >= radii(CENTRE, (15, 12)).max()
    assert np.array_equal(made.annulus(1.6, 4.4), made.annulus(1.5, 4.5))
    with pytest.raises(InputError, match="larger than 4"):
        made.annulus(4, 4)
    monkeypatch.setattr("atomscope.scan4d.products._MOST", 63 * 8 * 6)
    assert make_products(Stack.from_array(array), CENTRE).ring_px == 2.0


def test_rings_follow_the_axes_of_the_patterns():
    array = counts((3, 4, 30, 30))
    axes = [ats.Axis("a", kind="navigation"), ats.Axis("b", kind="navigation")]
    stack = ats.Stack.from_array(array, [*axes, ats.Axis("row", 4.0, "mrad"), ats.Axis("col", 2.0, "mrad")])
    made = ats.scan_products(stack, centre_row_px=15.0, centre_col_px=14.0)
    ring = ats.Detector(inner=6, outer=18, unit="mrad", centre_row_px=15.0, centre_col_px=14.0)
    assert np.array_equal(made.annulus(6, 18, "mrad"), ats.virtual_image(stack, ring).frame(0))
    assert made.radii_of(6.2, 17, "mrad") == (6, 16)
    assert np.array_equal(made.virtual_image(ring).frame(0), made.annulus(6, 18, "mrad"))
    assert made.virtual_image(ats.Detector(shape="rectangle")) is None


def test_products_are_kept_beside_the_data_until_it_changes(tmp_path):
    path = tmp_path / "scan.npy"
    np.save(path, counts(seed=1))
    first = ats.scan_products(path, cache="beside", centre_row_px=7, centre_col_px=6)
    assert first.folder is not None and first.folder.parent.name == ".scan.npy.atomscope"
    calls = []
    again = ats.scan_products(path, cache="beside", centre_row_px=7, centre_col_px=6, on_progress=calls.append)
    assert not calls, "nothing is read again"
    assert np.array_equal(again.annulus(2, 5), first.annulus(2, 5))
    assert np.array_equal(again.mean.frame(0), first.mean.frame(0)) and again.centre_px == (7, 6)
    ats.scan_products(path, cache="beside", centre_row_px=8, centre_col_px=6, on_progress=calls.append)
    assert calls, "another centre is another product"
    time.sleep(0.01)
    np.save(path, counts(seed=2))
    changed = ats.scan_products(path, cache="beside", centre_row_px=7, centre_col_px=6)
    assert changed.folder != first.folder
    assert np.array_equal(changed.total.frame(0), counts(seed=2).sum((-2, -1)))
    (changed.folder / "discs.npy").write_bytes(b"no numbers")
    mended = ats.scan_products(path, cache="beside", centre_row_px=7, centre_col_px=6)
    assert np.array_equal(mended.annulus(0, 3), changed.annulus(0, 3))


def test_the_user_has_a_cache_and_arrays_in_memory_are_not_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("ATOMSCOPE_CACHE", str(tmp_path / "cache"))
    np.save(tmp_path / "scan.npy", counts())
    assert ats.scan_products(tmp_path / "scan.npy").folder.parent == tmp_path / "cache"
    assert ats.scan_products(counts()).folder is None
    twice = ats.open(tmp_path / "scan.npy")
    twice = ats.Stack(twice.data * 2, twice.axes, source=twice.source)
    assert ats.scan_products(twice).folder is None, "not what is in the file"
    assert np.array_equal(ats.scan_products(twice).total.frame(0), 2 * counts().sum((-2, -1)))


@pytest.mark.parametrize("form", ["numpy", "npy", "zarr square", "dask blocks", "big endian"])
@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "f4"])
def test_a_dragged_mask_is_the_naive_sum(tmp_path, form, dtype):
    array = counts(high=200).astype(dtype)
    held = DetectorFirst(forms(tmp_path)[form](array))
    assert held.bin == 1
    rng = np.random.default_rng(3)
    mask = np.zeros((15, 12), bool)
    for _ in range(6):
        mask[rng.integers(15), :] ^= rng.random(12) < 0.5
        assert np.array_equal(held.image(mask), plain(array, mask))
    weights = rng.integers(-3, 4, (15, 12))
    assert np.array_equal(held.image(weights), plain(array, weights))
    assert not held.image(np.zeros((15, 12), bool)).any()


def test_a_copy_fits_its_budget_by_adding_up_pixels():
    array = counts((6, 7, 30, 20), high=65535)
    held = DetectorFirst(Stack.from_array(array), budget=6 * 7 * 30 * 20)
    assert held.bin == 2 and held.nbytes <= 6 * 7 * 30 * 20
    mask = np.zeros((30, 20), bool)
    mask[4:10, 6:14] = True
    assert np.array_equal(held.image(mask), plain(array, mask)), "whole squares are exact"
    ring = detector_mask(ats.Detector(inner=3, outer=9), (30, 20))
    assert np.corrcoef(held.image(ring).ravel(), plain(array, ring).ravel())[0, 1] > 0.7
    with pytest.raises(InputError, match="fit into 10 bytes"):
        DetectorFirst(Stack.from_array(array), budget=10)


def test_the_mean_of_the_products_is_the_mean_pattern():
    array = counts()
    made = ats.scan_products(array)
    np.testing.assert_allclose(made.mean.frame(0), pattern_of(Stack.from_array(array)))
    com = made.center_of_mass
    assert np.array_equal(com.row.frame(0), ats.center_of_mass(array).row.frame(0))
