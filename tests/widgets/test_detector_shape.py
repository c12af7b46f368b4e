"""What lies under the pointer in a detector, and what dragging it makes."""

from __future__ import annotations

import numpy as np
import pytest

from atomscope.data.params import Detector
from atomscope.scan4d import detector_mask
from atomscope.widgets.detector_shape import Placed, told

SHAPE = (60, 70)


def placed(per_px=(1.0, 1.0), **fields):
    detector = Detector(centre_row_px=30.0, centre_col_px=35.0, **fields)
    return Placed(detector, (30.0, 35.0), per_px, SHAPE)


def test_edges_are_grabbed_before_the_inside_and_nothing_outside():
    ring = placed(inner=5.0, outer=12.0)
    assert ring.part_at((30, 47.4), 1) == "outer"
    assert ring.part_at((30 - 5.3, 35), 1) == "inner"
    assert ring.part_at((30, 43), 1) == "move"
    assert ring.part_at((30, 35), 1) is None
    assert ring.part_at((30, 60), 1) is None
    assert placed(shape="disk", outer=8.0).part_at((30, 35), 1) == "move"
    assert placed(shape="point").part_at((30.4, 35), 1) == "move"
    box = placed(shape="rectangle", height=10.0, width=20.0)
    assert [box.part_at(p, 1) for p in [(35, 30), (30, 45), (35, 45), (31, 36)]] == [
        "height",
        "width",
        "corner",
        "move",
    ]


def test_segments_are_grabbed_at_both_ends_and_keep_the_other_one():
    part = placed(shape="segment", inner=4.0, outer=14.0, start_deg=0.0, span_deg=90.0)
    assert part.part_at((30, 44), 1) == "start"
    assert part.part_at((39, 35), 1) == "end"
    assert part.part_at((36, 41), 1) == "move"
    assert part.part_at((22, 35), 1) is None
    wide = part.dragged("start", (30, 44), (30 - 9, 44))  # 45 degrees against the clock
    assert (wide.start_deg, wide.span_deg) == (pytest.approx(315), pytest.approx(135))
    assert part.dragged("end", (39, 35), (30, 25)).span_deg == pytest.approx(180)


@pytest.mark.parametrize("per_px", [(1.0, 1.0), (0.5, 0.25)])
def test_a_dragged_edge_lies_under_the_pointer(per_px):
    ring = placed(per_px, inner=1.0, outer=2.0, unit="px")
    to = (34.0, 44.0)
    new = ring.dragged("outer", (30, 40), to)
    assert new.outer == pytest.approx(np.hypot(4 * per_px[0], 9 * per_px[1]))
    again = Placed(new, ring.centre, per_px, SHAPE)
    assert again.part_at(to, 0.5) == "outer"


def test_radii_never_cross_and_the_centre_stays_on_the_pattern():
    ring = placed(inner=5.0, outer=12.0)
    assert ring.dragged("outer", (30, 47), (30, 35)).outer > 5
    assert ring.dragged("inner", (30, 40), (30, 60)).inner < 12
    gone = ring.dragged("move", (30, 43), (-500, 900))
    assert (gone.centre_row_px, gone.centre_col_px) == (0, 69)
    assert ring.grown("outer", -100).outer > ring.grown("inner", 0).inner
    assert ring.grown("inner", -100).inner == 0


def test_moving_by_a_pixel_moves_the_mask_by_a_pixel():
    ring = placed(inner=5.0, outer=12.0)
    moved = ring.moved(1, -2)
    masks = [detector_mask(d, SHAPE) for d in (ring.detector, moved)]
    np.testing.assert_array_equal(np.roll(masks[0], (1, -2), (0, 1)), masks[1])


def test_open_detectors_reach_the_farthest_corner():
    assert placed(inner=20.0).outer == pytest.approx(np.hypot(30.5, 35.5))


def test_a_detector_is_told_in_px_and_in_the_unit_of_the_patterns():
    assert told(placed(inner=5.0, outer=12.0), "mrad", 0.5) == "5.0–12.0 px = 2.5–6.0 mrad; centre 30.0, 35.0 px"
    assert told(placed(inner=5.0), "pixel", 1.0) == "5.0–∞ px; centre 30.0, 35.0 px"
    assert "8.0 × 4.0 px" in told(placed(shape="rectangle", height=8.0, width=4.0), "pixel", 1.0)
