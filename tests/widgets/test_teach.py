"""The dock *Teach a finder* in a real napari window."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from atomscope.widgets.bridge import stack_of
from atomscope.widgets.marks import add_regions, annotations_of, put_marks, rectangles_of

pytestmark = pytest.mark.gl
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def dock(make_napari_viewer_proxy, qtbot, crystal):
    viewer = make_napari_viewer_proxy(show=True)
    viewer.add_image(crystal, name="crystal", scale=(1, 0.02, 0.02), units=("s", "nm", "nm"))
    viewer.dims.set_point(0, 1)
    _, widget = viewer.window.add_plugin_dock_widget("napari-atomscope", "Teach a finder")
    widget.form.fields["steps"].set(6)
    QApplication.processEvents()
    yield widget
    widget.runner.drop()
    qtbot.wait(100)


def image_of(dock):
    return dock.image_box.layer()


def mark(dock, n=4, kind="atom"):
    """Mark the first columns of frame 1."""
    places = [(r, c) for r in range(6, 96, 12) for c in range(6, 96, 12)][:n]
    table = pd.DataFrame(places, columns=["row", "col"]).assign(kind=kind)
    layer, image = dock.annotator.layer(), image_of(dock)
    put_marks(layer, image, stack_of(image), 1, table, dock.annotator.classes())
    return layer


def finish(dock, qtbot, press):
    press()
    qtbot.waitUntil(lambda: not dock.runner.busy, timeout=300_000)


def test_it_says_what_to_do_first(dock):
    assert not dock.run_bar.button.isEnabled()
    assert "Click or paint" in dock.run_bar.button.toolTip()
    for one in (dock.more, dock.find_button, dock.learn_button, dock.save_button):
        assert not one.isEnabled()
    dock.annotator.click()
    assert dock.run_bar.button.isEnabled()
    dock.run()
    assert "nothing is annotated" in dock.run_bar.status.text()


def test_clicks_get_the_class_of_the_key(dock, qtbot):
    dock.annotator.name_classes(("atom", "hole"))
    dock.annotator.click()
    layer, image = dock.annotator.layer(), image_of(dock)
    assert np.allclose(layer.scale, image.scale)
    layer.add((1, 6, 6))
    dock.annotator.choose_class(1)
    layer.add((1, 18, 6))
    layer.add((1, 18, 18))
    table = annotations_of(layer, image, dock.viewer, stack_of(image), dock.annotator.classes())
    assert table["kind"].tolist() == ["atom", "hole", "hole"]
    assert table["frame"].tolist() == [1, 1, 1]
    assert "2 hole" in dock.annotator.told.text()
    assert len({tuple(c) for c in layer.border_color}) == 2
    layer.mode = "select"
    layer.selected_data = {0}
    dock.annotator.choose_class(1)
    assert layer.features["kind"].tolist() == ["hole"] * 3
    assert len({tuple(c) for c in layer.border_color}) == 1


def test_paint_and_regions_are_read_as_they_lie_on_the_image(dock):
    image = image_of(dock)
    stack = stack_of(image)
    dock.annotator.paint()
    paint = dock.annotator.layer()
    paint.data[2, 5:8, 5:8] = 1
    told = annotations_of(paint, image, dock.viewer, stack, ("atom",))
    assert list(told) == [2]
    regions = add_regions(dock.viewer, image)
    regions.add_rectangles([np.array([[1, 2, 3], [1, 2, 40], [1, 30, 40], [1, 30, 3]], float)])
    assert rectangles_of(dock.viewer, image, stack) == [(1, 2.0, 3.0, 30.0, 40.0)]


def test_train_find_correct_continue_save_and_open(dock, qtbot, tmp_path):
    image = image_of(dock)
    dock.annotator.click()
    mark(dock, 64)
    finish(dock, qtbot, lambda: qtbot.mouseClick(dock.run_bar.button, LEFT))
    assert dock.finder is not None, dock.run_bar.status.text()
    assert "Taught" in dock.run_bar.status.text()
    assert len(dock.loss.rows)
    assert any("preview" in layer.name for layer in dock.viewer.layers)
    assert "64 atom" in dock.card.text()

    finish(dock, qtbot, dock.find_all)
    found = dock.viewer.layers["crystal found"]
    assert len(found.data) > 100
    assert not any("preview" in layer.name for layer in dock.viewer.layers)
    count = len(found.data)
    finish(dock, qtbot, dock.learn)
    assert dock.finder.meta["annotated"]["atom"] == int((np.rint(found.data[:, 0]) == 1).sum())
    finish(dock, qtbot, dock.find_all)  # replaces, never piles up
    assert sum("found" in layer.name for layer in dock.viewer.layers) == 1
    assert len(dock.viewer.layers["crystal found"].data) > 0.5 * count

    dock.save(tmp_path / "mine")
    assert (tmp_path / "mine.safetensors").exists()
    dock.finder = None
    dock.open(tmp_path / "mine.safetensors")
    assert dock.finder.taught.classes == ("atom",)
    dock.open(tmp_path / "none.safetensors")
    assert "no such model file" in dock.run_bar.status.text()
    assert dock.finder is not None
    assert image.name == "crystal"


def test_a_class_without_examples_is_said_and_no_mark_is_lost(dock):
    dock.annotator.name_classes(("atom", "hole"))
    dock.annotator.click()
    layer = mark(dock, 3)
    dock.run()
    assert "'hole' has no examples" in dock.run_bar.status.text()
    assert len(layer.data) == 3


def test_cancel_keeps_the_marks_and_the_finder_so_far(dock, qtbot):
    dock.form.fields["steps"].set(5000)
    dock.annotator.click()
    layer = mark(dock, 20)
    qtbot.mouseClick(dock.run_bar.button, LEFT)
    qtbot.waitUntil(lambda: len(dock.loss.rows) > 0, timeout=300_000)
    qtbot.mouseClick(dock.run_bar.button, LEFT)
    qtbot.waitUntil(lambda: not dock.runner.busy, timeout=120_000)
    assert "kept" in dock.run_bar.status.text()
    assert dock.finder is not None
    assert len(layer.data) == 20
