"""What a model is shown of a pattern: cut round its centre, binned, its contrast flattened, some of it blank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from atomscope.data import Axis, Stack
from atomscope.data.params import PatternParams
from atomscope.errors import CalibrationError, InputError, ShapeError
from atomscope.scan4d.disk import Disk, bright_disk
from atomscope.scan4d.masks import pattern_centre
from atomscope.scan4d.patterns import sampled_mean

#: Longest side of a patch when the binning is not given, px.
_LONGEST = 48
#: How far beyond its edge the bright disk is blanked, px of the camera, and in parts of its radius.
_SOFT_PX, _SOFT = 1.5, 0.05
#: The disk of a pattern is looked for in a circle of so many radii, so many times.
_LOOK, _LOOKS = 1.5, 4


@dataclass(frozen=True)
class Preparation:
    """How patterns become patches; make it with :func:`prepare`.

    Attributes
    ----------
    params : PatternParams
    frame_shape : tuple of int
        (rows, cols) of a pattern.
    centre : tuple of float
        Of the patterns, (row, col) in px.
    side, binning : int
        Side of the square that is cut, px of the camera, and pixels that are summed along each axis.
    radius_px : float or None
        Of the bright disk; None where none was found.
    unit_count : float
        What counts as one in the logarithm.
    blank : numpy.ndarray of bool, shape (rows, cols) of a patch
        Pixels that are not shown.
    """

    params: PatternParams
    frame_shape: tuple[int, int]
    centre: tuple[float, float]
    side: int
    binning: int
    radius_px: float | None
    unit_count: float
    blank: np.ndarray

    @property
    def window(self) -> tuple[int, int]:
        """(rows, cols) of a patch."""
        return self.side // self.binning, self.side // self.binning

    @property
    def needed(self) -> tuple[slice, slice]:
        """Rows and columns of the pattern that are read."""
        if self.params.centring == "pattern":
            return slice(0, self.frame_shape[0]), slice(0, self.frame_shape[1])
        parts = []
        for c, n in zip(self.centre, self.frame_shape, strict=True):
            start = c - (self.side - 1) / 2
            first, last = int(np.floor(start)), int(np.ceil(start)) + self.side
            parts.append(slice(min(max(first, 0), n - 1), max(1, min(last, n))))
        return parts[0], parts[1]

    def cut(self, block: np.ndarray) -> np.ndarray:
        """Return windows round the centre, binned, still in counts.

        Parameters
        ----------
        block : numpy.ndarray, shape (n, rows, cols)
            The rows and columns of :attr:`needed`.

        Returns
        -------
        numpy.ndarray, shape (n, rows, cols) of patches, float32
            Between pixels linearly; outside the camera its edge goes on. NaN where a pixel of the camera is no number.
        """
        row, col = self.needed
        if self.params.centring != "pattern":
            return self._at(np.asarray(block), self.centre[0] - row.start, self.centre[1] - col.start)
        places = self._centres(block)
        out = np.empty((len(block), *self.window), np.float32)
        for i, (r, c) in enumerate(places):
            out[i] = self._at(block[i : i + 1], r, c)[0]
        return out

    def finish(self, windows: np.ndarray) -> np.ndarray:
        """Flatten the contrast of windows in counts, shape (n, rows, cols), float32, in place; blank pixels are 0."""
        if self.params.intensity == "sqrt":
            np.sqrt(np.maximum(windows, 0.0, out=windows), out=windows)
        elif self.params.intensity == "log":
            np.maximum(windows, 0.0, out=windows)
            np.log1p(np.divide(windows, np.float32(self.unit_count), out=windows), out=windows)
        windows[:, self.blank] = 0.0
        return windows

    def _at(self, block: np.ndarray, row: float, col: float) -> np.ndarray:
        b, (h, w) = self.binning, self.window
        half = (self.side - 1) / 2
        out = _shifted(_shifted(block, 1, row - half, self.side), 2, col - half, self.side)
        if b == 1:
            return np.ascontiguousarray(out, np.float32)
        return np.asarray(out.reshape(len(block), h, b, w, b).sum((2, 4), dtype=np.float32))

    def _centres(self, block: np.ndarray) -> np.ndarray:
        """Return where the bright disk of each pattern is, (n, 2): the middle of what lies in a circle that follows."""
        n, reach = len(block), _LOOK * float(self.radius_px or 1.0)
        place = np.tile(np.array(self.centre), (n, 1))
        rows, cols = (np.arange(k, dtype=np.float32) for k in self.frame_shape)
        values = np.nan_to_num(np.maximum(np.asarray(block, np.float32), 0.0), posinf=0.0)
        for _ in range(_LOOKS):
            down = (rows - place[:, :1].astype(np.float32)) ** 2
            right = (cols - place[:, 1:].astype(np.float32)) ** 2
            inside = np.where(down[:, :, None] + right[:, None, :] <= reach**2, values, 0.0)
            total = inside.sum((1, 2), dtype=np.float64)
            there = total > 0
            over = np.maximum(total, 1e-300)
            moved = np.stack([inside.sum(2) @ rows / over, inside.sum(1) @ cols / over], 1)
            place = np.where(there[:, None], moved, place)
        return place


def prepare(stack: Stack, params: PatternParams) -> Preparation:
    """Decide how patterns of a scan become patches, from about 200 patterns spread over it.

    Raises
    ------
    ShapeError
        If the side is no multiple of the binning, or larger than the patterns.
    CalibrationError
        If a radius is given in a unit that the patterns do not have.
    InputError
        If the bright disk is needed and none stands out, or nothing is left to be shown.
    """
    shape = stack.frame_shape
    mean = sampled_mean(stack)
    disk = None if params.centring == "none" and not params.blank_disk else _disk(mean)
    if disk is None and (params.blank_disk or params.centring == "pattern"):
        raise InputError(
            f"{stack.name}: no bright disk stands out of the mean pattern; take centring 'none' or 'stack', and do "
            "not blank the disk"
        )
    if params.centring == "none":
        centre = ((shape[0] - 1) / 2, (shape[1] - 1) / 2)
    else:
        centre = pattern_centre(shape, stack.axes) if disk is None else (disk.row, disk.col)
    outer = None if params.outer is None else params.outer / _pixel(stack.axes, params.unit)
    side, binning = _side(params, shape, centre, outer)
    blank = _blank(side, binning, disk.radius_px if disk is not None and params.blank_disk else None, outer)
    if blank.all():
        raise InputError(f"{stack.name}: all of the pattern would be blank; take a larger outer radius")
    unit_count = 1.0
    if stack.data.dtype.kind == "f":
        lit = mean[np.isfinite(mean) & (mean > 0)]
        unit_count = float(np.median(lit)) * binning**2 if lit.size else 1.0
    return Preparation(
        params, shape, centre, side, binning, None if disk is None else disk.radius_px, unit_count, blank
    )


def longest_side(params: PatternParams, frame_shape: tuple[int, int]) -> int:
    """Return how long the side of a patch can be at most, px."""
    side = params.side_px or min(frame_shape)
    return min(side, _LONGEST) if params.binning is None else side // params.binning


def _disk(mean: np.ndarray) -> Disk | None:
    try:
        return bright_disk(mean)
    except InputError:
        return None


def _pixel(axes: Sequence[Axis], unit: str) -> float:
    """Return the size of a pixel of the camera in a unit."""
    if unit == "px":
        return 1.0
    row, col = axes[-2:]
    if row.unit != unit or col.unit != unit:
        raise CalibrationError(
            f"patterns: a radius was given in {unit}, but the patterns are in {row.unit} and {col.unit}; calibrate "
            "their axes, or give it in px"
        )
    return (row.scale * col.scale) ** 0.5


def _side(
    params: PatternParams, shape: tuple[int, int], centre: tuple[float, float], outer: float | None
) -> tuple[int, int]:
    """Return the side of the square, px of the camera, and the binning that divides it."""
    side = params.side_px
    if side is None:
        side = int(np.floor(2 * min(min(c, n - 1 - c) for c, n in zip(centre, shape, strict=True)) + 1e-6)) + 1
        if outer is not None:
            side = min(side, 2 * int(np.ceil(outer)) + 1)
        binning = params.binning or max(1, -(-side // _LONGEST))
        side -= side % binning
        if side // binning < 4:
            raise ShapeError(
                f"patterns: only {side} px fit round the centre ({centre[0]:.1f}, {centre[1]:.1f}) of patterns of "
                f"{shape[0]} x {shape[1]} px; give side_px, or bin less"
            )
        return side, binning
    if side > min(shape):
        raise ShapeError(f"patterns: a side of {side} px is larger than the patterns of {shape[0]} x {shape[1]} px")
    binning = params.binning or next(b for b in range(max(1, -(-side // _LONGEST)), side + 1) if side % b == 0)
    return side, binning


def _blank(side: int, binning: int, disk_px: float | None, outer: float | None) -> np.ndarray:
    n = side // binning
    place = np.arange(side) - (side - 1) / 2
    radius = np.hypot(place[:, None], place)
    blank = np.zeros((n, n), bool)
    if disk_px is not None:
        near = radius <= disk_px * (1 + _SOFT) + _SOFT_PX
        blank |= near.reshape(n, binning, n, binning).any((1, 3))
    if outer is not None:
        middle = place.reshape(n, binning).mean(1)
        blank |= np.hypot(middle[:, None], middle) > outer
    return blank


def _shifted(block: np.ndarray, axis: int, start: float, count: int) -> np.ndarray:
    """Return ``count`` rows or columns from a place between two of them on."""
    first = int(np.floor(start + 1e-6))
    part = np.float32(start - first)
    here = _taken(block, axis, first, count)
    if part < 1e-4:
        return here
    after = _taken(block, axis, first + 1, count)
    return np.asarray((1 - part) * here.astype(np.float32) + part * after.astype(np.float32))


def _taken(block: np.ndarray, axis: int, first: int, count: int) -> np.ndarray:
    """Return ``count`` rows or columns from ``first`` on; outside, the last one goes on."""
    n = block.shape[axis]
    if first >= 0 and first + count <= n:
        return block[(slice(None),) * axis + (slice(first, first + count),)]
    return np.take(block, np.clip(np.arange(first, first + count), 0, n - 1), axis=axis)
