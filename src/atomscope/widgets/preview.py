"""The one preview layer of a dock: reused, never kept, never in the way of the layer selection."""

from __future__ import annotations

from typing import Any

from atomscope import pipeline
from atomscope.data import Sites
from atomscope.widgets.bridge import KEY, coordinates, placement


class PreviewLayer:
    """A Points layer named "(preview)" that shows rings round what would be found.

    Parameters
    ----------
    viewer : napari viewer
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._layer: Any = None

    @property
    def shown(self) -> bool:
        """Whether the layer is in the viewer."""
        return self._layer is not None and self._layer in self._viewer.layers

    def show(self, image: Any, sites: Sites) -> None:
        """Show rings at the sites of one frame."""
        data = coordinates(sites, image.ndim)
        if self.shown and self._layer.ndim == image.ndim:
            self._layer.selected_data = set()
            self._layer.data = data
            self._layer.size = pipeline.dot_size(sites)
            for name in ("scale", "translate"):
                setattr(self._layer, name, getattr(image, name))
            return
        self.remove()
        active, chosen = self._viewer.layers.selection.active, list(self._viewer.layers.selection)
        self._layer = self._viewer.add_points(
            data,
            name="(preview)",
            size=pipeline.dot_size(sites),
            symbol="disc",
            face_color="transparent",
            border_color="#ffd166",
            border_width=0.12,
            canvas_size_limits=(4, 200),
            metadata={KEY: {"kind": "preview"}},
            **placement(image),
        )
        self._viewer.layers.selection = chosen
        self._viewer.layers.selection.active = active

    def remove(self) -> None:
        """Take the layer out of the viewer."""
        layer, self._layer = self._layer, None
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)
