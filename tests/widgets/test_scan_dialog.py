"""The question which scan a file is: real dialogues on real files."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Layer

from atomscope import pipeline
from atomscope.data import compute
from atomscope.errors import ChoiceNeededError
from atomscope.widgets import scan_dialog
from atomscope.widgets.bridge import stack_of
from atomscope.widgets.reader import get_reader
from atomscope.widgets.scan_dialog import ScanDialog
from atomscope.widgets.state import Work


@pytest.fixture
def scan(tmp_path) -> tuple:
    """A raw scan of 16 x 16 disks of 64 x 64, brighter in one corner."""
    rows, cols = np.mgrid[:64, :64]
    light = np.full((16, 16, 1, 1), 20.0)
    light[:6, :4] = 60.0
    truth = np.random.default_rng(0).poisson(light * (np.hypot(rows - 30, cols - 33) < 12)).astype(np.uint16)
    (tmp_path / "a.raw").write_bytes(truth.tobytes())
    return tmp_path / "a.raw", truth


def dialog(path, qtbot) -> ScanDialog:
    with pytest.raises(ChoiceNeededError) as error:
        pipeline.open(path)
    asked = ScanDialog(path, error.value)
    qtbot.addWidget(asked)
    asked.show()
    return asked


def test_the_first_guess_is_drawn_and_can_be_opened(scan, qtbot):
    path, truth = scan
    asked = dialog(path, qtbot)
    assert asked.said() == {"scan_shape": (16, 16), "dtype": "uint16", "frame_shape": (64, 64)}
    assert asked.open_button.isEnabled()
    qtbot.waitUntil(lambda: not asked._ticks.isActive(), timeout=20_000)
    picture = asked.pictures[0].pixmap().toImage()
    side = picture.width()
    assert picture.pixelColor(side // 16, side // 16).red() > 200  # the bright corner is where it belongs
    assert picture.pixelColor(side - 5, side // 16).red() < 80
    np.testing.assert_array_equal(compute(pipeline.open(path, **asked.said()).data), truth)


def test_numbers_that_do_not_fit_say_so_and_cannot_be_opened(scan, qtbot):
    asked = dialog(scan[0], qtbot)
    asked.cols.setValue(15)
    qtbot.waitUntil(lambda: not asked.open_button.isEnabled(), timeout=5000)
    assert "16 x 15 needs 240 frames, the file has 256" in asked.status.text()
    asked._accept()
    assert asked.isVisible()
    asked.flyback.setValue(1)
    qtbot.waitUntil(lambda: asked.open_button.isEnabled(), timeout=5000)
    assert asked.said()["flyback"] == 1
    asked.dtype.setCurrentText("nonsense")
    qtbot.waitUntil(lambda: not asked.open_button.isEnabled(), timeout=5000)
    assert "numpy type" in asked.status.text()


def test_another_choice_fills_the_numbers_and_frames_in_a_row_are_one(tmp_path, qtbot):
    import sys
    from pathlib import Path

    sys.path.insert(0, str(Path(__file__).parents[1] / "io"))
    import scan_formats as sf

    sf.write_merlin(tmp_path / "a.mib", sf.planted((6, 4, *sf.DET)))
    asked = dialog(tmp_path / "a.mib", qtbot)
    assert not asked.dtype.isVisible()
    asked.list.setCurrentRow(asked.list.count() - 1)
    assert asked.said() == {"scan_shape": "movie"}
    assert "24 × 40 × 56" in asked.status.text()


def test_a_dropped_file_asks_and_its_layer_remembers_the_answer(scan, qtbot, monkeypatch):
    path, truth = scan
    monkeypatch.setattr(scan_dialog.ScanDialog, "exec", lambda _: scan_dialog.QDialog.DialogCode.Accepted)
    data, kwargs, kind = get_reader(str(path))(str(path))[0]
    assert data.shape == truth.shape
    assert kwargs["axis_labels"] == ("scan_row", "scan_col", "det_row", "det_col")
    stack = stack_of(Layer.create(data, kwargs, kind))
    assert stack.metadata["opened"]["scan_shape"] == [16, 16]
    work = Work()
    work.stack = stack
    work.note_source()
    assert work.steps["open"].scan == {"scan_shape": [16, 16], "dtype": "uint16", "frame_shape": [64, 64]}


def test_closing_the_question_opens_nothing(scan, qtbot, monkeypatch):
    monkeypatch.setattr(scan_dialog.ScanDialog, "exec", lambda _: scan_dialog.QDialog.DialogCode.Rejected)
    with pytest.raises(ChoiceNeededError):
        get_reader(str(scan[0]))(str(scan[0]))
