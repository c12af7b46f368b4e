"""What is drawn by hand reads on every theme; previews live only while their dock is in front."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtGui import QColor, QPalette
from qtpy.QtWidgets import QApplication, QLabel

from atomscope.widgets import tone
from atomscope.widgets.curve import Curve
from atomscope.widgets.plots import LossPlot

pytestmark = pytest.mark.gl
PLUGIN = "napari-atomscope"


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours as the WCAG defines it."""

    def light(colour: str) -> float:
        c = np.array(QColor(colour).getRgbF()[:3])
        return float(np.where(c <= 0.03928, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ (0.2126, 0.7152, 0.0722))

    a, b = sorted((light(one), light(other)))
    return (b + 0.05) / (a + 0.05)


def background(widget) -> str:
    return str(widget.palette().color(QPalette.ColorRole.Window).name())


def labels(widget):
    return [one for one in widget.findChildren(QLabel) if one.property("wrong") is not None]


@pytest.fixture
def window(make_napari_viewer_proxy, crystal):
    viewer = make_napari_viewer_proxy(show=True)
    viewer.add_image(crystal, name="crystal")
    return viewer


@pytest.mark.parametrize("name", ["Find atoms", "Teach a finder", "Walls", "Particles", "Quality", "4D-STEM"])
def test_notes_and_axes_read_on_dark_and_light_and_follow_a_change(window, qtbot, name):
    _, dock = window.window.add_plugin_dock_widget(PLUGIN, name)
    for theme in ("dark", "light", "dark"):
        window.theme = theme
        QApplication.processEvents()
        assert tone.is_dark(dock) == (theme == "dark")
        shown = labels(dock)
        assert shown
        for label in shown:
            colour = label.styleSheet().split("color:")[1].split(";")[0].strip()
            assert contrast(colour, background(dock)) >= 4.5, (theme, label.text(), colour)
        for view in dock.findChildren(Curve) + dock.findChildren(LossPlot):
            for plot in (view.plot,) if isinstance(view, Curve) else (view.top, view.low):
                pen = plot.getAxis("left").textPen().color().name()
                assert contrast(pen, background(view)) >= 4.5


def test_curves_stand_out_on_both_themes(window, qtbot):
    plot = Curve("step", "loss")
    window.window.add_dock_widget(plot)
    plot.show_curve(np.arange(5.0), 1e-3 * np.arange(5.0))
    for theme in ("dark", "light"):
        window.theme = theme
        QApplication.processEvents()
        assert contrast(plot._curve.opts["pen"].color().name(), background(plot)) >= 3
    assert "0.001" not in plot.plot.getAxis("left").labelString()


def test_a_dock_behind_another_tab_leaves_no_preview(window, qtbot):
    def previews():
        return [layer.name for layer in window.layers if "preview" in layer.name]

    first, _ = window.window.add_plugin_dock_widget(PLUGIN, "Find atoms", tabify=True)
    qtbot.waitUntil(lambda: len(previews()) == 1, timeout=60_000)
    second, _ = window.window.add_plugin_dock_widget(PLUGIN, "Quality", tabify=True)
    second.raise_()
    qtbot.waitUntil(lambda: not previews(), timeout=10_000)
    first.raise_()
    qtbot.waitUntil(lambda: len(previews()) == 1, timeout=60_000)
    first.hide()
    qtbot.waitUntil(lambda: not previews(), timeout=10_000)


def test_rings_of_a_few_far_sites_stay_small(qtbot):
    from atomscope import pipeline
    from atomscope.data import Sites

    few = Sites.from_positions(np.array([10.0, 400.0]), np.array([10.0, 400.0]), 0, shape=(512, 512))
    assert pipeline.dot_size(few) <= 16
    rows, cols = (g.ravel() for g in np.mgrid[6:500:10.0, 6:500:10.0])
    assert pipeline.dot_size(Sites.from_positions(rows, cols, 0, shape=(512, 512))) == pytest.approx(6.0)
    wide = few.with_table(few.table.assign(sigma=10.0))
    assert pipeline.dot_size(wide) == pytest.approx(60)
