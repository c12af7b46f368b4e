"""The dock widget *Train rVAE*: patches in; a model, live losses and a live manifold out; the atoms coloured."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from atomscope import pipeline
from atomscope.data import Progress
from atomscope.data.params import FitParams, VAESpec
from atomscope.errors import AtomscopeError
from atomscope.widgets.bridge import write_columns
from atomscope.widgets.form import ParamsForm
from atomscope.widgets.layerbox import LayerBox
from atomscope.widgets.overlay import colour_by, is_points, show_colour_bar_soon
from atomscope.widgets.panel import Panel, RunBar, note, row_label
from atomscope.widgets.plots import LossPlot, Picture
from atomscope.widgets.warmup import warm_up


class TrainRvaeWidget(Panel):
    """Train a rotation-invariant VAE on the patches of a Points layer, then colour its points by what it learnt.

    Parameters
    ----------
    napari_viewer : napari viewer
    """

    def __init__(self, napari_viewer: Any, parent: Any = None) -> None:
        super().__init__(napari_viewer, parent)
        self.points_box = LayerBox(self.viewer, self._has_patches, "extract patches first")
        self.points_box.setToolTip("A Points layer whose patches have been extracted.")
        rows = self.rows()
        rows.addRow(row_label("Patches of"), self.points_box)
        self.chip = note()
        rows.addRow(self.chip)
        self.heading("Model")
        self.model_form = ParamsForm(VAESpec, hide=("conditions", "labels"))
        self.body.addWidget(self.model_form)
        self.heading("Training")
        self.fit_form = ParamsForm(FitParams)
        self.body.addWidget(self.fit_form)
        self.heading("Loss")
        self.loss = LossPlot()
        self.body.addWidget(self.loss)
        self.heading("Manifold", "What the decoder draws over the latent plane: rows are z1, columns are z2.")
        self.manifold = Picture("Shows while training.")
        self.body.addWidget(self.manifold)
        self.body.addStretch(1)
        self.run_bar = RunBar(
            self.runner, "Train", "Train, then encode every patch and colour the points by z1.", self.run
        )
        self.foot.addWidget(self.run_bar)
        self._job: tuple[Any, VAESpec, FitParams, float] | None = None
        self.points_box.layer_changed.connect(self._points_changed)
        self.state.changed.connect(self._state_changed)
        self._points_changed()
        warm_up()

    def _has_patches(self, layer: Any) -> bool:
        return is_points(layer) and self.state.work(layer).patches is not None

    def _state_changed(self, layer: Any, what: str) -> None:
        if what == "patches":
            self.points_box.refresh()
            self.points_box.choose(layer)
            self._points_changed()

    def _points_changed(self) -> None:
        points = self.points_box.layer()
        if points is None:
            self.chip.setText("")
            self.run_bar.allow("Extract patches first.")
            if not self.runner.busy:
                self.run_bar.say("No patches yet: open Extract patches.")
            return
        patches = self.state.work(points).patches
        if patches is not None:
            rows, cols = patches.window
            self.chip.setText(f"{len(patches):,} patches, {rows} × {cols} px")
        self.run_bar.allow("")
        if not self.runner.busy:
            self.run_bar.say("")

    def run(self) -> None:
        """Train and encode."""
        points = self.points_box.layer()
        if points is None:
            return
        patches, sites = self.state.work(points).patches, self.state.work(points).sites
        try:
            spec, params = self.model_form.params(), self.fit_form.params()
        except AtomscopeError as error:
            self.run_bar.say(str(error), bad=True)
            return
        self.loss.clear_epochs()
        self.manifold.show_array(None)
        self._job = (points, spec, params, time.monotonic())

        def work(on_progress: Any, should_stop: Any) -> Any:
            model = pipeline.fit(patches, spec, params, table=sites, on_progress=on_progress, should_stop=should_stop)
            # A cancelled model is a model: what it has learnt so far is shown, if anyone is still there to see it.
            device, unwanted = params.device, should_stop.unwanted
            table = pipeline.encode(model, patches, table=sites, device=device, should_stop=unwanted)
            picture = pipeline.manifold(model) if spec.latent_dim > 0 else None
            return model, table, picture

        self.runner.start(
            f"Train on {points.name}",
            work,
            on_done=self._done,
            on_error=self._failed,
            on_reports=self._reports,
            total=params.epochs,
        )

    def _reports(self, batch: list[Progress]) -> None:
        rows = [dict(p.payload) for p in batch if isinstance(p.payload, dict)]
        pictures = [row.pop("manifold") for row in rows if row.get("manifold") is not None]
        rows = [row for row in rows if any(key in row for key in ("loss", "val_loss"))]
        if rows:
            self.loss.add(rows)
        if pictures:
            self._show_manifold(pictures[-1])

    def _show_manifold(self, picture: Any) -> None:
        picture = np.asarray(picture)
        if picture.ndim == 2:
            self.manifold.show_array(picture)

    def _done(self, value: Any, stopped: bool) -> None:
        if self._job is None:
            return
        points, spec, params, began = self._job
        if value is None:
            self.run_bar.say("Cancelled before the first step; nothing was changed.")
            return
        model, table, picture = value
        if picture is not None:
            self._show_manifold(picture)
        done = self.state.work(points)
        done.model, done.table = model, table
        done.note("train", pipeline.STEPS["train"](model=spec, fit=params))
        write_columns(points, table)
        colour = next((c for c in ("z1", "angle") if c in table.columns), None)
        if colour is not None:
            colour_by(points, colour, bar=False)
            show_colour_bar_soon(points)
        epochs = len(model.history.table)
        early = bool(model.history.stopped)
        text = f"{epochs} epochs, {time.monotonic() - began:.1f} s"
        verb = "Cancelled; kept the model so far" if early else "Trained"
        self.run_bar.say(f"{verb}: {text}. {points.name} is coloured by {colour}. Next: Latent explorer.")
        self.state.tell(points, "model")

    def _failed(self, error: BaseException) -> None:
        self.run_bar.say(str(error), bad=True)
