"""Where each window lies, decided before a pixel is read.

The centre of a window of n pixels is at index ``(n - 1) / 2``: pixel 16 of 33, half-way between pixels 15 and 16 of 32.
With linear and cubic interpolation that point is the site, whatever its fraction. With nearest the window is moved
to whole pixels, by at most half a pixel (upwards and leftwards the fraction .5 is rounded down in the image).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from atomscope.data import Axis, Sites, Stack
from atomscope.data.params import CropParams
from atomscope.errors import CalibrationError, InputError, ShapeError


@dataclass(frozen=True)
class Plan:
    """The windows to read, in frame order, and the sites that have none.

    Attributes
    ----------
    window : tuple of int
        (rows, cols), px of the patches.
    site, frame : numpy.ndarray, shape (m,), int64
        Site ids and frames of the windows, sorted by frame; the order of the table within a frame.
    top, left : numpy.ndarray, shape (m,), float64, px
        Image coordinates of the first pixel of each window.
    leaves : numpy.ndarray, shape (m,), bool
        Whether a part of the window is outside of the image.
    flags : dict of int to str
        Reasons by site id: ``edge``, ``outside``, ``no position``, ``no frame``, ``no angle``.
    binning : int
        Pixels of the image, along each axis, in one of the window.
    angle : numpy.ndarray, shape (m,), rad, or None
        By which each window is turned about its middle.
    """

    window: tuple[int, int]
    site: np.ndarray
    frame: np.ndarray
    top: np.ndarray
    left: np.ndarray
    leaves: np.ndarray
    flags: dict[int, str] = field(default_factory=dict)
    binning: int = 1
    angle: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.site)


def window_size(params: CropParams, axes: Sequence[Axis]) -> tuple[int, int]:
    """Return the (rows, cols) of a window in px of the image; nm are converted by each axis's own pixel size.

    Raises
    ------
    ShapeError
        If a window in px is no whole number of binned pixels.
    CalibrationError
        If the window is in nm and an axis is not a length.
    """
    b = params.binning
    if params.window_nm is None:
        size = params.window_px if isinstance(params.window_px, tuple) else (params.window_px,) * 2
        if size[0] % b or size[1] % b:
            raise ShapeError(
                f"crop: a window of {size[0]} x {size[1]} px cannot be binned by {b}; take a multiple of it"
            )
        return size
    wanted = params.window_nm if isinstance(params.window_nm, tuple) else (params.window_nm,) * 2
    try:
        scales = [axis.to("nm").scale for axis in axes[-2:]]
    except CalibrationError:
        raise CalibrationError(
            f"a window of {params.window_nm} nm was asked for, but the axes are in "
            f"{[axis.unit for axis in axes[-2:]]}; calibrate the image (nm per pixel) or give window_px"
        ) from None
    rows, cols = (b * max(1, round(w / s / b)) for w, s in zip(wanted, scales, strict=True))
    return rows, cols


def plan_windows(shape: Sequence[int], sites: Sites, params: CropParams, axes: Sequence[Axis] | None = None) -> Plan:
    """Decide which windows can be read and where they begin.

    Parameters
    ----------
    shape : sequence of int
        Shape of the Stack, (*navigation, rows, cols).
    sites : Sites
    params : CropParams
    axes : sequence of Axis, optional
        Axes of the Stack, for a window in nm; those of ``sites`` when absent.

    Raises
    ------
    ShapeError
        If ``shape`` has fewer than two axes, or windows larger than the image should be dropped (all would be).
    CalibrationError
        If the window is in nm and the axes are not calibrated.
    """
    if len(shape) < 2:
        raise ShapeError(f"crop: wanted the shape of a stack, (*navigation, rows, cols), got {tuple(shape)}")
    window = window_size(params, sites.axes if axes is None else axes)
    image = (int(shape[-2]), int(shape[-1]))
    if params.edge == "drop" and (window[0] > image[0] or window[1] > image[1]):
        raise ShapeError(
            f"crop: a window of {window[0]} x {window[1]} px does not fit into images of {image[0]} x {image[1]} px; "
            "take a smaller window, or keep what is outside with edge='pad' or edge='nan'"
        )
    table = sites.table
    site = table["site"].to_numpy(np.int64)
    frame = table["frame"].to_numpy(np.int64)
    angle = _angles(table, params)  # (m,) or None
    extent: tuple[Any, Any] = window if angle is None else _extent(window, angle)
    first = []  # (m,) image coordinate of the first pixel, per axis
    leaves = np.zeros(len(site), bool)
    outside = np.zeros(len(site), bool)
    for name, n, wide, size in zip(("row", "col"), window, extent, image, strict=True):
        centre = table[name].to_numpy(np.float64)
        start = centre - (n - 1) / 2
        if params.interpolation == "nearest" and not params.resampled:
            start = np.floor(start + 0.5)
        # Half a pixel beyond the outermost centres is still inside that pixel.
        outside |= ~((centre >= -0.5) & (centre <= size - 0.5))
        beyond = (wide - n) / 2  # of a turned window, on both sides
        leaves |= ~((start - beyond >= 0) & (start + (n - 1) + beyond <= size - 1))
        first.append(start)
    lost = ~(np.isfinite(first[0]) & np.isfinite(first[1]))
    no_frame = (frame < 0) | (frame >= math.prod(int(n) for n in shape[:-2]))
    blank = np.zeros(len(site), bool) if angle is None else ~np.isfinite(angle)
    reason = np.select(
        [lost, no_frame, outside, blank, leaves], ["no position", "no frame", "outside", "no angle", "edge"], default=""
    ).astype(object)
    keep = (reason == "") | ((reason == "edge") & (params.edge != "drop"))
    flagged = np.flatnonzero(reason != "")
    flags = dict(zip(site[flagged].tolist(), reason[flagged].tolist(), strict=True))
    order = np.flatnonzero(keep)
    order = order[np.argsort(frame[order], kind="stable")]
    b = params.binning
    return Plan(
        (window[0] // b, window[1] // b),
        site[order],
        frame[order],
        first[0][order],
        first[1][order],
        leaves[order],
        flags,
        b,
        None if angle is None else angle[order],
    )


def _angles(table: pd.DataFrame, params: CropParams) -> np.ndarray | None:
    """Return by how much windows are to be turned, shape (m,), rad; None where they are not."""
    if not params.turn:
        return None
    if "angle" not in table.columns:
        raise InputError("crop: to turn windows with their sites the table must have a column 'angle'; encode first")
    return table["angle"].to_numpy(np.float64)


def _extent(window: tuple[int, int], angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how many rows and columns of the image turned windows cover, shape (m,) each."""
    c, s = np.abs(np.cos(angle)), np.abs(np.sin(angle))
    rows, cols = (n - 1 for n in window)
    return c * rows + s * cols + 1, c * cols + s * rows + 1


def estimate(stack_shape: Sequence[int] | Stack, sites: Sites, params: CropParams) -> tuple[int, int]:
    """Return how many patches :func:`crop` would make and their size in bytes, reading nothing.

    Takes the Stack or its shape; with a shape, a window in nm is converted by the axes of ``sites``.

    Windows with bad pixels are not known before reading, so that with ``edge="drop"`` there may be fewer.

    Raises
    ------
    ShapeError, CalibrationError
        As :func:`plan_windows`.
    """
    if isinstance(stack_shape, Stack):
        plan = plan_windows(stack_shape.shape, sites, params, stack_shape.axes)
    else:
        plan = plan_windows(stack_shape, sites, params)
    return len(plan), len(plan) * plan.window[0] * plan.window[1] * np.dtype(np.float32).itemsize
