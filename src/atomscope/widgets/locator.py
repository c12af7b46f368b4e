"""The part of a dock that shows where the things are that a classifier was only told of."""

from __future__ import annotations

import time
import weakref
from typing import Any

from napari.layers import Layer
from qtpy.QtWidgets import QFormLayout, QVBoxLayout, QWidget

from atomscope import pipeline
from atomscope.data import Sites, Stack
from atomscope.errors import AtomscopeError
from atomscope.widgets.bridge import placement, stack_of
from atomscope.widgets.crop_teacher import CropTeacher
from atomscope.widgets.layerbox import LayerBox
from atomscope.widgets.made import MadeLayers
from atomscope.widgets.marks import COLOURS
from atomscope.widgets.overlay import is_image, points_layer
from atomscope.widgets.panel import Panel, button, row_label

_TIP = "Show the map of the class, and the places where it is high."


class Locator(QWidget):
    """Choose an image, locate in it.

    Parameters
    ----------
    panel : Panel
        The dock: its viewer, its runner.
    teacher : CropTeacher
        Has the classifier.
    made : MadeLayers
    """

    def __init__(self, panel: Panel, teacher: CropTeacher, made: MadeLayers) -> None:
        super().__init__(panel)
        self._panel, self._teacher, self._made = panel, teacher, made
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        self.image_box = LayerBox(panel.viewer, is_image, "open an image first")
        self.image_box.setToolTip("Images of any size, at the magnification of the frames that taught it.")
        rows = QFormLayout()
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setHorizontalSpacing(10)
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        rows.addRow(row_label("Locate in"), self.image_box)
        column.addLayout(rows)
        self.button = button("Locate", _TIP, self.run)
        column.addWidget(self.button)
        for signal in (self.image_box.layer_changed, teacher.changed, panel.runner.busy_changed):
            signal.connect(self.allow)
        self.allow()

    def allow(self, *_: Any) -> None:
        """Enable the button when there is a classifier and an image."""
        able = self._teacher.model is not None and self.image_box.layer() is not None
        self.button.setEnabled(able and not self._panel.runner.busy)
        self.button.setToolTip(_TIP if able else "Train a classifier first, or open one.")

    def run(self) -> None:
        """Show the maps and the places of every class but the background."""
        layer, model, bar = self.image_box.layer(), self._teacher.model, self._panel.run_bar
        if layer is None or model is None:
            return
        try:
            stack = stack_of(layer)
        except AtomscopeError as error:
            bar.refuse(error)
            return
        began = time.monotonic()
        kinds = [name for k, name in enumerate(model.classes) if k != model.background]

        def work(on_progress: Any, should_stop: Any) -> Any:
            return pipeline.locate(model, stack, on_progress=on_progress, should_stop=should_stop)

        def done(sites: Sites | None, stopped: bool) -> None:
            if sites is None:
                bar.say("Cancelled; nothing was changed.")
                return
            self._show(layer, stack, model, sites, kinds)
            n = sites.table["kind"].astype(str).value_counts()
            text = f"{', '.join(f'{n.get(name, 0):,} {name}' for name in kinds)}, {time.monotonic() - began:.1f} s."
            bar.say(f"Cancelled; kept {text}" if stopped else text)

        self._panel.runner.start(
            f"Locate in {layer.name}",
            work,
            on_done=done,
            on_error=lambda error: bar.say(str(error), bad=True),
            total=stack.n_frames,
        )

    def _show(self, layer: Any, stack: Stack, model: Any, sites: Sites, kinds: list[str]) -> None:
        for name in kinds:
            data, kwargs, kind = pipeline.activation_layer(model, stack, name)
            self._made.put(layer, f"map of {name}", Layer.create(data, kwargs | placement(layer), kind))
        if not len(sites):
            return
        points = self._made.put(layer, "located", located(stack, sites, layer, kinds))
        work = self._panel.state.work(points)
        work.stack, work.image = stack, weakref.ref(layer)
        work.note_source()
        self._made.raise_up(layer, "located")
        self._panel.state.tell(points, "sites")


def located(stack: Stack, sites: Sites, image: Any, kinds: list[str]) -> Any:
    """Build the Points layer of what was located, ringed by its class."""
    points = points_layer(stack, sites, image, f"{image.name} located")
    at = [kinds.index(kind) for kind in sites.table["kind"].astype(str)]
    points.border_color = [COLOURS[(k + 1) % len(COLOURS)] for k in at]
    points.size = 12
    return points
