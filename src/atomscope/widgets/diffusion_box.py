"""The part of the dock of tracks that says how fast they wander."""

from __future__ import annotations

import weakref
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from atomscope.data.params import DiffusionParams
from atomscope.widgets.curve import Curve
from atomscope.widgets.fold import Fold
from atomscope.widgets.form import ParamsForm
from atomscope.widgets.panel import button, note


class DiffusionBox(QWidget):
    """The form, the mean squared displacement over the lag, and D with its interval."""

    #: The diffusion shall be measured.
    wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        self.form = ParamsForm(DiffusionParams)
        column.addWidget(Fold("How", self.form))
        self.button = button("Measure diffusion", "How fast the tracks wander.", self.wanted.emit)
        column.addWidget(self.button)
        self.plot = Curve("lag", "MSD")
        self.plot.hide()
        column.addWidget(self.plot)
        self.told = note()
        column.addWidget(self.told)
        self._found: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()

    def show_points(self, points: Any) -> None:
        """Show what is known of a Points layer, or nothing."""
        found = None if points is None else self._found.get(getattr(points, "__wrapped__", points))
        if found is not None:
            self.show_diffusion(found)
            return
        self.plot.hide()
        self.told.setText("")

    def forget(self, points: Any) -> None:
        """Forget what was measured of a Points layer: its tracks are others now."""
        self._found.pop(getattr(points, "__wrapped__", points), None)
        self.show_points(points)

    def show_diffusion(self, found: Any, points: Any = None) -> None:
        """Show what was measured, and remember it with the Points layer it was measured of."""
        if points is not None:
            self._found[getattr(points, "__wrapped__", points)] = found
        length, _, time = found.unit.partition("^2/")
        lag = next(name for name in (f"lag_{time}", "lag") if name in found.msd)
        value = next(name for name in found.msd if str(name).startswith("msd") and not str(name).endswith("_sd"))
        error = next((name for name in (f"{value}_sd", f"{value}_se") if name in found.msd), None)
        self.plot.plot.setLabel("bottom", f"lag ({time})")
        self.plot.plot.setLabel("left", f"MSD ({length}²)")
        sd = None if error is None else found.msd[error].to_numpy()
        self.plot.show_curve(found.msd[lag].to_numpy(), found.msd[value].to_numpy(), sd)
        self.plot.show()
        self.told.setText("\n".join([found.told(), *found.notes]))
