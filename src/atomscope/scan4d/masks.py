"""Detectors as masks over the pixels of a pattern."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from atomscope.data import Axis
from atomscope.data.params import Detector
from atomscope.errors import CalibrationError, InputError, ShapeError


def pattern_centre(frame_shape: tuple[int, int], axes: Sequence[Axis] | None = None) -> tuple[float, float]:
    """Return where the centre of the patterns is, (row, col) in px.

    The zero of calibrated axes that lies inside the frame, else the middle of the frame.
    """
    middle = ((frame_shape[0] - 1) / 2, (frame_shape[1] - 1) / 2)
    if axes is None:
        return middle
    pair = axes[-2:]
    zero = [-a.offset / a.scale for a in pair]
    told = all(a.calibrated and a.offset != 0 for a in pair)
    inside = told and all(0 <= z <= n - 1 for z, n in zip(zero, frame_shape, strict=True))
    return (zero[0], zero[1]) if inside else middle


def detector_mask(detector: Detector, frame_shape: tuple[int, int], axes: Sequence[Axis] | None = None) -> np.ndarray:
    """Return the pixels of a detector.

    Parameters
    ----------
    detector : Detector
    frame_shape : tuple of int
        (rows, cols) of a pattern.
    axes : sequence of Axis, optional
        The last two are those of the pattern; pixels when absent.

    Returns
    -------
    numpy.ndarray of bool, shape (rows, cols)

    Raises
    ------
    InputError
        If no pixel of the frame is in the detector.
    CalibrationError
        If the axes do not have the unit of the detector.
    """
    centre = centre_of(detector, frame_shape, axes)
    if detector.shape == "point":
        mask = np.zeros(frame_shape, bool)
        row, col = (int(np.rint(c)) for c in centre)
        if 0 <= row < frame_shape[0] and 0 <= col < frame_shape[1]:
            mask[row, col] = True
    else:
        scale_row, scale_col = _scales(detector, axes)
        down = (np.arange(frame_shape[0])[:, None] - centre[0]) * scale_row
        right = (np.arange(frame_shape[1])[None, :] - centre[1]) * scale_col
        mask = _inside(detector, down, right)
    if not mask.any():
        raise InputError(
            f"detector {detector.title!r} lies wholly outside the patterns of {frame_shape[0]} x {frame_shape[1]} px, "
            f"or between their pixels (centre {centre[0]:.4g}, {centre[1]:.4g} px); move it or make it larger"
        )
    return mask


def centre_of(
    detector: Detector, frame_shape: tuple[int, int], axes: Sequence[Axis] | None = None
) -> tuple[float, float]:
    """Return the centre of a detector, (row, col) in px."""
    row, col = pattern_centre(frame_shape, axes)
    return (
        row if detector.centre_row_px is None else detector.centre_row_px,
        col if detector.centre_col_px is None else detector.centre_col_px,
    )


def radii(centre: tuple[float, float], frame_shape: tuple[int, int]) -> np.ndarray:
    """Return the distance of each pixel from a centre, px, shape (rows, cols)."""
    return np.hypot(np.arange(frame_shape[0])[:, None] - centre[0], np.arange(frame_shape[1])[None, :] - centre[1])


def bounding_box(weights: np.ndarray) -> tuple[slice, slice]:
    """Return the rows and columns outside of which all weights are zero; empty slices when all are."""
    box = []
    for axis in (1, 0):
        there = np.flatnonzero((weights != 0).any(axis))
        box.append(slice(int(there[0]), int(there[-1]) + 1) if there.size else slice(0, 0))
    return box[0], box[1]


def as_weights(mask: np.ndarray, frame_shape: tuple[int, int]) -> np.ndarray:
    """Return a mask or weights of any type as an array that a pass takes.

    Raises
    ------
    ShapeError
        If it has not the shape of the patterns.
    InputError
        If a weight is not finite.
    """
    mask = np.asarray(mask)
    if mask.shape != frame_shape:
        raise ShapeError(f"mask: wanted the shape of the patterns, {frame_shape}; got {mask.shape}")
    if mask.dtype == bool:
        return mask
    if mask.dtype.kind not in "iuf" or not np.isfinite(mask).all():
        raise InputError(
            f"mask: wanted finite weights or a mask of booleans; got dtype {mask.dtype} with NaN or infinity"
        )
    return mask.astype(np.float64)


def _inside(detector: Detector, down: np.ndarray, right: np.ndarray) -> np.ndarray:
    if detector.shape == "rectangle":
        half_row, half_col = detector.height / 2, detector.width / 2
        return (down >= -half_row) & (down < half_row) & (right >= -half_col) & (right < half_col)
    r = np.hypot(down, right)
    outer = np.inf if detector.outer is None else detector.outer
    mask = (r < outer) & (r >= (0.0 if detector.shape == "disk" else detector.inner))
    if detector.shape == "segment" and detector.span_deg < 360:
        angle = np.degrees(np.arctan2(down, right))
        mask &= np.mod(angle - detector.start_deg, 360.0) < detector.span_deg
    return np.asarray(mask)


def _scales(detector: Detector, axes: Sequence[Axis] | None) -> tuple[float, float]:
    if detector.unit == "px":
        return 1.0, 1.0
    pair = () if axes is None else tuple(axes[-2:])
    units = {a.unit for a in pair}
    if units != {detector.unit}:
        has = " and ".join(sorted(units)) or "pixel"
        raise CalibrationError(
            f"detector {detector.title!r} is given in {detector.unit}, but the patterns are in {has}; "
            "calibrate the axes of the patterns (ats.in_mrad tells 1/nm in mrad), or give radii in px"
        )
    return pair[0].scale, pair[1].scale
