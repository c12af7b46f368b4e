"""The Walls dock in a real window, by pressing the buttons."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

from atomscope.simulate import walls

pytestmark = pytest.mark.gl
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def scene(make_napari_viewer_proxy, qtbot):
    stack, truth = walls(pattern="curved", frames=3, size_px=96, domain_px=32, snr=6, motion_px=2, seed=1)
    viewer = make_napari_viewer_proxy(show=True)
    movie = np.stack([f for _, f in stack.frames()])
    viewer.add_image(movie, name="pfm", scale=(1, 2, 2), units=("s", "nm", "nm"), axis_labels=("t", "y", "x"))
    _, dock = viewer.window.add_plugin_dock_widget("napari-atomscope", "Walls")
    yield viewer, dock, truth
    dock.runner.drop()
    qtbot.wait(100)


def press(qtbot, dock, button=None):
    qtbot.mouseClick(button or dock.run_bar.button, LEFT)
    qtbot.waitUntil(lambda: not dock.runner.busy, timeout=120_000)


def names(viewer):
    return [layer.name for layer in viewer.layers]


def test_preview_find_lengths_and_again(scene, qtbot):
    viewer, dock, truth = scene
    qtbot.waitUntil(lambda: "(preview)" in names(viewer), timeout=60_000)
    assert "walls in this frame" in dock.count.text()
    dock.labels.setChecked(True)
    press(qtbot, dock)
    assert {"pfm walls", "pfm wall lines", "pfm domains"} <= set(names(viewer)), dock.run_bar.status.text()
    assert "(preview)" not in names(viewer)
    assert np.allclose(viewer.layers["pfm walls"].scale, viewer.layers["pfm"].scale)
    shown = dock.lengths.shown
    assert list(shown["frame"]) == [0, 1, 2] and dock.lengths.table.rowCount() == 3
    for frame in range(3):
        assert shown["length"][frame] == pytest.approx(truth.length_nm(frame), rel=0.05)
    dock.lengths.table.selectRow(2)
    assert viewer.dims.current_step[0] == 2
    assert viewer.layers["pfm domains"].data.max() > 2
    press(qtbot, dock)
    assert names(viewer).count("pfm walls") == 1 and names(viewer).count("pfm wall lines") == 1


def test_paint_train_predict_save_and_open(scene, qtbot, tmp_path):
    viewer, dock, truth = scene
    teacher = dock.teacher
    press(qtbot, dock, teacher.train)
    assert "Paint walls" in dock.run_bar.status.text()
    qtbot.mouseClick(teacher.paint, LEFT)
    paint = viewer.layers["pfm painted walls"]
    assert paint.mode == "paint" and paint.selected_label == 1
    teacher.form.set(teacher.form.params().replace(steps=30, crop_px=32, batch_size=4))
    press(qtbot, dock, teacher.train)
    assert "no wall is painted" in dock.run_bar.status.text()  # nothing is lost, the layer is still there
    paint.data[0] = truth.mask(0, 1.5)
    press(qtbot, dock, teacher.train)
    assert [row["step"] for row in teacher.loss.rows] == [5, 10, 15, 20, 25, 30]
    assert dock.form.params().method == "network" and "1 painted frame" in teacher.card.text()
    press(qtbot, dock)
    assert not dock.runner.busy and dock.run_bar.status.text()
    teacher.save_to(tmp_path / "net.safetensors")
    teacher.network = None
    teacher.open_from(tmp_path / "net.safetensors")
    assert teacher.network is not None
    teacher.open_from(tmp_path / "nothing.safetensors")
    assert "no such model file" in dock.run_bar.status.text()


def test_a_frame_without_walls_and_a_network_that_is_not_there_are_said(make_napari_viewer_proxy, qtbot):
    viewer = make_napari_viewer_proxy(show=True)
    viewer.add_image(np.zeros((48, 48), np.float32), name="flat", contrast_limits=(0, 1))
    _, dock = viewer.window.add_plugin_dock_widget("napari-atomscope", "Walls")
    press(qtbot, dock)
    assert "No walls found" in dock.run_bar.status.text()
    dock.form.set(dock.form.params().replace(method="network"))
    qtbot.waitUntil(lambda: "No network yet" in dock.count.text(), timeout=5000)
    press(qtbot, dock)
    assert "train_walls" in dock.run_bar.status.text()
    dock.runner.drop()
    qtbot.wait(100)
