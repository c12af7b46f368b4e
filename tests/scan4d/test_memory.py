"""Scans larger than memory: what is held does not grow with them."""

import sys

import numpy as np
import pytest

from peak import peak_gb

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="resource limits are POSIX")

WORK = """
import sys
import numpy as np
import atomscope as ats

path, what = sys.argv[1], sys.argv[2:]
stack = ats.open(path)
rows, cols = stack.navigation_shape
planted = {(0, 0): 3, (rows // 2, 5): 500, (rows - 1, cols - 1): 65535}
if "images" in what:
    bf, haadf = ats.virtual_image(stack, [ats.preset("BF", 20, "px"), ats.preset("HAADF", 20, "px")])
    seen = bf.frame(0) + haadf.frame(0)
    for where, value in planted.items():
        assert seen[where] > 0 and seen[where] % value == 0, where
    assert np.count_nonzero(seen) == 3
if "mass" in what:
    com = ats.center_of_mass(stack)
    assert np.isfinite(com.row.frame(0)).sum() == 3 and com.row.frame(0)[0, 0] == (stack.frame_shape[0] - 1) / 2
if "pattern" in what:
    made = ats.pattern(stack, kind="max").frame(0)
    assert made.min() == made.max() == 65535
if "products" in what:
    made = ats.scan_products(stack, cache="off", centre_row_px=100, centre_col_px=100)
    assert np.count_nonzero(made.annulus(8, 40)) == 3
"""


def sparse(path, scan, side):
    """Write a scan of zeros that takes no room, with three flat patterns."""
    held = np.lib.format.open_memmap(path, "w+", np.uint16, (*scan, side, side))
    held[0, 0], held[scan[0] // 2, 5], held[-1, -1] = 3, 500, 65535
    held.flush()
    del held


def test_a_scan_of_a_few_gb_takes_little_memory(tmp_path):
    sparse(tmp_path / "scan.npy", (144, 128), 256)
    assert peak_gb(WORK, tmp_path / "scan.npy", "images") < 1.3


@pytest.mark.slow
def test_a_scan_of_64_gb_stays_under_2_gb(tmp_path):
    sparse(tmp_path / "scan.npy", (1024, 512), 256)
    assert (tmp_path / "scan.npy").stat().st_size > 64e9
    assert peak_gb(WORK, tmp_path / "scan.npy", "images", "mass", "pattern", "products") < 2.0
