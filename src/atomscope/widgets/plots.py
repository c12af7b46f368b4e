"""Plots of a training run: the losses as they fall, and pictures of patches and of the manifold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QLabel, QSizePolicy, QWidget

from atomscope.widgets import tone
from atomscope.widgets.plot_style import BLUE, ORANGE, EpochAxis, dress

#: Colours on a dark theme; `tone.curve` has those on a light one.
COLOURS = {
    "loss": BLUE,
    "val_loss": ORANGE,
    "reconstruction": "#57c785",
    "kl_z": "#c792ea",
    "kl_angle": "#ff6b8b",
    "kl_shift": "#3bc9db",
    "kl_scale": "#d4c15e",
}
NAMES = {
    "loss": "total",
    "val_loss": "validation",
    "reconstruction": "reconstruction",
    "kl_z": "KL z",
    "kl_angle": "KL angle",
    "kl_shift": "KL shift",
    "kl_scale": "KL scale",
}
#: The KL parts are orders of magnitude below the rest: they get their own axis.
_PARTS = ("kl_z", "kl_angle", "kl_shift", "kl_scale")


class LossPlot(pg.GraphicsLayoutWidget):
    """Total, reconstruction and validation loss above, the KL parts below, against the epoch."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setBackground(None)
        self.setMinimumHeight(240)
        self.setFrameShape(self.Shape.NoFrame)
        self.ci.layout.setContentsMargins(0, 0, 0, 0)
        self._rows: list[dict[str, float]] = []
        self._curves: dict[str, pg.PlotDataItem] = {}
        self.top = self.addPlot(row=0, col=0, axisItems={"bottom": EpochAxis("bottom")})
        self.low = self.addPlot(row=1, col=0, axisItems={"bottom": EpochAxis("bottom")})
        self.low.setXLink(self.top)
        self.ci.layout.setRowStretchFactor(0, 3)
        self.ci.layout.setRowStretchFactor(1, 2)
        for plot, title in ((self.top, "loss"), (self.low, "KL (nats)")):
            plot.setLabel("left", title)
            plot.getAxis("left").setWidth(52)
            plot.setMouseEnabled(x=False, y=False)
            legend = plot.addLegend(offset=(-4, 4), labelTextSize="8pt")
            legend.setColumnCount(2)
        self.top.getAxis("bottom").setStyle(showValues=False)
        self.low.setLabel("bottom", "epoch")
        dress(self, self.top, self.low, paint=self._paint)

    @property
    def rows(self) -> list[dict[str, float]]:
        """The epochs shown, a dict of losses each."""
        return self._rows

    def clear_epochs(self) -> None:
        """Forget all epochs."""
        self._rows = []
        for plot in (self.top, self.low):
            for item in list(plot.listDataItems()):
                plot.removeItem(item)
        self._curves = {}

    def add(self, rows: list[dict[str, Any]]) -> None:
        """Append epochs: dicts with ``epoch`` and any of the losses."""
        for row in rows:
            self._rows.append({k: float(v) for k, v in row.items() if np.isscalar(v) and not isinstance(v, str)})
        names = [n for n in COLOURS if any(n in row and np.isfinite(row[n]) for row in self._rows)]
        x = np.array([row.get("epoch", i + 1.0) for i, row in enumerate(self._rows)])
        for name in names:
            y = np.array([row.get(name, np.nan) for row in self._rows])
            if name not in self._curves:
                plot = self.low if name in _PARTS else self.top
                self._curves[name] = plot.plot(name=NAMES[name], symbolSize=4, symbolPen=None, connect="finite")
                self._paint()
            curve = self._curves[name]
            few = len(x) < 3  # one epoch is a dot, not an invisible line
            curve.setData(x, y, symbol="o" if few else None)

    def _paint(self) -> None:
        for name, item in self._curves.items():
            colour = tone.curve(self, COLOURS[name])
            item.setPen(pg.mkPen(colour, width=2))
            item.setSymbolBrush(colour)


class Picture(QLabel):
    """A grey picture that keeps its shape and fills the width it has."""

    def __init__(self, empty: str = "", parent: QWidget | None = None) -> None:
        super().__init__(empty, parent)
        self._empty = empty
        self._array: np.ndarray | None = None
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setWordWrap(True)
        self.setMinimumSize(80, 60)
        tone.tint(self)
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    @property
    def array(self) -> np.ndarray | None:
        """The picture that is shown."""
        return self._array

    def show_array(self, array: np.ndarray | None) -> None:
        """Show a picture, shape (rows, cols) grey or (rows, cols, 3 or 4) uint8 colour; None clears it."""
        self._array = None if array is None else np.asarray(array)
        if self._array is None:
            self.clear()
            self.setText(self._empty)
        self.updateGeometry()
        self._draw()

    def hasHeightForWidth(self) -> bool:
        """Say that the picture keeps its shape."""
        return self._array is not None

    def heightForWidth(self, width: int) -> int:
        """Return the height that keeps the shape, at most 420."""
        if self._array is None:
            return 60
        return int(min(420, width * self._array.shape[0] / self._array.shape[1]))

    def resizeEvent(self, event: Any) -> None:
        """Draw again at the new size."""
        super().resizeEvent(event)
        self._draw()

    def _draw(self) -> None:
        if self._array is None or self.width() < 2:
            return
        pixmap = to_pixmap(self._array)
        size = self.size()
        height = max(size.height(), self.heightForWidth(size.width()))
        self.setPixmap(
            pixmap.scaled(
                size.width(),
                height,
                Qt.AspectRatioMode.KeepAspectRatio,
                Qt.TransformationMode.SmoothTransformation,
            )
        )
        self.setMinimumHeight(min(420, self.heightForWidth(size.width())))


def to_pixmap(array: np.ndarray) -> QPixmap:
    """Return a pixmap of a grey picture (robust contrast, NaN black) or of a uint8 colour one."""
    if array.ndim == 2:
        finite = array[np.isfinite(array)]
        low, high = np.percentile(finite, [0.5, 99.5]) if finite.size else (0.0, 1.0)
        grey = np.nan_to_num((array - low) / max(float(high - low), 1e-12), nan=0.0)
        array = np.repeat((np.clip(grey, 0, 1) * 255).astype(np.uint8)[..., None], 3, axis=2)
    array = np.ascontiguousarray(array[..., :3])
    rows, cols = array.shape[:2]
    image = QImage(array.tobytes(), cols, rows, 3 * cols, QImage.Format.Format_RGB888)
    return QPixmap.fromImage(image.copy())


def mosaic(tiles: np.ndarray, columns: int, gap: int = 1) -> np.ndarray:
    """Lay tiles, shape (n, rows, cols), out in a grid with a NaN gap; each tile keeps its own contrast."""
    n, rows, cols = tiles.shape
    lines = -(-n // columns)
    out = np.full((lines * (rows + gap) - gap, columns * (cols + gap) - gap), np.nan, np.float32)
    for i, tile in enumerate(tiles):
        finite = tile[np.isfinite(tile)]
        low, high = np.percentile(finite, [1, 99]) if finite.size else (0.0, 1.0)
        r, c = (i // columns) * (rows + gap), (i % columns) * (cols + gap)
        out[r : r + rows, c : c + cols] = np.clip((tile - low) / max(float(high - low), 1e-12), 0, 1)
    return out
