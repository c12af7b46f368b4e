"""napari's canvas: its camera, and layers that can be removed without breaking it."""

from __future__ import annotations

import contextlib
import weakref
from typing import Any


def camera_of(viewer: Any) -> Any:
    """Return the camera of a viewer: since napari 0.9 it is that of the scene, and ``viewer.camera`` warns."""
    return getattr(viewer, "scene", viewer).camera


class SafeRemoval:
    """Makes the canvas the current drawing context whenever a layer of the viewer is about to be removed.

    Parameters
    ----------
    viewer : napari viewer

    Notes
    -----
    napari (0.9) deletes the buffers and programs of a removed layer at once, in whatever OpenGL context happens to be
    current; when that is the one with which Qt puts the window together, some drivers (Mesa's software ones) end the
    process a few frames later.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = weakref.ref(viewer)
        viewer.layers.events.removing.connect(self._removing)

    def _removing(self, event: Any = None) -> None:
        viewer = self._viewer()
        # Private to napari, which has no public way to it; without a window there is nothing to do.
        with contextlib.suppress(AttributeError, RuntimeError):
            viewer.window._qt_viewer.canvas.native.makeCurrent()
