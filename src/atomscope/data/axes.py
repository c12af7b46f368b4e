"""Calibrated axes: a name, a step, a unit, an offset; navigation axes first, then signal."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from atomscope.errors import CalibrationError, ShapeError

AxisKind = Literal["navigation", "signal"]

PIXEL = "pixel"
#: Lengths that can be converted into each other, in metres.
_METRES = {"pm": 1e-12, "angstrom": 1e-10, "nm": 1e-9, "um": 1e-6, "mm": 1e-3, "m": 1.0}


@dataclass(frozen=True)
class Axis:
    """One calibrated axis of a Stack.

    Parameters
    ----------
    name : str
        ``frame``, ``scan_row``, ``row``, ``col``, ...
    scale : float
        Physical size of one step, in ``unit``; finite and positive.
    unit : str
        ``pixel`` when uncalibrated, else for example ``nm``, ``1/nm``, ``mrad``, ``s``.
    offset : float
        Physical coordinate of index 0, in ``unit``.
    kind : {"navigation", "signal"}

    Raises
    ------
    CalibrationError
        If the scale is not finite and positive or the offset is not finite.
    """

    name: str
    scale: float = 1.0
    unit: str = PIXEL
    offset: float = 0.0
    kind: AxisKind = "signal"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise CalibrationError(
                f"axis {self.name!r}: wanted a positive, finite scale, got {self.scale!r}; "
                "give the pixel size by hand or leave the axis in pixels"
            )
        if not math.isfinite(self.offset):
            raise CalibrationError(f"axis {self.name!r}: wanted a finite offset, got {self.offset!r}")

    @property
    def calibrated(self) -> bool:
        """Whether the axis has a physical unit."""
        return self.unit != PIXEL

    def to(self, unit: str) -> Axis:
        """Return the axis expressed in another unit of length.

        Raises
        ------
        CalibrationError
            If either unit is not a length.
        """
        if unit == self.unit:
            return self
        if self.unit not in _METRES or unit not in _METRES:
            raise CalibrationError(f"axis {self.name!r}: cannot convert {self.unit!r} to {unit!r}")
        factor = _METRES[self.unit] / _METRES[unit]
        return replace(self, scale=self.scale * factor, offset=self.offset * factor, unit=unit)


#: Names of the axes by their number: an image, a movie, a scan of patterns, a series of scans.
_NAMES = {
    2: ("row", "col"),
    3: ("frame", "row", "col"),
    4: ("scan_row", "scan_col", "det_row", "det_col"),
    5: ("frame", "scan_row", "scan_col", "det_row", "det_col"),
}


def axis_names(ndim: int) -> tuple[str, ...]:
    """Return the names of the axes of an array that says nothing of them, navigation first."""
    return _NAMES.get(ndim) or (*(f"axis_{i}" for i in range(ndim - 2)), "row", "col")


def default_axes(ndim: int) -> tuple[Axis, ...]:
    """Return pixel axes for an array of 2 (image), 3 (movie), 4 (scan of patterns) or more axes.

    Raises
    ------
    ShapeError
        If ``ndim`` is below 2.
    """
    if ndim < 2:
        raise ShapeError(f"wanted an array with at least 2 axes (row, col), got {ndim}")
    return tuple(Axis(name, kind="navigation" if i < ndim - 2 else "signal") for i, name in enumerate(axis_names(ndim)))
