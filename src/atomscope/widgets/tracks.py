"""The dock widget *Drift and tracks*: how far frames moved, which sites are the same thing, how they wander."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from napari.layers import Layer
from qtpy.QtWidgets import QCheckBox, QComboBox

from atomscope import pipeline
from atomscope.data import Sites, Stack, counted
from atomscope.data.params import DiffusionParams, DriftParams, LinkParams
from atomscope.errors import AtomscopeError
from atomscope.widgets.bridge import current_frame, placement, sites_of, stack_of, write_columns
from atomscope.widgets.curve import Curve
from atomscope.widgets.fold import Fold
from atomscope.widgets.form import ParamsForm
from atomscope.widgets.layerbox import LayerBox
from atomscope.widgets.overlay import add_or_replace, is_image, is_points
from atomscope.widgets.panel import Panel, RunBar, button, note, row_label
from atomscope.widgets.still import HoldStill

#: Columns that are plotted against time when the table has them, and how a frame's value is made.
_MEANS = ("angle", "scale", "coordination", "strain_rr", "strain_cc", "lattice_rotation", "amplitude")


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
        self.heading("Drift", "How far the content of each frame has moved. Nothing is resampled.")
        self.drift_form = ParamsForm(DriftParams)
        self.body.addWidget(Fold("How", self.drift_form))
        self.drift_button = button("Measure drift", "Compare each frame with those before.", self.measure_drift)
        self.body.addWidget(self.drift_button)
        self.drift_plot = Curve("frame", "drift (px)", self._go_to)
        self.drift_plot.hide()
        self.body.addWidget(self.drift_plot)
        self.drift_note = note()
        self.body.addWidget(self.drift_note)
        self.hold_box = QCheckBox("Hold still")
        self.hold_box.setToolTip("Move the layers back by the drift of the frame on screen. No pixel is touched.")
        self.hold_box.setEnabled(False)
        self.hold_box.toggled.connect(self._hold)
        self.body.addWidget(self.hold_box)
        self.heading("Tracks", "Which sites of different frames are the same thing.")
        self.link_form = ParamsForm(LinkParams)
        self.body.addWidget(self.link_form)
        self.tracks_box = QCheckBox("Show tracks as a layer")
        self.tracks_box.setChecked(True)
        self.body.addWidget(self.tracks_box)
        self.heading("Against time", "Drag the line, or click, to go to a frame.")
        self.what_box = QComboBox()
        self.what_box.setToolTip("What is plotted for each frame.")
        self.what_box.currentTextChanged.connect(self._plot)
        self.body.addWidget(self.what_box)
        self.plot = Curve("frame", "", self._go_to)
        self.plot.hide()
        self.body.addWidget(self.plot)
        self.heading("Diffusion", "From all tracks together, with a 95 % interval.")
        self.diffusion_form = ParamsForm(DiffusionParams)
        self.body.addWidget(Fold("How", self.diffusion_form))
        self.diffusion_button = button("Measure diffusion", "How fast the tracks wander.", self.measure_diffusion)
        self.body.addWidget(self.diffusion_button)
        self.msd_plot = Curve("lag", "MSD")
        self.msd_plot.hide()
        self.body.addWidget(self.msd_plot)
        self.diffusion_note = note()
        self.body.addWidget(self.diffusion_note)
        self.body.addStretch(1)
        self.run_bar = RunBar(self.runner, "Link sites", "Link the sites of all frames into tracks.", self.run)
        self.foot.addWidget(self.run_bar)
        self._still = HoldStill(self, self.viewer)
        self._drift: tuple[Any, Any] | None = None
        self._tracks: Any = None
        self._series: dict[str, pd.Series] = {}
        for box in (self.image_box, self.points_box):
            box.layer_changed.connect(self._layers_changed)
        self.runner.busy_changed.connect(self._allow)
        self.viewer.dims.events.current_step.connect(self._frame_changed)
        self._layers_changed()

    # what can be done

    def _movie(self) -> tuple[Any, Stack] | None:
        layer = self.image_box.layer()
        if layer is None:
            return None
        stack = stack_of(layer)
        return (layer, stack) if len(stack.navigation_shape) == 1 else None

    def _layers_changed(self, *_: Any) -> None:
        self._still.release()
        self.hold_box.setChecked(False)
        self._fill_series()
        self._allow()

    def _allow(self, *_: Any) -> None:
        movie, points, why = self._movie(), self.points_box.layer(), ""
        if movie is None:
            why = "Open a movie first: frames, rows and columns."
        elif points is None:
            why = "Find atoms in all frames first; then they can be linked."
        self.run_bar.allow(why)
        if why and not self.runner.busy:
            self.run_bar.say(why)
        busy = self.runner.busy
        self.drift_button.setEnabled(movie is not None and not busy)
        linked = points is not None and "track" in points.features
        self.diffusion_button.setEnabled(movie is not None and linked and not busy)
        self.hold_box.setEnabled(self._shift() is not None)

    def _shift(self) -> np.ndarray | None:
        """Return the drift of the movie that is chosen, if it was measured."""
        layer = self.image_box.layer()
        return self._drift[1].shift_px if self._drift is not None and self._drift[0] is layer else None

    def _failed(self, error: BaseException) -> None:
        self.run_bar.say(str(error), bad=True)

    # drift

    def measure_drift(self) -> None:
        """Measure how far each frame has moved."""
        movie = self._movie()
        if movie is None:
            return
        layer, stack = movie
        try:
            params = self.drift_form.params()
            sites = self._sites(layer) if params.method == "sites" else None
        except AtomscopeError as error:
            self.run_bar.refuse(error)
            return

        def work(on_progress: Any, should_stop: Any) -> Any:
            return pipeline.drift(stack, params, sites=sites, on_progress=on_progress, should_stop=should_stop)

        def done(found: Any, stopped: bool) -> None:
            if stopped or found is None:
                self.run_bar.say("Cancelled; nothing was changed.")
                return
            self._drift = (layer, found)
            self.drift_plot.show()
            self.drift_plot.show_curve(np.arange(len(found)), np.hypot(*found.shift_px.T))
            odd = np.flatnonzero(~found.good)
            flagged = (
                f"; look at frame {', '.join(map(str, odd[:5]))}{' …' if len(odd) > 5 else ''}" if len(odd) else ""
            )
            self.drift_note.setText(f"{counted(len(odd), 'frame')} flagged{flagged}")
            self.run_bar.say("Drift measured: linking takes it out.")
            self._allow()
            self._frame_changed()

        self.runner.start(f"Drift of {layer.name}", work, on_done=done, on_error=self._failed, total=stack.n_frames)

    def _hold(self, wanted: bool) -> None:
        layer, shift = self.image_box.layer(), self._shift()
        if wanted and layer is not None and shift is not None:
            self._still.hold(layer, shift)
        else:
            self._still.release()

    # tracks

    def _sites(self, image: Any) -> Sites:
        points = self.points_box.layer()
        assert points is not None
        held = self._still.holds
        self._still.release()  # places count where the layers belong
        try:
            return sites_of(points, image, self.viewer)
        finally:
            if held:
                self._hold(self.hold_box.isChecked())

    def run(self) -> None:
        """Link the sites of all frames."""
        movie, points = self._movie(), self.points_box.layer()
        if movie is None or points is None:
            return
        layer, stack = movie
        try:
            params, sites = self.link_form.params(), self._sites(layer)
        except AtomscopeError as error:
            self.run_bar.refuse(error)
            return
        drift = self._drift[1] if self._shift() is not None and self._drift is not None else None

        def work(on_progress: Any, should_stop: Any) -> Any:
            still = sites if drift is None else drift.applied_to(sites)
            return pipeline.link(still, params, drift=drift, on_progress=on_progress, should_stop=should_stop)

        def done(found: Sites | None, stopped: bool) -> None:
            if stopped or found is None or points not in self.viewer.layers:
                self.run_bar.say("Cancelled; nothing was changed.")
                return
            made = [c for c in ("track", "lattice_site", "row_still", "col_still") if c in found.table]
            write_columns(points, found.table.set_index("site")[made])
            work = self.state.work(points)
            if drift is not None:
                work.note("drift", self.drift_form.params())
            work.note("link", params)
            tracks = found.table["track"][found.table["track"] >= 0]
            if self.tracks_box.isChecked():
                self._show_tracks(layer, stack, found)
            self.run_bar.say(f"{counted(tracks.nunique(), 'track')} through {counted(len(tracks), 'site')}.")
            self._fill_series()
            self._allow()
            self.state.tell(points, "columns")

        self.runner.start(f"Tracks of {points.name}", work, on_done=done, on_error=self._failed, total=stack.n_frames)

    def _show_tracks(self, image: Any, stack: Stack, sites: Sites) -> None:
        table = sites.table[sites.table["track"] >= 0]
        lengths = table["track"].map(table["track"].value_counts())
        table = table[lengths > 1].sort_values(["track", "frame"])
        if not len(table):
            return
        data = table[["track", "frame", "row", "col"]].to_numpy(float)
        kwargs = {"name": f"{image.name} tracks", "tail_length": 30, **placement(image)}
        kwargs = {k: v for k, v in kwargs.items() if k in ("name", "tail_length", "scale", "translate", "units")}
        self._tracks = add_or_replace(self.viewer, Layer.create(data, kwargs, "tracks"), self._tracks)

    # against time

    def _fill_series(self) -> None:
        points, movie = self.points_box.layer(), self._movie()
        self._series = {}
        if points is not None and movie is not None and len(points.data):
            table = points.features.assign(frame=np.rint(np.asarray(points.data)[:, 0]).astype(int))
            self._series = series_of(table, movie[1].n_frames)
        now = self.what_box.currentText()
        self.what_box.blockSignals(True)
        self.what_box.clear()
        self.what_box.addItems(list(self._series))
        if now in self._series:
            self.what_box.setCurrentText(now)
        self.what_box.blockSignals(False)
        self._plot()

    def _plot(self, *_: Any) -> None:
        name = self.what_box.currentText()
        series = self._series.get(name)
        self.plot.setVisible(series is not None)
        if series is not None:
            self.plot.plot.setLabel("left", name)
            self.plot.show_curve(series.index.to_numpy(), series.to_numpy())
            self._frame_changed()

    def _go_to(self, frame: int) -> None:
        layer = self.image_box.layer()
        if layer is not None and layer.ndim >= 3:
            self.viewer.dims.set_current_step(self.viewer.dims.ndim - layer.ndim, frame)

    def _frame_changed(self, *_: Any) -> None:
        movie = self._movie()
        if movie is not None:
            for plot in (self.plot, self.drift_plot):
                plot.show_frame(current_frame(self.viewer, movie[0]))

    # diffusion

    def measure_diffusion(self) -> None:
        """Measure how fast the tracks wander."""
        movie = self._movie()
        if movie is None:
            return
        try:
            params, sites = self.diffusion_form.params(), self._sites(movie[0])
        except AtomscopeError as error:
            self.run_bar.refuse(error)
            return
        if {"row_still", "col_still"} <= set(sites.table.columns):
            sites = sites.with_table(sites.table.assign(row=sites.table["row_still"], col=sites.table["col_still"]))

        def done(found: Any, stopped: bool) -> None:
            if stopped or found is None:
                return
            lag, value = found.msd.columns[0], next(c for c in found.msd.columns if c.startswith("msd"))
            self.msd_plot.plot.setLabel("bottom", str(lag))
            self.msd_plot.plot.setLabel("left", str(value))
            self.msd_plot.show()
            self.msd_plot.show_curve(found.msd[lag].to_numpy(), found.msd[value].to_numpy())
            between = f"{found.ci[0]:.3g} to {found.ci[1]:.3g}"
            lines = [f"D = {found.D:.3g} {found.unit} ({between}), {counted(found.n_tracks, 'track')}", *found.notes]
            self.diffusion_note.setText("\n".join(lines))
            self.run_bar.say("Diffusion measured.")

        self.runner.start(
            "Diffusion", lambda *_: pipeline.diffusion(sites, params), on_done=done, on_error=self._failed
        )


def series_of(table: pd.DataFrame, frames: int) -> dict[str, pd.Series]:
    """Return what can be plotted against time: a value for each frame, by name.

    Parameters
    ----------
    table : pandas.DataFrame
        With ``frame``, and whatever the sites have.
    frames : int
    """
    every = pd.RangeIndex(frames)
    out = {"sites": table["frame"].value_counts().reindex(every, fill_value=0).astype(float)}
    count = out["sites"].where(out["sites"] > 0)
    for name in ("kind", "class_name", "cluster", "defect"):
        if name not in table or table[name].astype(str).nunique() > 12:
            continue
        for value, group in table.groupby(table[name].astype(str)):
            if value not in ("", "nan", "-1"):
                out[f"{name} {value}, fraction"] = group["frame"].value_counts().reindex(every, fill_value=0) / count
    means = [str(c) for c in table.columns if c in _MEANS or (str(c).startswith("z") and str(c)[1:].isdigit())]
    for name in means:
        if name == "angle":
            turned = np.exp(2j * table["angle"].to_numpy(float))
            mean = pd.Series(turned).groupby(table["frame"].to_numpy()).mean()
            out["order S of the angles"] = mean.abs().reindex(every)
        else:
            out[f"{name}, mean"] = table.groupby("frame")[name].mean().reindex(every)
    return out
