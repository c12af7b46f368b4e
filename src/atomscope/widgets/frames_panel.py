"""A dock that searches the frame on screen, or every frame of the chosen image."""

from __future__ import annotations

from typing import Any

from atomscope.data import Stack
from atomscope.errors import AtomscopeError
from atomscope.widgets.bridge import current_frame, stack_of
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


def look_at(layer: Any) -> tuple[str, str, bool]:
    """Return what an image layer holds, in one line; why it cannot be searched, if so; whether it has many frames."""
    if layer is None:
        return "", "Open an image first: drop a file on the window, or File > Open Sample.", False
    try:
        stack = stack_of(layer)
    except AtomscopeError as error:
        return "", str(error), False
    return describe(stack), "", stack.n_frames > 1


def describe(stack: Stack) -> str:
    """Say in one line how large a stack is and how it is calibrated."""
    parts = " × ".join(str(n) for n in stack.shape)
    row, col = stack.pixel_axes
    if not col.calibrated:
        return f"{parts}, not calibrated"
    size = f"{col.scale:.4g}" if abs(row.scale / col.scale - 1) < 1e-6 else f"{row.scale:.4g} × {col.scale:.4g}"
    return f"{parts}, {size} {col.unit}/px"
