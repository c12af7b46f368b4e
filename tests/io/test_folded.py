"""Frames that were folded into a scan are still read in blocks, without a copy."""

from __future__ import annotations

import numpy as np

import atomscope as ats
from atomscope.data import Stack


def test_a_folded_movie_in_memory_is_a_view_of_it(tmp_path) -> None:
    frames = np.random.default_rng(0).integers(0, 99, (4 * 7, 5, 6)).astype(np.uint16)
    scan = ats.open(Stack.from_array(frames), scan_shape=(4, 6), flyback=1)
    wanted = frames.reshape(4, 7, 5, 6)[:, :6]
    assert np.shares_memory(scan.mapped, frames)
    np.testing.assert_array_equal(scan.mapped, wanted)
    np.testing.assert_array_equal(scan.frame(8), wanted[1, 2])
    image = ats.virtual_image(scan, np.ones((5, 6), bool))
    np.testing.assert_array_equal(image.frame(0), wanted.sum((2, 3)))
