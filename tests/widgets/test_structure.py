"""The dock *Defects and structure*, by pressing its button and clicking its rows."""

import numpy as np
import pytest
from qtpy.QtCore import Qt

from atomscope import pipeline
from atomscope.widgets.overlay import is_points, points_layer
from atomscope.widgets.structure import StructureWidget

pytestmark = pytest.mark.gl
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def window(make_napari_viewer_proxy, qtbot):
    viewer = make_napari_viewer_proxy(show=True)
    viewer.open_sample("napari-atomscope", "graphene_stone_wales")
    image = viewer.layers[0]
    image = getattr(image, "__wrapped__", image)
    stack = pipeline.open_sample("graphene_stone_wales")
    viewer.add_layer(points_layer(stack, pipeline.find_atoms(stack), image, "atoms"))
    _, widget = viewer.window.add_plugin_dock_widget("napari-atomscope", "Defects and structure")
    yield viewer, widget
    widget.runner.drop()
    qtbot.wait(50)


def press(widget, qtbot):
    qtbot.waitUntil(lambda: widget.run_bar.button.isEnabled(), timeout=5000)
    qtbot.mouseClick(widget.run_bar.button, LEFT)
    qtbot.waitUntil(lambda: not widget.runner.busy, timeout=120_000)


def rows(widget):
    out = {}
    for i in range(widget.table.rowCount()):
        what, value = widget.table.item(i, 0).data(Qt.ItemDataRole.UserRole)
        if what:
            out[what, value] = (i, int(widget.table.item(i, 1).text().replace(",", "")))
    return out


def test_it_reads_draws_counts_and_selects(window, qtbot):
    viewer, widget = window
    assert isinstance(widget, StructureWidget)
    widget.form.fields["elements"].set("C, Si")
    press(widget, qtbot)
    names = [layer.name for layer in viewer.layers]
    assert {"bonds", "rings", "strain", "defects"} <= {name.split()[-1] for name in names}
    assert names.count("atoms") == 1
    counted = rows(widget)
    assert counted["ring size", "7"][1] == 10
    assert counted["defect", "stone-wales 5-5-7-7"][1] == 5
    assert ("defect", "substitution Si1C3") in counted
    points = widget.points_box.layer()
    assert is_points(points) and (points.features["kind"] == "vacancy").any()

    row, many = counted["kind", "substitution"]
    widget.table.setCurrentCell(row, 0)
    assert len(points.selected_data) == many
    picked = points.features["kind"].iloc[sorted(points.selected_data)]
    assert (picked == "substitution").all()
    row, _ = counted["ring size", "5"]
    widget.table.setCurrentCell(row, 0)
    assert len(points.selected_data) == 50


def test_reading_again_replaces_the_layers_and_adds_no_vacancy_twice(window, qtbot):
    viewer, widget = window
    press(widget, qtbot)
    names, n = [layer.name for layer in viewer.layers], len(widget.points_box.layer().data)
    press(widget, qtbot)
    assert [layer.name for layer in viewer.layers] == names
    points = widget.points_box.layer()
    assert len(points.data) == n
    assert points.features["site"].is_unique
    assert not (points.features["flag"] == "vacancy not found again").any()


def test_without_sites_the_button_says_what_to_do(make_napari_viewer_proxy, qtbot):
    viewer = make_napari_viewer_proxy(show=True)
    viewer.add_image(np.zeros((32, 32)))
    _, widget = viewer.window.add_plugin_dock_widget("napari-atomscope", "Defects and structure")
    assert not widget.run_bar.button.isEnabled()
    assert "Find atoms first" in widget.run_bar.status.text()
