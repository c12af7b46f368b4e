from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Points

from atomscope.data import Sites
from atomscope.errors import InputError
from atomscope.widgets.bridge import axes_of, current_frame, sites_of, stack_of, write_columns


@pytest.fixture
def viewer():
    return ViewerModel()


def test_scale_units_and_names_of_a_layer_are_those_of_the_stack():
    layer = Image(np.zeros((4, 8, 9)), scale=(0.5, 0.02, 0.03), units=("s", "nm", "nm"), axis_labels=("t", "y", "x"))
    stack = stack_of(layer)
    assert [(a.name, a.scale, a.unit, a.kind) for a in stack.axes] == [
        ("t", 0.5, "s", "navigation"),
        ("y", 0.02, "nm", "signal"),
        ("x", 0.03, "nm", "signal"),
    ]


@pytest.mark.parametrize(
    ("said", "unit", "factor"),
    [("1/nm", "1/nm", 1), ("1/angstrom", "1/nm", 10), ("mrad", "mrad", 1), ("rad", "mrad", 1e3)],
)
def test_patterns_are_in_the_units_of_detectors_however_the_layer_spells_them(said, unit, factor):
    layer = Image(
        np.zeros((2, 3, 4, 5)), scale=(1, 1, 0.5, 0.25), translate=(0, 0, -1, 0), units=("nm", "nm", said, said)
    )
    row, col = stack_of(layer).axes[-2:]
    assert (row.unit, row.scale, row.offset) == (unit, 0.5 * factor, -factor)
    assert (col.unit, col.scale) == (unit, 0.25 * factor)


def test_a_plain_layer_is_in_pixels_with_our_names():
    assert [(a.name, a.unit) for a in axes_of(Image(np.zeros((4, 8, 9))))] == [
        ("frame", "pixel"),
        ("row", "pixel"),
        ("col", "pixel"),
    ]


def test_a_colour_picture_is_refused_with_what_to_do():
    with pytest.raises(InputError, match="Split RGB"):
        stack_of(Image(np.zeros((8, 9, 3), np.uint8), rgb=True))


def test_points_clicked_by_hand_become_sites(viewer):
    image = viewer.add_image(np.zeros((20, 20)))
    points = viewer.add_points([[1.5, 2.5], [3.25, 4.75]])
    sites = sites_of(points, image, viewer)
    assert sites.positions.tolist() == [[1.5, 2.5], [3.25, 4.75]]
    assert sites.table["site"].tolist() == [0, 1]
    assert sites.table["kind"].tolist() == ["atom", "atom"]


def test_points_of_a_movie_lie_in_their_frames(viewer):
    image = viewer.add_image(np.zeros((5, 20, 20)))
    points = viewer.add_points([[0, 1, 2], [4, 3, 5], [2, 6, 7]])
    assert sites_of(points, image, viewer).table["frame"].tolist() == [0, 4, 2]


def test_points_of_a_scan_have_the_flat_number_of_their_frame(viewer):
    image = viewer.add_image(np.zeros((3, 4, 8, 8)))
    points = viewer.add_points([[2, 1, 5, 5]])
    assert sites_of(points, image, viewer).table["frame"].tolist() == [2 * 4 + 1]


def test_flat_points_over_a_movie_lie_in_the_frame_that_is_shown(viewer):
    image = viewer.add_image(np.zeros((5, 20, 20)))
    points = viewer.add_points([[1, 2]])
    viewer.dims.set_current_step(0, 3)
    assert current_frame(viewer, image) == 3
    assert sites_of(points, image, viewer).table["frame"].tolist() == [3]


def test_points_outside_the_movie_are_kept_and_flagged(viewer):
    image = viewer.add_image(np.zeros((5, 20, 20)))
    points = viewer.add_points([[7, 1, 2], [1, 1, 2]])
    assert sites_of(points, image, viewer).table["flag"].tolist() == ["outside the stack", ""]


def test_points_in_physical_units_are_turned_into_pixels(viewer):
    image = viewer.add_image(np.zeros((20, 20)), scale=(0.5, 0.25), translate=(1, 2))
    points = viewer.add_points([[3.0, 4.0]])  # world
    assert sites_of(points, image, viewer).positions.tolist() == [[4.0, 8.0]]


def test_turned_points_are_refused_with_what_to_do(viewer):
    image = viewer.add_image(np.zeros((20, 20)))
    points = viewer.add_points([[3.0, 4.0]], rotate=30)
    with pytest.raises(InputError, match="same transform"):
        sites_of(points, image, viewer)


def found() -> Sites:
    return Sites.from_positions(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0]), z1=np.array([0.1, 0.2, 0.3]))


def test_a_moved_point_keeps_its_id_and_its_new_place_counts(viewer):
    image = viewer.add_image(np.zeros((20, 20)))
    points = viewer.add_points(found().positions, features=found().table)
    data = points.data.copy()
    data[1] = (9, 8)
    points.data = data
    table = sites_of(points, image, viewer).table
    assert table["site"].tolist() == [0, 1, 2]
    assert (table["row"][1], table["col"][1]) == (9, 8)


def test_a_deleted_point_takes_its_row_and_no_other(viewer):
    image = viewer.add_image(np.zeros((20, 20)))
    points = viewer.add_points(found().positions, features=found().table)
    points.selected_data = {1}
    points.remove_selected()
    table = sites_of(points, image, viewer).table
    assert table["site"].tolist() == [0, 2]
    assert table["z1"].tolist() == [0.1, 0.3]


def test_an_added_point_gets_a_new_id_and_no_latents(viewer):
    image = viewer.add_image(np.zeros((20, 20)))
    points = viewer.add_points(found().positions, features=found().table)
    points.add([[5.0, 5.0], [6.0, 6.0]])
    table = sites_of(points, image, viewer).table
    assert table["site"].tolist() == [0, 1, 2, 3, 4]
    assert np.isnan(table["z1"][3:]).all()
    assert table["flag"].tolist() == [""] * 5


def test_columns_are_written_by_site_id_not_by_row():
    sites = found()
    points = Points(sites.positions, features=sites.table)
    points.selected_data = {0}
    points.remove_selected()
    write_columns(points, pd.DataFrame({"z2": [30.0, 10.0]}, index=[2, 0]))
    assert np.isnan(points.features["z2"][0])  # site 1 was not encoded
    assert points.features["z2"][1] == 30.0
