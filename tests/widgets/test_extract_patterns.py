"""The dock Extract patterns in a real window: from a scan on the canvas to latents over it, as a user would."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication
from scipy.ndimage import rotate

import atomscope as ats
from atomscope import pipeline
from atomscope.data import Axis, Stack
from atomscope.data.params import FindParams, PatternParams
from atomscope.widgets.state import viewer_state

pytestmark = pytest.mark.gl
LEFT = Qt.MouseButton.LeftButton
SHAPE = (10, 12)


def grains() -> Stack:
    """Three weak disks round the bright one, turned by 40 degrees in the right half of the scan."""
    rows, cols = np.ogrid[:32, :32]
    middle = 60.0 * (np.hypot(rows - 15.5, cols - 15.5) < 4)
    round_it = sum(
        20.0 * (np.hypot(rows - 15.5 - 9 * np.sin(a), cols - 15.5 - 9 * np.cos(a)) < 2.5) for a in (0.3, 1.8, 4.0)
    )
    turned = rotate(round_it, 40, reshape=False, order=1)
    means = np.where((np.arange(SHAPE[1]) < 6)[None, :, None, None], middle + round_it, middle + turned)
    means = np.broadcast_to(0.3 + np.clip(means, 0, None), (*SHAPE, 32, 32))
    values = np.random.default_rng(0).poisson(means).astype(np.uint16)
    axes = [Axis("scan_row", 0.5, "nm"), Axis("scan_col", 0.5, "nm")]
    axes += [Axis(name, 1.5, "mrad", -1.5 * 15.5) for name in ("det_row", "det_col")]
    return Stack.from_array(values, axes, name="grains")


class Window:
    def __init__(self, viewer, qtbot, file):
        self.viewer, self.qtbot = viewer, qtbot
        self.navigator = self.open("4D-STEM")
        viewer.open(file, plugin="napari-atomscope")
        qtbot.waitUntil(lambda: len(viewer.layers) == 1 and viewer.layers[0].ndim == 2, timeout=60_000)
        qtbot.waitUntil(lambda: not self.navigator.runner.busy, timeout=60_000)
        self.dock = self.open("Extract patterns")

    def open(self, name):
        return self.viewer.window.add_plugin_dock_widget("napari-atomscope", name)[1]

    def press(self, dock):
        self.qtbot.mouseClick(dock.run_bar.button, LEFT)
        self.qtbot.waitUntil(lambda: not dock.runner.busy, timeout=120_000)

    def points(self):
        return next(layer for layer in reversed(self.viewer.layers) if type(layer).__name__ == "Points")

    def work(self, points):
        return viewer_state(self.viewer).work(points)


@pytest.fixture
def window(make_napari_viewer, qtbot, tmp_path):
    file = pipeline.save_image(grains(), tmp_path / "grains.zarr")
    one = Window(make_napari_viewer(show=True), qtbot, file)
    yield one
    one.navigator.drop_all()
    qtbot.wait(100)


def test_without_a_scan_it_says_what_to_do(make_napari_viewer):
    viewer = make_napari_viewer()
    _, dock = viewer.window.add_plugin_dock_widget("napari-atomscope", "Extract patterns")
    viewer.add_image(np.zeros((8, 8)))  # not of a scan
    assert not dock.run_bar.button.isEnabled() and "4D-STEM" in dock.estimate.text()


def test_every_position_is_learnt_from_shown_over_the_scan_and_done_again_by_its_recipe(window, qtbot, tmp_path):
    dock = window.dock
    dock.form.fields["blank_disk"].set(True)
    dock.form.fields["side_px"].set(24)
    qtbot.waitUntil(lambda: dock.estimate.text().startswith("120 patterns"), timeout=30_000)
    assert dock.picture.array is not None
    window.press(dock)
    points = window.points()
    assert len(points.data) == 120 and "Next: Train rVAE" in dock.run_bar.status.text()
    wanted, sites = ats.patterns(grains(), blank_disk=True, side_px=24)
    got = window.work(points)
    np.testing.assert_array_equal(got.patches.values, wanted.values)
    image = window.viewer.layers[0]
    np.testing.assert_allclose(points.data * points.scale, sites.positions * image.scale)
    window.press(dock)  # again: in the place of the first
    assert sum(type(layer).__name__ == "Points" for layer in window.viewer.layers) == 1
    points = window.points()

    train = window.open("Train rVAE")
    spec = train.model_form.params()
    assert (spec.rotation, spec.translation, spec.glance) == (True, False, True)  # patterns are centred
    train.member.textActivated.emit("jrVAE")
    assert not train.model_form.params().translation and train.member.currentText() == "jrVAE"
    train.member.textActivated.emit("VAE")
    train.fit_form.fields["epochs"].set(2)
    window.press(train)
    assert np.isfinite(points.features["z1"]).all()
    explorer = window.open("Latent explorer")
    qtbot.waitUntil(explorer.manifold.map_button.isEnabled, timeout=20_000)
    qtbot.mouseClick(explorer.manifold.map_button, LEFT)
    maps = next(layer for layer in window.viewer.layers if layer.name.endswith("map of z1"))
    np.testing.assert_allclose(maps.data, points.features["z1"].to_numpy().reshape(SHAPE), rtol=1e-6)
    np.testing.assert_allclose(maps.scale, image.scale)

    recipe = pipeline.Recipe.of(**dict(window.work(points).recipe()))
    assert [step.name for step in recipe] == ["open", "patterns", "train"]
    again = pipeline.run_recipe(recipe, folder=tmp_path / "run")
    np.testing.assert_allclose(again.sites.table["z1"], points.features["z1"], atol=1e-4)
    window.open("Runs").copy_python()
    script = QApplication.clipboard().text()
    assert "ats.patterns(stack, side_px=24, blank_disk=True)" in script and "find_atoms" not in script


def test_patterns_round_sites_of_the_image(window, qtbot):
    dock, image = window.dock, window.viewer.layers[0]
    at = [[2.0, 3.0], [5.0, 8.0], [9.0, 11.0]]
    points = window.viewer.add_points(at, scale=image.scale, units=image.units, name="clicked")
    dock.where.setCurrentText("round sites")
    dock.points_box.choose(points)
    dock.form.fields["radius_px"].set(1.5)
    qtbot.waitUntil(lambda: dock.estimate.text().startswith("3 patterns"), timeout=30_000)
    window.press(dock)
    work = window.work(points)
    assert len(work.patches) == 3 and not work.steps  # no recipe says where these are
    assert list(points.features["site"]) == [0, 1, 2]
    wanted, _ = ats.patterns(grains(), sites=work.sites, radius_px=1.5)
    np.testing.assert_array_equal(work.patches.values, wanted.values)

    work.note("find", FindParams())
    window.press(dock)
    steps = dict(work.recipe())
    assert list(steps) == ["open", "virtual", "find", "patterns"]
    detector = steps["virtual"]
    assert detector.centre_row_px == pytest.approx(15.5, abs=0.3)  # where the beam is, not an empty field
    assert steps["patterns"] == PatternParams(radius_px=1.5)
    np.testing.assert_allclose(ats.virtual_image(grains(), detector).frame(0), image.data, rtol=1e-6)


def test_bad_choices_are_said_and_change_nothing(window, qtbot):
    dock = window.dock
    dock.form.fields["row_from"].set(50)
    qtbot.waitUntil(lambda: "no position" in dock.estimate.text(), timeout=30_000)
    window.press(dock)
    assert "no position" in dock.run_bar.status.text()
    assert [type(layer).__name__ for layer in window.viewer.layers] == ["Image"]
    dock.where.setCurrentText("round sites")
    assert not dock.run_bar.button.isEnabled()
