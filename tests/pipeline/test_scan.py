"""The verbs of scans: what they return has the calibration of the scan and of the patterns."""

import numpy as np
import pandas as pd
import pytest

import atomscope as ats
from atomscope.errors import InputError, ShapeError
from scan4d.test_fields import disks, gradient, smooth


@pytest.fixture(scope="module")
def scan():
    """A scan of disks that a potential shifts, seen by a detector that is turned by 25 degrees; 1 px is 2 mrad."""
    true = smooth((24, 36), sigma=3.0)
    row, col = gradient(true)
    scale = 3 / np.abs(row).max()
    turn = np.radians(-25)
    seen_row, seen_col = (
        col * np.sin(turn) + row * np.cos(turn),
        col * np.cos(turn) - row * np.sin(turn),
    )
    patterns = (disks(23.4 + scale * seen_row, 20.2 + scale * seen_col, radius=8) * 5000).astype(np.uint16)
    axes = [
        ats.Axis("scan_row", 0.05, "nm", kind="navigation"),
        ats.Axis("scan_col", 0.05, "nm", kind="navigation"),
        ats.Axis("row", 2.0, "mrad"),
        ats.Axis("col", 2.0, "mrad"),
    ]
    return ats.Stack.from_array(patterns, axes), true, scale * row, scale * col


def test_field_and_potential_of_a_scan(scan):
    stack, true, row, col = scan
    com = ats.center_of_mass(stack)
    assert com.unit == "mrad" and com.step == (0.05, 0.05) and com.step_unit == "nm"
    assert com.row.pixel_axes[0].unit == "nm" and com.row.pixel_axes[0].scale == 0.05
    field = ats.dpc(com)
    assert abs(field.rotation_deg - 25) < 0.5 and not field.flip and field.curl < 0.01
    for made, planted in ((field.row, row), (field.col, col)):
        assert np.corrcoef(made.frame(0).ravel(), planted.ravel())[0, 1] > 0.99
        assert np.abs(made.frame(0) - 2 * planted).max() < 0.15, "mrad"
    np.testing.assert_allclose(field.magnitude.frame(0), np.hypot(field.row.frame(0), field.col.frame(0)))
    image = ats.icom(field, edges="periodic")
    assert np.corrcoef(image.frame(0).ravel(), true.ravel())[0, 1] > 0.99
    assert image.pixel_axes == com.row.pixel_axes
    assert np.corrcoef(ats.icom(stack).frame(0).ravel(), true.ravel())[0, 1] > 0.97


def test_patterns_of_positions_regions_and_sites(scan):
    stack = scan[0]
    array = stack.mapped
    one = ats.pattern(stack, (3, 5))
    assert np.array_equal(one.frame(0), array[3, 5]) and one.pixel_axes[0].unit == "mrad"
    region = np.zeros((24, 36), bool)
    region[2:5, 7:9] = True
    np.testing.assert_allclose(ats.pattern(stack, region).frame(0), array[region].mean(0))
    sites = pd.DataFrame({"frame": [0, 0], "row": [3.2, 11.8], "col": [4.9, 30.1]})
    np.testing.assert_allclose(ats.pattern(stack, sites).frame(0), (array[3, 5] / 2 + array[12, 30] / 2))
    with pytest.raises(InputError, match="inside the scan of 24 x 36"):
        ats.pattern(stack, (24, 0))
    with pytest.raises(ShapeError):
        ats.pattern(stack, np.ones((36, 24), bool))


def test_disk_and_profile_of_a_scan(scan):
    stack = scan[0]
    disk = ats.bright_disk(stack)
    assert abs(disk.row - 23.4) < 0.3 and abs(disk.col - 20.2) < 0.3 and abs(disk.radius_px - 8) < 0.5
    table = ats.radial_profile(stack)
    assert np.allclose(table["radius_mrad"], 2 * table["radius_px"])
    inside = table["radius_px"] < 4
    assert np.allclose(table["intensity"][inside], 5000, rtol=0.01) and table["intensity"].iloc[15] < 1


def test_a_series_of_scans_keeps_its_time_axis(scan):
    array = np.stack([scan[0].mapped[:6, :7]] * 3)
    axes = [ats.Axis("frame", 2.0, "s", kind="navigation"), *scan[0].axes]
    com = ats.center_of_mass(ats.Stack.from_array(array, axes))
    assert com.row.shape == (3, 6, 7) and com.row.axes[0].unit == "s" and com.row.axes[0].kind == "navigation"
    with pytest.raises(ShapeError, match="one scan"):
        ats.dpc(com)
