"""The dock widget *Latent explorer*: what was learnt, as a scatter linked both ways with the atoms in the image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtWidgets import QCheckBox, QComboBox, QFileDialog, QHBoxLayout, QLabel, QSizePolicy

from atomscope import pipeline
from atomscope.data import counted
from atomscope.data.params import ClusterParams, ShowParams
from atomscope.errors import AtomscopeError
from atomscope.widgets.bridge import sites_of, write_columns
from atomscope.widgets.decorations import Decorations
from atomscope.widgets.form import ParamsForm
from atomscope.widgets.hover import HoverPatch
from atomscope.widgets.jobs import show_error
from atomscope.widgets.layerbox import LayerBox
from atomscope.widgets.linking import SelectionLink
from atomscope.widgets.manifold_box import ManifoldBox
from atomscope.widgets.overlay import colour_by, colour_columns, coloured_by, colourless, has_latents, is_image
from atomscope.widgets.panel import Panel, RunBar, button, note, row_label
from atomscope.widgets.path_item import PathBox
from atomscope.widgets.scatter import LatentScatter


class LatentExplorerWidget(Panel):
    """Look at the latents: colour the atoms, lasso them, sort them into classes.

    Parameters
    ----------
    napari_viewer : napari viewer
    """

    def __init__(self, napari_viewer: Any, parent: Any = None) -> None:
        super().__init__(napari_viewer, parent)
        self._quiet = False
        self._follows: Any = None
        self.points_box = LayerBox(self.viewer, has_latents, "train a model first")
        self.points_box.setToolTip("A Points layer with latents.")
        rows = self.rows()
        rows.addRow(row_label("Sites"), self.points_box)
        self.colour_box = _combo("Column that colours the atoms and the scatter.")
        rows.addRow(row_label("Colour by"), self.colour_box)
        self.x_box, self.y_box = _combo("Column along x."), _combo("Column along y.")
        pair = QHBoxLayout()
        pair.setSpacing(6)
        for text, box in (("x", self.x_box), ("y", self.y_box)):
            pair.addWidget(QLabel(text))
            pair.addWidget(box, 1)
        rows.addRow(row_label("Scatter"), pair)
        self.scatter = LatentScatter()
        self.scatter.setToolTip("Drag: lasso. Right-drag: move. Wheel: zoom. Double click: show all. Click: clear.")
        self.body.addWidget(self.scatter)
        line = QHBoxLayout()
        self.chosen = note("Drag round some points to choose them.")
        line.addWidget(self.chosen, 1)
        self.clear_button = button("Clear", "Choose nothing.", self.clear)
        line.addWidget(self.clear_button)
        self.body.addLayout(line)
        self.path = PathBox(self.viewer, self.scatter, self.points_box.layer)
        self.body.addWidget(self.path)
        self.hover = HoverPatch()
        self.body.addWidget(self.hover)
        self.extras = Decorations(self.viewer, self.state, self._complain)
        self.body.addWidget(self.extras)
        self.heading("Manifold", "What the decoder draws: of two latents together, or of each by itself.")
        self.manifold = ManifoldBox(self.viewer, self.state, self._complain)
        self.body.addWidget(self.manifold)
        self.heading("Classes")
        self.form = ParamsForm(ClusterParams)
        self.body.addWidget(self.form)
        self.merge = QCheckBox("Merge turned copies")
        self.merge.setToolTip(
            "Make one class of those whose patches are copies of each other, turned by a symmetry of the lattice."
        )
        self.body.addWidget(self.merge)
        self.body.addStretch(1)
        export = button("Export table…", "Save the site table as Parquet or CSV.", self.export)
        self.run_bar = RunBar(
            self.runner, "Cluster", "Sort the sites into classes by their latents.", self.run, (export,)
        )
        self.foot.addWidget(self.run_bar)

        self.link = SelectionLink(self)
        self.points_box.layer_changed.connect(self._points_changed)
        self.colour_box.currentTextChanged.connect(self._colour_chosen)
        self.x_box.currentTextChanged.connect(self._redraw)
        self.y_box.currentTextChanged.connect(self._redraw)
        self.scatter.chosen.connect(self._lassoed)
        self.scatter.hovered.connect(self._hovered)
        self.link.from_layer.connect(self._selected_in_image)
        self.link.from_layer.connect(self.path.choose)
        self.state.changed.connect(self._state_changed)
        self._points_changed()

    # what is shown

    def _state_changed(self, layer: Any, what: str) -> None:
        if what not in ("model", "columns"):
            return
        self.points_box.refresh()
        if what == "model":
            self.points_box.choose(layer)
        if layer is self.points_box.layer():
            self._points_changed()

    def _points_changed(self) -> None:
        points = self.points_box.layer()
        self._follow(points)
        self.link.follow(points)
        self.run_bar.allow("" if points is not None else "Train a model first.")
        self._fill_boxes()
        self._colour_chosen() if colourless(points) else self._redraw()
        self.extras.follow(points, self.colour_box.currentText())
        self.hover.forget()
        self.manifold.follow(points)

    def _follow(self, points: Any) -> None:
        """Keep the scatter in the colours of the layer, whoever changes them."""
        if points is self._follows:
            return
        names = ("face_color", "face_colormap", "face_contrast_limits", "features")
        for layer, action in ((self._follows, "disconnect"), (points, "connect")):
            for name in names:
                emitter = None if layer is None else getattr(layer.events, name, None)
                if emitter is not None:
                    getattr(emitter, action)(self._layer_recoloured)
        self._follows = points

    def _layer_recoloured(self, event: Any = None) -> None:
        if not self._quiet:
            self._redraw()

    def _fill_boxes(self) -> None:
        points = self.points_box.layer()
        names = [] if points is None else colour_columns(points.features)
        numbers = [n for n in names if n != "kind"]
        latents = [n for n in names if n[0] == "z" and n[1:].isdigit()]
        wanted = (latents + [n for n in numbers if n not in latents] + ["", ""])[:2]
        current = coloured_by(points) or self.colour_box.currentText() or (latents or [""])[0]
        for box, options, first in (
            (self.x_box, numbers, wanted[0]),
            (self.y_box, numbers, wanted[1]),
            (self.colour_box, names, current),
        ):
            keep = first if box is self.colour_box or box.currentText() not in options else box.currentText()
            box.blockSignals(True)
            box.clear()
            box.addItems(options)
            box.setCurrentIndex(max(0, options.index(keep) if keep in options else 0))
            box.blockSignals(False)
            box.setEnabled(bool(options))

    def _redraw(self, *_: Any) -> None:
        points = self.points_box.layer()
        x, y = self.x_box.currentText(), self.y_box.currentText()
        if points is None or not x or x not in points.features or y not in points.features:
            self.scatter.show_points(np.zeros(0), np.zeros(0), np.zeros((0, 4)), "", "")
            return
        values = [np.asarray(points.features[name], dtype=float) for name in (x, y)]
        self.scatter.show_points(values[0], values[1], points.face_color, x, y)

    def _colour_chosen(self, *_: Any) -> None:
        points, column = self.points_box.layer(), self.colour_box.currentText()
        if points is None or not column:
            return
        self._quiet = True
        try:
            colour_by(points, column, bar=self.extras.bar.isChecked())
        except AtomscopeError as error:
            self.run_bar.say(str(error), bad=True)
        finally:
            self._quiet = False
        self.extras.follow(points, column)
        self.state.work(points).steps["show"] = ShowParams(color=column, vectors=self.extras.lines.isChecked())
        self._redraw()

    # the selection

    def _lassoed(self, mask: np.ndarray) -> None:
        self.link.choose(mask)
        self._tell_chosen(mask)

    def _selected_in_image(self, mask: np.ndarray) -> None:
        if len(mask) == len(self.scatter.x):
            self.scatter.set_selected(mask)
            self._tell_chosen(mask)

    def _tell_chosen(self, mask: np.ndarray) -> None:
        count = int(mask.sum())
        if not count:
            self.chosen.setText("Drag round some points to choose them.")
            return
        hidden = " The others are hidden in the image." if self.link.hiding else ""
        self.chosen.setText(f"{count:,} of {len(mask):,} chosen.{hidden}")

    def clear(self) -> None:
        """Choose nothing."""
        nothing = np.zeros(len(self.scatter.x), bool)
        self.scatter.set_selected(nothing)
        self._lassoed(nothing)

    def _hovered(self, row: int) -> None:
        points = self.points_box.layer()
        if row < 0 or points is None or "site" not in points.features:
            return
        work = self.state.work(points)
        self.hover.show_site(int(points.features["site"].iloc[row]), work)

    # classes, export

    def run(self) -> None:
        """Sort the sites into classes."""
        points = self.points_box.layer()
        if points is None:
            return
        try:
            params = self.form.params()
        except AtomscopeError:
            return
        table = points.features.set_index("site")
        source = self._copies_of(points) if self.merge.isChecked() else None
        if self.merge.isChecked() and source is None:
            self._complain("To merge turned copies, extract the patches of these sites first.")
            return

        def work(on_progress: Any, should_stop: Any) -> Any:
            found = pipeline.cluster(table, params)
            if source is not None:
                found = found.assign(**pipeline.merge_classes(table.assign(cluster=found["cluster"]), source))
            return points, params, found

        self.runner.start("Cluster", work, on_done=self._clustered, on_error=self._failed)

    def _copies_of(self, points: Any) -> Any:
        """Return what shows the classes: the patches; of a model with rotation its drawings."""
        work = self.state.work(points)
        spec = {} if work.model is None else work.model.spec
        turns = spec.get("rotation") if isinstance(spec, dict) else spec.rotation
        return work.model if turns and self.form.params().by == "z" else work.patches

    def _clustered(self, value: Any, stopped: bool) -> None:
        if stopped or value is None:
            self.run_bar.say("Cancelled; nothing was changed.")
            return
        points, params, columns = value
        write_columns(points, columns)
        self.state.work(points).steps["cluster"] = params
        self._fill_boxes()
        self.colour_box.setCurrentText("cluster")
        self._colour_chosen()
        counts = columns["cluster"].value_counts()
        classes = sorted(k for k in counts.index if k != -1)
        parts = ", ".join(f"{k}: {counts[k]:,}" for k in classes[:6])
        self.run_bar.say(f"{counted(len(classes), 'class')} ({parts}{', …' if len(classes) > 6 else ''}).")
        self.state.tell(points, "columns")

    def _failed(self, error: BaseException) -> None:
        self._complain(str(error))

    def _complain(self, text: str) -> None:
        self.run_bar.say(text, bad=True)

    def _any_image(self) -> Any:
        return next((layer for layer in self.viewer.layers if is_image(layer)), None)

    def export(self) -> None:
        """Save the table where the user says."""
        points = self.points_box.layer()
        if points is None:
            return
        path, _ = QFileDialog.getSaveFileName(
            self, "Export the site table", f"{points.name}.parquet", "Parquet (*.parquet);;CSV (*.csv)"
        )
        if path:
            self.export_to(Path(path))

    def export_to(self, path: Path) -> None:
        """Save the table."""
        points = self.points_box.layer()
        image = self.state.work(points).image_layer() or self._any_image()
        try:
            written = pipeline.save_table(sites_of(points, image, self.viewer), path)
        except AtomscopeError as error:
            show_error(error)
            self.run_bar.say(str(error), bad=True)
            return
        self.run_bar.say(f"Saved {written}.")


def _combo(tip: str) -> QComboBox:
    box = QComboBox()
    box.setToolTip(tip)
    box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    box.setMinimumWidth(50)
    return box
