"""Stepping through a movie on disk: the next frames are there before they are asked for."""

import numpy as np
import pytest
import zarr

import atomscope as ats
from atomscope.data.stack import ahead_of
from atomscope.widgets.look_ahead import look_ahead


@pytest.fixture
def movie(tmp_path):
    values = np.random.default_rng(0).integers(0, 1000, (30, 64, 80)).astype(np.uint16)
    made = zarr.create_array(tmp_path / "movie.zarr", shape=values.shape, chunks=(1, 64, 80), dtype=np.uint16)
    made[:] = values
    return tmp_path / "movie.zarr", values


@pytest.mark.gl
def test_frames_ahead_of_the_slider_are_held_in_either_direction(make_napari_viewer_proxy, qtbot, movie):
    viewer = make_napari_viewer_proxy(show=True)
    (layer,) = viewer.open(movie[0], plugin="napari-atomscope")
    look_ahead(viewer)
    ahead = ahead_of(layer.data)
    viewer.dims.set_current_step(0, 10)
    viewer.dims.set_current_step(0, 11)
    qtbot.waitUntil(lambda: {12, 13} <= set(ahead.held()), timeout=5000)
    viewer.dims.set_current_step(0, 12)
    np.testing.assert_array_equal(np.asarray(layer.data[12]), movie[1][12])
    viewer.dims.set_current_step(0, 9)
    qtbot.waitUntil(lambda: {8, 7} <= set(ahead.held()), timeout=5000)
    assert len(ahead.held()) <= 4
    viewer.dims.set_current_step(0, 29)
    viewer.dims.set_current_step(0, 28)
    qtbot.waitUntil(lambda: 26 in ahead.held(), timeout=5000)
    layer.visible = False
    before = ahead.held()
    viewer.dims.set_current_step(0, 15)
    qtbot.wait(100)
    assert ahead.held() == before


def test_what_was_read_ahead_is_what_the_file_says(movie):
    stack = ats.open(movie[0])
    ahead = ahead_of(stack.data)
    for frame in (3, 4, 5, 6, 7, 40, -1):
        ahead.fetch(frame)
    assert ahead.held() == (4, 5, 6, 7)
    np.testing.assert_array_equal(stack.data.compute(), movie[1])
    np.testing.assert_array_equal(stack.data[5, 3:9, ::2].compute(), movie[1][5, 3:9, ::2])
    np.testing.assert_array_equal(stack.data[4:8].compute(), movie[1][4:8])
    np.testing.assert_array_equal(stack.data[5:6].compute(), movie[1][5:6])
    frame = stack.frame(5)
    frame[:] = 0  # a frame belongs to whoever asked for it
    np.testing.assert_array_equal(np.asarray(stack.data[5]), movie[1][5])


def test_arrays_in_memory_and_derived_ones_are_left_alone(movie):
    assert ahead_of(ats.Stack.from_array(movie[1]).data) is None
    assert ahead_of(ats.open(movie[0]).data[3:]) is None
