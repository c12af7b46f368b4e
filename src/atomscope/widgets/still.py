"""Holding a drifting movie still: its layers are moved back as the slider moves; no pixel is touched."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
from qtpy.QtCore import QObject

from atomscope.widgets.bridge import current_frame


class HoldStill(QObject):
    """Moves layers back by the drift of the frame on screen.

    Parameters
    ----------
    parent : QObject
    viewer : napari viewer
    """

    def __init__(self, parent: QObject, viewer: Any) -> None:
        super().__init__(parent)
        # napari hands widgets a proxy, whose layers are never the same objects twice
        self._viewer = getattr(viewer, "__wrapped__", viewer)
        self._shift: np.ndarray | None = None
        self._image: Any = None
        self._moved: weakref.WeakKeyDictionary[Any, np.ndarray] = weakref.WeakKeyDictionary()
        self._viewer.dims.events.current_step.connect(self._follow)

    @property
    def holds(self) -> bool:
        """Whether layers are being held still."""
        return self._shift is not None

    def hold(self, image: Any, shift_px: np.ndarray) -> None:
        """Hold still what lies on an image layer: the layer itself and all that have its place.

        Parameters
        ----------
        image : Image layer
        shift_px : numpy.ndarray, shape (frames, 2)
            How far the content of each frame has moved against the first.
        """
        self.release()
        self._image = weakref.ref(getattr(image, "__wrapped__", image))
        self._shift = np.asarray(shift_px, float)
        self._follow()

    def release(self) -> None:
        """Put all layers back where they were."""
        self._shift = None  # first: a layer that moves may move the sliders, which would be followed
        moved = list(self._moved.items())
        self._moved.clear()
        for layer, place in moved:
            layer.translate = place

    def _follow(self, *_: Any) -> None:
        image = None if self._shift is None else self._image()
        if image is None or image not in self._viewer.layers or self._shift is None:
            return
        frame = min(current_frame(self._viewer, image), len(self._shift) - 1)
        place = self._moved.get(image, np.array(image.translate))
        for layer in self._viewer.layers:
            lies_on = layer.ndim == image.ndim and np.allclose(self._moved.get(layer, np.array(layer.translate)), place)
            if not lies_on or not np.allclose(layer.scale[-2:], image.scale[-2:]):
                continue
            start = self._moved.setdefault(layer, np.array(layer.translate))
            moved = start.copy()
            moved[-2:] -= self._shift[frame] * np.asarray(image.scale)[-2:]
            layer.translate = moved
