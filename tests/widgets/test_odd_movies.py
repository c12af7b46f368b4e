"""Odd movies and odd points in the dock Drift and tracks: told in words, nothing lost, buttons usable again."""

from __future__ import annotations

import numpy as np
import pytest
from napari.utils.notifications import notification_manager

from atomscope.widgets.tracks import TracksWidget

pytestmark = pytest.mark.gl

FRAMES, SIZE, SPACING = 6, 96, 12


def lattice(frame: int = 0) -> np.ndarray:
    """Places of a square lattice, (row, col), that drifts by half a pixel a frame."""
    at = np.arange(6.0, SIZE, SPACING)
    return np.stack(np.meshgrid(at, at, indexing="ij"), -1).reshape(-1, 2) + np.multiply(frame, (0.3, 0.4))


def crystal() -> np.ndarray:
    rng, rows = np.random.default_rng(0), np.arange(SIZE)[:, None]
    out = []
    for t in range(FRAMES):
        row, col = (np.exp(-((rows - x) ** 2) / (2 * 2.2**2)) for x in lattice(t).T)
        out.append(row @ col.T + rng.normal(0, 0.05, (SIZE, SIZE)))
    return np.array(out, np.float32)


def cloud(frames: int = FRAMES) -> np.ndarray:
    """The same places as points of a layer, (frame, row, col)."""
    return np.concatenate([np.c_[np.full(64, t), lattice(t)] for t in range(frames)])


