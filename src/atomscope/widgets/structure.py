"""The dock widget *Defects & structure*: bonds, rings, species, vacancies and strain, with their counts."""

from __future__ import annotations

import time
import weakref
from typing import Any

import numpy as np
from napari.layers import Layer
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from atomscope import pipeline
from atomscope.data import Sites, Stack, Structure, counted
from atomscope.data.params import StructureParams
from atomscope.errors import AtomscopeError
from atomscope.widgets.bridge import note_of, placement, sites_of, stack_of
from atomscope.widgets.form import ParamsForm
from atomscope.widgets.layerbox import LayerBox
from atomscope.widgets.linking import SelectionLink
from atomscope.widgets.overlay import add_or_replace, colour_by, is_image, is_points, points_layer
from atomscope.widgets.panel import Panel, RunBar, note, row_label

_MOST_ROWS = 12  # of one group of the table
_WORDS = {
    "kind": "Kinds",
    "species": "Species",
    "coordination": "Coordination (away from edges)",
    "ring size": "Rings",
    "formula": "Formulas (away from edges)",
    "defect": "Defects",
}


class StructureWidget(Panel):
    """Read the structure from a Points layer of sites and show it over the image.

    Parameters
    ----------
    napari_viewer : napari viewer
    """

    def __init__(self, napari_viewer: Any, parent: Any = None) -> None:
        super().__init__(napari_viewer, parent)
        self.image_box = LayerBox(self.viewer, is_image, "open an image first")
        self.image_box.setToolTip("The image or movie that the sites lie in.")
        self.points_box = LayerBox(self.viewer, is_points, "find atoms first")
        self.points_box.setToolTip("The sites whose structure is read.")
        rows = self.rows()
        rows.addRow(row_label("Image"), self.image_box)
        rows.addRow(row_label("Sites"), self.points_box)
        self.form = ParamsForm(StructureParams)
        self.body.addWidget(self.form)
        self.title = self.heading("What was found", "A click on a row selects its sites in the image.")
        self.title.hide()
        self.table = QTableWidget(0, 2)
        self.table.setHorizontalHeaderLabels(["what", "count"])
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setShowGrid(False)
        self.table.setMinimumHeight(230)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(21)
        self.table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.table.horizontalHeader().setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        self.table.currentCellChanged.connect(self._row_changed)
        self.body.addWidget(self.table, 1)
        self.table.hide()
        self.chosen = note()
        self.body.addWidget(self.chosen)
        self.body.addStretch(0)
        self.run_bar = RunBar(
            self.runner, "Read structure", "Read bonds, rings and defects in every frame.", self.run, ()
        )
        self.foot.addWidget(self.run_bar)

        self.found: Structure | None = None
        self._points: Any = None
        self._link = SelectionLink(self)
        #: ids of the vacancies and columns that were added to a layer here: reading again begins without them
        self._added: weakref.WeakKeyDictionary[Any, np.ndarray] = weakref.WeakKeyDictionary()
        self._drawn: weakref.WeakKeyDictionary[Any, dict[str, Any]] = weakref.WeakKeyDictionary()
        self._job: tuple[Any, Any, Stack, StructureParams, float] | None = None
        self.points_box.layer_changed.connect(self._layers_changed)
        self.image_box.layer_changed.connect(self._layers_changed)
        self._layers_changed()

    def _layers_changed(self) -> None:
        image, points = self.image_box.layer(), self.points_box.layer()
        why = ""
        if image is None:
            why = "Open an image first: drop a file on the window, or File > Open Sample."
        elif points is None:
            why = "Find atoms first: the structure is read from their places."
        self.run_bar.allow(why)
        self.run_bar.say(why)

    # run

    def run(self) -> None:
        """Read the structure of the chosen sites."""
        image, points = self.image_box.layer(), self.points_box.layer()
        try:
            stack, params = stack_of(image), self.form.params()
            sites = sites_of(points, image, self.viewer)
        except AtomscopeError as error:
            self.run_bar.refuse(error)
            return
        ours = self._added.get(points, np.zeros(0, np.int64))
        sites = sites.with_table(sites.table[~sites.table["site"].isin(ours)].reset_index(drop=True))

        def work(on_progress: Any, should_stop: Any) -> Any:
            return pipeline.structure(sites, params, image=stack, on_progress=on_progress, should_stop=should_stop)

        self._job = (image, points, stack, params, time.monotonic())
        frames = int(sites.table["frame"].nunique())
        self.runner.start(f"Structure of {points.name}", work, on_done=self._done, on_error=self._failed, total=frames)

    def _done(self, found: Structure | None, stopped: bool) -> None:
        if self._job is None or found is None or stopped:
            self.run_bar.say("Cancelled; nothing was changed.")
            return
        image, old, stack, params, began = self._job
        if old not in self.viewer.layers or image not in self.viewer.layers:
            self.run_bar.say("The layer is gone; nothing was changed.", bad=True)
            return
        self.found = found
        points = points_layer(stack, found.sites, image, old.name)
        points.size = old.current_size if len(old.data) else points.size
        self._adopt(old, points, found.sites, params)
        add_or_replace(self.viewer, points, old)
        self._draw(stack, found, image, points, self._drawn.pop(old, {}))
        named = found.sites.table["species"].astype(str)
        # Two species say more than that all are atoms; where there is one, vacancies stand out by their kind.
        colour_by(points, "species" if named[named != ""].nunique() > 1 else "kind", bar=False)
        self.viewer.layers.selection.active = points
        self.points_box.choose(points)
        self._points = points
        self._link.follow(points)
        self._fill(found)
        parts = ((found.sites, "site"), (found.bonds, "bond"), (found.rings, "ring"), (found.defects, "defect"))
        told = ", ".join(counted(len(part), name) for part, name in parts)
        self.run_bar.say(f"{told}, {time.monotonic() - began:.1f} s.")
        self.state.tell(points, "sites")

    def _adopt(self, old: Any, points: Any, sites: Sites, params: StructureParams) -> None:
        """Let what was made of the old layer go on with the new one."""
        before, work = self.state.work(old), self.state.work(points)
        work.stack, work.layers, work.image = before.stack, before.layers, before.image
        work.steps = dict(before.steps)
        if work.image is None and self._job is not None:
            work.stack, work.image = self._job[2], weakref.ref(self._job[0])
            work.note_source()
        work.note("structure", params)
        came = set(old.features["site"]) - set(self._added.get(old, ())) if "site" in old.features else None
        ids = sites.table["site"] if came is not None else sites.table["site"][sites.table["kind"] == "vacancy"]
        self._added[points] = np.array([i for i in ids if came is None or i not in came], np.int64)

    def _draw(self, stack: Stack, found: Structure, image: Any, points: Any, before: dict[str, Any]) -> None:
        """Add the layers, or put new ones in the place of those of the last time."""
        drawn: dict[str, Any] = {}
        index = self.viewer.layers.index(points)
        for data, kwargs, kind in pipeline.structure_layers(stack, found):
            ndim = kwargs.get("ndim") or np.asarray(data[0] if kind == "shapes" else data).shape[-1]
            if image.ndim == ndim:
                kwargs = kwargs | placement(image)
            layer = Layer.create(data, kwargs, kind)
            what = note_of(layer)["kind"]
            last = before.pop(what, None)
            if last is not None and last in self.viewer.layers:
                layer.visible = last.visible
                add_or_replace(self.viewer, layer, last)
            elif what == "defects":
                self.viewer.add_layer(layer)
            else:
                self.viewer.layers.insert(index, layer)  # below the points
                index += 1
            drawn[what] = layer
        for last in before.values():
            if last in self.viewer.layers:
                self.viewer.layers.remove(last)
        self._drawn[points] = drawn

    def _failed(self, error: BaseException) -> None:
        self.run_bar.say(str(error), bad=True)

    # the table

    def _fill(self, found: Structure) -> None:
        self.table.blockSignals(True)
        self.table.setRowCount(0)
        for what, counts in found.counts().items():
            if not len(counts):
                continue
            self._row(_WORDS[what], None, "", "")
            for value, count in counts.head(_MOST_ROWS).items():
                self._row(f"    {value}", int(count), what, str(value))
        self.table.blockSignals(False)
        self.title.show()
        self.table.show()
        self.chosen.setText("Click a row to select its sites.")

    def _row(self, text: str, count: int | None, what: str, value: str) -> None:
        row = self.table.rowCount()
        self.table.insertRow(row)
        name = QTableWidgetItem(text)
        number = QTableWidgetItem("" if count is None else f"{count:,}")
        number.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        name.setData(Qt.ItemDataRole.UserRole, (what, value))
        if count is None:
            font = name.font()
            font.setBold(True)
            name.setFont(font)
            name.setFlags(Qt.ItemFlag.ItemIsEnabled)  # to be read, not to be chosen
            number.setFlags(Qt.ItemFlag.ItemIsEnabled)
        self.table.setItem(row, 0, name)
        self.table.setItem(row, 1, number)

    def _row_changed(self, row: int, *_: Any) -> None:
        item = self.table.item(row, 0)
        if item is None or self.found is None or self._points not in self.viewer.layers:
            return
        what, value = item.data(Qt.ItemDataRole.UserRole)
        if not what:
            return
        ids = chosen_sites(self.found, what, value)
        mask = self._points.features["site"].isin(ids).to_numpy()
        self.viewer.layers.selection.active = self._points
        self._link.choose(mask)
        self.chosen.setText(f"{counted(mask.sum(), 'site')} selected: {what} {value}.")


def chosen_sites(found: Structure, what: str, value: str) -> np.ndarray:
    """Return the ids of the sites that a row of the table counts."""
    table = found.sites.table
    if what == "ring size":
        members = found.rings["sites"][found.rings["size"] == int(value)]
        return np.unique(np.concatenate([np.zeros(0, np.int64), *(np.array(m, np.int64) for m in members)]))
    if what == "defect":
        words = found.defects["name"].astype(str) + " " + found.defects["formula"].astype(str)
        rings = found.rings.set_index(["frame", "ring"])["sites"]
        ids: set[int] = set()
        for _, row in found.defects[words == value].iterrows():
            ids |= set(row["sites"])
            for ring in row["rings"]:
                ids |= set(rings[(row["frame"], ring)])
        return np.array(sorted(ids), np.int64)
    inner = ~table["at_edge"].astype(bool) | (what in ("kind", "species"))
    values = table[what]
    if what == "coordination":
        return table["site"][inner & (values == float(value))].to_numpy()
    return table["site"][inner & (values.astype(str) == value)].to_numpy()
