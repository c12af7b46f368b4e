"""How plots look: quiet axes on the background of the theme, whole-number ticks, no prefixes such as x0.001."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyqtgraph as pg
from qtpy.QtWidgets import QWidget

from atomscope.widgets import tone

#: Single curves and bars; what marks a place on them. `tone.curve` makes them fit for a light theme.
BLUE, ORANGE = "#4ea1ff", "#ffb454"


class EpochAxis(pg.AxisItem):
    """An axis with ticks at whole numbers only."""

    def tickSpacing(self, minVal: float, maxVal: float, size: float) -> list[tuple[float, float]]:
        """Return the spacings of ticks that are whole numbers."""
        levels = super().tickSpacing(minVal, maxVal, size)
        return [(step, offset) for step, offset in levels if step >= 1 and step == int(step)] or [(1.0, 0.0)]


def dress(view: QWidget, *plots: pg.PlotItem, paint: Callable[[], Any] | None = None) -> None:
    """Give plots quiet axes that read on every theme.

    Parameters
    ----------
    view : QWidget
        What the plots are drawn in.
    *plots : PlotItem
    paint : callable, optional
        Paints the curves again after the theme was changed.
    """
    for plot in plots:
        for side in ("left", "bottom"):
            # A loss of 0.3 must not read "300 (x0.001)".
            plot.getAxis(side).enableAutoSIPrefix(False)
        plot.hideButtons()
        plot.showGrid(x=False, y=True, alpha=0.15)
        plot.setMenuEnabled(False)

    def colours() -> None:
        grey = tone.quiet(view)
        for plot in plots:
            for side in ("left", "bottom"):
                plot.getAxis(side).setPen(pg.mkPen(grey, width=1))
                plot.getAxis(side).setTextPen(grey)
            if plot.legend is not None:
                plot.legend.setLabelTextColor(grey)
                for _, label in plot.legend.items:
                    label.setText(label.text, color=grey)
        if paint is not None:
            paint()

    tone.follow(view, colours)
