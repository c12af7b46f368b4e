"""A dock that shows, as its form changes, what it would find in the frame on screen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtWidgets import QCheckBox

from atomscope.data import Sites, Stack, counted
from atomscope.errors import AtomscopeError, ParameterError
from atomscope.widgets.bridge import current_frame, stack_of
from atomscope.widgets.frames_panel import FramesPanel
from atomscope.widgets.latest import Latest
from atomscope.widgets.panel import note
from atomscope.widgets.preview import PreviewLayer


class LivePanel(FramesPanel):
    """A panel with a preview: ``live`` turns it on and off, ``count`` says what it shows; the dock lays them out.

    Parameters
    ----------
    napari_viewer : napari viewer
    """

    def __init__(self, napari_viewer: Any, parent: Any = None) -> None:
        super().__init__(napari_viewer, parent)
        self.live = QCheckBox("Live preview on this frame")
        self.live.setChecked(True)
        self.live.setToolTip("Show what these settings find in the frame on screen, in a layer that is never kept.")
        self.count = note()
        self._preview = PreviewLayer(self.viewer)
        self._latest = Latest(self, self._show_preview, self._preview_failed)
        self.live.toggled.connect(self.ask_preview)
        self.sight.changed.connect(self._seen)
        self.viewer.dims.events.current_step.connect(self._frame_changed)

    def _one(self, stack: Stack, frame: int) -> Callable[[], Sites] | str:
        """Return what finds in one frame by the form as it is now, or why there is nothing to show yet."""
        raise TypeError(f"{type(self).__name__} does not say how it finds in one frame")

    def _summary(self, sites: Sites) -> str:
        """Return what is said of the sites of the frame on screen."""
        return f"{counted(len(sites), 'site')} in this frame"

    def ask_preview(self, *_: Any) -> None:
        """Preview the frame on screen, soon."""
        layer = self.image_box.layer()
        if not (self.live.isChecked() and layer is not None and self.sight.now) or self.runner.busy:
            self._latest.forget()
            if not self.live.isChecked() or layer is None:
                self.end_preview()
            return
        try:
            stack, frame = stack_of(layer), current_frame(self.viewer, layer)
            find = self._one(stack, frame)
        except AtomscopeError as error:
            self.end_preview()
            if not isinstance(error, ParameterError):  # those are shown in the form
                self.run_bar.say(str(error), bad=True)
            return
        if isinstance(find, str):
            self.end_preview(find)
            return
        self._latest.ask(lambda: (layer, find()))

    def end_preview(self, why: str = "") -> None:
        """Take the preview away, and what is still to come of it."""
        self._latest.forget()
        self._preview.remove()
        self.count.setText(why)

    def _seen(self, now: bool) -> None:
        """Begin the preview when the dock is seen; leave none behind."""
        if now:
            self.ask_preview()
        else:
            self.end_preview()

    def _frame_changed(self, event: Any = None) -> None:
        if self.sight.now and self._preview.shown:
            self.ask_preview()

    def _show_preview(self, value: tuple[Any, Sites]) -> None:
        layer, sites = value
        if layer is not self.image_box.layer() or not self.sight.now or not self.live.isChecked():
            return
        self._preview.show(layer, sites)
        self.count.setText(self._summary(sites))

    def _preview_failed(self, error: BaseException) -> None:
        self.end_preview(f"No preview: {error}")
