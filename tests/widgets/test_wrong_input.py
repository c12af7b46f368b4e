"""What a tired person does to the docks: no layer, a wrong one, one mark, all background: told, and nothing lost."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtWidgets import QApplication

from atomscope.widgets.bridge import stack_of
from atomscope.widgets.marks import put_marks

pytestmark = pytest.mark.gl
DOCKS = [
    "Find atoms", "Teach a finder", "Defects and structure", "Defects without labels", "Particles", "Walls", "Quality",
]  # fmt: skip


@pytest.fixture
def opened(make_napari_viewer_proxy, qtbot):
    made = []

    def make(name, *images, rgb=False):
        viewer = make_napari_viewer_proxy(show=True)
        for k, data in enumerate(images):
            viewer.add_image(data, name=f"image {k}", rgb=rgb)
        _, dock = viewer.window.add_plugin_dock_widget("napari-atomscope", name)
        QApplication.processEvents()
        made.append(dock)
        return dock

    yield make
    for dock in made:
        dock.runner.drop()
    qtbot.wait(100)


def notified() -> str:
    return " ".join(str(n.message) for n in notification_manager.records)


def finish(dock, qtbot, press):
    notification_manager.records.clear()
    press()
    qtbot.waitUntil(lambda: not dock.runner.busy, timeout=300_000)


@pytest.mark.parametrize("name", DOCKS)
def test_without_a_layer_the_button_is_off_and_the_dock_says_what_to_open(opened, name):
    dock = opened(name)
    assert not dock.run_bar.button.isEnabled()
    assert "Open an image" in dock.run_bar.status.text()
    assert "first" in dock.run_bar.button.toolTip()


@pytest.mark.parametrize("name", ["Find atoms", "Defects without labels", "Particles", "Walls"])
def test_a_colour_picture_is_refused_with_what_to_do(opened, name):
    dock = opened(name, np.zeros((32, 32, 3), np.uint8), rgb=True)
    assert "Split RGB" in dock.run_bar.status.text()
    assert not dock.run_bar.button.isEnabled()


@pytest.mark.parametrize("name", ["Find atoms", "Defects without labels", "Particles", "Walls"])
@pytest.mark.parametrize("value", [0.0, np.nan], ids=["constant", "nan"])
def test_an_empty_image_gives_a_sentence_and_no_layer(opened, qtbot, name, value):
    dock = opened(name, np.full((64, 64), value, np.float32))
    before = [layer.name for layer in dock.viewer.layers]
    finish(dock, qtbot, dock.run_all)
    text = dock.run_bar.status.text()
    assert dock.run_bar.status.property("wrong") and len(text) > 20, text
    after = [layer.name for layer in dock.viewer.layers if "preview" not in layer.name]
    assert after == before


def test_one_mark_is_enough_or_it_is_told_and_stays(opened, qtbot, crystal):
    dock = opened("Teach a finder", crystal)
    dock.annotator.click()
    marks, image = dock.annotator.layer(), dock.image_box.layer()
    table = pd.DataFrame({"row": [18.0], "col": [18.0], "kind": ["atom"]})
    put_marks(marks, image, stack_of(image), 1, table, ("atom",))
    dock.form.fields["steps"].set(4)
    finish(dock, qtbot, dock.run)
    assert len(marks.data) == 1
    assert "1 atom" in dock.annotator.told.text()
    assert dock.finder is not None or (dock.run_bar.status.property("wrong") and notified())


def test_nothing_painted_is_told_in_every_teacher(opened, qtbot, crystal):
    dock = opened("Teach a finder", crystal)
    dock.annotator.paint()  # a layer, and nothing in it
    finish(dock, qtbot, dock.run)
    assert "nothing is annotated" in dock.run_bar.status.text() and "nothing is annotated" in notified()

    dock = opened("Walls", crystal)
    dock.teacher.take_brush()
    paint = dock.viewer.layers[-1]
    finish(dock, qtbot, dock.teacher.run)
    assert dock.run_bar.status.property("wrong") and notified()
    paint.data[1] = 2  # all of a frame is background
    finish(dock, qtbot, dock.teacher.run)
    assert dock.run_bar.status.property("wrong") and "wall" in notified()
    assert (np.asarray(paint.data[1]) == 2).all() and dock.teacher.network is None

    dock = opened("Particles", crystal)
    labels = dock.viewer.add_labels(np.zeros(crystal.shape, np.int32), name="mine")
    dock.box.paint_box.choose(dock.viewer.layers["mine"].__wrapped__)
    finish(dock, qtbot, dock.box.train)
    assert dock.run_bar.status.property("wrong") and notified()
    assert labels in dock.viewer.layers and dock.box.network is None


def test_labels_of_another_size_are_told(opened, qtbot, crystal):
    dock = opened("Particles", crystal)
    dock.viewer.add_labels(np.ones((20, 20), np.int32), name="small")
    dock.box.paint_box.choose(dock.viewer.layers["small"].__wrapped__)
    finish(dock, qtbot, dock.box.train)
    assert dock.run_bar.status.property("wrong") and notified()
    dock = opened("Walls", crystal)
    dock.viewer.add_labels(np.ones((20, 20), np.int32), name="small")
    dock.teacher.paint_box.choose(dock.viewer.layers["small"].__wrapped__)
    finish(dock, qtbot, dock.teacher.run)
    assert dock.run_bar.status.property("wrong") and notified()
    dock = opened("Teach a finder", crystal)
    dock.viewer.add_labels(np.ones((20, 20), np.int32), name="small")
    dock.annotator.marks_box.choose(dock.viewer.layers["small"].__wrapped__)
    finish(dock, qtbot, dock.run)
    assert "paint in a layer made here" in notified()


def test_marks_of_a_class_that_is_no_longer_named_are_told_and_stay(opened, qtbot, crystal):
    dock = opened("Teach a finder", crystal)
    dock.annotator.name_classes(("atom", "hole"))
    dock.annotator.click()
    marks, image = dock.annotator.layer(), dock.image_box.layer()
    table = pd.DataFrame({"row": [18.0, 30], "col": [18.0, 30], "kind": ["atom", "hole"]})
    put_marks(marks, image, stack_of(image), 1, table, ("atom", "hole"))
    dock.annotator.name_classes(("atom", "vacancy"))  # another name for the second class
    assert marks.features["kind"].tolist() == ["atom", "vacancy"]
    dock.annotator.name_classes(("atom",))
    finish(dock, qtbot, dock.run)
    assert "1 of 'vacancy'" in dock.run_bar.status.text()
    assert marks.features["kind"].tolist() == ["atom", "vacancy"]


@pytest.mark.parametrize("name", ["Defects and structure", "Quality"])
def test_one_site_or_none_is_told_or_answered(opened, qtbot, crystal, name):
    dock = opened(name, crystal[0])
    for n in (0, 1):
        points = dock.viewer.add_points(np.full((n, 2), 18.0), ndim=2, name=f"{n} sites")
        dock.points_box.choose(dock.viewer.layers[f"{n} sites"].__wrapped__)
        finish(dock, qtbot, dock.run)
        assert dock.run_bar.status.text()
        assert len(points.data) == n or dock.viewer.layers[f"{n} sites"] is not None


def test_layers_deleted_while_work_runs_do_no_harm(opened, qtbot, crystal):
    dock = opened("Find atoms", np.concatenate([crystal] * 30))
    dock.live.setChecked(False)
    dock.run_all()
    dock.viewer.layers.clear()
    qtbot.waitUntil(lambda: not dock.runner.busy, timeout=300_000)
    assert dock.run_bar.status.text()
