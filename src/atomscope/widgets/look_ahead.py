"""While somebody steps through a movie, its next frames are read."""

from __future__ import annotations

import weakref
from typing import Any

from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QApplication

from atomscope.data.ahead import Ahead
from atomscope.data.stack import ahead_of
from atomscope.widgets.latest import Latest, swift_pool

#: Frames that are read before the slider gets there.
_NEXT = 2

_known: weakref.WeakKeyDictionary[Any, LookAhead] = weakref.WeakKeyDictionary()


class LookAhead(QObject):
    """Reads the frames that lie ahead of the slider, in the direction in which it went last.

    Parameters
    ----------
    viewer : napari viewer
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._viewer = weakref.ref(viewer)
        self._was: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self.latest = Latest(self, lambda _: None, delay_ms=0, pool=swift_pool())
        viewer.dims.events.current_step.connect(self._moved)

    def _moved(self, *_: Any) -> None:
        viewer = self._viewer()
        if viewer is None:
            return
        wanted = []
        for layer in viewer.layers:
            ahead = ahead_of(getattr(layer, "data", None)) if layer.visible else None
            if ahead is None:
                continue
            frame = int(viewer.dims.current_step[viewer.dims.ndim - layer.ndim])
            before = self._was.get(layer, frame)
            self._was[layer] = frame
            way = 1 if frame >= before else -1
            wanted += [(ahead, frame + way * k) for k in range(1, _NEXT + 1)]
        if wanted:
            self.latest.ask(lambda: _fetch(wanted))


def _fetch(wanted: list[tuple[Ahead, int]]) -> None:
    for ahead, frame in wanted:
        ahead.fetch(frame)


def look_ahead(viewer: Any) -> None:
    """Read ahead in a viewer from now on; asking twice does no harm."""
    viewer = getattr(viewer, "__wrapped__", viewer)
    if viewer not in _known:
        _known[viewer] = LookAhead(viewer)


def look_ahead_soon(layers: list[Any]) -> None:
    """Read ahead in the viewer that these layer tuples go to, if there is a window."""
    if QApplication.instance() is not None and any(ahead_of(data) is not None for data, _, _ in layers):
        QTimer.singleShot(0, _begin)


def _begin() -> None:
    import napari

    viewer = napari.current_viewer()
    if viewer is not None:
        look_ahead(viewer)
