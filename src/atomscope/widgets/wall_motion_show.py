"""How moving walls are shown in a window: their colours, their course over the frames, the table of pins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from napari.utils.colormaps import Colormap
from napari.utils.transforms import Affine
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from atomscope.widgets.bridge import KEY
from atomscope.widgets.overlay import is_points, show_colour_bar

_MOST_ROWS = 1000
#: Against the normal, at rest, along it.
_COLOURS = ((0.13, 0.4, 0.67, 1.0), (0.87, 0.87, 0.87, 1.0), (0.7, 0.09, 0.17, 1.0))
#: Where nothing is known, as in the last frame.
_UNKNOWN = (0.3, 0.3, 0.3, 1.0)


def has_walls(layer: Any) -> bool:
    """Whether a Points layer holds sites along walls."""
    return is_points(layer) and {"wall", "arc_px", "length_px"} <= set(map(str, layer.features.columns))


def colour_by_displacement(points: Any) -> None:
    """Colour the sites of walls from blue (against the normal) over light grey (at rest) to red; dark: not known."""
    values = points.features["displacement_px"].to_numpy(np.float64)
    known = np.abs(values[np.isfinite(values)])
    top = float(np.percentile(known, 98)) if len(known) else 1.0
    top = top if top > 0 else 1.0
    points.metadata.setdefault(KEY, {})["color"] = "displacement_px"
    points.face_color_mode = "direct"  # else all points are coloured anew by each line below
    points.face_colormap = Colormap(_COLOURS, name="displacement", nan_color=_UNKNOWN)
    points.face_color = "displacement_px"
    if points.face_color_mode != "colormap":
        points.face_color_mode = "colormap"
    points.face_contrast_limits = (-top, top)
    show_colour_bar(points, True)


def over_frames(table: pd.DataFrame, steps: pd.DataFrame, n_frames: int) -> dict[str, pd.Series]:
    """Return what walls do frame by frame, by what it is called; NaN in frames of which nothing is known.

    Parameters
    ----------
    table : pandas.DataFrame
        From ``pipeline.wall_motion``: a row a site.
    steps : pandas.DataFrame
        From ``pipeline.wall_steps``: a row a wall and frame.
    n_frames : int
    """
    frames = np.arange(n_frames)
    timed = bool(steps["speed_nm_s"].notna().any())
    mean, name = ("speed_nm_s", "mean speed (nm/s)") if timed else ("mean_px", "mean step (px)")
    # The mean of each wall first, so that errors of its places cancel; then walls by their length, either way alike.
    weighted = (steps[mean].abs() * steps["length_px"]).groupby(steps["frame"]).sum(min_count=1)
    length = steps["length_px"].where(steps[mean].notna()).groupby(steps["frame"]).sum(min_count=1)
    nm = "displacement_nm" in table and bool(table["displacement_nm"].notna().any())
    largest = table["displacement_nm" if nm else "displacement_px"].abs().groupby(table["frame"]).max()
    return {
        name: (weighted / length).reindex(frames),
        f"largest step ({'nm' if nm else 'px'})": largest.reindex(frames),
    }


def notes_of(found: Any, alpha: float) -> str:
    """Return what is to be told of pins that were found, a line each."""
    none = f"No place stands out at a chance of {alpha:g}. Set it to 1 to see all places, the surest first."
    return "\n".join(([] if len(found.pins) else [none]) + [f"{n[:1].upper()}{n[1:]}." for n in found.notes])


class PinTable(QTableWidget):
    """A row a pin, the surest first."""

    #: A pin was clicked: its row of the table of pins.
    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, 5, parent)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        side, top = self.verticalHeader(), self.horizontalHeader()
        if side is not None and top is not None:
            side.hide()
            side.setDefaultSectionSize(24)
            top.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.pins = pd.DataFrame()
        self.itemSelectionChanged.connect(self._selected)
        self.cellClicked.connect(self._selected)  # the same pin again
        self.hide()

    def show_pins(self, pins: pd.DataFrame | None) -> None:
        """Show pins; none, or an empty table, hides it."""
        self.pins = pd.DataFrame() if pins is None else pins.reset_index(drop=True)
        shown = self.pins.head(_MOST_ROWS)
        self.blockSignals(True)
        self.clearSelection()
        self.setRowCount(len(shown))
        if len(shown):
            nm = bool(np.isfinite(shown.get("row_nm", pd.Series(np.nan, shown.index))).any())
            timed = bool(np.isfinite(shown.get("retardation_s", pd.Series(np.nan, shown.index))).any())
            where, late = ("nm" if nm else "px"), ("s" if timed else "frames")
            self._heads(where, late)
            names = ["row_nm", "col_nm"] if nm else ["row", "col"]
            columns = [shown[name] for name in (*names, "p_value", f"retardation_{late}", "visits")]
            for k, (values, form) in enumerate(zip(columns, (".1f", ".1f", "p", "#.3g", ".0f"), strict=True)):
                for i, value in enumerate(values):
                    short = (".2g" if value >= 0.001 else ".0e") if form == "p" else form
                    item = QTableWidgetItem(f"{value:{short}}" if np.isfinite(value) else "–")
                    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                    self.setItem(i, k, item)
        self.blockSignals(False)
        self.setFixedHeight(44 + 24 * min(max(len(shown), 1), 8))
        self.setVisible(bool(len(shown)))

    def _heads(self, where: str, late: str) -> None:
        heads = (
            (f"Row\n({where})", "Click a pin to go to it."),
            (f"Col\n({where})", "Click a pin to go to it."),
            ("p", "Chance that a movie without pins would show such a place anywhere."),
            (f"Delay\n({late})", "Retardation: how long the wall's neighbours took to run ahead."),
            ("Visits", "How often a wall came by."),
        )
        for k, (text, tip) in enumerate(heads):
            head = QTableWidgetItem(text)
            head.setToolTip(tip)
            self.setHorizontalHeaderItem(k, head)

    def _selected(self, *_: Any) -> None:
        rows = {index.row() for index in self.selectedIndexes()}
        if len(rows) == 1:
            self.chosen.emit(self.pins.iloc[rows.pop()])


def laid_on(image: Any, side: float, origin: tuple[float, float]) -> dict[str, Any]:
    """Return the keywords that lay a layer of two axes on a movie: cells of ``side`` px, the first at ``origin``."""
    scale, rotate = np.asarray(image.scale)[-2:], np.asarray(image.rotate)[-2:, -2:]
    shear = np.asarray(image.shear)[-1:]
    turn = Affine(scale=scale, rotate=rotate, shear=shear, ndim=2).linear_matrix
    affine = np.eye(3)
    affine[:2, :2] = np.asarray(image.affine.linear_matrix)[-2:, -2:]
    affine[:2, 2] = np.asarray(image.affine.translate)[-2:]
    return {
        "scale": scale * side,
        "translate": np.asarray(image.translate)[-2:] + turn @ np.asarray(origin),
        "rotate": rotate,
        "shear": shear,
        "affine": affine,
        "units": image.units[-2:],
        "axis_labels": image.axis_labels[-2:],
    }
