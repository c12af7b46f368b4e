"""The path of one tracked site, drawn on the scatter of latents; a mark on it goes along with the frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QPointF
from qtpy.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from atomscope.pipeline.latent_path import PathLines, TrackIndex, path_lines, period_of, time_colours
from atomscope.widgets import tone
from atomscope.widgets.panel import note
from atomscope.widgets.scatter import Dots, LatentScatter

#: Longer paths are drawn with thin lines: Qt is slow with many wide ones.
_LONG = 2000
#: Lines of paths with more steps are fainter the more there are, so that what lies below is not lost.
_MANY = 150
#: A click so near a place of the path (screen pixels) goes to its frame.
_NEAR = 8
_ASK = "Click a dot, or choose one site in the image."


class PathItem:
    """Lines in colours of time, dashes over missing frames, and a mark.

    Parameters
    ----------
    scatter : LatentScatter
    """

    def __init__(self, scatter: LatentScatter) -> None:
        self._scatter = scatter
        self._colours = time_colours()
        self._halo, self._gaps = pg.PlotCurveItem(connect="finite"), pg.PlotCurveItem(connect="finite")
        self._lines = [pg.PlotCurveItem(connect="finite") for _ in self._colours]
        self._places = Dots(size=6, pxMode=True, pen=None)
        self.mark = Dots(size=15, pxMode=True, brush=None)
        self.path: PathLines | None = None
        for z, item in enumerate((self._halo, self._gaps, *self._lines, self._places, self.mark), start=10):
            item.setZValue(z)
            scatter.addItem(item, ignoreBounds=True)
        self.show(None)

    def paint(self) -> None:
        """Take colours that read on the theme."""
        dark, steps = tone.is_dark(self._scatter), 0 if self.path is None else len(self.path.x)
        wide, clear = steps <= _LONG, float(np.clip(np.sqrt(_MANY / max(steps, 1)), 0.4, 1))
        self._halo.setPen(pg.mkPen((20, 20, 20, 170) if dark else (255, 255, 255, 190), width=5))
        self._halo.setVisible(steps <= _MANY)
        self._gaps.setPen(pg.mkPen(tone.quiet(self._scatter), width=1, dash=[3, 4]))
        self.mark.setPen(pg.mkPen((255, 255, 255) if dark else (0, 0, 0), width=2.5))
        for colour, line in zip(self._colours, self._lines, strict=True):
            line.setPen(pg.mkPen(*(int(c) for c in colour[:3]), round(255 * clear), width=2 if wide else 1))

    def show(self, path: PathLines | None) -> None:
        """Draw a path, or none."""
        self.path = path
        self.mark.setData([], [])
        self._scatter.dim(path is not None)
        if path is None:
            for item in (self._halo, self._gaps, *self._lines, self._places):
                item.setData([], [])
            return
        self.paint()
        for line, (x, y) in zip(self._lines, path.lines, strict=True):
            line.setData(x, y)
        self._halo.setData(np.concatenate([x for x, _ in path.lines]), np.concatenate([y for _, y in path.lines]))
        self._gaps.setData(*path.gaps)
        span = max(int(path.frame[-1] - path.frame[0]), 1)
        which = ((path.frame - path.frame[0]) / span * (len(self._colours) - 1)).round().astype(int)
        brushes = np.array([pg.mkBrush(*(int(c) for c in colour)) for colour in self._colours], dtype=object)
        thin = slice(None) if len(path.x) <= _LONG else slice(0, 0)
        self._places.setData(path.x[thin], path.y[thin], brush=brushes[which[thin]])

    def show_frame(self, frame: int | None) -> None:
        """Put the mark where the site is in a frame; none where it is not seen."""
        at = None if self.path is None or frame is None else self.path.at_frame(frame)
        if self.path is None or at is None:
            self.mark.setData([], [])
        else:
            self.mark.setData([self.path.x[at]], [self.path.y[at]])

    def frame_near(self, at: QPointF) -> int | None:
        """Return the frame of the place of the path under a point of the plane, or None."""
        if self.path is None:
            return None
        step_x, step_y = self._scatter.box.viewPixelSize()
        far = np.hypot((self.path.x - at.x()) / step_x, (self.path.y - at.y()) / step_y)
        best = int(far.argmin())
        return int(self.path.frame[best]) if far[best] <= _NEAR else None


class PathBox(QWidget):
    """The tick box *Path of the chosen site*, and what it does.

    Parameters
    ----------
    viewer : napari viewer
    scatter : LatentScatter
    layer : callable
        Returns the Points layer that the scatter shows, or None.
    """

    def __init__(self, viewer: Any, scatter: LatentScatter, layer: Callable[[], Any]) -> None:
        super().__init__()
        self._viewer, self._scatter, self._layer = viewer, scatter, layer
        self._kept: tuple[Any, Any, TrackIndex] | None = None
        self._row = -1
        self.item = PathItem(scatter)
        row = QVBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2)
        self.tick = QCheckBox("Path of the chosen site")
        row.addWidget(self.tick)
        self.told = note()
        row.addWidget(self.told)
        self.tick.toggled.connect(self._toggled)
        scatter.shown.connect(self.refresh)
        scatter.chosen.connect(self.choose)
        viewer.dims.events.current_step.connect(self._frame_changed)
        tone.follow(self, self.item.paint)
        self.refresh()

    def refresh(self) -> None:
        """Draw again: the scatter shows something else."""
        points = self._layer()
        why = "" if self._tracked(points) else "Link the sites of a movie first, in Drift and tracks."
        self.tick.setEnabled(not why)
        self.tick.setToolTip(why or "Draw where the chosen site goes. Click on the path: go to that frame.")
        if self._kept is not None and (points is None or self._kept[0] is not points.features):
            self._kept = None
        if len(self._scatter.x) <= self._row:
            self._row = -1
        self._draw()

    @staticmethod
    def _tracked(points: Any) -> bool:
        return points is not None and points.ndim == 3 and "track" in points.features

    def _toggled(self, on: bool) -> None:
        self._scatter.on_click = self._clicked if on else None
        if on and int(self._scatter.selected.sum()) == 1:
            self._row = int(self._scatter.selected.argmax())
        self._draw()

    def choose(self, mask: np.ndarray) -> None:
        """Show the path of the one site that is chosen, mask of shape (n,); of several, or none, nothing."""
        self._row = int(np.argmax(mask)) if int(np.sum(mask)) == 1 else -1
        self._draw()

    def _index(self, points: Any) -> TrackIndex:
        if self._kept is None or self._kept[0] is not points.features or self._kept[1] is not points.data:
            track = np.asarray(points.features["track"], dtype=float)
            self._kept = (points.features, points.data, TrackIndex(track, np.asarray(points.data)[:, 0]))
        return self._kept[2]

    def _draw(self) -> None:
        points, path = self._layer(), None
        told = _ASK if self.tick.isChecked() and self._tracked(points) else ""
        if told and 0 <= self._row < len(self._scatter.x) == len(points.data):
            table = points.features
            x, y = self._scatter.names
            periods = (period_of(table, x), period_of(table, y))
            path = path_lines(self._scatter.x, self._scatter.y, self._index(points), self._row, periods)
            told = "This site is seen in one frame only." if path is None else ""
            if path is not None:
                track = int(table["track"].iloc[self._row])
                told = f"Track {track}, frame {path.frame[0]} (dark) to {path.frame[-1]} (bright)."
        if path is not None or self.item.path is not None:
            self.item.show(path)
        self.told.setText(told)
        self.told.setVisible(bool(told))
        self._frame_changed()

    def _frame_changed(self, *_: Any) -> None:
        if self.item.path is None:
            return
        points = self._layer()
        if points is not None:
            place = np.asarray(self._viewer.dims.point, float)[-points.ndim :]
            self.item.show_frame(round(float(points.world_to_data(place)[0])))

    def _clicked(self, at: QPointF) -> bool:
        """Go to the frame of the place that was clicked on, or choose the dot; say whether there was either."""
        frame, points = self.item.frame_near(at), self._layer()
        if frame is not None and points is not None:
            place = np.asarray(points.world_to_data(np.asarray(self._viewer.dims.point, float)[-points.ndim :]))
            place[0] = frame
            self._viewer.dims.set_point(self._viewer.dims.ndim - points.ndim, float(points.data_to_world(place)[0]))
            return True
        row = self._scatter.row_at(at)
        if row < 0:
            return False
        mask = np.zeros(len(self._scatter.x), bool)
        mask[row] = True
        self._scatter.set_selected(mask)
        self._scatter.chosen.emit(mask)
        return True
