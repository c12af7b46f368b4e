"""The dock Particles in a real window, by pressing its buttons."""

from __future__ import annotations

import numpy as np
import pytest

from atomscope.simulate import particle_movie
from atomscope.widgets.label_store import label_store
from atomscope.widgets.particles import ParticlesWidget

pytestmark = pytest.mark.gl


@pytest.fixture
def dock(make_napari_viewer_proxy, qtbot):
    viewer = make_napari_viewer_proxy(show=True)
    frames = np.asarray(particle_movie(frames=3, size_px=128, particles=14, seed=5)[0].data)
    viewer.add_image(
        frames, name="rods", scale=(1, 0.5, 0.5), units=("s", "nm", "nm"), axis_labels=("frame", "row", "col")
    )
    widget = ParticlesWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Particles")
    yield widget
    widget.runner.drop()
    qtbot.wait(100)


def press(dock, qtbot, button, timeout=120_000):
    qtbot.waitUntil(button.isEnabled, timeout=5000)
    button.click()
    qtbot.waitUntil(lambda: not dock.runner.busy, timeout=timeout)


def kinds(dock):
    return [type(getattr(x, "__wrapped__", x)).__name__ for x in dock.viewer.layers]


def test_the_threshold_fills_layers_and_the_plot_follows_the_slider(dock, qtbot):
    press(dock, qtbot, dock.run_bar.button)
    assert kinds(dock) == ["Image", "Labels", "Vectors", "Points"]
    labels, points = dock.viewer.layers[1], dock.viewer.layers[3]
    assert (
        labels.data.shape == (3, 128, 128)
        and len(np.unique(labels.data[0])) - 1 == (points.features["frame"] == 0).sum()
    )
    np.testing.assert_allclose(labels.scale, (1, 0.5, 0.5))
    assert len(dock.order.x) == 3 and (dock.order.y > 0.5).all()
    dock.viewer.dims.set_current_step(0, 2)
    qtbot.waitUntil(lambda: dock.order.line.value() == 2, timeout=2000)
    assert "Frame 2" in dock.order_note.text()
    dock.order.line.setValue(0.2)
    qtbot.waitUntil(lambda: dock.viewer.dims.current_step[0] == 0, timeout=2000)
    press(dock, qtbot, dock.run_bar.button)  # again: the layers are replaced
    assert kinds(dock) == ["Image", "Labels", "Vectors", "Points"]


def test_labels_of_a_frame_teach_a_network_that_runs_the_movie(dock, qtbot, tmp_path):
    assert not dock.box.train_button.isEnabled()
    dock.viewer.dims.set_current_step(0, 1)
    press(dock, qtbot, dock.here)
    painted = dock.box.paint_box.layer()
    assert painted.data[1].max() > 5 and painted.data[0].max() == 0
    dock.box.form.set(dock.box.form.params().replace(steps=40, crop_px=64, batch_size=4))
    press(dock, qtbot, dock.box.train_button)
    assert dock.box.network is not None and len(dock.box.loss.x) == 8
    press(dock, qtbot, dock.run_bar.button)
    assert "particles in 3 frames" in dock.run_bar.status.text()
    dock.box.save(str(tmp_path / "rods.safetensors"))
    dock.box.network = None
    dock.box.open(str(tmp_path / "rods.safetensors"))
    assert dock.box.network is not None and "rods.safetensors" in dock.box.told.text()
    dock.box.open(str(tmp_path / "none.safetensors"))
    assert "no such model" in dock.run_bar.status.text()


def test_nothing_painted_is_told_and_nothing_is_lost(dock, qtbot):
    dock.viewer.add_labels(np.zeros((3, 128, 128), int), name="empty", scale=(1, 0.5, 0.5))
    press(dock, qtbot, dock.box.train_button)
    assert "nothing is painted" in dock.run_bar.status.text()
    assert dock.box.network is None and len(dock.viewer.layers) == 2
    dock.method_box.setCurrentIndex(1)
    assert not dock.run_bar.button.isEnabled() and "Train a network" in dock.run_bar.button.toolTip()
    assert dock.here.isEnabled()


def test_large_labels_lie_on_disk(monkeypatch):
    import atomscope.widgets.label_store as store

    monkeypatch.setattr(store, "_IN_MEMORY", 100)
    big = label_store((3, 20, 20))
    big[1] = np.full((20, 20), 7, np.uint16)
    assert (
        type(big).__module__.startswith("zarr") and int(np.asarray(big[1]).min()) == 7 and not np.asarray(big[0]).any()
    )
