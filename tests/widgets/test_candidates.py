"""The dock *Defects without labels* in a real napari window."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from atomscope.simulate import image
from atomscope.widgets.frame_labels import FrameLabels
from truth import match

pytestmark = pytest.mark.gl
LEFT = Qt.MouseButton.LeftButton
NM = 0.02


@pytest.fixture(scope="module")
def crystal():
    """Graphene with planted vacancies and dopants: three frames, the last without a lattice; the truth of the first."""
    stack, truth = image("graphene", size_px=160, rotation_deg=11, vacancies=0.015, substitutions=0.015, snr=10, seed=2)
    frame = stack.frame(0)
    noise = np.random.default_rng(0).normal(frame.mean(), frame.std(), frame.shape)
    return np.stack([frame, frame[::-1], noise]).astype(np.float32), truth


@pytest.fixture(scope="module")
def spots():
    """Crops of noise, every second one with a bright spot somewhere: (40, 32, 32), and where the spots are."""
    rng = np.random.default_rng(0)
    at, where = np.arange(32), rng.uniform(6, 25, (40, 2))
    crops = rng.normal(0, 0.2, (40, 32, 32))
    for k in range(1, 40, 2):
        crops[k] += np.exp(-((at[:, None] - where[k, 0]) ** 2 + (at - where[k, 1]) ** 2) / (2 * 1.5**2))
    return crops.astype(np.float32), where


@pytest.fixture
def open_dock(make_napari_viewer_proxy, qtbot):
    docks = []

    def make(data=None, name="crystal"):
        viewer = make_napari_viewer_proxy(show=True)
        if data is not None:
            scale = (1, NM, NM)[-data.ndim :]
            viewer.add_image(data, name=name, scale=scale, units=("s", "nm", "nm")[-data.ndim :])
            if data.ndim == 3:
                viewer.dims.set_current_step(0, 0)
        _, dock = viewer.window.add_plugin_dock_widget("napari-atomscope", "Defects without labels")
        QApplication.processEvents()
        docks.append(dock)
        return dock

    yield make
    for dock in docks:
        dock.runner.drop()
    qtbot.wait(100)


def finish(dock, qtbot, press):
    press()
    qtbot.waitUntil(lambda: not dock.runner.busy, timeout=300_000)


def test_without_an_image_it_says_what_to_do_and_nothing_can_be_pressed(open_dock):
    dock = open_dock()
    assert "Open an image" in dock.run_bar.status.text()
    teacher = dock.teacher
    for one in (dock.run_bar.button, dock.difference, dock.marks, teacher.train, teacher.buttons, dock.locator.button):
        assert not one.isEnabled()
    dock.run_all()
    dock.teacher.run()
    dock.locator.run()
    assert not dock.runner.busy


def test_planted_defects_are_ringed_where_they_are(open_dock, qtbot, crystal):
    data, truth = crystal
    dock = open_dock(data)
    finish(dock, qtbot, lambda: qtbot.mouseClick(dock.here, LEFT))
    points = dock.viewer.layers["crystal candidates"]
    assert set(points.data[:, 0]) == {0}
    assert np.allclose(points.scale[-2:], NM)
    assert {"score", "deviation", "contrast"} <= set(points.features)
    found = points.features.assign(row=points.data[:, 1], col=points.data[:, 2])
    from atomscope.data import Sites

    sites = Sites.from_positions(found["row"].to_numpy(), found["col"].to_numpy(), 0, shape=data.shape)
    defects = truth.table[truth.table["kind"] != "atom"].assign(present=True)
    assert match(sites, defects, 4.0, shape=data.shape, margin=6).recall >= 0.9
    colours = {tuple(c) for c in points.border_color}
    assert len(colours) == 2  # brighter and darker
    assert "brighter" in dock.count.text()


def test_a_frame_without_a_lattice_costs_nothing_of_the_others_and_is_told(open_dock, qtbot, crystal):
    dock = open_dock(crystal[0])
    finish(dock, qtbot, lambda: qtbot.mouseClick(dock.run_bar.button, LEFT))
    points = dock.viewer.layers["crystal candidates"]
    assert set(points.data[:, 0]) == {0, 1}
    assert "1 frame shows no lattice" in dock.run_bar.status.text()
    before = len(dock.viewer.layers)
    finish(dock, qtbot, dock.run_all)  # replaces, never piles up
    assert len(dock.viewer.layers) == before
    kept = np.array(dock.viewer.layers["crystal candidates"].data)
    dock.viewer.dims.set_current_step(0, 2)
    finish(dock, qtbot, dock.run_here)
    assert "no lattice" in dock.run_bar.status.text() and dock.run_bar.status.property("wrong")
    np.testing.assert_array_equal(dock.viewer.layers["crystal candidates"].data, kept)


def test_the_difference_is_a_lazy_image_on_the_image(open_dock, qtbot, crystal):
    dock = open_dock(crystal[0])
    finish(dock, qtbot, dock.run_here)
    qtbot.mouseClick(dock.difference, LEFT)
    shown = dock.viewer.layers["crystal difference"]
    assert shown.data.shape == crystal[0].shape and hasattr(shown.data, "dask")
    np.testing.assert_allclose(shown.scale, dock.viewer.layers["crystal"].scale)
    assert np.isnan(np.asarray(shown.data[2])).all()  # no lattice, no difference
    assert dock.viewer.layers[-1].name == "crystal candidates"  # the rings stay on top
    assert dock.image_box.layer().name == "crystal"  # our picture is not taken for an image
    dock.add_difference()
    assert sum("difference" in layer.name for layer in dock.viewer.layers) == 1


def test_candidates_become_marks_that_a_finder_can_be_taught_with(open_dock, qtbot, crystal):
    from atomscope.widgets.bridge import stack_of
    from atomscope.widgets.marks import annotations_of, is_marks

    dock = open_dock(crystal[0])
    finish(dock, qtbot, dock.run_here)
    n = len(dock.viewer.layers["crystal candidates"].data)
    qtbot.mouseClick(dock.marks, LEFT)
    marks = dock.viewer.layers[-1]
    picture = dock.viewer.layers["crystal"]
    assert is_marks(marks) and len(marks.data) == n
    table = annotations_of(marks, picture, dock.viewer, stack_of(picture), ("brighter", "darker"))
    assert set(table["kind"]) == {"brighter", "darker"} and set(table["frame"]) == {0}


def test_cancelled_it_keeps_what_was_there(open_dock, qtbot, crystal):
    dock = open_dock(np.concatenate([crystal[0][:1]] * 400))
    finish(dock, qtbot, dock.run_here)
    qtbot.mouseClick(dock.run_bar.button, LEFT)
    qtbot.waitUntil(lambda: "of 400" in dock.run_bar.status.text(), timeout=60_000)
    finish(dock, qtbot, lambda: qtbot.mouseClick(dock.run_bar.button, LEFT))
    assert dock.run_bar.status.text().startswith("Cancelled; kept")
    assert 1 <= len(set(dock.viewer.layers["crystal candidates"].data[:, 0])) < 400


def test_frames_labelled_as_wholes_teach_where_their_spots_are(open_dock, qtbot, spots, tmp_path):
    crops, where = spots
    dock = open_dock(crops, "crops")
    teacher, layer = dock.teacher, dock.image_box.layer()
    teacher.classes_line.setText("none, spot")
    teacher.name_buttons()
    for k in range(30):  # each press labels the frame on screen and goes on
        assert int(dock.viewer.dims.current_step[0]) == k
        teacher.buttons.group.button(k % 2).click()
    assert FrameLabels(layer).count() == {"none": 15, "spot": 15}
    assert "15 none, 15 spot" in teacher.told.text()
    teacher.write_to(tmp_path / "labels")
    FrameLabels(layer).put({})
    teacher.read_from(tmp_path / "labels.csv")
    assert FrameLabels(layer).get()[29] == "spot"

    finish(dock, qtbot, lambda: qtbot.mouseClick(teacher.train, LEFT))
    assert "Trained" in dock.run_bar.status.text()
    assert [row["epoch"] for row in teacher.loss.rows] == list(range(1, 21))
    teacher.save_to(tmp_path / "c")
    teacher.model = None
    teacher.open_from(tmp_path / "c.safetensors")
    finish(dock, qtbot, lambda: qtbot.mouseClick(dock.locator.button, LEFT))
    found, shown = dock.viewer.layers["crops located"], dock.viewer.layers["crops map of spot"]
    assert shown.data.shape == crops.shape and hasattr(shown.data, "dask")
    near = [
        np.hypot(*(found.data[found.data[:, 0] == k, 1:] - where[k]).T).min(initial=99) < 8 for k in range(31, 40, 2)
    ]
    assert np.mean(near) >= 0.8  # of those that nobody labelled
    top = np.unravel_index(np.asarray(shown.data[31]).argmax(), (32, 32))
    assert np.hypot(*(np.array(top) - where[31])) < 8


def test_labels_that_cannot_be_used_are_told_and_lose_nothing(open_dock, qtbot, spots, tmp_path):
    dock = open_dock(spots[0], "crops")
    teacher, layer, status = dock.teacher, dock.image_box.layer(), dock.run_bar.status
    teacher.buttons.group.button(0).click()
    teacher.run()
    assert "at least two classes" in status.text() and status.property("wrong")
    for text, told in (
        ("frame,label\n0,none\n99,defect\n", "of no frame"),
        ("a,b\n1,2\n", "frame and label"),
        ("frame,label\n1.5,x\n", "of no frame"),
    ):
        (tmp_path / "l.csv").write_text(text)
        teacher.read_from(tmp_path / "l.csv")
        assert told in status.text()
    teacher.read_from(tmp_path / "missing.csv")
    assert "cannot read" in status.text()
    (tmp_path / "no.safetensors").write_bytes(b"nothing")
    teacher.open_from(tmp_path / "no.safetensors")
    assert status.property("wrong") and teacher.model is None
    assert FrameLabels(layer).get() == {0: "none"}


def test_one_image_has_no_frames_to_label_and_a_colour_picture_is_refused(open_dock, crystal):
    dock = open_dock(crystal[0][0])
    assert "one image" in dock.teacher.told.text()
    assert not dock.teacher.buttons.isEnabled()
    assert dock.run_bar.button.text() == "Find candidates"
    dock.viewer.add_image(np.zeros((32, 32, 3), np.uint8), rgb=True, name="colours")
    dock.image_box.choose(dock.viewer.layers["colours"].__wrapped__)
    assert "colour" in dock.run_bar.status.text()
    assert not dock.run_bar.button.isEnabled()
