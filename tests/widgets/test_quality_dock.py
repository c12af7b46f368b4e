"""The dock Quality and the uncertainty of Find atoms, in a window, as a user would press them."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Points

from atomscope.simulate import movie
from atomscope.widgets.canvas import camera_of


@pytest.fixture
def crystal():
    stack, truth = movie("graphene", frames=2, size_px=160, snr=10, seed=0, vacancies=0.02)
    there = truth.table[truth.table["present"]]
    return np.asarray(stack.data), there


def dock(viewer, name):
    _, widget = viewer.window.add_plugin_dock_widget("napari-atomscope", name)
    return widget


def press(widget, qtbot):
    widget.run_bar.button.click()
    qtbot.waitUntil(lambda: not widget.runner.busy, timeout=60_000)
    qtbot.wait(50)


def test_gaps_pairs_and_mistakes_are_listed_and_the_camera_goes_there(make_napari_viewer_proxy, qtbot, crystal):
    frames, truth = crystal
    viewer = make_napari_viewer_proxy()
    image = viewer.add_image(frames, scale=(1, 0.02, 0.02))
    data = truth[["frame", "row", "col"]].to_numpy(float)
    viewer.add_points(data, name="truth", scale=image.scale)
    seen = np.delete(data, 7, axis=0)
    seen = np.concatenate([seen, seen[[20]] + [0, 1.0, 0]])
    found = viewer.add_points(seen, name="found", scale=image.scale)
    widget = dock(viewer, "Quality")
    widget.points_box.choose(found)
    press(widget, qtbot)
    assert "1 of them doubles" in widget.numbers.text()
    names = {layer.name.rpartition(" ")[2] for layer in viewer.layers}
    assert {"gaps", "pairs"} <= names
    assert {"double", "gap"} <= set(widget.places["what"])
    assert (found.features["flag"] == "double").sum() == 2
    assert widget.histogram.counts.sum() == len(seen)

    widget.with_reference.setChecked(True)
    widget.reference_box.choose(next(x for x in viewer.layers if x.name == "truth"))
    press(widget, qtbot)
    assert "1 missed, 1 false" in widget.numbers.text()
    assert widget.curve.table is not None
    assert (found.features["flag"] == "double").sum() == 2  # not twice
    row = int(np.flatnonzero(widget.places["what"] == "missed")[0])
    widget.go_to(row)
    np.testing.assert_allclose(camera_of(viewer).center[-2:], data[7, 1:] * 0.02, atol=1e-6)
    assert viewer.dims.current_step[0] == data[7, 0]
    assert sum(layer.name.endswith("gaps") for layer in viewer.layers) == 1

    widget.reference_box.setCurrentIndex(widget.points_box.currentIndex())
    widget.run_bar.button.click()
    assert "another Points layer" in widget.run_bar.status.text()


def test_no_sites_are_no_trouble(make_napari_viewer_proxy, qtbot):
    viewer = make_napari_viewer_proxy()
    widget = dock(viewer, "Quality")
    assert not widget.run_bar.button.isEnabled()
    viewer.add_image(np.random.default_rng(0).normal(size=(40, 40)))
    viewer.add_points(np.zeros((0, 2)))
    press(widget, qtbot)
    assert "0 sites" in widget.numbers.text()


def test_sites_are_coloured_by_doubt_and_its_image_is_added(make_napari_viewer_proxy, qtbot, crystal):
    viewer = make_napari_viewer_proxy()
    viewer.add_image(crystal[0][:, :96, :96], name="movie")
    widget = dock(viewer, "Find atoms")
    widget.live.setChecked(False)
    assert widget.doubt.isHidden()
    form = widget.forms[0]
    form.set(form.params().replace(method="network", uncertainty="dropout", passes=2))
    assert not widget.doubt.isHidden()
    widget.here.click()
    qtbot.waitUntil(lambda: not widget.runner.busy and len(viewer.layers) == 2, timeout=60_000)
    points = next(x for x in viewer.layers if isinstance(getattr(x, "__wrapped__", x), Points))
    assert "mutual_information" in points.features
    assert points.face_color_mode == "colormap"
    widget.doubt.click()
    widget.doubt.click()
    added = [x for x in viewer.layers if x.name == "movie mutual_information"]
    assert len(added) == 1
    assert np.isfinite(np.asarray(added[0].data[1])).all()
    assert widget.image_box.layer().name == "movie"  # our picture is not one to search
