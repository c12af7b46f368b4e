"""The quickest honest image of a detector, whatever is known so far; and scans of a series."""

from __future__ import annotations

import numpy as np
import pytest

import atomscope as ats
from atomscope.data import Axis, Stack
from atomscope.data.params import Detector
from atomscope.errors import InputError
from atomscope.pipeline import LiveScan, scan_live

CENTRE = {"centre_row_px": 15.0, "centre_col_px": 20.0}


def array(shape=(12, 15), seed=0):
    rng = np.random.default_rng(seed)
    rows, cols = np.ogrid[:32, :40]
    return rng.poisson(1 + 50 * (np.hypot(rows - 15, cols - 20) < 5), (*shape, 32, 40)).astype(np.uint16)


def test_before_a_look_there_is_nothing_then_coarse_then_exact():
    stack = Stack.from_array(array((60, 60)))
    scan = LiveScan(stack)
    ring, off = Detector(inner=5.0, outer=12.0, **CENTRE), Detector(shape="disk", outer=4.0, centre_col_px=8.0)
    assert scan.quick(ring) is None
    beam, _ = scan.look()
    assert beam.found and abs(beam.row - 15) < 0.3 and abs(beam.col - 20) < 0.3
    assert not scan.quick(ring).exact
    scan.learn(beam)
    ring = scan.snapped(ring.replace(centre_row_px=beam.row, centre_col_px=beam.col))
    assert scan.quick(ring).exact and not scan.quick(off).exact
    np.testing.assert_array_equal(scan.quick(ring).image, ats.virtual_image(stack, ring).frame(0))
    np.testing.assert_array_equal(scan.image(off), ats.virtual_image(stack, off).frame(0))
    scan.hold()
    for detector in (off, off.replace(centre_col_px=9.0), ring.replace(outer=7.3)):
        quick = scan.quick(detector)
        assert quick.exact
        np.testing.assert_array_equal(quick.image, ats.virtual_image(stack, detector).frame(0))


def test_a_first_look_comes_before_the_look_and_agrees_with_it():
    scan = LiveScan(Stack.from_array(array((60, 60))))
    ring, told = Detector(inner=5.0, outer=12.0, **CENTRE), []
    beam, mean = scan.look(on_first=lambda *seen: told.append((*seen, scan.quick(ring))))
    ((first, pattern, image),) = told
    assert np.hypot(first.row - beam.row, first.col - beam.col) < 0.3 and abs(first.radius_px - beam.radius_px) < 0.3
    assert pattern.shape == mean.shape and image.image.shape == (60, 60) and not image.exact
    assert len(np.unique(scan.quick(ring).image)) > len(np.unique(image.image)), "the look is finer"


def test_what_takes_long_is_not_made_at_once(monkeypatch):
    scan = LiveScan(Stack.from_array(array((60, 60))))
    far = Detector(shape="disk", outer=4.0, centre_row_px=9.0, centre_col_px=8.0)
    assert not scan.swift(far), "nothing is known"
    beam, _ = scan.look()
    assert scan.swift(far), "coarse"
    scan.learn(beam)
    scan.hold()
    monkeypatch.setattr(scan_live, "_SWIFT", 60 * 60 * 2 * 20)
    assert not scan.swift(far), "45 pixels are new"
    scan.quick(far)
    near = far.replace(centre_col_px=9.0)
    assert scan.swift(near), "a few are"
    np.testing.assert_array_equal(scan.quick(near).image, ats.virtual_image(scan.stack, near).frame(0))
    on_beam = Detector(inner=5.0, outer=20.0, centre_row_px=beam.row, centre_col_px=beam.col)
    assert scan.swift(on_beam), "rings are there"


@pytest.mark.parametrize("name", ["BF", "ABF", "ADF"])
def test_presets_end_on_rings(name):
    scan = LiveScan(Stack.from_array(array()))
    beam, _ = scan.look()
    scan.learn(beam)
    detector = ats.preset(name, beam.radius_px, "px", centre_row_px=beam.row, centre_col_px=beam.col)
    again = scan.snapped(detector)
    assert again.inner == pytest.approx(detector.inner) and again.outer == pytest.approx(detector.outer)


def test_rings_are_ellipses_where_pixels_are_not_square():
    axes = [Axis("scan_row"), Axis("scan_col"), Axis("det_row", 2.0, "mrad"), Axis("det_col", 1.0, "mrad")]
    stack = Stack.from_array(array(), axes)
    scan = LiveScan(stack)
    assert scan.unit == "mrad" and scan.per_px == (2.0, 1.0)
    beam, _ = scan.look()
    scan.learn(beam)
    ring = Detector(inner=6.0, outer=14.0, unit="mrad", centre_row_px=beam.row, centre_col_px=beam.col)
    ring = scan.snapped(ring)
    quick = scan.quick(ring)
    assert quick.exact
    np.testing.assert_array_equal(quick.image, ats.virtual_image(stack, ring).frame(0))


def test_a_payload_is_the_annulus_that_is_seen():
    stack, seen = Stack.from_array(array()), []
    scan = LiveScan(stack)
    beam, _ = scan.look()
    scan.learn(beam, (beam.radius_px, 2 * beam.radius_px), on_progress=seen.append)
    last = seen[-1].payload.frame(0)
    centre = {"centre_row_px": beam.row, "centre_col_px": beam.col}
    ring = Detector(inner=beam.radius_px, outer=2 * beam.radius_px, **centre)
    np.testing.assert_array_equal(last, ats.virtual_image(stack, ring).frame(0))


def test_a_scan_of_a_series_is_read_like_the_series(tmp_path):
    import zarr

    series = np.stack([array((4, 5), seed=i) for i in range(3)])
    held = zarr.create_array(tmp_path / "a.zarr", shape=series.shape, chunks=(1, 2, 5, 32, 40), dtype="u2")
    held[:] = series
    np.save(tmp_path / "a.npy", series)
    for source in (series, np.load(tmp_path / "a.npy", mmap_mode="r"), held):
        part = Stack.from_array(source).part(2)
        assert part.shape == series.shape[1:]
        np.testing.assert_array_equal(part.frame(7), series[2, 1, 2])
        np.testing.assert_array_equal(
            part.block((slice(0, 2), slice(1, 3), slice(0, 32), slice(5, 9))), series[2, :2, 1:3, :, 5:9]
        )
        np.testing.assert_array_equal(
            ats.virtual_image(part, Detector()).frame(0), series[2].sum((-2, -1), dtype=float)
        )
    assert Stack.from_array(held).part(0).stored_chunks == (2, 5, 32, 40)
    opened = ats.open(tmp_path / "a.npy")
    assert opened.part(1).mapped is not None
    with pytest.raises(InputError, match="item 3"):
        opened.part(3)


def test_products_of_two_scans_of_a_file_are_not_mixed_up(tmp_path, monkeypatch):
    monkeypatch.setenv("ATOMSCOPE_CACHE", str(tmp_path / "cache"))
    series = np.stack([array((4, 5), seed=i) for i in range(2)])
    np.save(tmp_path / "a.npy", series)
    stack = ats.open(tmp_path / "a.npy")
    totals = [ats.scan_products(stack.part(i), **CENTRE).total.frame(0) for i in (0, 1, 0)]
    np.testing.assert_array_equal(totals[1], series[1].sum((-2, -1)))
    np.testing.assert_array_equal(totals[2], totals[0])
    assert not np.array_equal(totals[0], totals[1])
