"""The part of the dock of tracks that measures drift and holds the movie still."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from atomscope.data import counted
from atomscope.data.params import DriftParams
from atomscope.widgets.curve import Curve
from atomscope.widgets.fold import Fold
from atomscope.widgets.form import ParamsForm
from atomscope.widgets.panel import button, note
from atomscope.widgets.still import HoldStill


class DriftBox(QWidget):
    """How far each frame has moved: the form, the plot, and holding still.

    Parameters
    ----------
    viewer : napari viewer
    go_to : callable
        Called with a frame that was clicked in the plot.
    """

    #: The drift shall be measured.
    wanted = Signal()

    def __init__(self, viewer: Any, go_to: Callable[[int], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        self.form = ParamsForm(DriftParams)
        column.addWidget(Fold("How", self.form))
        self.button = button("Measure drift", "Compare each frame with those before.", self.wanted.emit)
        column.addWidget(self.button)
        self.plot = Curve("frame", "drift (px)", go_to)
        self.plot.hide()
        column.addWidget(self.plot)
        self.told = note()
        column.addWidget(self.told)
        self.hold_box = QCheckBox("Hold still")
        self.hold_box.setToolTip("Move the layers back by the drift of the frame on screen. No pixel is touched.")
        self.hold_box.toggled.connect(self._hold)
        column.addWidget(self.hold_box)
        self.still = HoldStill(self, viewer)
        self._found: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
        self._image: Any = None
        self.show_image(None)

    @property
    def found(self) -> Any:
        """The drift of the movie that is chosen, or None."""
        return None if self._image is None else self._found.get(getattr(self._image, "__wrapped__", self._image))

    @contextlib.contextmanager
    def released(self) -> Iterator[None]:
        """Let layers lie where they belong for a while."""
        held = self.hold_box.isChecked()
        self.still.release()
        try:
            yield
        finally:
            self._hold(held and self.hold_box.isChecked())

    def show_image(self, image: Any) -> None:
        """Show what is known of another movie."""
        other = image is not self._image
        if other:
            self.hold_box.setChecked(False)
        self._image = image
        found = self.found
        if other and found is not None:
            self._tell(found)
        self.hold_box.setEnabled(found is not None)
        self.plot.setVisible(found is not None)
        if found is None:
            self.told.setText("")

    def show_drift(self, image: Any, drift: Any) -> None:
        """Show the drift of a movie."""
        self._found[getattr(image, "__wrapped__", image)], self._image = drift, image
        self._tell(drift)
        self.show_image(image)
        if self.hold_box.isChecked():
            self._hold(True)

    def _tell(self, drift: Any) -> None:
        self.plot.show_curve(np.arange(len(drift)), np.hypot(*drift.shift_px.T))
        odd = np.flatnonzero(~drift.good)
        which = ", ".join(f"{i} ({drift.flag[i]})" for i in odd[:4])
        flagged = f"{counted(len(odd), 'frame')} flagged: {which}{' …' if len(odd) > 4 else ''}."
        self.told.setText(f"{flagged if len(odd) else 'No frame is flagged.'} {drift.told()}".strip())

    def _hold(self, wanted: bool) -> None:
        if wanted and self._image is not None and self.found is not None:
            self.still.hold(self._image, self.found.shift_px)
        else:
            self.still.release()
