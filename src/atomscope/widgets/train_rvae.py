"""The dock widget *Train rVAE*: patches in; a model, live losses and a live manifold out; the atoms coloured."""

from __future__ import annotations

import contextlib
import copy
import time
import weakref
from typing import Any

import numpy as np
from qtpy.QtWidgets import QComboBox

from atomscope import pipeline
from atomscope.data import Progress, counted
from atomscope.data.params import MEMBERS, FitParams, VAESpec, as_member, for_patterns, member_of
from atomscope.data.params.choosing import DELAY
from atomscope.errors import AtomscopeError
from atomscope.widgets.bridge import write_columns
from atomscope.widgets.form import ParamsForm
from atomscope.widgets.known_box import KnownBox
from atomscope.widgets.layerbox import LayerBox
from atomscope.widgets.learn import learn, sizes_of
from atomscope.widgets.overlay import colour_by, is_points, show_colour_bar_soon
from atomscope.widgets.panel import Panel, RunBar, note, row_label
from atomscope.widgets.plots import LossPlot, Picture, mosaic
from atomscope.widgets.state import Work
from atomscope.widgets.warmup import warm_up

#: The name of a choice of parts that is no member.
_OWN = "own choice"


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
        self.member = QComboBox()
        self.member.addItems([*MEMBERS, _OWN])
        self.member.setToolTip("Member of the family: sets what is learnt beside the latents. All can be changed.")
        self.member.textActivated.connect(self._choose)
        members = self.rows()
        members.addRow(row_label("Kind"), self.member)
        self.model_form = ParamsForm(VAESpec, hide=("conditions", "labels"))
        self.model_form.changed.connect(self._name_member)
        self.model_form.fields["predicts"].native.setEnabled(False)  # it is so when the patches are pairs
        self.body.addWidget(self.model_form)
        self.known = KnownBox()
        self.known.changed.connect(self._known_changed)
        self.body.addWidget(self.known)
        self.heading("Training")
        self.fit_form = ParamsForm(FitParams)
        self.body.addWidget(self.fit_form)
        self.heading("Loss")
        self.loss = LossPlot()
        self.body.addWidget(self.loss)
        self.heading("Drawings", "Patches that were kept aside (above) and what the model draws of them (below).")
        self.drawings = Picture("Shows while training.")
        self.body.addWidget(self.drawings)
        self.heading("Manifold", "What the decoder draws over the latent plane: rows are z1, columns are z2.")
        self.manifold = Picture("Shows while training.")
        self.body.addWidget(self.manifold)
        self.body.addStretch(1)
        self.run_bar = RunBar(
            self.runner, "Train", "Train, then encode every patch and colour the points by z1.", self.run
        )
        self.foot.addWidget(self.run_bar)
        self._job: tuple[Any, VAESpec, FitParams, float] | None = None
        self._epoch = 0.0
        self._seen: weakref.ref[Any] | None = None  # the patches that the form was last made to suit
        self._suited: tuple[VAESpec, VAESpec] | None = None  # before, and after, patterns came
        self.points_box.layer_changed.connect(self._points_changed)
        self.state.changed.connect(self._state_changed)
        self._points_changed()
        warm_up()

    def _choose(self, name: str) -> None:
        """Show the parts of a member in the form; what the member leaves open stays as it is."""
        if name not in MEMBERS:
            return
        try:
            now = self.model_form.params()
        except AtomscopeError:  # parts that do not fit: begin anew
            now = VAESpec()
        try:
            self.model_form.set(as_member(name, now))
        except AtomscopeError:
            self.model_form.set(MEMBERS[name](predicts=now.predicts))
        self._suit_patterns(name)
        if self.known.labels() is not None:
            self._known_changed()

    def _suit_patterns(self, name: str | None = None) -> None:
        """Choose what patterns of a scan want, if that is what the patches are; go back for patches of images."""
        points = self.points_box.layer()
        with contextlib.suppress(AtomscopeError):  # parts that do not fit, which the form says
            now = self.model_form.params()
            if points is not None and _are_patterns(self.state.work(points)):
                wanted = for_patterns(now, name)
                self._suited = (now, wanted) if wanted != now else self._suited
            else:
                wanted = self._suited[0] if self._suited is not None and self._suited[1] == now else now
            if wanted != now:
                self.model_form.set(wanted)

    def _name_member(self) -> None:
        """Say which member the form is."""
        try:
            self.member.setCurrentText(member_of(self.model_form.params()) or _OWN)
        except AtomscopeError:  # which Train says
            self.member.setCurrentText(_OWN)

    def _follow_pairs(self, paired: bool) -> None:
        """Have the model draw another time if, and only if, the patches are pairs."""
        item = self.member.model().item(self.member.findText(DELAY))
        item.setEnabled(paired)
        item.setToolTip("" if paired else "Extract patches ▸ Another time ▸ Cut pairs first.")
        predicts = self.model_form.fields["predicts"]
        if bool(predicts.get()) != paired:
            predicts.set(paired)

    def _has_patches(self, layer: Any) -> bool:
        return is_points(layer) and self.state.work(layer).patches is not None

    def _state_changed(self, layer: Any, what: str) -> None:
        if what in ("columns", "model") and layer is self.points_box.layer():
            self.known.follow(layer)
        if what == "patches":
            self.points_box.refresh()
            self.points_box.choose(layer)
            self._points_changed()

    def _known_changed(self) -> None:
        """Have at least as many classes as the labels name; a model that is told classes need not look twice."""
        item = self.model_form.fields["classes"]
        if self.known.labels() is not None and int(item.get()) < len(self.known.classes()):
            item.set(len(self.known.classes()))
        if self.known.labels() is not None:
            self.model_form.fields["glance"].set(False)

    def _points_changed(self) -> None:
        points = self.points_box.layer()
        self.known.follow(points)
        if points is None:
            self.chip.setText("")
            self.run_bar.allow("Extract patches first.")
            if not self.runner.busy:
                self.run_bar.say("No patches yet: open Extract patches.")
            return
        work = self.state.work(points)
        if work.patches is not None:
            self.chip.setText(_about(work))
        self._follow_pairs(work.target is not None)
        if work.patches is not None and (self._seen is None or self._seen() is not work.patches):
            self._seen = weakref.ref(work.patches)
            self._suit_patterns(self.member.currentText())
        self.run_bar.allow("")
        if not self.runner.busy:
            self.run_bar.say("")

    def run(self) -> None:
        """Train and encode."""
        points = self.points_box.layer()
        if points is None:
            return
        work = copy.copy(self.state.work(points))  # as it is now
        try:
            spec, params = self.model_form.params(), self.fit_form.params()
            spec = spec.replace(labels=self.known.labels(), conditions=self.known.conditions())
        except AtomscopeError as error:
            self.run_bar.say(str(error), bad=True)
            return
        self.loss.clear_epochs()
        self.manifold.show_array(None)
        self.drawings.show_array(None)
        self._job, self._epoch = (points, spec, params, time.monotonic()), 0.0
        table = self.known.table()
        self.runner.start(
            f"Train on {points.name}",
            lambda on_progress, should_stop: learn(work, spec, params, table, on_progress, should_stop),
            on_done=self._done,
            on_error=self._failed,
            on_reports=self._reports,
            total=params.epochs,
        )

    def _reports(self, batch: list[Progress]) -> None:
        rows = [dict(p.payload) for p in batch if isinstance(p.payload, dict)]
        pictures = [row.pop("manifold") for row in rows if row.get("manifold") is not None]
        drawings = [row.pop("drawings") for row in rows if row.get("drawings") is not None]
        rows = [row for row in rows if any(key in row for key in ("loss", "val_loss"))]
        epochs = [self._epoch, *(row.get("epoch", 0.0) for row in rows)]
        fresh = [i for i in range(len(rows)) if epochs[i + 1] < epochs[i]]
        if fresh:  # another model: that of the next window
            self.loss.clear_epochs()
            rows = rows[fresh[-1] :]
        self._epoch = epochs[-1]
        if rows:
            self.loss.add(rows)
        if pictures:
            self._show_manifold(pictures[-1])
        if drawings:
            pairs = np.asarray(drawings[-1])  # (2, n, rows, cols)
            self.drawings.show_array(mosaic(pairs.reshape(-1, *pairs.shape[2:]), pairs.shape[1]))

    def _show_manifold(self, picture: Any) -> None:
        picture = np.asarray(picture)
        if picture.ndim == 2:
            self.manifold.show_array(picture)

    def _done(self, value: Any, stopped: bool) -> None:
        if self._job is None:
            return
        points, spec, params, began = self._job
        if value is None:
            self.run_bar.say("Cancelled before there was a model; nothing was changed.")
            return
        table = value.table
        if value.picture is not None:
            self._show_manifold(value.picture)
        done = self.state.work(points)
        done.model, done.scales, done.table = value.model, value.scales, table
        done.note("train", pipeline.STEPS["train"](model=spec, fit=params))
        write_columns(points, table)
        colour = next((c for c in ("class_name", "class", "z1", "angle") if c in table.columns), None)
        if colour is not None:
            colour_by(points, colour, bar=False)
            show_colour_bar_soon(points)
        text = f"{counted(value.epochs, 'epoch')}, {time.monotonic() - began:.1f} s"
        if value.scales is not None:
            latents = "; ".join(f"{', '.join(z)} of {name}" for name, z in value.scales.columns.items())
            text = f"{counted(len(value.scales.levels), 'window size')} ({latents}), {text}"
        verb = "Cancelled; kept the model so far" if value.early else "Trained"
        self.run_bar.say(f"{verb}: {text}. {points.name} is coloured by {colour}. Next: Latent explorer.")
        self.known.follow(self.points_box.layer())
        self.state.tell(points, "model")

    def _failed(self, error: BaseException) -> None:
        self.run_bar.say(str(error), bad=True)


def _are_patterns(work: Work) -> bool:
    """Whether patches are patterns of a scan."""
    return work.patches is not None and work.patches.provenance.step == "patterns"


def _about(work: Work) -> str:
    """Say what the patches of a layer are."""
    assert work.patches is not None
    rows, cols = work.patches.window
    parts = [counted(len(work.patches), "patch"), f"{rows} × {cols} px"]
    if work.patches.channels > 1:
        parts.append(f"{work.patches.channels} channels")
    if work.target is not None:
        lag = work.target.provenance.params.get("lag", 0)
        parts.append(f"drawn {counted(abs(lag), 'frame')} {'later' if lag > 0 else 'earlier'}")
    if sizes := sizes_of(work):
        parts.append(f"windows of {', '.join(map(str, sizes))} px")
    return ", ".join(parts)
