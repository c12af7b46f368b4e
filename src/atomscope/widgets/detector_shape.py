"""The shape of a detector in the pattern: its outline, what of it lies under the pointer, and what dragging that makes.

Places are (row, col) in px of the pattern; ``per_px`` is the length of a pixel along rows and columns in the unit of
the detector, so that a ring of a calibrated pattern may be an ellipse of pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from atomscope.data.params import Detector

Place = tuple[float, float]
#: What can be dragged.
Part = Literal["move", "inner", "outer", "start", "end", "height", "width", "corner"]
#: Shapes, and the fields of a detector that say how large they are.
SIZES: dict[str, tuple[str, ...]] = {
    "disk": ("outer",),
    "annulus": ("inner", "outer"),
    "segment": ("inner", "outer", "start_deg", "span_deg"),
    "rectangle": ("height", "width"),
    "point": (),
}


@dataclass(frozen=True)
class Placed:
    """A detector where it lies on patterns.

    Attributes
    ----------
    detector : Detector
    centre : tuple of float
        (row, col), px.
    per_px : tuple of float
    frame_shape : tuple of int
    """

    detector: Detector
    centre: Place
    per_px: Place
    frame_shape: tuple[int, int]

    @property
    def outer(self) -> float:
        """The outer radius; where there is none, the corner that is farthest."""
        if self.detector.outer is not None:
            return self.detector.outer
        return max(
            self.polar((r - 0.5, c - 0.5))[0] for r in (0, self.frame_shape[0]) for c in (0, self.frame_shape[1])
        )

    def polar(self, place: Place) -> tuple[float, float]:
        """Return radius, in the unit of the detector, and angle in degrees clockwise from right, of a place."""
        down, right = ((p - c) * s for p, c, s in zip(place, self.centre, self.per_px, strict=True))
        return float(np.hypot(down, right)), float(np.degrees(np.arctan2(down, right)) % 360)

    def part_at(self, place: Place, near_px: float) -> Part | None:
        """Return what lies under the pointer: an edge within ``near_px``, else the inside, else nothing."""
        edges = self._edges(place)
        if edges:
            part, far = min(edges.items(), key=lambda item: item[1])
            if far <= near_px:
                return part
        return "move" if self._inside(place, near_px) else None

    def _edges(self, place: Place) -> dict[Part, float]:
        """Return how far the edges are, px."""
        d, unit = self.detector, min(self.per_px)
        down, right = (abs(p - c) * s for p, c, s in zip(place, self.centre, self.per_px, strict=True))
        if d.shape == "point":
            return {}
        if d.shape == "rectangle":
            high, wide = d.height / 2, d.width / 2
            far: dict[Part, float] = {"corner": float(np.hypot(down - high, right - wide)) / unit}
            if right <= wide:
                far["height"] = abs(down - high) / unit
            if down <= high:
                far["width"] = abs(right - wide) / unit
            return far
        r, angle = self.polar(place)
        round_ = d.shape != "segment" or (angle - d.start_deg) % 360 <= d.span_deg
        far = {"outer": abs(r - self.outer) / unit} if round_ and d.outer is not None else {}
        if d.shape != "disk" and d.inner > 0 and round_:
            far["inner"] = abs(r - d.inner) / unit
        if d.shape == "segment" and d.inner <= r <= self.outer:
            ends: tuple[tuple[Part, float], ...] = (("start", d.start_deg), ("end", d.start_deg + d.span_deg))
            for part, at in ends:
                off = np.radians(angle - at)
                if np.cos(off) > 0:
                    far[part] = abs(r * np.sin(off)) / unit
        return far

    def _inside(self, place: Place, near_px: float) -> bool:
        d = self.detector
        down, right = (abs(p - c) * s for p, c, s in zip(place, self.centre, self.per_px, strict=True))
        if d.shape == "point":
            return bool(np.hypot(down, right) <= max(near_px, 0.5) * min(self.per_px))
        if d.shape == "rectangle":
            return bool(down <= d.height / 2 and right <= d.width / 2)
        r, angle = self.polar(place)
        if d.shape == "segment" and (angle - d.start_deg) % 360 > d.span_deg:
            return False
        return (0.0 if d.shape == "disk" else d.inner) <= r <= self.outer

    def dragged(self, part: Part, start: Place, place: Place) -> Detector:
        """Return the detector after one of its parts was dragged from ``start`` to ``place``."""
        d, least = self.detector, 0.5 * min(self.per_px)
        down, right = (abs(p - c) * s for p, c, s in zip(place, self.centre, self.per_px, strict=True))
        r, angle = self.polar(place)
        if part == "move":
            return self.moved(place[0] - start[0], place[1] - start[1])
        if part == "outer":
            return d.replace(outer=max(r, (0 if d.shape == "disk" else d.inner) + least))
        if part == "inner":
            return d.replace(inner=float(np.clip(r, 0.0, self.outer - least)))
        if part == "start":
            turn = (angle - d.start_deg + 180) % 360 - 180
            return d.replace(start_deg=angle, span_deg=float(np.clip(d.span_deg - turn, 1.0, 360.0)))
        if part == "end":
            return d.replace(span_deg=max(1.0, (angle - d.start_deg) % 360))
        height = max(2 * down, least) if part in ("height", "corner") else d.height
        width = max(2 * right, least) if part in ("width", "corner") else d.width
        return d.replace(height=height, width=width)

    def moved(self, rows: float, cols: float) -> Detector:
        """Return the detector moved, its centre staying on the pattern."""
        row, col = (
            float(np.clip(c + by, 0, n - 1))
            for c, by, n in zip(self.centre, (rows, cols), self.frame_shape, strict=True)
        )
        return self.detector.replace(centre_row_px=row, centre_col_px=col)

    def grown(self, part: Literal["inner", "outer"], px: float) -> Detector:
        """Return the detector with a radius, or both lengths, changed by so many pixels."""
        d, unit = self.detector, min(self.per_px)
        if d.shape == "rectangle":
            return d.replace(height=max(unit, d.height + 2 * px * unit), width=max(unit, d.width + 2 * px * unit))
        if d.shape == "point" or (part == "outer" and d.outer is None) or (part == "inner" and d.shape == "disk"):
            return d
        if part == "outer":
            return d.replace(outer=max(self.outer + px * unit, (0 if d.shape == "disk" else d.inner) + unit))
        return d.replace(inner=float(np.clip(d.inner + px * unit, 0.0, self.outer - unit)))


def told(placed: Placed, unit: str, scale: float) -> str:
    """Return where a detector is in words, in px and in the unit of the patterns.

    Parameters
    ----------
    placed : Placed
    unit : str
        Of the patterns; ``pixel`` when they are not calibrated.
    scale : float
        Length of a pixel along columns in ``unit``.
    """
    d, px = placed.detector, placed.per_px[1]
    at = f"centre {placed.centre[0]:.1f}, {placed.centre[1]:.1f} px"
    if d.shape == "point":
        return at

    def both(*lengths: float | None, between: str = "–") -> str:
        said = [between.join("∞" if v is None else f"{v / px:.1f}" for v in lengths) + " px"]
        if unit != "pixel":
            said.append(between.join("∞" if v is None else f"{v / px * scale:.1f}" for v in lengths) + f" {unit}")
        return " = ".join(said)

    if d.shape == "rectangle":
        return f"{both(d.height, d.width, between=' × ')}; {at}"
    if d.shape == "disk":
        return f"radius {both(d.outer)}; {at}"
    radii = both(d.inner, d.outer)
    turn = f"; {d.span_deg:.0f}° from {d.start_deg:.0f}°" if d.shape == "segment" else ""
    return f"{radii}{turn}; {at}"
