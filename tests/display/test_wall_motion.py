"""Moving walls, the map of where they hang and the pins as layers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from atomscope.data import Axis, Sites, Stack
from atomscope.display.wall_motion import wall_motion_layers
from atomscope.errors import InputError

AXES = (Axis("frame", 0.5, "s", kind="navigation"), Axis("row", 2.0, "nm", 10.0), Axis("col", 3.0, "nm"))


@pytest.fixture
def stack():
    return Stack.from_array(np.zeros((4, 20, 30), np.float32), AXES, name="walls")


@pytest.fixture
def sites():
    made = Sites.from_positions(
        np.array([1.0, 2, 3, np.nan]), np.arange(4.0), np.array([0, 1, 2, 3]), kind="wall", axes=AXES, shape=(4, 20, 30)
    )
    return made.with_table(made.table.assign(wall_track=0, displacement_px=[-2.0, 0.0, 2.0, np.nan]))


def test_sites_are_blue_against_the_normal_and_red_along_it(stack, sites):
    (data, kwargs, kind), *rest = wall_motion_layers(stack, sites)
    assert kind == "points" and not rest
    assert data == pytest.approx(np.array([[0, 1, 0], [1, 2, 1], [2, 3, 2]]))
    assert kwargs["features"]["displacement_px"].tolist() == [-2, 0, 2] and len(kwargs["face_color"]) == 3
    back, rest_, on = kwargs["face_color"]
    assert back[2] > back[0] and on[0] > on[2] and np.ptp(rest_[:3]) < 1e-9
    assert kwargs["scale"] == (0.5, 2.0, 3.0) and kwargs["translate"] == (0.0, 10.0, 0.0)


def test_the_map_lies_over_the_pixels(stack, sites):
    score = np.full((10, 15), np.nan, np.float32)
    score[3, 4], score[5, 5] = 7.0, -3.0
    layers = wall_motion_layers(stack, sites, score=score, grid_px=2.0, origin=(-1.0, 4.0))
    data, kwargs, kind = layers[1]
    assert kind == "image" and data[3, 4] == 7 and data[5, 5] == 0 and np.isfinite(data).all()
    assert kwargs["scale"] == (4.0, 6.0) and kwargs["translate"] == (8.0, 12.0)


def test_pins_are_in_all_frames_or_follow_the_drift(stack, sites):
    pins = pd.DataFrame({"pin": [0, 1], "row": [5.0, 6.0], "col": [7.0, 8.0], "score": [9.0, 8.0]})
    data, kwargs, kind = wall_motion_layers(stack, sites, pins=pins)[-1]
    assert kind == "points" and data.shape == (2, 2) and kwargs["scale"] == (2.0, 3.0)
    assert kwargs["features"]["score"].tolist() == [9, 8]
    drift = np.c_[np.arange(4.0), -np.arange(4.0)]
    data, kwargs, _ = wall_motion_layers(stack, sites, pins=pins, shift_px=drift)[-1]
    assert data.shape == (8, 3) and data[-1] == pytest.approx([3, 9, 5]) and len(kwargs["features"]) == 8


def test_nothing_to_show_is_no_error_and_an_unknown_column_is(stack, sites):
    empty = sites.with_table(sites.table.iloc[:0])
    pins = pd.DataFrame({"row": [], "col": []})
    layers = wall_motion_layers(stack, empty, pins=pins, score=np.full((20, 30), np.nan))
    assert [len(layers[0][0]), len(layers[2][0])] == [0, 0] and not layers[1][0].any()
    with pytest.raises(InputError, match="follow the walls"):
        wall_motion_layers(stack, sites, color_by="speed_nm_s")


def test_napari_takes_the_layers(stack, sites):
    layers = pytest.importorskip("napari.layers")
    pins = pd.DataFrame({"row": [5.0], "col": [7.0]})
    for pinned in (pins, pins.iloc[:0]):
        for data, kwargs, kind in wall_motion_layers(stack, sites, pins=pinned, score=np.ones((20, 30))):
            layer = {"points": layers.Points, "image": layers.Image}[kind](data, **kwargs)
            assert layer.name == kwargs["name"]
