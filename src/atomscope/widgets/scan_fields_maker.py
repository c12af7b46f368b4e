"""Images of the shifts of patterns, made in a worker thread and put into layers."""

from __future__ import annotations

from typing import Any

from napari.layers import Layer
from qtpy.QtCore import QObject, Signal

from atomscope.data.params import DPCParams
from atomscope.widgets.bridge import hold_scan
from atomscope.widgets.field_box import make
from atomscope.widgets.jobs import JobRunner
from atomscope.widgets.overlay import add_or_replace
from atomscope.widgets.scan_session import Session


class FieldMaker(QObject):
    """Makes centre of mass, field and potential of a scan that was read.

    Parameters
    ----------
    parent : QObject
    viewer : napari viewer
    """

    #: What was found, in words; a layer; what went wrong.
    said = Signal(str)
    made = Signal(object)
    failed = Signal(object)

    def __init__(self, parent: QObject, viewer: Any) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self.runner = JobRunner(parent)

    def drop(self) -> None:
        """Forget what is under way."""
        self.runner.drop()

    def start(self, session: Session, frame: int, what: str, params: DPCParams) -> None:
        """Make what is wanted: one of COM, FIELD, ICOM."""
        products = session.scan(frame).products
        if products is None:
            return
        name = f"{session.name} {frame}" if session.series else session.name

        def work(on_progress: Any, should_stop: Any) -> Any:
            layers, said = make(what, products.center_of_mass, params, name)
            return [Layer.create(*one) for one in layers], said

        def done(value: Any, stopped: bool) -> None:
            if stopped or value is None:
                return
            layers, said = value
            for layer in layers:
                hold_scan(layer, session.stack)
                old = session.made.get(layer.name)
                session.made[layer.name] = layer
                add_or_replace(self._viewer, layer, old)
                session.made[layer.name] = layer  # removing the old one forgot the name
                self.made.emit(layer)
            self.said.emit(said)

        self.runner.start(f"{what} of {name}", work, on_done=done)