@pytest.fixture
def viewer(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    qtbot.wait(20)
    return viewer


@pytest.fixture
def dock(viewer, qtbot):
    widget = TracksWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Drift and tracks")
    yield widget
    widget.runner.drop()
    qtbot.wait(100)


@pytest.fixture
def bugs():
    """What napari was told that was no sentence of ours: tracebacks and warnings."""
    told = []

    def take(notification):
        if getattr(notification, "exception", None) is not None or getattr(notification, "warning", None) is not None:
            told.append(str(notification.message))

    notification_manager.notification_ready.connect(take)
    yield told
    notification_manager.notification_ready.disconnect(take)


def press(dock, qtbot, button):
    qtbot.waitUntil(button.isEnabled, timeout=5000)
    button.click()
    qtbot.waitUntil(lambda: not dock.runner.busy, timeout=60_000)
    return dock.run_bar.status.text()


def usable(dock) -> bool:
    """Whether nothing is stuck: the bar at rest, the buttons of the movie enabled."""
    return dock.run_bar.button.text() == "Link sites" and dock.drift.button.isEnabled()


def test_points_put_in_by_hand_are_linked_and_measured(dock, viewer, qtbot, bugs):
    viewer.add_image(crystal(), name="crystal")
    points = viewer.add_points(cloud(), name="mine")  # no site ids, no features at all
    dock.form.set(dock.form.params().replace(radius_px=4.0))
    assert "64 tracks through 384 sites" in press(dock, qtbot, dock.run_bar.button)
    assert points.features["site"].is_unique
    track = points.features["track"].to_numpy().reshape(FRAMES, 64)
    assert (track == track[0]).all() and len(np.unique(track)) == 64
    assert "measured" in press(dock, qtbot, dock.diffusion.button)
    assert "D = " in dock.diffusion.told.text()
    points.add([[0.0, 50.0, 50.0]])  # one more, by hand: of no site yet
    press(dock, qtbot, dock.run_bar.button)
    assert points.features["track"].notna().all() and points.features["track"].nunique() == 65
    assert usable(dock) and not bugs


def test_a_single_particle_asks_for_a_radius_and_then_is_one_track(dock, viewer, qtbot, bugs):
    viewer.add_image(crystal(), name="crystal")
    points = viewer.add_points(np.c_[np.arange(FRAMES), 40 + 3.0 * np.arange(FRAMES), np.full(FRAMES, 50.0)])
    points.features = {"mark": np.arange(FRAMES)}
    assert "radius_px" in press(dock, qtbot, dock.run_bar.button)
    assert usable(dock) and list(points.features.columns) == ["mark"]
    dock.form.set(dock.form.params().replace(radius_px=5.0))
    assert "1 track through 6 sites" in press(dock, qtbot, dock.run_bar.button)
    assert points.features["mark"].tolist() == list(range(FRAMES)) and not bugs
    press(dock, qtbot, dock.diffusion.button)
    assert "1 track: too few for an interval" in dock.diffusion.told.text()


def test_no_points_at_all_are_no_tracks(dock, viewer, qtbot, bugs):
    viewer.add_image(crystal(), name="crystal")
    viewer.add_points(np.zeros((0, 3)), name="none yet")
    assert "0 tracks through 0 sites" in press(dock, qtbot, dock.run_bar.button)
    assert usable(dock) and not bugs


def test_a_colour_picture_is_told_and_the_slider_still_moves(dock, viewer, qtbot, bugs):
    viewer.add_image(np.zeros((8, 32, 32, 3), np.uint8), rgb=True, name="video")
    assert "Split RGB" in dock.run_bar.status.text() and not dock.drift.button.isEnabled()
    viewer.dims.set_current_step(0, 5)
    qtbot.wait(20)
    viewer.layers.clear()
    viewer.add_image(crystal(), name="crystal")
    assert "Find atoms" in dock.run_bar.status.text() and usable(dock) and not bugs


@pytest.mark.parametrize("value", [0.0, np.nan, 7.0])
def test_a_movie_of_nothing_is_told(dock, viewer, qtbot, bugs, value):
    viewer.add_image(np.full((4, 48, 48), value, np.float32), name="blank")
    assert "Drift measured" in press(dock, qtbot, dock.drift.button)
    assert "4 frames flagged: 0 (no signal)" in dock.drift.told.text()
    assert "no frame shows anything" in press(dock, qtbot, dock.places_button)
    assert usable(dock) and len(viewer.layers) == 1 and not bugs


def test_an_empty_frame_is_named_and_the_rest_measured(dock, viewer, qtbot, bugs):
    movie = crystal()
    movie[3] = 0
    viewer.add_image(movie, name="blink")
    press(dock, qtbot, dock.drift.button)
    assert "1 frame flagged: 3 (no signal)" in dock.drift.told.text()
    wanted = np.outer(np.arange(FRAMES), [0.3, 0.4])
    good = np.arange(FRAMES) != 3
    assert np.abs(dock.drift.found.shift_px - wanted)[good].max() < 0.1 and not bugs


def test_one_frame_is_told(dock, viewer, qtbot, bugs):
    viewer.add_image(crystal()[:1], name="one")
    viewer.add_points(cloud(1), name="places")
    press(dock, qtbot, dock.drift.button)
    assert "64 tracks" in press(dock, qtbot, dock.run_bar.button)
    assert "every track has a single site" in press(dock, qtbot, dock.diffusion.button)
    assert usable(dock) and not bugs


@pytest.mark.parametrize(("unit", "factor"), [("ms", 1e-3), ("min", 60.0), ("s", 1.0)])
def test_times_of_a_layer_come_to_seconds(dock, viewer, qtbot, bugs, unit, factor):
    where = {"scale": (2.0, 0.05, 0.05), "units": (unit, "nm", "nm")}
    viewer.add_image(crystal(), name="crystal", **where)
    rng, start = np.random.default_rng(3), lattice()
    walk = start + rng.normal(0, 0.6, (FRAMES, 64, 2)).cumsum(0)
    points = np.concatenate([np.c_[np.full(64, t), walk[t]] for t in range(FRAMES)])
    viewer.add_points(points, name="walk", **where)
    press(dock, qtbot, dock.run_bar.button)
    press(dock, qtbot, dock.diffusion.button)
    said = dock.diffusion.told.text()
    true = (0.6 * 0.05) ** 2 / 2 / (2.0 * factor)  # <step^2> = 2 D t along each axis
    assert "nm^2/s" in said and float(said.split()[2]) == pytest.approx(true, rel=0.25) and not bugs


def test_a_time_axis_in_nm_is_told(dock, viewer, qtbot, bugs):
    where = {"scale": (1.0, 0.05, 0.05), "units": ("nm", "nm", "nm")}
    viewer.add_image(crystal(), name="crystal", **where)
    viewer.add_points(cloud(), name="places", **where)
    press(dock, qtbot, dock.run_bar.button)
    said = press(dock, qtbot, dock.diffusion.button)
    assert "in nm, which is no time" in said and usable(dock) and not bugs


def test_what_was_measured_stays_with_its_layer(dock, viewer, qtbot, bugs):
    one = viewer.add_image(crystal(), name="one")
    first = viewer.add_points(cloud(), name="first")
    press(dock, qtbot, dock.drift.button)
    press(dock, qtbot, dock.run_bar.button)
    press(dock, qtbot, dock.diffusion.button)
    drift, told = dock.drift.found, (dock.drift.told.text(), dock.diffusion.told.text())
    assert all(told)
    blank = np.zeros((FRAMES, SIZE, SIZE), np.float32)
    other, second = viewer.add_image(blank, name="other"), viewer.add_points(cloud(2), name="second")
    dock.image_box.choose(other)
    dock.points_box.choose(second)
    assert dock.drift.found is None and not dock.drift.told.text() and not dock.diffusion.told.text()
    press(dock, qtbot, dock.drift.button)
    dock.image_box.choose(one)
    dock.points_box.choose(first)
    assert dock.drift.found is drift and (dock.drift.told.text(), dock.diffusion.told.text()) == told
    press(dock, qtbot, dock.run_bar.button)  # other tracks: what was said of the old ones goes
    assert not dock.diffusion.told.text() and not bugs
