"""Motion and pins of the Walls dock in a real window, by pressing the buttons."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QPointF, Qt

from atomscope import pipeline
from atomscope.simulate import pinned_walls

pytestmark = pytest.mark.gl
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture(scope="module", params=[0, 2])
def movie(request):
    """Return a small movie in which walls hang at pins, and where they do."""
    stack, truth = pinned_walls(
        size_px=128, frames=20, domain_px=64, pins=5, rests=0, hold_frames=(8, 14), snr=6, seed=request.param
    )
    return np.stack([frame for _, frame in stack.frames()]), stack, truth


@pytest.fixture
def scene(make_napari_viewer_proxy, qtbot, movie):
    viewer = make_napari_viewer_proxy(show=True)
    where = {"scale": (1, 2, 2), "units": ("s", "nm", "nm"), "axis_labels": ("frame", "row", "col")}
    viewer.add_image(movie[0], name="pfm", translate=(0, 50, -30), **where)
    _, dock = viewer.window.add_plugin_dock_widget("napari-atomscope", "Walls")
    dock.live.setChecked(False)
    dock.motion_fold.expand()
    yield viewer, dock
    dock.runner.drop()
    qtbot.wait(100)


def press(qtbot, dock, button):
    qtbot.waitUntil(button.isEnabled, timeout=5000)
    qtbot.mouseClick(button, LEFT)
    qtbot.waitUntil(lambda: not dock.runner.busy, timeout=120_000)


def test_from_walls_to_pins(scene, qtbot, movie):
    viewer, dock = scene
    box = dock.motion
    assert not box.follow_button.isEnabled() and "Find the walls" in box.why.text()
    press(qtbot, dock, dock.run_bar.button)
    points = viewer.layers["pfm walls"]
    assert box.walls_box.currentText() == "pfm walls" and box.why.text() == ""

    press(qtbot, dock, box.follow_button)
    true = pipeline.wall_motion(pipeline.find_walls(movie[1])).table
    known = points.features.set_index("site")
    np.testing.assert_allclose(known["displacement_px"], true.set_index("site")["displacement_px"].reindex(known.index))
    assert {"wall_track", "normal_angle", "displacement_nm", "speed_nm_s"} <= set(known)
    low, high = points.face_contrast_limits
    assert points.face_color_mode == "colormap" and low == -high
    colours = points.face_color[np.isnan(points.features["displacement_px"])]
    assert len(colours) and np.allclose(colours[:, :3], 0.3)  # the last frame is not empty
    assert not viewer.layers["pfm wall lines"].visible  # their colours would mix
    assert "followed" in dock.run_bar.status.text()
    assert box.what_box.currentText() == "mean speed (nm/s)" and len(box.plot.x) == 20 and np.isnan(box.plot.y[-1])
    # A free wall moves 1.2 px = 2.4 nm a frame; those that are held move less.
    assert 0.8 < np.nanmedian(box.plot.y) < 2.6
    largest = known["displacement_nm"].abs().groupby(np.rint(points.data[:, 0]).astype(int)).max()
    box.what_box.setCurrentIndex(1)
    np.testing.assert_allclose(box.plot.y, largest.reindex(range(20)))

    box.pin_form.set(box.pin_form.params().replace(alpha=1.0))
    press(qtbot, dock, box.pins_button)
    pins = viewer.layers["pfm pins"]
    assert len(pins.data) == box.table.rowCount() == len(box.table.pins) > 0
    held = movie[2].pins[(movie[2].pins["kind"] == "pin") & (movie[2].pins["frames_hung"] >= 8)]
    surest = box.table.pins.iloc[0]
    assert np.hypot(*(held[["row", "col"]].to_numpy() - surest[["row", "col"]].to_numpy(float)).T).min() < 4
    assert box.table.horizontalHeaderItem(0).text() == "Row\n(nm)"
    assert float(box.table.item(0, 0).text()) == pytest.approx(2 * surest["row"], abs=0.06)
    assert "scatters by" in box.told.text() and "lag_px" in points.features
    # The layers lie on the movie, wherever that was put.
    image = viewer.layers["pfm"]
    place = image.data_to_world((0, surest["row"], surest["col"]))[1:]
    np.testing.assert_allclose(pins.data_to_world(pins.data[0]), place)
    np.testing.assert_allclose(viewer.layers["pfm pinning"].data_to_world((surest["row"], surest["col"])), place)

    press(qtbot, dock, box.pins_button)
    assert [x.name for x in viewer.layers].count("pfm pins") == 1


def test_a_click_goes_to_the_pin_and_to_the_frame(scene, qtbot):
    viewer, dock = scene
    box = dock.motion
    press(qtbot, dock, dock.run_bar.button)
    box.pin_form.set(box.pin_form.params().replace(alpha=1.0))
    press(qtbot, dock, box.pins_button)  # follows them on its way
    assert "displacement_px" in viewer.layers["pfm walls"].features
    last = box.table.rowCount() - 1
    cell = box.table.visualItemRect(box.table.item(0, 1)).center()
    for row in (last, 0):
        box.table.scrollToItem(box.table.item(row, 1))
        cell = box.table.visualItemRect(box.table.item(row, 1)).center()
        qtbot.mouseClick(box.table.viewport(), LEFT, pos=cell)
        pin = box.table.pins.iloc[row]
        assert viewer.dims.current_step[0] == pin["first_frame"]
        place = viewer.layers["pfm"].data_to_world((0, pin["row"], pin["col"]))[1:]
        np.testing.assert_allclose(viewer.scene.camera.center[-2:], place)
    dock.findChild(type(dock.body.parentWidget().parentWidget().parentWidget())).ensureWidgetVisible(box.plot)
    qtbot.wait(200)
    scene_at = box.plot.plot.vb.mapViewToScene(QPointF(11, float(np.nanmean(box.plot.y))))
    qtbot.mouseClick(box.plot.viewport(), LEFT, pos=box.plot.mapFromScene(scene_at))
    qtbot.waitUntil(lambda: viewer.dims.current_step[0] == 11, timeout=2000)


def test_why_walls_cannot_be_followed_is_said(make_napari_viewer_proxy, qtbot, movie):
    viewer = make_napari_viewer_proxy(show=True)
    viewer.add_image(movie[0][0], name="one")
    _, dock = viewer.window.add_plugin_dock_widget("napari-atomscope", "Walls")
    dock.live.setChecked(False)
    box = dock.motion
    assert "Wants a movie" in box.why.text() and not box.pins_button.isEnabled()
    assert box.follow_button.toolTip() == box.why.text()
    viewer.add_image(movie[0][:3], name="three")
    dock.image_box.setCurrentText("three")
    assert "Find the walls of all frames" in box.why.text()
    press(qtbot, dock, dock.here)
    assert "one frame only" in box.why.text() and not box.follow_button.isEnabled()
    press(qtbot, dock, dock.run_bar.button)
    press(qtbot, dock, box.follow_button)
    assert box.what_box.currentText() == "mean step (px)"  # nothing is calibrated here
    press(qtbot, dock, box.pins_button)
    assert len(viewer.layers["three pins"].data) == box.table.rowCount()
    viewer.add_image(movie[0][:3] * 2, name="other")
    dock.image_box.setCurrentText("other")
    assert "are not those of other" in box.why.text() and not box.what_box.isVisibleTo(box)
    dock.image_box.setCurrentText("three")
    assert box.why.text() == "" and box.follow_button.isEnabled() and box.what_box.isVisibleTo(box)
    dock.runner.drop()
    qtbot.wait(100)


def test_cancel_changes_nothing(scene, qtbot):
    viewer, dock = scene
    press(qtbot, dock, dock.run_bar.button)
    before = set(viewer.layers["pfm walls"].features)
    qtbot.mouseClick(dock.motion.follow_button, LEFT)
    assert dock.runner.busy and not dock.motion.pins_button.isEnabled()
    qtbot.mouseClick(dock.run_bar.button, LEFT)
    qtbot.waitUntil(lambda: not dock.runner.busy, timeout=60_000)
    assert set(viewer.layers["pfm walls"].features) == before and "Cancelled" in dock.run_bar.status.text()
