"""The dock Drift and tracks in a real window, by pressing its buttons."""

from __future__ import annotations

import numpy as np
import pytest

import atomscope as ats
from atomscope.widgets.tracks import TracksWidget

pytestmark = pytest.mark.gl


@pytest.fixture(scope="module")
def movie():
    stack, truth = ats.simulate.movie(
        "WS2",
        frames=14,
        size_px=192,
        snr=15,
        vacancies=0.04,
        defects_on="B",
        hop_rate=0.15,
        drift_nm=0.01,
        displacement_nm=0.004,
        frame_time_s=2.0,
        seed=3,
    )
    return np.asarray(stack.data), stack, truth


@pytest.fixture
def dock(make_napari_viewer_proxy, qtbot, movie):
    viewer = make_napari_viewer_proxy(show=True)
    step = movie[1].pixel_axes[0].scale
    viewer.add_image(
        movie[0], name="ws2", scale=(2.0, step, step), units=("s", "nm", "nm"), axis_labels=("frame", "row", "col")
    )
    widget = TracksWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Drift and tracks")
    yield widget
    widget.runner.drop()
    qtbot.wait(100)


def press(dock, qtbot, button):
    qtbot.waitUntil(button.isEnabled, timeout=5000)
    button.click()
    qtbot.waitUntil(lambda: not dock.runner.busy, timeout=120_000)


def layer(dock, kind):
    return next((x for x in dock.viewer.layers if type(getattr(x, "__wrapped__", x)).__name__ == kind), None)


def test_from_the_movie_to_diffusion(dock, qtbot, movie):
    assert not dock.run_bar.button.isEnabled() and "Find atoms" in dock.run_bar.status.text()
    press(dock, qtbot, dock.drift.button)
    true = np.asarray(movie[1].metadata["drift_px"])
    assert np.abs(dock.drift.found.shift_px - (true - true[0])).max() < 0.3
    assert len(dock.drift.plot.x) == 14 and "No frame is flagged. Known to" in dock.drift.told.text()
    press(dock, qtbot, dock.places_button)
    points = layer(dock, "Points")
    assert {"atom", "vacancy"} == set(points.features["kind"].astype(str))
    dock.form.set(dock.form.params().replace(by="lattice", kinds=("vacancy",)))
    press(dock, qtbot, dock.run_bar.button)
    features = points.features
    assert (features["track"][features["kind"] == "vacancy"] >= 0).mean() > 0.9  # not at places that leave at once
    assert (features["track"][features["kind"] == "atom"] == -1).all()
    assert layer(dock, "Tracks") is not None and "track" in dock.run_bar.status.text()
    dock.over_time.what_box.setCurrentText("kind vacancy")
    share = (features["kind"] == "vacancy").groupby(np.asarray(points.data)[:, 0]).mean()
    np.testing.assert_allclose(dock.over_time.plot.y, share)
    dock.over_time.plot.line.setValue(9)
    qtbot.waitUntil(lambda: dock.viewer.dims.current_step[0] == 9, timeout=2000)
    press(dock, qtbot, dock.diffusion.button)
    assert "D = " in dock.diffusion.told.text() and "nm^2/s" in dock.diffusion.told.text()
    assert len(dock.diffusion.plot.x) > 1
    steps = [name for name, _ in dock.state.work(points).recipe()]
    assert steps[-2:] == ["drift", "link"]


def test_holding_still_moves_the_layers_and_puts_them_back(dock, qtbot):
    press(dock, qtbot, dock.drift.button)
    image = layer(dock, "Image")
    start = np.array(image.translate)
    dock.drift.hold_box.setChecked(True)
    dock.viewer.dims.set_current_step(0, 11)
    shift = dock.drift.found.shift_px[11] * np.asarray(image.scale)[-2:]
    np.testing.assert_allclose(image.translate, start - [0, *shift])
    press(dock, qtbot, dock.places_button)  # new layers lie where the movie belongs
    dock.drift.hold_box.setChecked(False)
    np.testing.assert_allclose(image.translate, start)
    np.testing.assert_allclose(layer(dock, "Points").translate, start)


def test_an_image_is_no_movie(make_napari_viewer_proxy, qtbot):
    viewer = make_napari_viewer_proxy()
    viewer.add_image(np.zeros((32, 32)))
    dock = TracksWidget(viewer)
    qtbot.addWidget(dock)
    assert "movie" in dock.run_bar.status.text() and not dock.drift.button.isEnabled()


def test_transitions_of_places(dock, qtbot):
    assert not dock.states.button.isEnabled()
    press(dock, qtbot, dock.places_button)
    dock.states.only.setCurrentText("B")
    assert dock.states.states.currentText() == "kind" and dock.states.follow.currentText() == "places"
    press(dock, qtbot, dock.states.button)
    features = layer(dock, "Points").features
    table = features[features["sublattice"].astype(str) == "B"].assign(
        frame=np.rint(np.asarray(layer(dock, "Points").data)[features["sublattice"].astype(str) == "B", 0]).astype(int)
    )
    known = ats.transitions(table.assign(track=table["lattice_site"]), column="kind")
    shown = dock.states.table
    assert [shown.horizontalHeaderItem(k).text() for k in range(2)] == ["to atom", "to vacancy"]
    for i in range(2):
        for j in range(2):
            assert shown.item(i, j).text().startswith(f"{known.matrix[i, j]:.3g}\n")
    assert "vacancy lasts" in dock.states.told.text()
    dock.states.copy.click()
    from qtpy.QtWidgets import QApplication

    assert "probability" in QApplication.clipboard().text() and "mean_s" in QApplication.clipboard().text()


def test_a_frame_time_can_be_given(dock, qtbot):
    assert "2 s (movie)" in dock.time_box.text()
    press(dock, qtbot, dock.places_button)
    dock.states.only.setCurrentText("B")
    press(dock, qtbot, dock.states.button)
    slow = dock.states.told.text()
    dock.time_box.setValue(0.5)
    press(dock, qtbot, dock.states.button)

    def lasts(text):
        return float(text.split("vacancy lasts ")[1].split()[0])

    assert lasts(dock.states.told.text()) == pytest.approx(lasts(slow) / 4, rel=0.01)
    dock.form.set(dock.form.params().replace(by="lattice", kinds=("vacancy",)))
    press(dock, qtbot, dock.run_bar.button)
    press(dock, qtbot, dock.diffusion.button)
    quick = float(dock.diffusion.told.text().split("D = ")[1].split()[0])
    dock.time_box.setValue(0)
    press(dock, qtbot, dock.diffusion.button)
    assert quick == pytest.approx(4 * float(dock.diffusion.told.text().split("D = ")[1].split()[0]), rel=0.01)
    dock.time_box.lineEdit().setText("0.25")
    dock.time_box.interpretText()
    assert dock.time_box.seconds == 0.25
