"""The dock 4D-STEM in a real window: maps, patterns, detectors that are dragged, as a user would."""

from __future__ import annotations

import time

import dask.array as da
import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

import atomscope as ats
from atomscope import pipeline
from atomscope.data import Stack
from atomscope.pipeline import scan_live
from atomscope.widgets.bridge import scan_of
from atomscope.widgets.scan_position import CURSOR, MARKER, MAX, MEAN, REGION, SITES

pytestmark = pytest.mark.gl
LEFT = Qt.MouseButton.LeftButton
CENTRE, ALPHA = (23.0, 27.0), 6.0
UNITS = ("nm", "nm", "mrad", "mrad")


def patterns(shape=(20, 24), frame=(48, 52), seed=0) -> np.ndarray:
    """A bright disk, and a spot beside it that is there in the right half of the scan only."""
    rng = np.random.default_rng(seed)
    rows, cols = np.ogrid[: frame[0], : frame[1]]
    disk = 60.0 * (np.hypot(rows - CENTRE[0], cols - CENTRE[1]) < ALPHA)
    spot = 30.0 * (np.hypot(rows - 9, cols - 40) < 3)
    half = (np.arange(shape[1]) >= shape[1] // 2)[None, :, None, None]
    return rng.poisson(0.5 + disk + half * spot, (*shape, *frame)).astype(np.uint16)


def bare(layer):
    return getattr(layer, "__wrapped__", layer)


class Window:
    def __init__(self, viewer, qtbot):
        self.viewer, self.qtbot = viewer, qtbot
        _, self.dock = viewer.window.add_plugin_dock_widget("napari-atomscope", "4D-STEM")

    def add(self, array, **kwargs):
        kwargs = {"scale": (0.5, 0.5, 1.5, 1.5), "units": UNITS, "name": "scan", **kwargs}
        return self.viewer.add_image(array, **kwargs)

    def idle(self, timeout=60_000):
        dock = self.dock
        self.qtbot.waitUntil(
            lambda: (
                dock.session is not None
                and bool(dock.session.entries)
                and dock.session.map_layer(dock.viewer) is not None
                and not dock.runner.busy
                and not dock.images.busy
                and not dock._patterns.busy
            ),
            timeout=timeout,
        )

    def entry(self):
        return self.dock.session.entry()

    def image(self, entry=None):
        return np.asarray((entry or self.entry()).layer.data)

    def exact(self, array, detector):
        return ats.virtual_image(Stack.from_array(array), detector).frame(0)

    def screen(self, row, col) -> QPoint:
        view = self.dock.pane.view
        return view.mapFromScene(view.box.mapViewToScene(_point(col, row)))

    def drag(self, start, end, steps=5, release=True):
        port = self.dock.pane.view.viewport()
        first, last = self.screen(*start), self.screen(*end)
        QTest.mouseMove(port, first)
        self.qtbot.wait(20)
        QTest.mousePress(port, LEFT, Qt.KeyboardModifier.NoModifier, first)
        for i in range(1, steps + 1):
            place = first + (last - first) * i / steps
            move(port, place)
            self.qtbot.wait(20)
        if release:
            QTest.mouseRelease(port, LEFT, Qt.KeyboardModifier.NoModifier, last)


def _point(x, y):
    from qtpy.QtCore import QPointF

    return QPointF(x, y)


def move(widget, place):
    """Move the pointer with the left button held."""
    from qtpy.QtCore import QEvent, QPointF
    from qtpy.QtGui import QMouseEvent

    none = Qt.KeyboardModifier.NoModifier
    everywhere = QPointF(widget.mapToGlobal(place))
    event = QMouseEvent(QEvent.Type.MouseMove, QPointF(place), everywhere, Qt.MouseButton.NoButton, LEFT, none)
    QApplication.sendEvent(widget, event)


@pytest.fixture
def window(make_napari_viewer_proxy, qtbot):
    viewer = make_napari_viewer_proxy(show=True)
    one = Window(viewer, qtbot)
    yield one
    one.dock.drop_all()
    qtbot.wait(100)


def test_a_scan_becomes_a_calibrated_map_and_its_beam_is_found(window):
    array = patterns()
    window.add(array)
    window.idle()
    layers = [bare(x) for x in window.viewer.layers]
    assert [x.ndim for x in layers] == [2] and window.viewer.dims.ndim == 2
    np.testing.assert_allclose(layers[0].scale, (0.5, 0.5))
    assert [f"{u:~}" for u in layers[0].units] == ["nm", "nm"]
    assert scan_of(layers[0]).shape == array.shape
    beam = window.dock.session.beam
    assert abs(beam.row - CENTRE[0]) < 0.3 and abs(beam.col - CENTRE[1]) < 0.3 and abs(beam.radius_px - ALPHA) < 0.5
    entry = window.entry()
    assert entry.detector.title == "ADF" and entry.exact == {0}
    np.testing.assert_allclose(window.image(), window.exact(array, entry.detector), rtol=1e-6)
    assert "mrad" in window.dock.detectors.readout.text() and "px" in window.dock.detectors.readout.text()


def test_opening_a_sample_opens_the_dock(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    viewer.open_sample("napari-atomscope", "scan_vacancies")
    qtbot.waitUntil(lambda: any("4D-STEM" in name for name in viewer.window.dock_widgets), timeout=20_000)
    _, dock = viewer.window.add_plugin_dock_widget("napari-atomscope", "4D-STEM")
    qtbot.waitUntil(lambda: len(viewer.layers) == 1 and viewer.layers[0].ndim == 2, timeout=60_000)
    qtbot.waitUntil(lambda: not dock.runner.busy, timeout=60_000)
    assert np.isfinite(np.asarray(viewer.layers[0].data)).all()


def test_cancelled_it_keeps_the_coarse_image(window, qtbot):
    def slow(block):
        time.sleep(0.05)
        return block

    window.add(da.from_array(patterns((60, 60)), chunks=(4, 4, 48, 52)).map_blocks(slow, dtype=np.uint16))
    qtbot.waitUntil(lambda: len(window.viewer.layers) == 1 and window.viewer.layers[0].ndim == 2, timeout=60_000)
    assert window.dock.runner.busy
    window.dock.runner.cancel()
    qtbot.waitUntil(lambda: not window.dock.runner.busy, timeout=60_000)
    assert "Cancelled" in window.dock.run_bar.status.text()
    assert np.isfinite(window.image()).all() and window.entry().exact == set()


def test_an_edge_is_dragged_with_the_mouse_and_the_image_follows(window):
    array = patterns()
    window.add(array)
    window.idle()
    entry = window.entry()
    before, outer = window.image().copy(), entry.detector.outer
    row, col = window.dock.session.centre_of(entry.detector)
    window.drag((row, col + outer), (row, col + 10))
    window.idle()
    assert entry.detector.outer == pytest.approx(10, abs=1)
    assert window.dock.session.on_beam(entry.detector)
    assert not np.allclose(window.image(), before)
    np.testing.assert_allclose(window.image(), window.exact(array, entry.detector), rtol=1e-6)


@pytest.mark.parametrize("held", [True, False])
def test_a_disk_is_dragged_onto_a_spot_and_is_exact_when_it_is_let_go(window, monkeypatch, held):
    if not held:
        monkeypatch.setattr(scan_live, "HOLD", 0)
    array = patterns()
    window.add(array)
    window.idle()
    window.dock.desk.add_shape("disk")
    window.idle()
    entry = window.entry()
    at = window.dock.session.centre_of(entry.detector)
    window.drag(at, (9, 40))
    window.idle()
    assert window.dock.session.centre_of(entry.detector) == pytest.approx((9, 40), abs=1)
    image = window.image(entry)
    assert entry.exact == {0}
    np.testing.assert_allclose(image, window.exact(array, entry.detector), rtol=1e-6)
    assert image[:, 12:].mean() > 3 * image[:, :12].mean()


def test_a_detector_let_go_near_the_beam_snaps_to_it(window):
    window.add(patterns())
    window.idle()
    entry = window.entry()
    beam = window.dock.session.beam
    window.dock.desk.change(entry.detector.replace(centre_row_px=beam.row + 0.5, centre_col_px=beam.col - 0.4))
    assert (entry.detector.centre_row_px, entry.detector.centre_col_px) == (beam.row, beam.col)
    window.dock.desk.change(entry.detector.replace(centre_row_px=beam.row + 2))
    assert entry.detector.centre_row_px == beam.row + 2


def test_presets_follow_the_beam_and_are_not_added_twice(window, qtbot):
    array = patterns()
    window.add(array)
    window.idle()
    for name in ("BF", "ABF", "ADF", "BF"):
        qtbot.mouseClick(window.dock.detectors.presets[name], LEFT)
        window.idle()
    session = window.dock.session
    assert [e.detector.name for e in session.entries] == ["ADF", "BF", "ABF"]
    assert [e.layer.visible for e in session.entries] == [False, True, False]
    alpha = session.beam.radius_px
    assert [e.detector.outer for e in session.entries] == pytest.approx([3 * alpha, alpha, alpha])
    for entry in session.entries:
        np.testing.assert_allclose(window.image(entry), window.exact(array, entry.detector), rtol=1e-6)
    window.dock.beam_box.row_box.setValue(20.0)
    window.idle()
    assert {e.detector.centre_row_px for e in session.entries} == {20.0}
    for entry in session.entries:
        np.testing.assert_allclose(window.image(entry), window.exact(array, entry.detector), rtol=1e-6)
    qtbot.mouseClick(window.dock.beam_box.find_button, LEFT)
    window.idle()
    assert session.beam.row == pytest.approx(CENTRE[0], abs=0.3)


def test_a_detector_outside_the_patterns_is_refused_in_words(window):
    window.add(patterns(frame=(48, 52)))
    window.idle()
    window.dock.beam_box.radius_box.setValue(24 * 1.5)
    window.idle()
    window.dock.desk.add_preset("HAADF")
    assert "outside the patterns" in window.dock.run_bar.status.text()
    assert len(window.dock.session.entries) == 1


def test_numbers_are_typed_and_keys_move_and_grow(window, qtbot):
    window.add(patterns())
    window.idle()
    desk, view, entry = window.dock.detectors, window.dock.pane.view, window.entry()
    desk.numbers["outer"].setValue(15.0)
    assert entry.detector.outer == pytest.approx(10.0, abs=1)
    window.idle()
    before = entry.detector
    qtbot.keyClick(view, Qt.Key.Key_Down)
    assert entry.detector.centre_row_px == pytest.approx(before.centre_row_px + 1)
    qtbot.keyClick(view, Qt.Key.Key_Up)
    assert window.dock.session.on_beam(entry.detector)
    qtbot.keyClick(view, Qt.Key.Key_Plus)
    assert before.outer < entry.detector.outer <= before.outer + 1.5
    qtbot.keyClick(view, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert window.dock.position.mode == MARKER
    window.idle()


def test_the_pattern_follows_the_cursor_the_marker_a_region_and_sites(window, qtbot):
    array = patterns()
    window.add(array)
    window.idle()
    dock, viewer = window.dock, window.viewer
    assert dock.position.mode == CURSOR
    viewer.cursor.position = (7 * 0.5, 18 * 0.5)
    window.idle()
    np.testing.assert_array_equal(dock.pane.view.pattern, array[7, 18])
    assert "7, 18" in dock.pane.title.text()
    viewer.cursor.position = (-50.0, 3.0)  # off the map: what was seen stays
    window.idle()
    np.testing.assert_array_equal(dock.pane.view.pattern, array[7, 18])

    dock.position.clicked((3 * 0.5, 4 * 0.5))
    window.idle()
    assert dock.position.mode == MARKER
    np.testing.assert_array_equal(dock.pane.view.pattern, array[3, 4])
    marker = next(bare(x) for x in viewer.layers if x.name == "scan position")
    np.testing.assert_allclose(marker.data, [[3, 4]])
    marker.data = np.array([[5.0, 6.0]])
    window.idle()
    np.testing.assert_array_equal(dock.pane.view.pattern, array[5, 6])
    dock.position.nudge(1, -2)
    window.idle()
    np.testing.assert_array_equal(dock.pane.view.pattern, array[6, 4])

    dock.position.choose(REGION)
    window.idle()
    region = next(bare(x) for x in viewer.layers if x.name == "region of the scan")
    region.data = [np.array([[2, 3], [2, 6], [5, 6], [5, 3]], float)]
    qtbot.waitUntil(lambda: not dock._patterns.busy)
    mask = region.to_masks(mask_shape=(20, 24)).any(0)
    assert mask.sum() > 5
    np.testing.assert_allclose(dock.pane.view.pattern, array[mask].mean(0))

    viewer.add_points([[1.0, 2.0], [10.0, 20.0], [4.0, 4.0]], scale=(0.5, 0.5), name="sites")
    points = bare(viewer.layers["sites"])
    dock.position.choose(SITES)
    points.selected_data = {0, 1}
    qtbot.waitUntil(lambda: "2 sites" in dock.pane.title.text(), timeout=5000)
    np.testing.assert_allclose(dock.pane.view.pattern, (array[1, 2].astype(float) + array[10, 20]) / 2)

    dock.position.choose(MEAN)
    window.idle()
    np.testing.assert_allclose(dock.pane.view.pattern, array.mean((0, 1)))
    dock.position.choose(MAX)
    window.idle()
    np.testing.assert_array_equal(dock.pane.view.pattern, array.max((0, 1)))


def test_the_line_of_python_makes_the_same_image(window, tmp_path):
    path = tmp_path / "scan.npy"
    np.save(path, patterns())
    window.viewer.open(str(path), plugin="napari-atomscope")
    window.idle()
    window.dock.desk.add_shape("segment")
    window.idle()
    window.dock.copy_script()
    names: dict = {}
    exec(QApplication.clipboard().text(), names)
    np.testing.assert_allclose(window.image(), names["image"].frame(0), rtol=1e-6)
    assert window.dock.script_line.text() in QApplication.clipboard().text()


def test_centre_of_mass_field_and_potential_with_the_turn_of_the_camera(window, qtbot):
    stack, _ = ats.simulate.scan(
        kind="field",
        shape=(20, 22),
        field_shape="smooth",
        field_shift_px=2.0,
        camera_rotation_deg=23.0,
        dose=2e5,
        seed=2,
    )
    window.viewer.add_layer(_layer(stack))
    window.idle()
    for push in window.dock.fields.buttons.values():
        qtbot.mouseClick(push, LEFT)
        qtbot.waitUntil(lambda: not window.dock.maker.runner.busy, timeout=30_000)
    names = [x.name for x in window.viewer.layers]
    for end in ("COM row", "COM col", "field", "field strength", "iCOM"):
        assert sum(name.endswith(f" {end}") for name in names) == 1, (end, names)
    said = window.dock.fields.told.text()
    assert abs(abs(float(said.split("by ")[1].split("°")[0])) - 23) < 4, said
    colours = next(bare(x) for x in window.viewer.layers if x.name.endswith(" field"))
    assert colours.rgb and colours.data.shape == (20, 22, 3)
    qtbot.mouseClick(window.dock.fields.buttons["field"], LEFT)
    qtbot.waitUntil(lambda: not window.dock.maker.runner.busy, timeout=30_000)
    assert [x.name for x in window.viewer.layers].count(colours.name) == 1


def test_the_slider_of_a_series_chooses_the_scan(window, qtbot):
    array = np.stack([patterns((10, 12), seed=i) for i in range(3)])
    window.add(array, scale=(1, 0.5, 0.5, 1.5, 1.5), units=("s", *UNITS))
    window.idle()
    assert window.viewer.dims.ndim == 3
    entry = window.entry()
    first = window.image()[0]
    start = window.dock.frame
    for t in (2, 1):
        window.viewer.dims.set_current_step(0, t)
        qtbot.waitUntil(lambda t=t: t in entry.exact, timeout=30_000)
        np.testing.assert_allclose(window.image()[t], window.exact(array[t], entry.detector), rtol=1e-6)
        window.dock.position.mark((4, 5))
        window.idle()
        np.testing.assert_array_equal(window.dock.pane.view.pattern, array[t, 4, 5])
    assert start in (0, 1) and first.shape == (10, 12)


def test_deleting_all_layers_while_it_works_is_no_trouble(window, qtbot):
    window.add(patterns((60, 60)))
    qtbot.waitUntil(lambda: window.dock.runner.busy, timeout=10_000)
    qtbot.waitUntil(lambda: len(window.viewer.layers) == 1 and bare(window.viewer.layers[0]).ndim == 2, timeout=20_000)
    window.viewer.layers.clear()
    qtbot.waitUntil(lambda: not window.dock.runner.busy, timeout=60_000)
    assert window.dock.session.entries == []
    window.dock.desk.add_preset("BF")
    window.idle()
    assert len(window.viewer.layers) == 1
    window.dock.close_scan()
    assert window.dock.session is None and [one.ndim for one in window.viewer.layers] == [2, 4]


def test_what_is_no_scan_by_its_axes_stays_a_layer_until_it_is_chosen(window, qtbot):
    stacks = window.add(patterns(), axis_labels=("t", "z", "y", "x"), units=("s", "nm", "nm", "nm"), name="stacks")
    qtbot.wait(100)
    box = window.dock.scan_box
    assert window.dock.session is None and list(window.viewer.layers) == [stacks]
    assert box.currentIndex() == -1 and [box.itemText(i) for i in range(box.count())] == ["layer stacks"]
    assert "choose a layer" in window.dock.run_bar.status.text()
    box.activated.emit(0)
    window.idle()
    assert window.dock.session.name == "stacks" and box.currentText() == "stacks" and box.count() == 1


def test_a_closed_scan_without_a_file_is_a_layer_again(window, qtbot, tmp_path):
    array = patterns()
    window.add(array)
    window.idle()
    image = window.entry().layer
    window.dock.close_scan()
    qtbot.wait(100)
    assert window.dock.session is None, "what was closed is not opened again by itself"
    given, kept = window.viewer.layers["scan"], image in [bare(one) for one in window.viewer.layers]
    assert kept and given.data is array and "layer again" in window.dock.run_bar.status.text()
    window.dock.scan_box.activated.emit(0)
    window.idle()
    assert window.dock.session.name == "scan"
    window.dock.close_scan()
    window.viewer.layers.clear()
    np.save(tmp_path / "kept.npy", array)
    window.viewer.open(tmp_path / "kept.npy", plugin="napari-atomscope")
    window.idle()
    window.dock.close_scan()
    assert all(one.ndim == 2 for one in window.viewer.layers) and "open the file" in window.dock.run_bar.status.text()


def test_closing_the_window_while_it_works_is_no_trouble(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    viewer.add_image(patterns((60, 60)))
    _, dock = viewer.window.add_plugin_dock_widget("napari-atomscope", "4D-STEM")
    qtbot.waitUntil(lambda: dock.runner.busy, timeout=10_000)
    viewer.close()
    qtbot.wait(300)


def test_patterns_without_a_disk_can_still_be_looked_at(window):
    array = np.random.default_rng(0).poisson(3.0, (9, 10, 24, 24)).astype(np.uint8)
    array[0, 0, 0, 0] = 0
    window.add(np.zeros_like(array))
    window.idle()
    assert not window.dock.session.beam.found
    assert "No bright disk" in window.dock.beam_box.told.text()


def test_a_line_of_positions_is_a_map_of_one_row(window):
    window.add(patterns((1, 30)))
    window.idle()
    assert window.image().shape == (1, 30)


def test_dragging_and_looking_are_fast(window, qtbot):
    """Generous, as other processes run beside: the bars are 10 ms for an annulus and 30 ms for a pattern."""
    array = patterns((64, 64), (64, 64))
    window.add(array)
    window.idle()
    entry, scan = window.entry(), window.dock.session.scan(0)
    ring = scan.products.products.ring_px
    times = []
    for k in range(1, 12):
        detector = scan.snapped(entry.detector.replace(outer=entry.detector.inner + k * ring))
        began = time.perf_counter()
        assert scan.quick(detector).exact
        times.append(time.perf_counter() - began)
    assert np.median(times) < 0.05
    times = []
    for k in range(10):
        began = time.perf_counter()
        window.viewer.cursor.position = (k * 0.5, (63 - k) * 0.5)
        qtbot.waitUntil(lambda: not window.dock._patterns.busy)
        times.append(time.perf_counter() - began)
        np.testing.assert_array_equal(window.dock.pane.view.pattern, array[k, 63 - k])
    assert np.median(times) < 0.2


def test_long_jobs_of_other_docks_do_not_stand_before_the_pattern(window, qtbot):
    import threading

    from qtpy.QtCore import QThreadPool

    array = patterns()
    window.add(array)
    window.idle()
    pool, end = QThreadPool.globalInstance(), threading.Event()
    for _ in range(pool.maxThreadCount() + 1):
        pool.start(lambda: end.wait(60))
    try:
        window.viewer.cursor.position = (2 * 0.5, 9 * 0.5)
        qtbot.waitUntil(lambda: np.array_equal(window.dock.pane.view.pattern, array[2, 9]), timeout=10_000)
    finally:
        end.set()
        pool.waitForDone(10_000)


def _layer(stack):
    from napari.layers import Layer

    return Layer.create(*pipeline.image_layer(stack))
