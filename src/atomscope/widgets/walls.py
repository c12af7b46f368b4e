"""The dock widget *Walls*: an image layer in; sites along its domain walls, their lines and lengths out."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
from napari.layers import Layer
from qtpy.QtWidgets import QCheckBox

from atomscope import pipeline
from atomscope.data import Sites, Stack, counted
from atomscope.data.params import WallParams
from atomscope.errors import AtomscopeError
from atomscope.widgets.bridge import placement, stack_of
from atomscope.widgets.fold import Fold
from atomscope.widgets.form import ParamsForm
from atomscope.widgets.frames_panel import look_at
from atomscope.widgets.layerbox import LayerBox
from atomscope.widgets.live_panel import LivePanel
from atomscope.widgets.overlay import add_or_replace, is_image, points_layer
from atomscope.widgets.panel import RunBar, button, note, row_label
from atomscope.widgets.wall_lengths import WallLengths
from atomscope.widgets.wall_motion_box import WallMotionBox
from atomscope.widgets.wall_teacher import WallTeacher

#: napari draws so many lines of a Shapes layer in good time; beyond, the points have to do.
_MOST_LINES = 3000
#: Labels of at most so many bytes are made for the whole movie.
_MOST_BYTES = 1 << 30


class WallsWidget(LivePanel):
    """Find domain walls by steps, by lines, or by a network that learns from painted ones.

    Parameters
    ----------
    napari_viewer : napari viewer
    """

    def __init__(self, napari_viewer: Any, parent: Any = None) -> None:
        super().__init__(napari_viewer, parent)
        self.image_box = LayerBox(self.viewer, is_image, "open an image first")
        self.image_box.setToolTip("The image or movie with domains.")
        self.chip = note()
        rows = self.rows()
        rows.addRow(row_label("Image"), self.image_box)
        rows.addRow(self.chip)
        self.form = ParamsForm(WallParams)
        self.form.changed.connect(self.ask_preview)
        self.body.addWidget(self.form)
        self.labels = QCheckBox("Label the domains too")
        self.labels.setToolTip("Also make a Labels layer with a number for each domain between walls.")
        self.body.addWidget(self.live)
        self.body.addWidget(self.labels)
        self.body.addWidget(self.count)
        self.here = button("This frame", "Find in the frame on screen only.", self.run_here)
        self.run_bar = RunBar(self.runner, "All frames", "Find the walls of every frame.", self.run_all, (self.here,))
        self.lengths = WallLengths()
        self.length_title = self.heading("Lengths", "The length of the walls of each frame, or of each wall.")
        self.length_title.hide()
        self.body.addWidget(self.lengths)
        self.motion = WallMotionBox(self, self.image_box.layer, self._go_to)
        self.motion_fold = Fold("Motion and pins", self.motion)
        self.motion_fold.button.setToolTip("For a movie: how far walls move from frame to frame, and where they hang.")
        self.motion_fold.button.setStyleSheet(
            f"{self.motion_fold.button.styleSheet()} QToolButton {{ font-weight: bold; }}"
        )
        self.body.addWidget(self.motion_fold)
        self.heading("Teach a network", "For walls that neither steps nor lines tell from the rest of the image.")
        self.teacher = WallTeacher(self.viewer, self.runner, self.image_box.layer, self.run_bar.say)
        self.body.addWidget(self.teacher)
        self.body.addStretch(1)
        self.foot.addWidget(self.run_bar)

        self._found: weakref.WeakKeyDictionary[Any, dict[str, Any]] = weakref.WeakKeyDictionary()
        self._job: tuple[Any, Stack, WallParams, float, np.ndarray] | None = None
        self.motion.coloured.connect(self._hide_lines)
        self.teacher.taught.connect(self._taught)
        self.teacher.kept.connect(self._kept)
        self.lengths.frame_chosen.connect(self._go_to)
        self.image_box.layer_changed.connect(self._image_changed)
        self._image_changed()

    def _image_changed(self) -> None:
        text, why, many = look_at(self.image_box.layer())
        self.chip.setText(text)
        self.run_bar.say(why)
        self.run_bar.allow(why)
        self.count.setText("")
        self.here.setVisible(many)
        self.run_bar.rename("All frames" if many else "Find walls")
        self.motion.look()
        self.ask_preview()

    def _taught(self) -> None:
        self.form.set(self.form.params().replace(method="network", model=None))
        self.ask_preview()

    def _kept(self, path: str) -> None:
        self.form.set(self.form.params().replace(method="network", model=path))

    def _network(self, params: WallParams) -> Any:
        """Return the network in hand, when the settings ask for it and name no file."""
        return self.teacher.network if params.method == "network" and params.model is None else None

    # preview

    def _one(self, stack: Stack, frame: int) -> Callable[[], Sites] | str:
        params = self.form.params()
        network = self._network(params)
        if params.method == "network" and network is None and params.model is None:
            return "No network yet: paint walls and train one, or open one, below."
        params = params.replace(first_frame=frame, last_frame=frame, stride=1)
        return lambda: pipeline.find_walls(stack, params, network=network)

    def _summary(self, sites: Sites) -> str:
        return summary(sites, "in this frame")

    # run

    def _run(self, layer: Any, frame: int | None) -> None:
        try:
            stack, params = stack_of(layer), self.form.params()
        except AtomscopeError as error:
            self.run_bar.refuse(error)
            return
        if frame is not None:
            params = params.replace(first_frame=frame, last_frame=frame, stride=1)
        last = stack.n_frames - 1 if params.last_frame is None else min(params.last_frame, stack.n_frames - 1)
        frames = np.arange(params.first_frame, last + 1, params.stride)
        network, with_labels = self._network(params), self.labels.isChecked()

        def work(on_progress: Any, should_stop: Any) -> Any:
            sites = pipeline.find_walls(
                stack, params, network=network, on_progress=on_progress, should_stop=should_stop
            )
            made = make_layers(stack, sites, layer)
            if with_labels and len(sites):
                made["domains"] = label_layer(stack, params, network, frames, layer, should_stop)
            return sites, made

        self.end_preview()
        self._job = (layer, stack, params, time.monotonic(), frames)
        self.runner.start(f"Walls of {layer.name}", work, on_done=self._done, on_error=self._failed, total=len(frames))

    def _done(self, value: Any, stopped: bool) -> None:
        if self._job is None:
            return
        layer, stack, params, began, frames = self._job
        if stopped:
            sites = value if isinstance(value, Sites) else None
            made = make_layers(stack, sites, layer) if sites is not None and len(sites) else {}
        else:
            sites, made = value
        if sites is None:
            self.run_bar.say("Cancelled; nothing was changed.")
            return
        if not len(sites):
            self.run_bar.say(
                "No walls found. Lower the threshold, try ridge for walls that are lines, or teach a network.", bad=True
            )
            return
        before = self._found.setdefault(layer, {})
        for name in ("domains", "lines", "sites"):
            if made.get(name) is not None:
                before[name] = add_or_replace(self.viewer, made[name], before.get(name))
        points = made["sites"]
        done = self.state.work(points)
        done.stack, done.image = stack, weakref.ref(layer)
        done.note_source()
        done.note("walls", params)
        seen = frames[np.isin(frames, sites.table["frame"].unique())] if stopped else frames
        self.length_title.show()
        self.lengths.show_lengths(pipeline.wall_lengths(sites), seen)
        where = f"in {counted(len(seen), 'frame')}" if len(seen) > 1 else ""
        text = f"{summary(sites, where)} {time.monotonic() - began:.1f} s."
        few = "" if made.get("lines") is not None else " Too many lines to draw; the points are there."
        self.run_bar.say((f"Cancelled; kept {text}" if stopped else text) + few)
        self.motion.show_walls(points)
        self.state.tell(points, "sites")

    def _failed(self, error: BaseException) -> None:
        self.run_bar.say(str(error), bad=True)

    def _hide_lines(self, image: Any) -> None:
        """Hide the lines, whose own colours would mix with those of the sites."""
        lines = self._found.get(image, {}).get("lines")
        if lines is not None:
            lines.visible = False

    def _go_to(self, frame: int) -> None:
        layer = self.image_box.layer()
        if layer is not None and layer.ndim == 3:
            self.viewer.dims.set_current_step(self.viewer.dims.ndim - 3, frame)


def summary(sites: Sites, where: str) -> str:
    """Say how many walls there are, and how long they are together."""
    if not len(sites):
        return f"No walls {where}."
    lengths = pipeline.wall_lengths(sites)
    unit = "nm" if lengths["length_nm"].notna().any() else "px"
    total = f"{lengths[f'length_{unit}'].sum():,.0f} {unit} in all."
    return f"{counted(len(lengths), 'wall')} {where}, {total}".replace(" ,", ",")


def make_layers(stack: Stack, sites: Sites, image: Any) -> dict[str, Any]:
    """Build the Points layer of the sites and the Shapes layer of the lines (safe in a worker thread)."""
    if not len(sites):
        return {}
    points = points_layer(stack, sites, image, f"{image.name} walls", color="angle")
    data, kwargs, kind = pipeline.wall_paths(stack, sites)
    lines = None
    if len(data) <= _MOST_LINES:
        lines = Layer.create(data, kwargs | placement(image) | {"name": f"{image.name} wall lines"}, kind)
    return {"sites": points, "lines": lines}


def label_layer(
    stack: Stack, params: WallParams, network: Any, frames: np.ndarray, image: Any, should_stop: Any
) -> Any:
    """Build the Labels layer of the domains of the frames that were searched; None when it would be too large."""
    if 4 * np.prod(stack.shape, dtype=np.int64) > _MOST_BYTES:
        return None
    labels = np.zeros((stack.n_frames, *stack.frame_shape), np.int32)
    lazy = pipeline.domains(stack, params, network=network)
    for index in frames:
        if should_stop():
            break
        labels[index] = lazy.frame(int(index))
    data, kwargs, kind = pipeline.domain_labels(stack, labels.reshape(stack.shape))
    return Layer.create(data, kwargs | placement(image) | {"name": f"{image.name} domains"}, kind)
