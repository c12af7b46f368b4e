"""From an array in a file's own order of axes to frames: navigation first, then (row, col)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from atomscope.data import Axis, compute
from atomscope.io.units import calibrated_axis, normalise_unit, same_signal_unit


@dataclass(frozen=True)
class FileAxis:
    """One axis of an array as a file tells it.

    Attributes
    ----------
    name, unit : str
    scale, offset : float or None
        ``scale`` None: not calibrated.
    navigate : bool or None
        None when the file does not say.
    """

    name: str = ""
    scale: Any = None
    unit: Any = None
    offset: Any = 0.0
    navigate: bool | None = None


@dataclass(frozen=True)
class Layout:
    """How an array becomes a stack.

    Attributes
    ----------
    order : tuple of int
        Array axis of each stack axis. Empty for a single spectrum, which is shown as an image of one row.
        An array axis that is not named has size one and is left out.
    axes : tuple of Axis
        One per stack axis.
    ndim : int
        Number of axes of the array; 0 means as many as ``order`` names.
    """

    order: tuple[int, ...]
    axes: tuple[Axis, ...]
    ndim: int = 0

    def shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Shape of the stack for the shape of the array."""
        return tuple(int(shape[i]) for i in self.order) if self.order else (1, int(shape[0]))

    def without(self, axes: Sequence[int]) -> Layout:
        """Return the layout with array axes of one step left out."""
        kept = [p for p, i in enumerate(self.order) if i not in axes]
        ndim = self.ndim or len(self.order)
        return Layout(tuple(self.order[p] for p in kept), tuple(self.axes[p] for p in kept), ndim)

    def frame(self, array: Any, where: tuple[int, ...]) -> np.ndarray:
        """Read one frame of an array-like through basic slicing."""
        if not self.order:
            return compute(array[...])[None, :]
        index: list[Any] = [0] * (self.ndim or len(self.order))
        index[self.order[-2]] = index[self.order[-1]] = slice(None)
        for axis, i in zip(self.order, where, strict=False):
            index[axis] = int(i)
        frame = compute(array[tuple(index)])
        return frame.T if self.order[-2] > self.order[-1] else frame


def arrange(told: Sequence[FileAxis], source: str = "") -> Layout:
    """Decide which axes are frames and which are rows and columns.

    An image keeps its order. Of four axes the scan comes before the detector: when the units say that a file keeps them
    the other way round, they are exchanged. A spectrum image (two navigation axes, one signal axis) becomes a stack of
    maps, one per energy; a line of spectra an image of position against energy; one spectrum an image of one row.
    """
    n = len(told)
    signal = [i for i, a in enumerate(told) if a.navigate is False]
    navigation = [i for i, a in enumerate(told) if a.navigate is True]
    if n == 1:
        order: tuple[int, ...] = ()
    elif len(signal) == 2:
        if [told[i].name.lower() for i in signal] == ["x", "y"]:  # x is along columns, wherever a file keeps it
            signal.reverse()
        order = (*(i for i in range(n) if i not in signal), *signal)
    elif len(signal) == 1 and len(navigation) >= 2:  # spectrum image
        order = (*navigation[:-2], signal[0], *navigation[-2:])
    elif len(signal) == 1 and len(navigation) == 1:
        order = (navigation[0], signal[0])
    else:
        order = tuple(range(n))
    if len(order) >= 4 and _detector_first(told, order):
        order = (*order[:-4], *order[-2:], *order[-4:-2])
    if not order:
        row = Axis("spectrum")
        return Layout((), (row, _axis(told[0], _signal_name(told[0], "col"), "signal", source)))
    n_nav = len(order) - 2
    axes = [
        _axis(told[i], _navigation_name(told[i], place, n_nav), "navigation", source)
        for place, i in enumerate(order[:n_nav])
    ]
    axes = _distinct(axes)
    scan = [a.name for a in axes[-2:]] == ["scan_row", "scan_col"]
    for i, name in zip(order[n_nav:], ("det_row", "det_col") if scan else ("row", "col"), strict=True):
        axes.append(_axis(told[i], _signal_name(told[i], name), "signal", source))
    return Layout(order, same_signal_unit(axes, source))


def _detector_first(told: Sequence[FileAxis], order: Sequence[int]) -> bool:
    """Tell by the units: angles or reciprocal lengths where the scan should be, and lengths after them."""
    units = [normalise_unit(told[i].unit) for i in order[-4:]]
    kept = [u[0] if u is not None else "" for u in units]
    return all(u in ("1/nm", "mrad", "deg") for u in kept[:2]) and kept[2:] == ["nm", "nm"]


def _axis(told: FileAxis, name: str, kind: Any, source: str) -> Axis:
    return calibrated_axis(name, told.scale, told.unit, told.offset, kind=kind, source=source)


def _is_energy(told: FileAxis) -> bool:
    return "energy" in str(told.name).lower() or str(told.unit).lower() in ("ev", "kev", "mev")


def _signal_name(told: FileAxis, name: str) -> str:
    return "energy" if _is_energy(told) else name


_KNOWN = {
    "t": "frame",
    "time": "frame",
    "frame": "frame",
    "frames": "frame",
    "z": "z",
    "c": "channel",
    "channel": "channel",
    "ry": "scan_row",
    "rx": "scan_col",
    "scan_row": "scan_row",
    "scan_col": "scan_col",
}


def _navigation_name(told: FileAxis, place: int, n_nav: int) -> str:
    if _is_energy(told):
        return "energy"
    known = _KNOWN.get(str(told.name).lower().replace("_", "") if len(str(told.name)) < 4 else str(told.name).lower())
    if n_nav == 1:
        return known or "frame"
    if n_nav in (2, 3) and place >= n_nav - 2 and known not in ("frame", "z", "channel"):
        return ("scan_row", "scan_col")[place - n_nav + 2]
    return known or str(told.name) or ("frame" if n_nav == 3 and place == 0 else f"axis_{place}")


def _distinct(axes: list[Axis]) -> list[Axis]:
    names: list[str] = []
    out = []
    for i, axis in enumerate(axes):
        name = axis.name if axis.name not in (*names, "row", "col") else f"axis_{i}"
        names.append(name)
        out.append(Axis(name, axis.scale, axis.unit, axis.offset, axis.kind))
    return out
