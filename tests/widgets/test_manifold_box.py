"""The manifold in the dock: shown, brought to the viewer with ticks, saved; turned copies merged."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import atomscope as ats
from atomscope import pipeline
from atomscope.widgets.bridge import KEY
from atomscope.widgets.latent_explorer import LatentExplorerWidget
from atomscope.widgets.manifold_box import PLANE, SINGLE
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
