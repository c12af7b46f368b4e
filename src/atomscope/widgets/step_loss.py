"""The loss of a training against its steps: one curve, out of sight until there is something to show."""

from __future__ import annotations

import numpy as np
from qtpy.QtWidgets import QWidget

from atomscope.data import Progress
from atomscope.widgets.curve import Curve


class StepLoss(Curve):
    """One falling curve.

    Parameters
    ----------
    step : str
        The name of a step, and the key of its number in the reports.
    """

    def __init__(self, step: str = "step", parent: QWidget | None = None) -> None:
        super().__init__(step, "loss", parent=parent)
        self._step = step
        self.rows: list[dict[str, float]] = []
        self.setFixedHeight(168)
        self.hide()

    def begin(self) -> None:
        """Forget the training before."""
        self.rows = []
        self.show_curve(np.zeros(0), np.zeros(0))
        self.show()

    def take(self, batch: list[Progress]) -> None:
        """Add the losses of reports whose payload is a dict with the step and ``loss``."""
        told = [p.payload for p in batch if isinstance(p.payload, dict) and "loss" in p.payload]
        new = [{name: float(row[name]) for name in (self._step, "loss")} for row in told]
        if new:
            self.rows += new
            self.show_curve(*(np.array([row[name] for row in self.rows]) for name in (self._step, "loss")))
