"""Which pattern of a scan is looked at: under the cursor, at a marker, of sites, of a drawn region, of all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QSizePolicy, QWidget

from atomscope.widgets.bridge import note_of
from atomscope.widgets.canvas_clicks import hear_clicks
from atomscope.widgets.layerbox import LayerBox
from atomscope.widgets.linking import SelectionLink
from atomscope.widgets.overlay import is_points
from atomscope.widgets.panel import button
from atomscope.widgets.scan_marks import add_marker, add_region, map_shape

CURSOR, MARKER, REGION, SITES, MEAN, MAX = (
    "Position under the cursor",
    "Marked position",
    "Drawn region",
    "Selected sites",
    "Whole scan, mean",
    "Whole scan, maximum",
)
MODES = {
    CURSOR: "Move the pointer over the image; a click marks the position and stays there.",
    MARKER: "A ring on the image. Click on the image to put it elsewhere; Shift and the arrow keys move it.",
    REGION: "The mean over shapes drawn on the image. Move them or draw more of them.",
    SITES: "The mean over the points that are selected in a layer.",
    MEAN: "The mean of all patterns.",
    MAX: "The largest value that each pixel has anywhere.",
}


@dataclass(frozen=True)
class Where:
    """Of which positions a pattern is wanted.

    Attributes
    ----------
    kind : {"position", "positions", "mean", "max"}
    at : tuple of int
        (row, col) of a position.
    mask : numpy.ndarray, shape (scan rows, scan cols), optional
        How often each position counts.
    title : str
    """

    kind: Literal["position", "positions", "mean", "max"]
    title: str
    at: tuple[int, int] = (0, 0)
    mask: np.ndarray | None = None


class ScanPosition(QWidget):
    """A box with the ways to choose positions, and the layers that they are chosen in.

    Parameters
    ----------
    viewer : napari viewer
    map_layer : callable
        Returns the layer over the scan that positions are chosen on, or None.
    awake : callable
        Whether the dock is in sight.
    """

    #: Another pattern is wanted.
    changed = Signal()

    def __init__(self, viewer: Any, map_layer: Callable[[], Any], awake: Callable[[], bool]) -> None:
        super().__init__()
        self._viewer, self._map_layer, self._awake = viewer, map_layer, awake
        self.at: tuple[int, int] | None = None
        self._marker: Any = None
        self._region: Any = None
        self._sites: np.ndarray | None = None
        self._quiet = False
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self.mode_box = QComboBox()
        self.mode_box.addItems(list(MODES))
        self.mode_box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        row.addWidget(self.mode_box, 3)
        self.sites_box = LayerBox(viewer, _can_be_sites, "no points")
        row.addWidget(self.sites_box, 2)
        self.draw_button = button("Draw", "Draw another shape on the image.", self.draw_more)
        row.addWidget(self.draw_button)
        self.link = SelectionLink(self)
        self.link.from_layer.connect(self._sites_chosen)
        self.sites_box.layer_changed.connect(self._mode_changed)
        self.mode_box.currentTextChanged.connect(self._mode_changed)
        viewer.cursor.events.position.connect(self._cursor_moved)
        hear_clicks(viewer, self)
        self._mode_changed()

    @property
    def mode(self) -> str:
        """How positions are chosen."""
        return self.mode_box.currentText()

    def choose(self, mode: str) -> None:
        """Choose positions in another way."""
        self.mode_box.setCurrentText(mode)

    def where(self, shape: tuple[int, int]) -> Where | str:
        """Return of which positions a pattern is wanted, or what is still to be done for one."""
        if self.mode == MEAN:
            return Where("mean", "mean of the scan")
        if self.mode == MAX:
            return Where("max", "maximum of the scan")
        if self.mode == REGION:
            mask = self._region_mask(shape)
            if mask is None or not mask.any():
                return "Draw a shape over the image."
            return Where("positions", f"mean of {int(mask.sum()):,} positions", mask=mask)
        if self.mode == SITES:
            mask = self._sites_mask(shape)
            if mask is None or not mask.any():
                return "Select points of the layer: choose it, press S, drag round them."
            return Where("positions", f"mean at {int(mask.sum()):,} sites", mask=mask)
        if self.at is None:
            self.at = (shape[0] // 2, shape[1] // 2)
        at = (min(self.at[0], shape[0] - 1), min(self.at[1], shape[1] - 1))
        return Where("position", f"position {at[0]}, {at[1]}", at=at)

    # the cursor and the marker

    def _to_map(self, world: Any) -> tuple[int, int] | None:
        layer = self._map_layer()
        if layer is None or len(world) < 2:
            return None
        point = np.zeros(layer.ndim)
        count = min(layer.ndim, len(world))
        point[-count:] = np.asarray(world, float)[-count:]
        row, col = np.rint(np.asarray(layer.world_to_data(point), float)[-2:]).astype(int)
        rows, cols = map_shape(layer)
        return (int(row), int(col)) if 0 <= row < rows and 0 <= col < cols else None

    def _cursor_moved(self, event: Any = None) -> None:
        if self.mode != CURSOR or not self._awake():
            return
        at = self._to_map(self._viewer.cursor.position)
        if at is not None and at != self.at:
            self.at = at
            self.changed.emit()

    def clicked(self, world: Any) -> None:
        """Mark the position that was clicked, if nothing else is being done with the pointer."""
        active = self._viewer.layers.selection.active
        if self.mode not in (CURSOR, MARKER) or not self._awake() or active is None or active is self._marker:
            return
        if str(getattr(active, "mode", "")) != "pan_zoom" or not _is_map(active):
            return
        at = self._to_map(world)
        if at is not None:
            self.mark(at)

    def mark(self, at: tuple[int, int]) -> None:
        """Put the marker at a position and look there."""
        self.at = at
        if self.mode != MARKER:
            self.choose(MARKER)
        else:
            self._show_marker()
            self.changed.emit()

    def nudge(self, rows: int, cols: int) -> None:
        """Move the marker by so many positions."""
        layer = self._map_layer()
        if layer is None:
            return
        size = map_shape(layer)
        at = self.at or (size[0] // 2, size[1] // 2)
        self.mark((int(np.clip(at[0] + rows, 0, size[0] - 1)), int(np.clip(at[1] + cols, 0, size[1] - 1))))

    def _show_marker(self) -> None:
        layer = self._map_layer()
        if layer is None or self.at is None:
            return
        self._quiet = True
        try:
            if self._marker is not None and self._marker in self._viewer.layers:
                self._marker.selected_data = set()
                self._marker.data = np.array([self.at], float)
            else:
                self._marker = add_marker(self._viewer, layer, self.at)
                self._marker.events.data.connect(self._marker_moved)
        finally:
            self._quiet = False

    def _marker_moved(self, event: Any = None) -> None:
        if self._quiet or self._marker is None or not len(self._marker.data):
            return
        at = self._to_map(self._marker.data_to_world(np.asarray(self._marker.data)[-1]))
        if at is not None and at != self.at:
            self.at = at
            if self.mode == MARKER:
                self.changed.emit()

    # regions and sites

    def draw_more(self) -> None:
        """Let the user draw on the layer of regions."""
        self._show_region()
        if self._region is not None:
            self._viewer.layers.selection.active = self._region
            self._region.mode = "add_polygon_lasso"

    def _show_region(self) -> None:
        layer = self._map_layer()
        if layer is None or (self._region is not None and self._region in self._viewer.layers):
            return
        self._region = add_region(self._viewer, layer, map_shape(layer))
        self._region.events.data.connect(self._tell)

    def raise_up(self) -> None:
        """Let the marker and the regions lie over all images."""
        layers = self._viewer.layers
        for one in (self._region, self._marker):
            if one is not None and one in layers and layers.index(one) < len(layers) - 1:
                layers.move(layers.index(one), len(layers))

    def _region_mask(self, shape: tuple[int, int]) -> np.ndarray | None:
        if self._region is None or self._region not in self._viewer.layers or not len(self._region.data):
            return None
        masks = self._region.to_masks(mask_shape=shape)
        return np.asarray(np.asarray(masks).any(0)) if len(masks) else None

    def _sites_mask(self, shape: tuple[int, int]) -> np.ndarray | None:
        points = self.sites_box.layer()
        if points is None or self._sites is None or len(self._sites) != len(points.data) or not self._sites.any():
            return None
        count = np.zeros(shape)
        for one in np.asarray(points.data)[self._sites]:
            at = self._to_map(points.data_to_world(one))
            if at is not None:
                count[at] += 1
        return count

    def _sites_chosen(self, mask: np.ndarray) -> None:
        self._sites = mask
        if self.mode == SITES:
            self.changed.emit()

    # modes

    def _mode_changed(self, *_: Any) -> None:
        self.mode_box.setToolTip(MODES[self.mode])
        self.sites_box.setVisible(self.mode == SITES)
        self.draw_button.setVisible(self.mode == REGION)
        self.link.follow(self.sites_box.layer() if self.mode == SITES else None)
        if self.mode == SITES and self.sites_box.layer() is not None:
            layer = self.sites_box.layer()
            self._sites = np.isin(np.arange(len(layer.data)), list(layer.selected_data))
        if self.mode == MARKER:
            self._show_marker()
        if self.mode == REGION:
            self._show_region()
        self.changed.emit()

    def _tell(self, *_: Any) -> None:
        if self.mode == REGION and self._awake():
            self.changed.emit()


def _can_be_sites(layer: Any) -> bool:
    return is_points(layer) and note_of(layer).get("kind") != "marks"


def _is_map(layer: Any) -> bool:
    return type(layer).__name__ == "Image" and layer.ndim in (2, 3)
