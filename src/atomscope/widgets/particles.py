"""The dock widget *Particles*: labels of one frame, a network taught by them, the movie, and how ordered it is."""

from __future__ import annotations

import time
import weakref
from typing import Any

import numpy as np
from napari.layers import Layer
from qtpy.QtWidgets import QComboBox

from atomscope import pipeline
from atomscope.data import Sites, Stack, counted
from atomscope.data.params import ParticleParams
from atomscope.errors import AtomscopeError
from atomscope.widgets.bridge import current_frame, placement, stack_of
from atomscope.widgets.curve import Curve
from atomscope.widgets.form import ParamsForm
from atomscope.widgets.frames_panel import look_at
from atomscope.widgets.label_store import label_store
from atomscope.widgets.layerbox import LayerBox
from atomscope.widgets.network_box import NetworkBox
from atomscope.widgets.overlay import add_or_replace, is_image, points_layer
from atomscope.widgets.panel import Panel, RunBar, button, note, row_label

_THRESHOLD, _NETWORK = 0, 1


class ParticlesWidget(Panel):
    """Find particles by a threshold or by a network that one painted frame teaches; plot their order.

    Parameters
    ----------
    napari_viewer : napari viewer
    """

    def __init__(self, napari_viewer: Any, parent: Any = None) -> None:
        super().__init__(napari_viewer, parent)
        self.image_box = LayerBox(self.viewer, is_image, "open an image first")
        self.image_box.setToolTip("The image or movie of particles.")
        self.chip = note()
        self.method_box = QComboBox()
        self.method_box.addItems(["Threshold", "Trained network"])
        self.method_box.setToolTip("Threshold: no training. Trained network: for what a threshold cannot tell apart.")
        rows = self.rows()
        rows.addRow(row_label("Image"), self.image_box)
        rows.addRow(self.chip)
        rows.addRow(row_label("Method"), self.method_box)
        self.form = ParamsForm(ParticleParams, hide=("method", "model", "first_frame", "last_frame", "stride"))
        self.body.addWidget(self.form)
        self.heading("Teach a network", "Label one frame, correct the labels by hand, train.")
        self.box = NetworkBox(self.viewer, self.runner, self._on_screen, lambda text, bad: self.run_bar.say(text, bad))
        self.body.addWidget(self.box)
        self.order_title = self.heading(
            "Order", "S = mean cos 2(angle - director): 1 when all lie alike. Drag the line to go to a frame."
        )
        self.order = Curve("frame", "S", self._go_to)
        self.order.plot.setYRange(0, 1)
        self.order.hide()
        self.body.addWidget(self.order)
        self.order_note = note("Shows when all frames are done.")
        self.body.addWidget(self.order_note)
        self.body.addStretch(1)
        self.here = button(
            "Label this frame", "Make labels of the frame on screen, to look at or to correct.", self.label
        )
        self.run_bar = RunBar(
            self.runner, "All frames", "Find the particles of every frame.", self.run_all, (self.here,)
        )
        self.foot.addWidget(self.run_bar)
        self._made: weakref.WeakKeyDictionary[Any, dict[str, Any]] = weakref.WeakKeyDictionary()
        self._ordered: tuple[Any, Any] | None = None
        self._why = ""
        self.image_box.layer_changed.connect(self._image_changed)
        self.box.changed.connect(self._network_changed)
        self.runner.busy_changed.connect(self._allow)
        self.method_box.currentIndexChanged.connect(self._allow)
        self.viewer.dims.events.current_step.connect(self._frame_changed)
        self._image_changed()

    # what is asked for

    def _image_changed(self) -> None:
        text, self._why, many = look_at(self.image_box.layer())
        self.chip.setText(text)
        self.run_bar.rename("All frames" if many else "Find particles")
        self.here.setText("Label this frame" if many else "Make labels")
        self.order_title.setVisible(many)
        self.order_note.setVisible(many)
        self.run_bar.say(self._why)
        self._allow()

    def _allow(self, *_: Any) -> None:
        why, busy = self._why, self.runner.busy
        if not why and self.method_box.currentIndex() == _NETWORK and self.box.network is None:
            why = "Train a network first, or open one; or choose Threshold."
        self.run_bar.allow(why)
        # Labels for teaching come from the threshold as long as there is no network.
        self.here.setEnabled(not self._why and not busy)

    def _network_changed(self) -> None:
        self.method_box.setCurrentIndex(_NETWORK)
        self._allow()

    def _on_screen(self) -> tuple[Stack, int] | None:
        layer = self.image_box.layer()
        return None if layer is None or self._why else (stack_of(layer), current_frame(self.viewer, layer))

    def _asked(self) -> tuple[Any, Stack, ParticleParams, Any] | None:
        layer = self.image_box.layer()
        if layer is None:
            return None
        try:
            stack, params = stack_of(layer), self.form.params()
        except AtomscopeError as error:
            self.run_bar.refuse(error)
            return None
        network = self.box.network if self.method_box.currentIndex() == _NETWORK else None
        if network is not None:
            params = params.replace(method="network", model=self.box.file)
        return layer, stack, params, network

    # labels of one frame

    def label(self) -> None:
        """Label the frame on screen."""
        asked = self._asked()
        if asked is None:
            return
        layer, stack, params, network = asked
        frame = current_frame(self.viewer, layer)

        def work(on_progress: Any, should_stop: Any) -> Any:
            one = Stack.from_array(stack.frame(frame), stack.axes[-2:])
            return pipeline.particle_labels(one, params, network=network).frame(0)

        def done(value: Any, stopped: bool) -> None:
            if value is None:
                self.run_bar.say("Cancelled; nothing was changed.")
                return
            painted = self._painted(layer, stack)
            index = np.unravel_index(frame, stack.navigation_shape) if stack.navigation_shape else ()
            painted.data[index] = value.astype(painted.data.dtype)
            painted.refresh()
            self.box.paint_box.choose(painted)
            self.viewer.layers.selection.active = painted
            self.run_bar.say(
                f"{counted(value.max(), 'particle')} in this frame. Correct them with the tools of the layer, "
                "then Train."
            )

        self.runner.start(f"Label {layer.name}", work, on_done=done, on_error=self._failed)

    def _painted(self, layer: Any, stack: Stack) -> Any:
        """Return the Labels layer that is painted on, made when there is none that fits."""
        old = self._made.setdefault(layer, {}).get("painted")
        if old is not None and old in self.viewer.layers and old.data.shape == stack.shape:
            return old
        data = np.zeros(stack.shape, np.int32)  # only what is painted takes memory
        made = Layer.create(data, {"name": f"{layer.name} painted", "opacity": 0.5, **placement(layer)}, "labels")
        self._made[layer]["painted"] = made
        self.viewer.add_layer(made)
        return made

    # the movie

    def run_all(self) -> None:
        """Find the particles of every frame."""
        asked = self._asked()
        if asked is None:
            return
        layer, stack, params, network = asked
        labels = label_store((stack.n_frames, *stack.frame_shape))

        def work(on_progress: Any, should_stop: Any) -> Any:
            return pipeline.find_particles(
                stack, params, network=network, labels_out=labels, on_progress=on_progress, should_stop=should_stop
            )

        def done(value: Any, stopped: bool) -> None:
            if not isinstance(value, Sites) or not len(value):
                what = "Cancelled; nothing was changed." if stopped else "No particles found; check the contrast."
                self.run_bar.say(what, bad=not stopped)
                return
            self._show(layer, stack, params, value, labels)
            where = counted(value.table["frame"].nunique(), "frame")
            text = f"{counted(len(value), 'particle')} in {where}, {time.monotonic() - began:.1f} s"
            self.run_bar.say(f"Cancelled; kept {text}." if stopped else f"{text}.")

        began = time.monotonic()
        self.runner.start(f"Particles of {layer.name}", work, on_done=done, on_error=self._failed, total=stack.n_frames)

    def _show(self, layer: Any, stack: Stack, params: ParticleParams, sites: Sites, labels: Any) -> None:
        """Add or replace the layers of what was found, and plot the order."""
        made = self._made.setdefault(layer, {})
        shaped = labels.reshape(stack.shape) if isinstance(labels, np.ndarray) else labels
        for data, kwargs, kind in pipeline.particle_layers(stack, sites, shaped):
            new = Layer.create(data, {**kwargs, **placement(layer)}, kind)
            made[kind] = add_or_replace(self.viewer, new, made.get(kind))
        points = points_layer(stack, sites, layer, f"{layer.name} particles")
        points.visible = False  # labels and axes say the same; the points are there for the next steps
        made["points"] = add_or_replace(self.viewer, points, made.get("points"))
        painted = made.get("painted")
        if painted is not None and painted in self.viewer.layers:
            painted.visible = False
        work = self.state.work(made["points"])
        work.stack, work.image = stack, weakref.ref(layer)
        work.note_source()
        work.note("particles", params)
        table = pipeline.order_parameter(sites)
        self.box.loss.hide()  # it has said what it could, and the order wants the room
        self.order.show()
        self.order.show_curve(table["frame"].to_numpy(), table["order"].to_numpy(), table["order_sd"].to_numpy())
        self._ordered = weakref.ref(layer), table.set_index("frame")
        self._frame_changed()
        self.state.tell(made["points"], "sites")

    # the plot and the slider

    def _go_to(self, frame: int) -> None:
        layer = self.image_box.layer()
        if layer is None or layer.ndim < 3:
            return
        index = np.unravel_index(frame, stack_of(layer).navigation_shape)
        first = self.viewer.dims.ndim - layer.ndim
        for k, i in enumerate(index):
            self.viewer.dims.set_current_step(first + k, int(i))

    def _frame_changed(self, event: Any = None) -> None:
        layer = self.image_box.layer()
        if layer is None or self._ordered is None or self._ordered[0]() is not layer:
            return
        table = self._ordered[1]
        frame = current_frame(self.viewer, layer)
        self.order.show_frame(frame)
        if frame in table.index:
            row = table.loc[frame]
            self.order_note.setText(
                f"Frame {frame}: S = {row['order']:.2f} ± {row['order_sd']:.2f}, "
                f"director {np.degrees(row['director']):.0f}°, {counted(row['particles'], 'whole particle')}"
            )

    def _failed(self, error: BaseException) -> None:
        self.run_bar.say(str(error), bad=True)
