"""The dock widget *Find atoms*: an image layer in, a Points layer of sites out, with a live preview."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from typing import Any

from napari.layers import Layer
from qtpy.QtWidgets import QComboBox, QStackedWidget

from atomscope import pipeline
from atomscope.data import Sites, Stack, counted
from atomscope.data.params import FindParams, GridParams, Params
from atomscope.errors import AtomscopeError
from atomscope.widgets.bridge import placement, stack_of
from atomscope.widgets.form import ParamsForm
from atomscope.widgets.frames_panel import look_at
from atomscope.widgets.layerbox import LayerBox
from atomscope.widgets.live_panel import LivePanel
from atomscope.widgets.overlay import add_or_replace, is_image, points_layer, show_colour_bar
from atomscope.widgets.panel import RunBar, button, note, row_label

_ATOMS, _GRID = 0, 1


class FindAtomsWidget(LivePanel):
    """Find atom columns in one frame or in all of them, or lay a grid of sites.

    Parameters
    ----------
    napari_viewer : napari viewer
    """

    def __init__(self, napari_viewer: Any, parent: Any = None) -> None:
        super().__init__(napari_viewer, parent)
        self.image_box = LayerBox(self.viewer, is_image, "open an image first")
        self.image_box.setToolTip("The image or movie to search.")
        self.chip = note()
        self.kind_box = QComboBox()
        self.kind_box.addItems(["Atom columns", "Regular grid"])
        self.kind_box.setToolTip("Bright (or dark) peaks, or a sliding window that needs no atoms.")
        rows = self.rows()
        rows.addRow(row_label("Image"), self.image_box)
        rows.addRow(self.chip)
        rows.addRow(row_label("Sites"), self.kind_box)
        self.forms = (ParamsForm(FindParams), ParamsForm(GridParams))
        self.pages = QStackedWidget()
        for form in self.forms:
            self.pages.addWidget(form)
            form.changed.connect(self.ask_preview)
            form.changed.connect(self._offer_doubt)
        self.body.addWidget(self.pages)
        self.body.addWidget(self.live)
        self.body.addWidget(self.count)
        self.body.addStretch(1)
        self.here = button("This frame", "Find in the frame on screen only.", self.run_here)
        self.run_bar = RunBar(
            self.runner, "All frames", "Find in every frame and make a Points layer.", self.run_all, (self.here,)
        )
        self.doubt = button(
            "Uncertainty image",
            "Add how unsure the network is at every pixel, computed as you look.",
            self.add_uncertainty,
        )
        self.foot.addWidget(self.doubt)
        self.foot.addWidget(self.run_bar)

        self._found: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
        self._doubts: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
        self._job: tuple[Any, Stack, Params, float] | None = None
        self.image_box.layer_changed.connect(self._image_changed)
        self.kind_box.currentIndexChanged.connect(self._kind_changed)
        self._image_changed()

    # what is asked for

    def form(self) -> ParamsForm:
        """Return the form in sight."""
        return self.forms[self.pages.currentIndex()]

    def _image_changed(self) -> None:
        text, why, many = look_at(self.image_box.layer())
        self.chip.setText(text)
        self.run_bar.say(why)
        self.run_bar.allow(why)
        self.count.setText("")
        self._offer_doubt()
        self.here.setVisible(many)
        self.run_bar.rename("All frames" if many else "Find atoms")
        self.ask_preview()

    def _offer_doubt(self, *_: Any) -> None:
        values = self.form().values()
        self.doubt.setVisible(values.get("uncertainty", "none") != "none" and self.image_box.layer() is not None)

    def add_uncertainty(self) -> None:
        """Add a lazy image of what the network does not know, in the place of an older one."""
        layer = self.image_box.layer()
        if layer is None:
            return
        try:
            data, kwargs, kind = pipeline.uncertainty_layer(stack_of(layer), self.form().params())
        except AtomscopeError as error:
            self.run_bar.refuse(error)
            return
        old = self._doubts.get(layer)
        self._doubts[layer] = add_or_replace(self.viewer, Layer.create(data, kwargs | placement(layer), kind), old)
        self.viewer.layers.selection.active = layer

    def _kind_changed(self, index: int) -> None:
        self.pages.setCurrentIndex(index)
        self._offer_doubt()
        self.ask_preview()

    # preview

    def _one(self, stack: Stack, frame: int) -> Callable[[], Sites]:
        params = self.form().params()
        return lambda: find_one(stack, frame, params)

    # run

    def _run(self, layer: Any, frame: int | None) -> None:
        try:
            stack, params = stack_of(layer), self.form().params()
        except AtomscopeError as error:
            self.run_bar.refuse(error)
            return
        if frame is not None and isinstance(params, FindParams):
            params = params.replace(first_frame=frame, last_frame=frame, stride=1)
        name = f"{layer.name} {'atoms' if isinstance(params, FindParams) else 'grid'}"

        def work(on_progress: Any, should_stop: Any) -> Any:
            if isinstance(params, GridParams):
                sites = pipeline.grid(stack, params)
                if frame is not None:
                    sites = sites.with_table(sites.in_frame(frame))
            else:
                sites = pipeline.find_atoms(stack, params, on_progress=on_progress, should_stop=should_stop)
            # A layer may be built in a worker thread; only adding it belongs to the GUI.
            return sites, points_layer(stack, sites, layer, name, colour_of(sites)) if len(sites) else None

        self.end_preview()
        self._job = (layer, stack, params, time.monotonic())
        self.runner.start(
            f"Find in {layer.name}", work, on_done=self._done, on_error=self._failed, total=stack.n_frames
        )

    def _done(self, value: Any, stopped: bool) -> None:
        if self._job is None:
            return
        layer, stack, params, began = self._job
        if stopped and isinstance(value, Sites):
            sites: Sites | None = value
            points = points_layer(stack, sites, layer, f"{layer.name} atoms", colour_of(sites)) if len(sites) else None
        else:
            sites, points = value if value is not None else (None, None)
        if sites is None:
            self.run_bar.say("Cancelled; nothing was changed.")
            return
        if points is None:
            self.run_bar.say("No sites found. Lower the threshold, or check the contrast (bright or dark).", bad=True)
            return
        add_or_replace(self.viewer, points, self._found.get(layer))
        self._found[layer] = points
        show_colour_bar(points, bool(colour_of(sites)))
        step = "find" if isinstance(params, FindParams) else "grid"
        done = self.state.work(points)
        done.stack, done.image = stack, weakref.ref(layer)
        done.note_source()
        done.note(step, params)
        frames = sites.table["frame"].nunique()
        where = f" in {counted(frames, 'frame')}" if stack.n_frames > 1 else ""
        text = f"{counted(len(sites), 'site')}{where}, {time.monotonic() - began:.1f} s"
        self.run_bar.say(f"Cancelled; kept {text}." if stopped else f"{text}.")
        self.state.tell(points, "sites")

    def _failed(self, error: BaseException) -> None:
        self.run_bar.say(str(error), bad=True)


def find_one(stack: Stack, frame: int, params: Params) -> Sites:
    """Find in one frame of a stack, with the frame's number in the table."""
    if isinstance(params, GridParams):
        sites = pipeline.grid(Stack.from_array(stack.frame(frame), stack.axes[-2:]), params)
        table = sites.table.assign(frame=frame)
        return Sites(table, stack.axes, stack.shape)
    # A preview need not know how sure it is: that takes many times as long.
    one = params.replace(first_frame=0, last_frame=None, stride=1, uncertainty="none")
    table = pipeline.find_in_frame(stack.frame(frame), one)
    sites = Sites.from_positions(
        table["row"].to_numpy(), table["col"].to_numpy(), frame, axes=stack.axes, shape=stack.shape
    )
    if "sigma" in table:  # how large the rings are drawn
        sites = sites.with_table(sites.table.assign(sigma=table["sigma"].to_numpy()))
    return sites


def colour_of(sites: Sites) -> str:
    """Return the column that colours the sites: how unsure the network is, where it was asked."""
    return "mutual_information" if "mutual_information" in sites.table else ""
