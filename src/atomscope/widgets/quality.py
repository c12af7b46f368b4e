"""The dock widget *Quality*: what to look at twice, and how sites stand beside a reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from napari.layers import Layer
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QCheckBox, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from atomscope import pipeline
from atomscope.data import counted
from atomscope.data.params import CompareParams, QualityParams
from atomscope.errors import AtomscopeError
from atomscope.widgets.bridge import note_of, sites_of, stack_of, write_columns
from atomscope.widgets.canvas import camera_of
from atomscope.widgets.curves import ReliabilityPlot, ScoreHistogram
from atomscope.widgets.form import ParamsForm
from atomscope.widgets.layerbox import LayerBox
from atomscope.widgets.overlay import add_or_replace, is_image, is_points
from atomscope.widgets.panel import Panel, RunBar, note, row_label

#: Rows of the list of places to look at.
_MOST = 500


class QualityWidget(Panel):
    """Check a table of sites: pairs too close, gaps, scores; beside a reference: what is false and what was missed.

    Parameters
    ----------
    napari_viewer : napari viewer
    """

    def __init__(self, napari_viewer: Any, parent: Any = None) -> None:
        super().__init__(napari_viewer, parent)
        self.points_box = LayerBox(self.viewer, is_sites, "find atoms first")
        self.points_box.setToolTip("The sites to check.")
        self.image_box = LayerBox(self.viewer, is_image, "open an image first")
        self.image_box.setToolTip("The image that they lie in.")
        self.with_reference = QCheckBox("Compare with a reference")
        self.with_reference.setToolTip("Another Points layer that is taken for the truth: clicked, or simulated.")
        self.reference_box = LayerBox(self.viewer, is_sites, "no other points")
        rows = self.rows()
        rows.addRow(row_label("Sites"), self.points_box)
        rows.addRow(row_label("Image"), self.image_box)
        rows.addRow(self.with_reference)
        self.reference_label = row_label("Reference")
        rows.addRow(self.reference_label, self.reference_box)
        self.form = ParamsForm(QualityParams)
        self.body.addWidget(self.form)
        self.compare_form = ParamsForm(CompareParams)
        self.body.addWidget(self.compare_form)
        self.results: list[QWidget] = [self.heading("Numbers")]
        self.numbers = note()
        self.body.addWidget(self.numbers)
        self.results.append(self.heading("Scores", "How many sites have which score."))
        self.histogram = ScoreHistogram()
        self.body.addWidget(self.histogram)
        self.curve_heading = self.heading(
            "Calibration", "Of the sites that are said to be 80 % sure, 80 % should be in the reference."
        )
        self.curve = ReliabilityPlot()
        self.body.addWidget(self.curve)
        self.look = self.heading("Look at these", "Click a row: the camera goes there.")
        self.results.append(self.look)
        self.list = QTableWidget(0, 4)
        self.list.setHorizontalHeaderLabels(["what", "frame", "row", "col"])
        self.list.verticalHeader().setVisible(False)
        self.list.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.list.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.list.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.list.setMinimumHeight(180)
        self.body.addWidget(self.list)
        self.results += [self.numbers, self.histogram, self.list]
        for one in self.results:
            one.hide()  # until there is something in them
        self.body.addStretch(1)
        self.run_bar = RunBar(self.runner, "Check", "Look for what is wrong with these sites.", self.run)
        self.foot.addWidget(self.run_bar)

        self.places = pd.DataFrame(columns=["what", "frame", "row", "col"])
        self._layers: dict[str, Any] = {}
        self.points_box.layer_changed.connect(self._changed)
        self.image_box.layer_changed.connect(self._changed)
        self.with_reference.toggled.connect(self._changed)
        self.list.cellClicked.connect(lambda row, _: self.go_to(row))
        self._changed()

    def _changed(self, *_: Any) -> None:
        points, image = self.points_box.layer(), self.image_box.layer()
        why = "Open an image first: drop a file on the window, or File > Open Sample." if image is None else ""
        if image is not None and points is None:
            why = "Find atoms first, or click some points."
        self.run_bar.allow(why)
        if why or not self.run_bar.status.property("wrong"):
            self.run_bar.say(why)
        on = self.with_reference.isChecked()
        for one in (self.reference_label, self.reference_box, self.compare_form):
            one.setVisible(on)
        for one in (self.curve_heading, self.curve):
            one.setVisible(on and self.curve.table is not None)

    # run

    def run(self) -> None:
        """Check the sites."""
        points, image = self.points_box.layer(), self.image_box.layer()
        reference = self.reference_box.layer() if self.with_reference.isChecked() else None
        try:
            params, how = self.form.params(), self.compare_form.params()
            if self.with_reference.isChecked() and (reference is None or reference is points):
                self.run_bar.say("Choose another Points layer as the reference.", bad=True)
                return
            stack = stack_of(image)
            sites = sites_of(points, image, self.viewer)
            truth = None if reference is None else sites_of(reference, image, self.viewer)
        except AtomscopeError as error:
            self.run_bar.refuse(error)
            return

        def work(on_progress: Any, should_stop: Any) -> Any:
            found = pipeline.quality(sites, params, on_progress=on_progress, should_stop=should_stop)
            layers = pipeline.quality_layers(stack, sites, found)
            compared = curve = None
            if truth is not None:
                compared = pipeline.compare(sites, truth, how)
                name = "probability" if "probability" in sites.table else "score"
                curve = pipeline.reliability(sites, compared, column=name)
                layers += pipeline.comparison_layers(stack, sites, compared)
            return points, sites, found, compared, curve, [Layer.create(*one) for one in layers]

        total = int(sites.table["frame"].nunique())
        self.runner.start(f"Quality of {points.name}", work, on_done=self._done, on_error=self._failed, total=total)

    def _done(self, value: Any, stopped: bool) -> None:
        if stopped or value is None or not isinstance(value, tuple):
            self.run_bar.say("Cancelled; nothing was changed.")
            return
        points, sites, found, compared, curve, layers = value
        self._show_layers(layers)
        if len(points.data) == len(sites):  # else points were added or deleted meanwhile
            if "site" not in points.features:  # clicked by hand
                points.features = sites.table.reset_index(drop=True)
            columns = found.columns.drop(columns="flag")
            write_columns(points, columns.assign(flag=_joined(sites.table, found.columns["flag"])))
        self.histogram.show_counts(found.score_counts, found.score_edges)
        self.curve.show_curve(None if curve is None else curve.table)
        self.numbers.setText(_told(found, compared, curve))
        self._list(found, compared)
        for one in self.results:
            one.show()
        self.list.setVisible(bool(len(self.places)))
        self.look.setVisible(bool(len(self.places)))
        self._changed()
        self.run_bar.say(
            f"{counted(len(self.places), 'place')} to look at." if len(self.places) else "Nothing looks wrong."
        )
        self.state.tell(points, "columns")

    def _failed(self, error: BaseException) -> None:
        self.run_bar.say(str(error), bad=True)

    def _show_layers(self, layers: list[Any]) -> None:
        """Put the new layers in the place of those of the check before."""
        selected = self.viewer.layers.selection.active
        new = {layer.name.rpartition(" ")[2]: layer for layer in layers}
        for kind, old in list(self._layers.items()):
            if kind not in new and old in self.viewer.layers:
                self.viewer.layers.remove(old)
            if kind not in new:
                del self._layers[kind]
        for kind, layer in new.items():
            self._layers[kind] = add_or_replace(self.viewer, layer, self._layers.get(kind))
            if hasattr(layer, "selected_data"):
                layer.selected_data.events.items_changed.connect(self._picked)
        if selected in self.viewer.layers:
            self.viewer.layers.selection.active = selected

    def _picked(self, *_: Any) -> None:
        """Go to a mark that was clicked in the image."""
        layer = self.viewer.layers.selection.active
        chosen = sorted(getattr(layer, "selected_data", ()))
        if len(chosen) == 1 and any(layer is one for one in self._layers.values()):
            where = np.asarray(layer.data)[chosen[0]]
            self._look(layer, where)

    # where to look

    def _list(self, found: Any, compared: Any) -> None:
        parts = [
            found.pairs.assign(what=np.where(found.pairs["double"], "double", "short pair")),
            found.gaps.assign(what="gap"),
        ]
        if compared is not None:
            parts += [compared.false.assign(what="false"), compared.missed.assign(what="missed")]
        names = ["what", "frame", "row", "col"]
        filled = [p[names] for p in parts if len(p)]
        self.places = pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=names)
        shown = self.places.head(_MOST)
        self.list.setRowCount(len(shown))
        for r, one in enumerate(shown.itertuples(index=False)):
            texts = (str(one.what), str(one.frame), f"{one.row:.1f}", f"{one.col:.1f}")
            for c, text in enumerate(texts):
                item = QTableWidgetItem(text)
                side = Qt.AlignmentFlag.AlignRight if c else Qt.AlignmentFlag.AlignLeft
                item.setTextAlignment(Qt.AlignmentFlag.AlignVCenter | side)
                self.list.setItem(r, c, item)

    def go_to(self, row: int) -> None:
        """Move the camera to a row of the list."""
        image = self.image_box.layer()
        if image is None or not 0 <= row < len(self.places):
            return
        one = self.places.iloc[row]
        nav = stack_of(image).navigation_shape
        leading = np.unravel_index(int(one["frame"]), nav) if nav else ()
        self._look(image, np.array([*leading, one["row"], one["col"]], float))

    def _look(self, layer: Any, where: np.ndarray) -> None:
        """Show a place of a layer: its frame, and a few spacings round it."""
        world = np.asarray(layer.data_to_world(where), float)
        dims = self.viewer.dims
        for axis, value in zip(range(dims.ndim - len(world), dims.ndim - 2), world[:-2], strict=True):
            dims.set_point(axis, value)
        camera = camera_of(self.viewer)
        camera.center = (0.0, *world[-2:])
        points = self.points_box.layer()
        size = float(np.median(points.size)) if points is not None and len(points.data) else 8.0
        scale = float(np.asarray(layer.scale)[-1])
        # About 40 sites across a window of usual size; nearer is left as it is.
        camera.zoom = max(camera.zoom, 600.0 / (40 * size * scale))


def is_sites(layer: Any) -> bool:
    """Whether a layer holds points that can be sites (neither the preview nor our marks)."""
    return is_points(layer) and note_of(layer).get("kind") != "marks"


def _joined(table: pd.DataFrame, flag: pd.Series) -> pd.Series:
    """Return the flags of a table with new ones added, those of an earlier check taken out, by site."""
    old = table.set_index("site")["flag"].reindex(flag.index).fillna("").astype(str)
    words = [
        ";".join([*(w for w in a.split(";") if w and w not in ("short pair", "double")), *([b] if b else [])])
        for a, b in zip(old, flag, strict=True)
    ]
    return pd.Series(words, index=flag.index, dtype=object)


def _told(found: Any, compared: Any, curve: Any) -> str:
    """Return the numbers as lines."""
    n = found.summary()
    spacing = found.frames["spacing_px"].median()
    lines = [
        f"{counted(n['sites'], 'site')} in {counted(len(found.frames), 'frame')}, spacing {spacing:.2f} px",
        f"{counted(n['short_pairs'], 'short pair')}, {n['doubles']:,.0f} of them doubles; {counted(n['gaps'], 'gap')}",
        f"{100 * n['flagged']:.1f} % had a flag before",
    ]
    if compared is not None:
        c = compared.summary()
        lines += [
            f"<b>precision {c['precision']:.3f}, recall {c['recall']:.3f}, F1 {c['f1']:.3f}</b>",
            f"{c['matched']:,.0f} matched within {c['radius_px']:.2f} px, {c['missed']:,.0f} missed, {c['false']:,.0f} "
            f"false; rms {c['rms_px']:.3f} px",
        ]
    if curve is not None and curve.count:
        lines.append(f"calibration error of the {curve.column} {curve.error:.3f}")
    return "<br>".join(lines)
