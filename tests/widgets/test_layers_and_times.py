"""Layers as channels, pairs of times and several window sizes, by pressing the buttons of a real window."""

from __future__ import annotations

import ast

import numpy as np
import pytest

import atomscope as ats
from atomscope import pipeline
from atomscope.data.params import CropParams, DelayParams, FitParams
from atomscope.widgets.beside import LaterBox, LayersButton
from atomscope.widgets.bridge import coordinates
from atomscope.widgets.learn import sizes_of
from atomscope.widgets.script import as_python
from atomscope.widgets.state import viewer_state

pytestmark = pytest.mark.gl


@pytest.fixture(scope="module")
def field(tmp_path_factory):
    folder = tmp_path_factory.mktemp("field")
    layers, sites = ats.simulate.layered(layers=2, sites=120, frames=4, seed=0)
    paths = [pipeline.save_stack(layer, folder / f"{name}.zarr") for name, layer in zip("ab", layers, strict=True)]
    return [pipeline.open(path) for path in paths], sites


class Hands:
    """A viewer with two registered movies, their sites and docks."""

    def __init__(self, viewer, qtbot, field):
        self.viewer, self.qtbot, self.docks = viewer, qtbot, []
        (a, b), sites = field
        for stack in (a, b):
            data, kwargs, kind = pipeline.image_layer(stack)
            viewer.add_layer(ats_layer(data, kwargs, kind))
        columns = sites.table.drop(columns=["row", "col"])
        axes = {"scale": viewer.layers[0].scale, "units": viewer.layers[0].units}
        viewer.add_points(coordinates(sites, 3), name="sites", features=columns, **axes)
        viewer.add_image(np.zeros((4, 9, 9)), name="other")
        self.a, self.b = (bare(viewer.layers[i]) for i in range(2))
        self.points = bare(viewer.layers[2])
        self.crop = self.open("Extract patches")
        self.crop.points_box.choose(self.points)
        self.crop.image_box.choose(self.a)
        self.crop.form.fields["window_px"].set(16)

    def open(self, name):
        _, widget = self.viewer.window.add_plugin_dock_widget("napari-atomscope", name)
        self.docks.append(widget)
        return widget

    def press(self, widget):
        self.qtbot.waitUntil(lambda: widget.run_bar.button.isEnabled(), timeout=10_000)
        widget.run_bar.button.click()
        self.qtbot.waitUntil(lambda: not widget.runner.busy, timeout=120_000)

    def work(self):
        return viewer_state(self.viewer).work(self.points)

    def train(self, epochs=2):
        train = next((d for d in self.docks if hasattr(d, "member")), None) or self.open("Train rVAE")
        train.fit_form.fields["epochs"].set(epochs)
        self.press(train)
        return train

    def recipe(self):
        return pipeline.Recipe.of(**dict(self.work().recipe()))


def bare(layer):
    return getattr(layer, "__wrapped__", layer)


def ats_layer(data, kwargs, kind):
    from napari.layers import Layer

    return Layer.create(data, kwargs, kind)


@pytest.fixture
def hands(make_napari_viewer_proxy, qtbot, field):
    one = Hands(make_napari_viewer_proxy(show=True), qtbot, field)
    yield one
    for widget in one.docks:
        widget.runner.drop()
    qtbot.wait(100)


def test_a_second_image_is_a_channel_and_the_recipe_does_the_same_without_a_window(hands, field, qtbot):
    (a, b), sites = field
    assert hands.crop.more.offered() == [hands.b]  # neither itself nor one of another shape
    hands.crop.more.choose([hands.b])
    assert hands.crop.more.text() == hands.b.name
    qtbot.waitUntil(lambda: "MB" in hands.crop.estimate.text(), timeout=20_000)
    hands.press(hands.crop)
    work = hands.work()
    np.testing.assert_array_equal(work.patches.values, ats.crop([a, b], sites, window_px=16).values)
    train = hands.train()
    assert "2 channels" in train.chip.text() and train.member.currentText() == "rVAE"
    assert work.model.channels == 2
    opened = hands.recipe().first("open")
    assert [opened.path, *(one.path for one in opened.layers)] == [a.source, b.source]
    again = pipeline.run_recipe(hands.recipe(), sites=sites).sites.table
    np.testing.assert_allclose(again["z1"].astype(float), hands.points.features["z1"].astype(float), atol=1e-4)
    assert f"layers = [stack, ats.open({b.source!r})]" in as_python(hands.recipe())
    hands.viewer.layers.remove(hands.b)
    assert not hands.crop.more.isEnabled() and hands.crop.more.text() == "none"


