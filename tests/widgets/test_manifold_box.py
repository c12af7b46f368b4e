"""The manifold in the dock: shown, brought to the viewer with ticks, saved; turned copies merged."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import atomscope as ats
from atomscope import pipeline
from atomscope.widgets.bridge import KEY
from atomscope.widgets.latent_explorer import LatentExplorerWidget
from atomscope.widgets.manifold_box import ALL, PLANE, SINGLE
from atomscope.widgets.state import viewer_state

napari = pytest.importorskip("napari")


@pytest.fixture
def dock(qtbot):
    rng = np.random.default_rng(0)
    viewer = napari.components.ViewerModel()
    stack = ats.Stack.from_array(rng.normal(size=(60, 60)).astype(np.float32))
    sites = ats.grid(stack, step_px=6)
    patches = ats.crop(stack, sites, window_px=10)
    model = ats.fit(patches, ats.VAE(hidden=8), epochs=1)
    joined = sites.join(ats.encode(model, patches))
    for data, kwargs, kind in pipeline.layers(stack, joined):
        viewer.add_layer(napari.layers.Layer.create(data, kwargs, kind))
    points = next(layer for layer in viewer.layers if type(layer).__name__ == "Points")
    work = viewer_state(viewer).work(points)
    work.model, work.patches = model, patches
    widget = LatentExplorerWidget(viewer)
    qtbot.addWidget(widget)
    return widget, viewer, points


def test_it_is_drawn_brought_to_the_viewer_and_saved(dock, qtbot, tmp_path):
    widget, viewer, points = dock
    box = widget.manifold
    shapes = {}
    for kind in (PLANE, SINGLE):
        box.kind.setCurrentText(kind)
        qtbot.waitUntil(lambda: box.array is not None and box.array.shape not in shapes.values(), timeout=20_000)
        shapes[kind] = box.array.shape
        before = len(viewer.layers)
        box.show_layers()
        assert len(viewer.layers) == before + 2
        box.show_layers()  # again: in their place
        assert len(viewer.layers) == before + 2
    assert shapes[SINGLE][0] == 2 * 11 - 1
    assert viewer.layers[-1].metadata[KEY]["kind"] == "ticks"
    box.show_maps()
    assert {"map"} <= {layer.metadata.get(KEY, {}).get("kind") for layer in viewer.layers}
    box.save_to(tmp_path)
    assert (tmp_path / "manifold.png").exists() and (tmp_path / "traversals.tif").exists()
    assert widget.points_box.layer() is points  # our pictures and ticks are not taken for data


def test_the_class_that_is_drawn_is_chosen(dock, qtbot):
    widget, viewer, points = dock
    box, state = widget.manifold, viewer_state(viewer)
    assert box.label_box.isHidden() and box.level_box.isHidden()
    state.work(points).model = model = ats.fit(state.work(points).patches, ats.VAE(classes=3, hidden=8), epochs=1)
    state.tell(points, "model")
    assert [box.label_box.itemText(i) for i in range(4)] == ["class 0", "class 1", "class 2", ALL]
    for choice, n, label in (("class 2", 8, 2), (ALL, 5, "all")):
        wanted = pipeline.manifold(model, n, label=label)
        box.label_box.setCurrentText(choice)
        qtbot.waitUntil(lambda wanted=wanted: np.array_equal(box.array, wanted, equal_nan=True), timeout=20_000)
    box.show_layers()
    assert "class 2" in list(viewer.layers[-1].features["tick"])
    box.kind.setCurrentText(SINGLE)
    wanted = pipeline.one_by_one(model)
    qtbot.waitUntil(lambda: np.array_equal(box.array, wanted, equal_nan=True), timeout=20_000)


def test_of_several_window_sizes_each_is_shown(dock, qtbot):
    widget, viewer, points = dock
    state, stack = viewer_state(viewer), ats.Stack.from_array(np.random.default_rng(1).normal(size=(60, 60)))
    scales = ats.fit_scales(stack, ats.grid(stack, step_px=6), (12, 6), ats.VAE(hidden=8), epochs=1)
    work = state.work(points)
    work.model, work.scales = scales.levels[0].model, scales
    state.tell(points, "model")
    box = widget.manifold
    assert [box.level_box.itemText(i) for i in range(2)] == ["12 px: z1, z2", "6 px: z3, z4"]
    box.level_box.setCurrentIndex(1)
    wanted = pipeline.manifold(scales.levels[1].model)
    qtbot.waitUntil(lambda: np.array_equal(box.array, wanted, equal_nan=True), timeout=20_000)


def test_turned_copies_are_merged_when_it_is_ticked(dock, qtbot):
    widget, _, points = dock
    widget.form.fields["n_clusters"].set(3)
    widget.merge.setChecked(True)
    widget.run()
    qtbot.waitUntil(lambda: "variant" in points.features, timeout=30_000)
    features = points.features
    assert features["cluster"].max() <= features["variant"].max() == 2
    assert isinstance(features, pd.DataFrame)


def test_without_patches_it_says_what_is_missing(dock):
    widget, viewer, points = dock
    viewer_state(viewer).work(points).patches = None
    widget.merge.setChecked(True)
    widget.run()
    assert "extract the patches" in widget.run_bar.status.text()
