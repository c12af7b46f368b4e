"""Where each window lies, decided before a pixel is read.

The centre of a window of n pixels is at index ``(n - 1) / 2``: pixel 16 of 33, half-way between pixels 15 and 16 of 32.
With linear and cubic interpolation that point is the site, whatever its fraction. With nearest the window is moved
to whole pixels, by at most half a pixel (upwards and leftwards the fraction .5 is rounded down in the image).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from atomscope.data import Axis, Sites, Stack
from atomscope.data.params import CropParams
from atomscope.errors import CalibrationError, ShapeError


@dataclass(frozen=True)
class Plan:
    """The windows to read, in frame order, and the sites that have none.

    Attributes
    ----------
    window : tuple of int
        (rows, cols), px.
    site, frame : numpy.ndarray, shape (m,), int64
        Site ids and frames of the windows, sorted by frame; the order of the table within a frame.
    top, left : numpy.ndarray, shape (m,), float64, px
        Image coordinates of the first pixel of each window.
    leaves : numpy.ndarray, shape (m,), bool
        Whether a part of the window is outside of the image.
    flags : dict of int to str
        Reasons by site id: ``edge``, ``outside``, ``no position``, ``no frame``.
    """

    window: tuple[int, int]
    site: np.ndarray
    frame: np.ndarray
    top: np.ndarray
    left: np.ndarray
    leaves: np.ndarray
    flags: dict[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.site)


def window_size(params: CropParams, axes: Sequence[Axis]) -> tuple[int, int]:
    """Return the (rows, cols) of a window in px; nm are converted by each axis's own pixel size.

    Raises
    ------
    CalibrationError
        If the window is in nm and an axis is not a length.
    """
    if params.window_nm is None:
        size = params.window_px
        return size if isinstance(size, tuple) else (size, size)
    wanted = params.window_nm if isinstance(params.window_nm, tuple) else (params.window_nm,) * 2
    try:
        scales = [axis.to("nm").scale for axis in axes[-2:]]
    except CalibrationError:
        raise CalibrationError(
            f"a window of {params.window_nm} nm was asked for, but the axes are in "
            f"{[axis.unit for axis in axes[-2:]]}; calibrate the image (nm per pixel) or give window_px"
        ) from None
    rows, cols = (max(1, round(w / s)) for w, s in zip(wanted, scales, strict=True))
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
    first = []  # (m,) image coordinate of the first pixel, per axis
    leaves = np.zeros(len(site), bool)
    outside = np.zeros(len(site), bool)
    for name, n, size in zip(("row", "col"), window, image, strict=True):
        centre = table[name].to_numpy(np.float64)
        start = centre - (n - 1) / 2
        if params.interpolation == "nearest":
            start = np.floor(start + 0.5)
        # Half a pixel beyond the outermost centres is still inside that pixel.
        outside |= ~((centre >= -0.5) & (centre <= size - 0.5))
        leaves |= ~((start >= 0) & (start + (n - 1) <= size - 1))
        first.append(start)
    lost = ~(np.isfinite(first[0]) & np.isfinite(first[1]))
    no_frame = (frame < 0) | (frame >= math.prod(int(n) for n in shape[:-2]))
    reason = np.select(
        [lost, no_frame, outside, leaves], ["no position", "no frame", "outside", "edge"], default=""
    ).astype(object)
    keep = (reason == "") | ((reason == "edge") & (params.edge != "drop"))
    flagged = np.flatnonzero(reason != "")
    flags = dict(zip(site[flagged].tolist(), reason[flagged].tolist(), strict=True))
    order = np.flatnonzero(keep)
    order = order[np.argsort(frame[order], kind="stable")]
    return Plan(window, site[order], frame[order], first[0][order], first[1][order], leaves[order], flags)


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