@pytest.mark.parametrize("lag", [1, -2])
def test_pairs_of_times_are_cut_and_a_delay_vae_is_trained_on_them(hands, field, lag):
    (a, _), sites = field
    later = hands.crop.later
    later.tick.setChecked(True)
    later.form.set(DelayParams(lag=lag, follow="nothing"))
    hands.press(hands.crop)
    work = hands.work()
    patches, target = ats.delayed(a, sites, lag=lag, follow="nothing", window_px=16)
    np.testing.assert_array_equal(work.patches.values, patches.values)
    np.testing.assert_array_equal(work.target.values, target.values)
    assert len(work.patches) + len(work.unpaired) == len(sites)
    train = hands.train()
    assert train.member.currentText() == "DelayVAE" and train.model_form.values()["predicts"]
    assert ("later" if lag > 0 else "earlier") in train.chip.text()
    assert work.model.spec.predicts and work.table["z1"].notna().sum() == len(sites)  # those without a pair are read
    assert [step.name for step in hands.recipe()] == ["open", "delay", "crop", "train"]
    assert hands.recipe().first("delay").lag == lag
    assert f"ats.delayed(stack, sites, {'' if lag == 1 else f'lag={lag}, '}follow='nothing'" in as_python(
        hands.recipe()
    )
    later.tick.setChecked(False)
    hands.press(hands.crop)
    assert work.target is None and train.member.currentText() == "rVAE"
    assert not train.model_form.values()["predicts"]
    assert "delay" not in [step.name for step in hands.recipe()]


def test_finer_windows_are_a_chain_of_models_that_is_saved_and_opened(hands, field, tmp_path, qtbot):
    (a, _), sites = field
    hands.crop.form.fields["finer_px"].set((8,))
    hands.press(hands.crop)
    work = hands.work()
    assert sizes_of(work) == (16, 8) and work.patches.window == (8, 8)
    train = hands.train()
    assert "windows of 16, 8 px" in train.chip.text()
    assert "2 window sizes" in train.run_bar.status.text()
    assert [row["epoch"] for row in train.loss.rows] == [1, 2]  # those of the second model
    wanted = ats.encode_scales(
        ats.fit_scales(a, sites, (16, 8), train.model_form.params(), FitParams(epochs=2)), a, sites
    )
    came = hands.points.features.set_index("site").loc[wanted.index]
    np.testing.assert_allclose(came["z4"].astype(float), wanted["z4"], atol=1e-4)
    runs = hands.open("Runs")
    runs.points_box.choose(hands.points)
    runs.folder_line.setText(str(tmp_path))
    runs.name_line.setText("chain")
    runs.save_button.click()
    qtbot.waitUntil(lambda: runs.table.rowCount() == 1, timeout=20_000)
    assert ats.load_scales(tmp_path / "chain").columns == work.scales.columns
    runs.table.selectRow(0)
    hands.press(runs)
    opened = viewer_state(hands.viewer).work(bare(hands.viewer.layers[-1]))
    assert opened.scales.columns == work.scales.columns
    assert "ats.fit_scales(stack, sites, (16, 8)" in as_python(hands.recipe())


def test_what_does_not_go_together_is_said(hands, qtbot):
    hands.crop.form.fields["finer_px"].set((8,))
    hands.crop.later.tick.setChecked(True)
    qtbot.waitUntil(lambda: "do not go together" in hands.crop.estimate.text(), timeout=10_000)
    hands.crop.form.fields["finer_px"].set((7,))
    assert "take for example" in hands.crop.form._error.text()


def test_a_box_for_pairs_is_there_for_movies_only(hands, qtbot):
    box, button = LaterBox(), LayersButton(hands.viewer)
    qtbot.addWidget(box)
    qtbot.addWidget(button)
    box.follow(hands.a)
    assert not box.isHidden() and box.params() is None
    box.tick.setChecked(True)
    assert box.params() == DelayParams()
    box.follow(None)
    assert box.isHidden() and box.params() is None
    assert not button.isEnabled()


@pytest.mark.parametrize("pairs", ["predict", "stack"])
def test_a_script_of_pairs_runs(pairs):
    recipe = pipeline.Recipe.of(
        delay=DelayParams(lag=2, pairs=pairs), crop=CropParams(window_px=8), train=pipeline.TrainParams()
    )
    script = as_python(recipe)
    ast.parse(script)
    assert "ats.delayed(stack, sites, lag=2, window_px=8)" in script
    assert ("given=ats.Given(target=target)" in script) == (pairs == "predict")
    assert ("ats.channels(patches, target)" in script) == (pairs == "stack")
