"""The path of a chosen site on the scatter of the Latent explorer, in a real window."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtWidgets import QApplication

from atomscope.widgets.latent_explorer import LatentExplorerWidget

pytestmark = pytest.mark.gl
LEFT = Qt.MouseButton.LeftButton


def cycling(tracks, frames, seed=0):
    """Sites that go round a ring in latent space, in any order of rows; some frames are missing."""
    rng = np.random.default_rng(seed)
    track, frame = np.divmod(rng.permutation(tracks * frames), frames)
    phase = 2 * np.pi * frame / frames + track + rng.normal(0, 0.05, len(track))
    z = np.stack([np.cos(phase), np.sin(phase)], 1) + rng.normal(0, 0.05, (len(track), 2))
    data = np.column_stack([frame, 8 + 10 * (track // 8) % 80, 8 + 10 * (track % 8)]).astype(float)
    features = pd.DataFrame({"site": np.arange(len(track)), "track": track, "z1": z[:, 0], "z2": z[:, 1]})
    keep = ~((track == 3) & (frame == 5))
    return data[keep], features[keep].reset_index(drop=True).astype({"z1": "f4", "z2": "f4"})


@pytest.fixture
def explorer(make_napari_viewer_proxy, qtbot):
    def make(tracks, frames, track=True, scale=(0.5, 1, 1)):
        viewer = make_napari_viewer_proxy(show=True)
        data, features = cycling(tracks, frames)
        viewer.add_image(np.zeros((frames, 96, 96), np.uint8), contrast_limits=(0, 1), scale=scale)
        features = features if track else features.drop(columns="track")
        viewer.add_points(data, features=features, size=4, scale=scale, name="sites")
        widget = LatentExplorerWidget(viewer)
        viewer.window.add_dock_widget(widget, name="Latent explorer")
        qtbot.waitUntil(lambda: widget.scatter.box.width() > 50, timeout=5000)
        QApplication.processEvents()
        made.append(widget)
        return widget

    made: list[LatentExplorerWidget] = []
    yield make
    for widget in made:
        widget.runner.drop()
    qtbot.wait(50)


def points(widget):
    return widget.points_box.layer()


def click(widget, qtbot, x, y):
    """Click where a place of the plane is on the screen."""
    scatter = widget.scatter
    where = scatter.mapFromScene(scatter.box.mapViewToScene(QPointF(float(x), float(y))))
    qtbot.mouseClick(scatter.viewport(), LEFT, pos=where)
    qtbot.wait(20)


def test_a_click_on_a_dot_draws_its_path_and_a_click_on_the_path_goes_to_the_frame(explorer, qtbot):
    widget = explorer(24, 20)
    path, features = widget.path, points(widget).features
    row = int(np.flatnonzero((features["track"] == 3) & (points(widget).data[:, 0] == 9))[0])
    click(widget, qtbot, features["z1"][row], features["z2"][row])
    assert path.item.path is None  # not ticked
    qtbot.mouseClick(path.tick, LEFT, pos=QPoint(8, path.tick.height() // 2))
    assert path.tick.isChecked() and "Click a dot" in path.told.text()
    click(widget, qtbot, features["z1"][row], features["z2"][row])
    shown = path.item.path
    clicked = int(np.flatnonzero(widget.scatter.selected)[0])
    wanted = features[features["track"] == features["track"][clicked]].index
    order = wanted[np.argsort(points(widget).data[wanted, 0])]
    assert widget.scatter.selected.sum() == 1 and set(points(widget).selected_data) == {clicked}
    assert shown.rows.tolist() == order.tolist()
    np.testing.assert_allclose(shown.x, features["z1"][order])
    for frame in (4, 13):
        at = shown.at_frame(frame)
        click(widget, qtbot, shown.x[at], shown.y[at])
        now = widget.viewer.dims.point[0] / 0.5
        near = [
            f
            for f, x, y in zip(shown.frame, shown.x, shown.y, strict=True)
            if np.hypot(x - shown.x[at], y - shown.y[at]) < 0.2
        ]
        assert now in near
        mark = path.item.mark.data
        assert (mark["x"][0], mark["y"][0]) == pytest.approx(
            (shown.x[shown.at_frame(int(now))], shown.y[shown.at_frame(int(now))])
        )
    click(widget, qtbot, 0.0, 0.0)  # the middle of the ring is empty
    assert path.item.path is None and not widget.scatter.selected.any()


def test_a_site_chosen_in_the_image_shows_its_path_and_the_mark_goes_along(explorer, qtbot):
    widget = explorer(24, 20)
    widget.path.tick.setChecked(True)
    features = points(widget).features
    row = int(np.flatnonzero(features["track"] == 3)[0])
    points(widget).selected_data = {row}
    qtbot.waitUntil(lambda: widget.path.item.path is not None, timeout=2000)
    shown = widget.path.item.path
    assert shown.frame.tolist() == [f for f in range(20) if f != 5] and "Track 3" in widget.path.told.text()
    for frame in (0, 7, 5, 19):
        widget.viewer.dims.set_current_step(0, frame)
        mark = widget.path.item.mark.data
        assert len(mark) == (frame != 5)  # not seen then
        if len(mark):
            assert mark["x"][0] == pytest.approx(shown.x[shown.at_frame(frame)])
    steps = sum(np.isfinite(x).sum() // 2 for x, _ in shown.lines)
    assert steps == 17 and np.isfinite(shown.gaps[0]).sum() == 2  # 18 steps, one over the missing frame
    points(widget).selected_data = {row, row + 1}
    qtbot.waitUntil(lambda: widget.path.item.path is None, timeout=2000)
    points(widget).selected_data = {row}
    qtbot.waitUntil(lambda: widget.path.item.path is not None, timeout=2000)
    widget.y_box.setCurrentText("z1")  # another plane: the path is drawn there
    np.testing.assert_allclose(widget.path.item.path.y, widget.path.item.path.x)
    widget.path.tick.setChecked(False)
    assert widget.path.item.path is None and widget.scatter._dots.opacity() == 1.0


def test_without_tracks_the_box_says_what_to_do_and_notices_when_they_come(explorer):
    widget = explorer(6, 5, track=False)
    assert not widget.path.tick.isEnabled() and "Drift and tracks" in widget.path.tick.toolTip()
    layer = points(widget)
    layer.features = layer.features.assign(track=cycling(6, 5)[1]["track"])
    widget.state.tell(layer, "columns")
    assert widget.path.tick.isEnabled()


def test_it_keeps_up_with_a_hundred_thousand_sites(explorer, qtbot):
    widget = explorer(200, 500)
    assert widget.scatter.dense
    widget.path.tick.setChecked(True)
    rng, times, steps = np.random.default_rng(0), [], []
    n = len(widget.scatter.x)
    for row in rng.integers(0, n, 6):
        mask = np.zeros(n, bool)
        mask[row] = True
        began = time.perf_counter()
        widget.path.choose(mask)
        QApplication.processEvents()
        times.append(time.perf_counter() - began)
        assert len(widget.path.item.path.x) >= 499
    for frame in range(20, 40):
        began = time.perf_counter()
        widget.path.item.show_frame(frame)
        QApplication.processEvents()
        steps.append(time.perf_counter() - began)
    print(f"path {sorted(times)[3]:.3f} s, mark {sorted(steps)[10]:.4f} s")
    assert min(times) < 0.25 and sorted(steps)[10] < 0.1


def test_sites_that_are_rings_are_coloured_when_the_explorer_shows_them(make_napari_viewer_proxy, qtbot):
    viewer = make_napari_viewer_proxy(show=True)
    data, features = cycling(8, 10)
    viewer.add_image(np.zeros((10, 96, 96), np.uint8))
    layer = viewer.add_points(data, features=features, face_color="transparent", border_color="orange")
    widget = LatentExplorerWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Latent explorer")
    assert widget.colour_box.currentText() == "z1"
    assert (np.asarray(layer.face_color)[:, 3] > 0.5).all()
    assert len(np.unique(np.asarray(layer.face_color), axis=0)) > 20
    widget.runner.drop()
