"""A dock that searches the frame on screen, or every frame of the chosen image."""

from __future__ import annotations

from typing import Any

from atomscope.widgets.bridge import current_frame
from atomscope.widgets.layerbox import LayerBox
from atomscope.widgets.panel import Panel


class FramesPanel(Panel):
    """A panel with an image to search, by the frame or whole; what is done with it is of :meth:`_run`."""

    image_box: LayerBox

    def run_here(self) -> None:
        """Search the frame on screen."""
        layer = self.image_box.layer()
        if layer is not None:
            self._run(layer, current_frame(self.viewer, layer))

    def run_all(self) -> None:
        """Search every frame."""
        layer = self.image_box.layer()
        if layer is not None:
            self._run(layer, None)

    def _run(self, layer: Any, frame: int | None) -> None:
        """Search a layer: one frame, or with None all of them."""
        raise TypeError(f"{type(self).__name__} does not say how it searches")
