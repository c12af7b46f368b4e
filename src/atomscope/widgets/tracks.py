"""The dock widget *Drift and tracks*: how far frames moved, which sites are the same thing, how they wander."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from qtpy.QtWidgets import QCheckBox

from atomscope import pipeline
from atomscope.data import Sites, Stack, counted
from atomscope.data.params import LinkParams
from atomscope.errors import AtomscopeError
from atomscope.widgets.bridge import current_frame, sites_of, stack_of, write_columns
from atomscope.widgets.diffusion_box import DiffusionBox
from atomscope.widgets.drift_box import DriftBox
from atomscope.widgets.form import ParamsForm
from atomscope.widgets.frame_time import FrameTime
from atomscope.widgets.layerbox import LayerBox
from atomscope.widgets.over_time_box import OverTimeBox
from atomscope.widgets.overlay import add_or_replace, colour_by, is_image, is_points, points_layer, tracks_layer
from atomscope.widgets.panel import Panel, RunBar, button, row_label
from atomscope.widgets.states_box import StatesBox

#: Columns that linking writes.
_WRITTEN = ("track", "lattice_site", "row_still", "col_still")


class TracksWidget(Panel):
    """Measure the drift of a movie, link its sites, and see diffusion and anything else against time.

    Parameters
    ----------
    napari_viewer : napari viewer
    """

    def __init__(self, napari_viewer: Any, parent: Any = None) -> None:
        super().__init__(napari_viewer, parent)
        self.image_box = LayerBox(self.viewer, is_image, "open a movie first")
        self.image_box.setToolTip("The movie.")
        self.points_box = LayerBox(self.viewer, is_points, "find atoms first")
        self.points_box.setToolTip("The sites that were found in its frames.")
        rows = self.rows()
        rows.addRow(row_label("Movie"), self.image_box)
        rows.addRow(row_label("Sites"), self.points_box)
        self.time_box = FrameTime()
        rows.addRow(row_label("Frame time"), self.time_box)
        self.heading("Drift", "How far the content of each frame has moved. Nothing is resampled.")
        self.drift = DriftBox(self.viewer, self._go_to)
        self.body.addWidget(self.drift)
        self.heading("Places", "Which places of the lattice are occupied in which frame, told from the whole movie.")
        self.places_button = button(
            "Read occupancy",
            "Find the places in the mean of all frames, the faint ones too, and follow how bright each is.",
            self.read_places,
        )
        self.body.addWidget(self.places_button)
        self.heading("Tracks", "Which sites of different frames are the same thing.")
        self.form = ParamsForm(LinkParams)
        self.body.addWidget(self.form)
        self.tracks_box = QCheckBox("Show tracks as a layer")
        self.tracks_box.setChecked(True)
        self.body.addWidget(self.tracks_box)
        self.heading("Against time", "Drag the line, or click, to go to a frame.")
        self.over_time = OverTimeBox(self._go_to)
        self.body.addWidget(self.over_time)
        self.heading("Diffusion", "From all tracks together, with a 95 % interval.")
        self.diffusion = DiffusionBox()
        self.body.addWidget(self.diffusion)
        self.heading("States", "How often sites change from state to state, and how long states last.")
        self.states = StatesBox()
        self.body.addWidget(self.states)
        self.body.addStretch(1)
        self.run_bar = RunBar(self.runner, "Link sites", "Link the sites of all frames into tracks.", self.run)
        self.foot.addWidget(self.run_bar)
        self._made: weakref.WeakKeyDictionary[Any, dict[str, Any]] = weakref.WeakKeyDictionary()
        self.drift.wanted.connect(self.measure_drift)
        self.diffusion.wanted.connect(self.measure_diffusion)
        self.states.wanted.connect(self.measure_transitions)
        for box in (self.image_box, self.points_box):
            box.layer_changed.connect(self._layers_changed)
        self.runner.busy_changed.connect(self._allow)
        self.viewer.dims.events.current_step.connect(self._frame_changed)
        self._layers_changed()

    # what can be done

    def _movie(self) -> tuple[Any, Stack] | None:
        layer, self._no_movie = self.image_box.layer(), "Open a movie first: frames, rows and columns."
        try:
            stack = None if layer is None else stack_of(layer)
        except AtomscopeError as error:  # a colour picture, complex numbers
            stack, self._no_movie = None, str(error)
        return None if stack is None or len(stack.navigation_shape) != 1 else (layer, stack)

    def _layers_changed(self, *_: Any) -> None:
        self.drift.show_image(self.image_box.layer())
        self.time_box.show_movie((self._movie() or (None, None))[1])
        self.diffusion.show_points(self.points_box.layer())
        self.states.forget()
        self._fill_series()
        why = self._allow()
        if why and not self.runner.busy:
            self.run_bar.say(why)

    def _allow(self, *_: Any) -> str:
        """Enable what can be done; return why nothing can be linked, or an empty text."""
        movie, points, busy = self._movie(), self.points_box.layer(), self.runner.busy
        why = "" if points is not None else "Find atoms in all frames, or read the occupancy; then link."
        why = why if movie is not None else self._no_movie
        self.run_bar.allow(why)
        for one in (self.drift.button, self.places_button):
            one.setEnabled(movie is not None and not busy)
        linked = points is not None and "track" in points.features
        self.diffusion.button.setEnabled(movie is not None and linked and not busy)
        known = self.states.show_columns(points.features if points is not None else None)
        self.states.button.setEnabled(movie is not None and known and not busy)
        return why

    def _failed(self, error: BaseException) -> None:
        self.run_bar.say(str(error), bad=True)

    def _sites(self, image: Any) -> Sites:
        """Return the sites that are chosen, where they belong and not where they are held."""
        with self.drift.released():
            return sites_of(self.points_box.layer(), image, self.viewer)

    def _start(self, name: str, make: Callable[[Any, Stack], tuple[Any, Any]]) -> None:
        """Begin a job; ``make`` returns its work, and what is done with its value."""
        movie = self._movie()
        if movie is None:
            return
        layer, stack = movie
        try:
            work, take = make(layer, stack)
        except AtomscopeError as error:
            self.run_bar.refuse(error)
            return

        def done(value: Any, stopped: bool) -> None:
            if value is None or stopped or layer not in self.viewer.layers:
                self.run_bar.say("Cancelled; nothing was changed.")
                return
            with self.drift.released():  # new layers lie where the movie belongs
                take(value)
            self._allow()

        title = f"{name} of {layer.name}"
        self.runner.start(title, work, on_done=done, on_error=self._failed, total=stack.n_frames)

    def measure_drift(self) -> None:
        """Measure how far each frame has moved."""

        def make(layer: Any, stack: Stack) -> tuple[Any, Any]:
            params = self.drift.form.params()
            sites = self._sites(layer) if params.method == "sites" and self.points_box.layer() is not None else None

            def work(on_progress: Any, should_stop: Any) -> Any:
                return pipeline.drift(stack, params, sites=sites, on_progress=on_progress, should_stop=should_stop)

            def take(found: Any) -> None:
                self.drift.show_drift(layer, found)
                self.run_bar.say("Drift measured: linking takes it out.")
                self._frame_changed()

            return work, take

        self._start("Drift", make)

    def read_places(self) -> None:
        """Read which places are occupied, and add them as points."""

        def make(layer: Any, stack: Stack) -> tuple[Any, Any]:
            moved = self.drift.found

            def work(on_progress: Any, should_stop: Any) -> Any:
                return pipeline.occupancy(stack, drift=moved, on_progress=on_progress, should_stop=should_stop)

            def take(sites: Sites) -> None:
                points = points_layer(stack, sites, layer, f"{layer.name} places")
                made = self._made.setdefault(layer, {})
                made["places"] = add_or_replace(self.viewer, points, made.get("places"))
                colour_by(points, "kind", bar=False)
                of = self.state.work(points)
                of.stack, of.image = stack, weakref.ref(layer)
                self.points_box.choose(points)
                empty = sites.table["kind"] == "vacancy"
                found = (
                    f"{counted(sites.table['lattice_site'].nunique(), 'place')}, {empty.mean():.2%} of the time empty"
                )
                self.run_bar.say(f"{found}. To follow what hops: kinds = vacancy, by lattice.")
                self.state.tell(points, "sites")

            return work, take

        self._start("Occupancy", make)

    # tracks

    def run(self) -> None:
        """Link the sites of all frames."""

        def make(layer: Any, stack: Stack) -> tuple[Any, Any]:
            params, sites, points, drift = (
                self.form.params(),
                self._sites(layer),
                self.points_box.layer(),
                self.drift.found,
            )
            if drift is not None:
                sites = drift.applied_to(sites)

            def work(on_progress: Any, should_stop: Any) -> Any:
                return pipeline.link(sites, params, drift=drift, on_progress=on_progress, should_stop=should_stop)

            def take(found: Sites) -> None:
                if points not in self.viewer.layers:
                    self.run_bar.say("The layer is gone; nothing was changed.", bad=True)
                    return
                if len(points.data) != len(found):
                    self.run_bar.say("Points came or went meanwhile; nothing was changed. Link again.", bad=True)
                    return
                points.features = points.features.assign(site=found.table["site"].to_numpy())  # of points by hand, too
                table = found.table.set_index("site")
                write_columns(points, table[[name for name in _WRITTEN if name in table]])
                self.diffusion.forget(points)
                self.states.forget()
                if drift is not None:
                    self.state.work(points).note("drift", self.drift.form.params())
                self.state.work(points).note("link", params)
                linked = found.table[found.table["track"] >= 0]
                if self.tracks_box.isChecked():
                    self._show_tracks(layer, linked)
                self.run_bar.say(
                    f"{counted(linked['track'].nunique(), 'track')} through {counted(len(linked), 'site')}."
                )
                self._fill_series()
                self.state.tell(points, "columns")

            return work, take

        self._start("Tracks", make)

    def _show_tracks(self, image: Any, linked: pd.DataFrame) -> None:
        layer, made = tracks_layer(image, linked), self._made.setdefault(image, {})
        if layer is not None:
            made["tracks"] = add_or_replace(self.viewer, layer, made.get("tracks"))

    def _fill_series(self) -> None:
        points, movie = self.points_box.layer(), self._movie()
        if points is None or movie is None or not len(points.data) or points.ndim != movie[0].ndim:
            self.over_time.show_table(None)
            return
        table = points.features.assign(frame=np.rint(np.asarray(points.data)[:, 0]).astype(int))
        self.over_time.show_table(table, movie[1].n_frames)
        self._frame_changed()

    def _go_to(self, frame: int) -> None:
        layer = self.image_box.layer()
        if layer is not None and layer.ndim >= 3:
            self.viewer.dims.set_current_step(self.viewer.dims.ndim - layer.ndim, frame)

    def _frame_changed(self, *_: Any) -> None:
        movie = self._movie()
        if movie is not None:
            for plot in (self.over_time, self.drift.plot):
                plot.show_frame(current_frame(self.viewer, movie[0]))

    def measure_diffusion(self) -> None:
        """Measure how fast the tracks wander."""

        def make(layer: Any, _stack: Stack) -> tuple[Any, Any]:
            params, time = self.diffusion.form.params(), self.time_box.seconds
            sites, points = self._sites(layer), self.points_box.layer()

            def take(found: Any) -> None:
                self.diffusion.show_diffusion(found, points)
                self.run_bar.say("Diffusion measured.")

            return (lambda *_, **__: pipeline.diffusion(sites, params, frame_time_s=time)), take

        self._start("Diffusion", make)

    def measure_transitions(self) -> None:
        """Measure how sites change between states."""

        def make(layer: Any, _stack: Stack) -> tuple[Any, Any]:
            work = self.states.work(self._sites(layer), self.time_box.seconds)

            def take(found: Any) -> None:
                self.states.show_transitions(*found)
                self.run_bar.say("Transitions measured.")

            return work, take

        self._start("Transitions", make)
