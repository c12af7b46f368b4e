"""The part of the dock of walls that follows them through a movie and finds where they hang."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from napari.layers import Layer
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QVBoxLayout, QWidget

from atomscope import pipeline
from atomscope.data import Stack, counted
from atomscope.data.params.pinning import PinningParams, WallMotionParams
from atomscope.errors import AtomscopeError
from atomscope.widgets import wall_motion_show as shown_as
from atomscope.widgets.bridge import current_frame, sites_of, stack_of, write_columns
from atomscope.widgets.canvas import camera_of
from atomscope.widgets.curve import Curve
from atomscope.widgets.form import ParamsForm
from atomscope.widgets.layerbox import LayerBox
from atomscope.widgets.made import MadeLayers
from atomscope.widgets.panel import Panel, button, heading, note, row_label

#: Columns that following and finding pins write.
_WRITTEN = ("wall_track", "normal_angle", "displacement_px", "displacement_nm", "speed_nm_s", "lag_px")
_FOLLOW = (
    "<qt>Measure how far each place of a wall moves until the next frame. Blue sites move against the normal of their "
    "wall, red ones along it, light ones stand; of dark ones nothing is known. Drift is not taken out here: for a "
    "specimen that drifts, give it to wall_motion in Python.</qt>"
)
_PINS = "<qt>Find places where a wall waits while its own neighbours go on. Walls are followed first, if need be.</qt>"
#: The curves, the table of pins, what was told of them.
_Known = tuple[dict[str, pd.Series], pd.DataFrame | None, str]
_NOTHING: _Known = ({}, None, "")


class WallMotionBox(QWidget):
    """Follow walls, plot how fast they are, find pins, and go to them.

    Parameters
    ----------
    panel : Panel
        The dock: its viewer, its runner, its bar.
    image : callable
        Returns the Image layer that is chosen.
    go_to : callable
        Called with a frame to be shown.
    """

    #: Sites of the walls of an image have the colours of their displacement now.
    coloured = Signal(object)

    def __init__(self, panel: Panel, image: Callable[[], Any], go_to: Callable[[int], None]) -> None:
        super().__init__(panel)
        self._panel, self._image, self._go_to = panel, image, go_to
        self._made = MadeLayers(panel.viewer)
        self._followed: weakref.WeakKeyDictionary[Any, WallMotionParams] = weakref.WeakKeyDictionary()
        self._known: weakref.WeakKeyDictionary[Any, _Known] = weakref.WeakKeyDictionary()
        self._series: dict[str, pd.Series] = {}
        self._shown: Any = None
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        self.walls_box = LayerBox(panel.viewer, shown_as.has_walls, "find walls first")
        self.walls_box.setToolTip("The walls of all frames.")
        rows = QFormLayout()
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setHorizontalSpacing(10)
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        rows.addRow(row_label("Walls"), self.walls_box)
        column.addLayout(rows)
        self.form = ParamsForm(WallMotionParams)
        self.follow_button = button("Follow walls", _FOLLOW, self.run_follow)
        self.why = note()
        self.what_box = QComboBox()
        self.what_box.setToolTip("What is plotted. Click in the plot, or drag the line, to go to a frame.")
        self.what_box.currentTextChanged.connect(self._plot)
        self.plot = Curve("frame", "", go_to)
        self.pin_form = ParamsForm(PinningParams)
        self.pins_button = button("Find pins", _PINS, self.run_pins)
        self.table = shown_as.PinTable()
        self.table.chosen.connect(self._to_pin)
        self.told = note()
        parts: list[QWidget] = [self.form, self.follow_button, self.why, self.what_box, self.plot]
        parts += [heading("Pins"), self.pin_form, self.pins_button, self.table, self.told]
        for part in parts:
            column.addWidget(part)
        self.walls_box.layer_changed.connect(self.look)
        panel.runner.busy_changed.connect(self._allow)
        panel.viewer.dims.events.current_step.connect(self._frame_changed)
        self.look()

    # what can be done

    def show_walls(self, points: Any) -> None:
        """Take walls that were just found."""
        self.walls_box.choose(points)
        self.look()

    def look(self, *_: Any) -> None:
        """Look again at the image and the walls that are chosen."""
        points, image = self.walls_box.layer(), self._image()
        mine = [one for one in self._panel.viewer.layers if shown_as.has_walls(one) and self._of(one) is image]
        if mine and image is not None and self._of(points) is not image:
            self.walls_box.choose(mine[-1])  # comes back here
            points = self.walls_box.layer()
        shown = points if self._of(points) in (None, image) else None
        if shown is not self._shown:
            self._shown = shown
            self._show(*(_NOTHING if shown is None else self._known.get(shown, _NOTHING)))
        self._allow()

    def _of(self, points: Any) -> Any:
        return None if points is None else self._panel.state.work(points).image_layer()

    def why_not(self) -> str:
        """Return why walls cannot be followed; empty when they can."""
        image, points = self._image(), self.walls_box.layer()
        try:
            stack = None if image is None else stack_of(image)
        except AtomscopeError as error:
            return str(error)
        if stack is None or len(stack.navigation_shape) != 1 or stack.n_frames < 2:
            return "Wants a movie: frames, rows and columns."
        if points is None:
            return "Find the walls of all frames first."
        if self._of(points) not in (None, image) or points.ndim != image.ndim:
            return f"{points.name} are not those of {image.name}. Find its walls in all frames first."
        if len(np.unique(np.rint(np.asarray(points.data)[:, 0]))) < 2:
            return "Walls are known in one frame only. Find them in all frames first."
        return ""

    def _allow(self, *_: Any) -> None:
        why = self.why_not()
        self.why.setText(why)
        for one, tip in ((self.follow_button, _FOLLOW), (self.pins_button, _PINS)):
            one.setEnabled(not why and not self._panel.runner.busy)
            one.setToolTip(why or tip)

    # work

    def run_follow(self) -> None:
        """Follow the walls."""
        self._run(None)

    def run_pins(self) -> None:
        """Find where walls hang."""
        try:
            self._run(self.pin_form.params())
        except AtomscopeError as error:
            self._panel.run_bar.refuse(error)

    def _run(self, pin_params: PinningParams | None) -> None:
        image, points, bar = self._image(), self.walls_box.layer(), self._panel.run_bar
        if self.why_not():
            return
        try:
            params, stack, sites = self.form.params(), stack_of(image), sites_of(points, image, self._panel.viewer)
        except AtomscopeError as error:
            bar.refuse(error)
            return
        known = "displacement_px" in sites.table and self._followed.get(points, params) == params
        began = time.monotonic()

        def work(on_progress: Any, should_stop: Any) -> Any:
            told = {"on_progress": on_progress, "should_stop": should_stop}
            moved = sites if pin_params is not None and known else pipeline.wall_motion(sites, params, **told)
            pins = None if pin_params is None else pipeline.pinning(moved, pin_params, **told)
            return moved if pins is None else pins.sites, pins, pipeline.wall_steps(moved)

        def done(value: Any, stopped: bool) -> None:
            if stopped or value is None or not all(one in self._panel.viewer.layers for one in (image, points)):
                bar.say("Cancelled; nothing was changed." if stopped else "The layer is gone; nothing was changed.")
                return
            moved, pins, steps = value
            self._followed[points] = params
            table = moved.table.set_index("site")
            names = [name for name in _WRITTEN if name in table and table[name].notna().any()]
            write_columns(points, table[names])
            if pin_params is None or not known:
                shown_as.colour_by_displacement(points)
                self.coloured.emit(image)
            text = f"{counted(int(steps['wall_track'].nunique()), 'wall')} followed"
            _, shown, told = self._known.get(points, _NOTHING) if known else _NOTHING  # pins stay true then
            if pin_params is not None:
                self._lay(image, stack, pins)
                text, shown, told = counted(len(pins.pins), "pin"), pins.pins, shown_as.notes_of(pins, pin_params.alpha)
            series = shown_as.over_frames(moved.table, steps, stack.n_frames)
            self._known[points] = (series, shown, told)
            self._shown = None
            self.look()
            bar.say(f"{text}, {time.monotonic() - began:.1f} s.")
            self._panel.state.tell(points, "columns")

        self._panel.runner.start(
            f"{'Motion' if pin_params is None else 'Pins'} of {points.name}",
            work,
            on_done=done,
            on_error=lambda error: bar.say(str(error), bad=True),
            total=stack.n_frames,
        )

    def _lay(self, image: Any, stack: Stack, found: Any) -> None:
        """Lay the map and the pins on the movie."""
        _, score, pins = pipeline.wall_motion_layers(stack, found.sites, found)
        laid = (("score", score, found.grid_px, found.origin), ("pins", pins, 1.0, (0.0, 0.0)))
        for kind, (data, kwargs, what), side, origin in laid:
            self._made.put(image, kind, Layer.create(data, kwargs | shown_as.laid_on(image, side, origin), what))

    # to see it

    def _show(self, series: dict[str, pd.Series], pins: pd.DataFrame | None, told: str) -> None:
        self.table.show_pins(pins)
        self.told.setText(told)
        now, self._series = self.what_box.currentText(), series
        self.what_box.blockSignals(True)
        self.what_box.clear()
        self.what_box.addItems(list(series))
        self.what_box.setCurrentIndex(max(0, self.what_box.findText(now)))
        self.what_box.blockSignals(False)
        self._plot()

    def _plot(self, *_: Any) -> None:
        series = self._series.get(self.what_box.currentText())
        for part in (self.what_box, self.plot):
            part.setVisible(series is not None)
        if series is not None:
            self.plot.plot.setLabel("left", self.what_box.currentText())
            self.plot.show_curve(series.index.to_numpy(), series.to_numpy())
            self._frame_changed()

    def _frame_changed(self, *_: Any) -> None:
        image = self._image()
        if image is not None and image.ndim == 3:
            self.plot.show_frame(current_frame(self._panel.viewer, image))

    def _to_pin(self, pin: Any) -> None:
        """Go to the frame in which a pin takes hold, and centre the view on it."""
        layer = self._made.get(self._image(), "pins")
        if pin["first_frame"] >= 0:
            self._go_to(int(pin["first_frame"]))
        if layer is not None:
            camera_of(self._panel.viewer).center = tuple(layer.data_to_world((pin["row"], pin["col"])))
            layer.selected_data = {int(pin["pin"])}
