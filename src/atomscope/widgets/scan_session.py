"""A scan that is open in a viewer: its data, where its beam is, its detectors and their images as layers."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from napari.layers import Layer

from atomscope import pipeline
from atomscope.data import Stack
from atomscope.data.params import Detector
from atomscope.widgets.bridge import KEY, current_index, hold_scan, stack_of
from atomscope.widgets.detector_shape import Placed

#: Colours of detectors in the pattern: apart from each other on every colour map that is offered.
COLOURS = ("#4ea1ff", "#57c785", "#ff6b8b", "#ffb454", "#c792ea", "#3bc9db", "#d4c15e", "#f0f0f0")
#: Scans of a series of which what was learnt is kept.
_KEPT = 3


@dataclass(eq=False)
class Entry:
    """A detector and its image.

    Attributes
    ----------
    detector : Detector
    colour : str
    layer : Image layer or None
    values : numpy.ndarray of float32, shape (*navigation) or None
        What the layer shows, NaN where nothing is known.
    exact : set of int
        Scans of the series whose image is what a pass over the scan gives.
    limits : tuple of float or None
        The contrast that we set; another one is the user's, and stays.
    """

    detector: Detector
    colour: str
    layer: Any = None
    values: np.ndarray | None = None
    exact: set[int] = field(default_factory=set)
    limits: tuple[float, float] | None = None

    def forget(self) -> None:
        """Note that the image is that of another detector from now on."""
        self.exact.clear()
        if self.values is not None and self.values.ndim > 2:
            self.values[...] = np.nan


class Session:
    """A scan, or a series of scans, in a viewer.

    Parameters
    ----------
    layer : Image layer of 4 or 5 axes
    """

    def __init__(self, layer: Any) -> None:
        self.source = layer
        self.stack: Stack = stack_of(layer)
        self.name = str(layer.name)
        self.beam: pipeline.Beam | None = None
        self.entries: list[Entry] = []
        self.current = 0
        #: Other layers that were made of it, by what they show.
        self.made: dict[str, Any] = {}
        self._scans: OrderedDict[int, pipeline.LiveScan] = OrderedDict()

    @property
    def series(self) -> bool:
        """Whether there are several scans."""
        return len(self.stack.shape) > 4

    @property
    def n_scans(self) -> int:
        """Number of scans."""
        return self.stack.shape[0] if self.series else 1

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, cols) of a scan."""
        rows, cols = self.stack.navigation_shape[-2:]
        return rows, cols

    def scan(self, index: int) -> pipeline.LiveScan:
        """Return a scan of the series, with what was learnt of it."""
        if index not in self._scans:
            self._scans[index] = pipeline.LiveScan(self.stack.part(index) if self.series else self.stack)
            while len(self._scans) > _KEPT:
                self._scans.popitem(last=False)
        self._scans.move_to_end(index)
        return self._scans[index]

    def forget(self) -> None:
        """Forget what was learnt: the beam is elsewhere."""
        self._scans.clear()

    @property
    def scan_unit(self) -> str:
        """The unit that detectors are given in."""
        return self.scan(next(reversed(self._scans), 0)).unit

    def placed(self, detector: Detector) -> Placed:
        """Return a detector where it lies; without a centre of its own it lies on the beam."""
        per_px = self.scan(next(reversed(self._scans), 0)).per_px
        return Placed(detector, self.centre_of(detector), per_px, self.stack.frame_shape)

    def centre_of(self, detector: Detector) -> tuple[float, float]:
        """Return the centre of a detector, (row, col), px."""
        row, col = self.beam_centre
        return (
            row if detector.centre_row_px is None else detector.centre_row_px,
            col if detector.centre_col_px is None else detector.centre_col_px,
        )

    @property
    def beam_centre(self) -> tuple[float, float]:
        """Where the beam is, (row, col), px; the middle of the patterns until it is known."""
        rows, cols = self.stack.frame_shape
        return ((rows - 1) / 2, (cols - 1) / 2) if self.beam is None else (self.beam.row, self.beam.col)

    def on_beam(self, detector: Detector, near_px: float = 0.0) -> bool:
        """Whether a detector is centred on the beam."""
        if self.beam is None:
            return True
        row, col = self.centre_of(detector)
        return bool(np.hypot(row - self.beam.row, col - self.beam.col) <= near_px)

    def entry(self) -> Entry | None:
        """Return the current detector."""
        return self.entries[self.current] if 0 <= self.current < len(self.entries) else None

    def add(self, detector: Detector) -> Entry:
        """Add a detector and make it the current one."""
        used = {entry.colour for entry in self.entries}
        colour = next((c for c in COLOURS if c not in used), COLOURS[len(self.entries) % len(COLOURS)])
        self.entries.append(Entry(detector, colour))
        self.current = len(self.entries) - 1
        return self.entries[-1]

    def title(self, detector: Detector) -> str:
        """Return a name for a new detector that no other one has."""
        names = {entry.detector.title for entry in self.entries}
        title, number = detector.title, 2
        while title in names:
            title, number = f"{detector.title} {number}", number + 1
        return title

    def layers(self) -> list[Any]:
        """Return the layers that were made of it."""
        return [entry.layer for entry in self.entries if entry.layer is not None] + list(self.made.values())

    def frame(self, viewer: Any) -> int:
        """Return the number of the scan that the sliders of the viewer choose."""
        layer = next((one for one in self.layers() if one in viewer.layers and one.ndim == 3 and not one.rgb), None)
        return current_index(viewer, layer)[0] if self.series and layer is not None else 0

    def map_layer(self, viewer: Any) -> Any:
        """Return a layer over the positions of the scan, the current one first; None when all were deleted."""
        entry = self.entry()
        first = [entry.layer] if entry is not None else []
        return next((one for one in [*first, *self.layers()] if one is not None and one in viewer.layers), None)

    def show(self, viewer: Any, entry: Entry, frame: int, image: np.ndarray, exact: bool, resting: bool = True) -> None:
        """Put an image of a detector into its layer, which is made if there is none.

        While its detector is not ``resting`` the thumbnail of the layer is left as it is.
        """
        shape = self.stack.navigation_shape
        if entry.values is None:
            entry.values = np.full(shape, np.nan, np.float32)
        where = entry.values[frame] if self.series else entry.values
        where[...] = image
        (entry.exact.add if exact else entry.exact.discard)(frame)
        limits = pipeline.robust_limits(where)
        row, col = self.centre_of(entry.detector)  # where it is, for whoever does without this dock
        told = entry.detector.model_dump(mode="json") | {"centre_row_px": float(row), "centre_col_px": float(col)}
        if entry.layer is None:
            data = pipeline.scan_layer(self.stack, entry.values, entry.detector.title, detector=told)
            entry.values = data[0]  # the layer shows this very array
            entry.layer = Layer.create(*data)
            entry.layer.name = f"{self.name} {entry.detector.title}"
            entry.layer.contrast_limits = entry.limits = limits
            hold_scan(entry.layer, self.stack)
            viewer.add_layer(entry.layer)
            return
        entry.layer.metadata[KEY]["detector"] = told
        if entry.limits is None or np.allclose(entry.layer.contrast_limits, entry.limits):
            low, high = entry.layer.contrast_limits_range
            if limits[0] < low or limits[1] > high or (limits[1] - limits[0]) < 0.02 * (high - low):
                spare = limits[1] - limits[0]
                entry.layer.contrast_limits_range = (limits[0] - spare, limits[1] + spare)
            if resting or not np.allclose(limits, entry.layer.contrast_limits, atol=0.02 * (limits[1] - limits[0])):
                entry.layer.contrast_limits = limits
                entry.limits = tuple(entry.layer.contrast_limits)
        entry.layer.refresh(extent=False, highlight=False, thumbnail=resting)
