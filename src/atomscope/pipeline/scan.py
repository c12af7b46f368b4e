"""The verbs of scans of patterns (4D-STEM): virtual images, patterns of positions, profiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import pandas as pd

from atomscope.data import OnProgress, ShouldStop, Sites, Stack
from atomscope.data.params import Detector
from atomscope.errors import InputError
from atomscope.pipeline.scan_images import as_scan, finishing, image_stack, pattern_stack, shown

if TYPE_CHECKING:
    from atomscope.scan4d import Corrections, Disk

Mask = Detector | np.ndarray


@overload
def virtual_image(
    source: Any,
    detector: Mask,
    *,
    corrections: Corrections | None = ...,
    device: str = ...,
    on_progress: OnProgress | None = ...,
    should_stop: ShouldStop | None = ...,
) -> Stack: ...
@overload
def virtual_image(
    source: Any,
    detector: Sequence[Mask],
    *,
    corrections: Corrections | None = ...,
    device: str = ...,
    on_progress: OnProgress | None = ...,
    should_stop: ShouldStop | None = ...,
) -> list[Stack]: ...
def virtual_image(
    source: Any,
    detector: Mask | Sequence[Mask],
    *,
    corrections: Corrections | None = None,
    device: str = "cpu",
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Stack | list[Stack]:
    """Make an image of the scan from what falls on a detector, or images of many in one pass.

    Parameters
    ----------
    source : Stack, array or path
        Patterns, shape (scan rows, scan cols, rows, cols), with more axes before them for a series.
    detector : Detector or array of shape (rows, cols), or a list of them
        A mask of booleans or of weights.
    corrections : Corrections, optional
        Dark current, gain and dead pixels.
    device : str
        ``"cpu"``, or ``"cuda"`` for a GPU; the result is the same.
    on_progress, should_stop : callables, optional
        See :mod:`atomscope.data.progress`; the payload, and what a stop carries, is what this returns as far as it is
        known, NaN elsewhere.

    Returns
    -------
    Stack, or list of Stack
        float64, shape (scan rows, scan cols), with the axes of the scan; exact for whole numbers.

    Raises
    ------
    InputError
        If a detector lies wholly outside the patterns.
    CalibrationError
        If a detector is given in a unit that the patterns do not have.
    ShapeError
        If a mask has not the shape of the patterns.
    """
    from atomscope import scan4d
    from atomscope.pipeline.scan_device import kernel_on

    stack = as_scan(source)
    many = isinstance(detector, list | tuple)
    masks: list[Mask] = [*detector] if many else [detector]  # type: ignore[list-item]
    if not masks:
        raise InputError("virtual_image: wanted at least one detector, got an empty list")
    names = [m.title if isinstance(m, Detector) else "mask" for m in masks]

    def made(images: list[np.ndarray]) -> Stack | list[Stack]:
        out = [image_stack(stack, image, name) for image, name in zip(images, names, strict=True)]
        return out if many else out[0]

    def work() -> list[np.ndarray]:
        return scan4d.virtual_images(
            stack,
            masks,
            corrections=corrections,
            kernel=kernel_on(device),
            on_progress=shown(on_progress, made),
            should_stop=should_stop,
        )

    made_of: Stack | list[Stack] = finishing(made, work)
    return made_of


def pattern(
    source: Any,
    at: Any = None,
    kind: Literal["mean", "sum", "max", "variance"] = "mean",
    *,
    corrections: Corrections | None = None,
    device: str = "cpu",
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Stack:
    """Return the pattern of one position, or one made of the patterns of many.

    Parameters
    ----------
    source : Stack, array or path
        Patterns, shape (scan rows, scan cols, rows, cols).
    at : tuple of int, array of shape (scan rows, scan cols), Sites or table, optional
        A position (row, col); a region as booleans, or weights; or sites of the virtual image, each of which stands for
        the nearest position. All positions when absent.
    kind : {"mean", "sum", "max", "variance"}
        What is made of many patterns.
    corrections : Corrections, optional
    device : str
        ``"cpu"``, or ``"cuda"`` for a GPU; the result is the same.
    on_progress, should_stop : callables, optional
        The payload is the pattern so far.

    Returns
    -------
    Stack
        float64, shape (rows, cols), with the axes of the patterns.

    Raises
    ------
    InputError
        If a position lies outside the scan, or there is none.
    ShapeError
        If a region has not the shape of the scan.
    """
    from atomscope import scan4d
    from atomscope.pipeline.scan_device import kernel_on

    stack = as_scan(source)
    if isinstance(at, tuple):
        where = _position(stack, at)
        one = stack.frame(int(np.ravel_multi_index(where, stack.navigation_shape))).astype(np.float64)
        if corrections is not None:
            corrections.check(stack.frame_shape)
            one = corrections.pattern(one)
        return pattern_stack(stack, one, f"pattern at {', '.join(map(str, where))}")
    over = _of_sites(stack, at) if isinstance(at, Sites | pd.DataFrame) else at

    def made(values: np.ndarray) -> Stack:
        return pattern_stack(stack, values, f"{kind} pattern")

    def work() -> np.ndarray:
        return scan4d.pattern_of(
            stack,
            None if over is None else np.asarray(over),
            kind,
            corrections=corrections,
            kernel=kernel_on(device),
            on_progress=shown(on_progress, made),
            should_stop=should_stop,
        )

    result: Stack = finishing(made, work)
    return result


def bright_disk(source: Any) -> Disk:
    """Find centre and radius of the bright disk, px.

    Parameters
    ----------
    source : Stack, array or path
        A pattern, or a scan, of which the mean of about 200 patterns spread over it is taken.

    Returns
    -------
    Disk
        ``row``, ``col``, ``radius_px``, and ``seen``, the part of its edge that was seen.

    Raises
    ------
    InputError
        If no disk stands out.
    """
    from atomscope import scan4d
    from atomscope.pipeline.records import as_stack

    stack = as_stack(source)
    if not stack.navigation_shape:
        return scan4d.bright_disk(stack.frame(0))
    return scan4d.bright_disk(scan4d.sampled_mean(stack))


def radial_profile(
    source: Any,
    at: Any = None,
    centre_px: tuple[float, float] | None = None,
    ring_px: float = 1.0,
    *,
    corrections: Corrections | None = None,
    device: str = "cpu",
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> pd.DataFrame:
    """Return the mean intensity over the distance from the centre of a pattern.

    Parameters
    ----------
    source : Stack, array or path
        A pattern, or a scan.
    at : optional
        Which positions of a scan; see :func:`pattern`.
    centre_px : tuple of float, optional
        (row, col); by default that of the bright disk, or of the axes where none is seen.
    ring_px : float
        Width of a ring.
    corrections : Corrections, optional
    on_progress, should_stop : callables, optional

    Returns
    -------
    pandas.DataFrame
        ``radius_px``, ``intensity``, ``sd``; with ``radius_mrad`` or ``radius_per_nm`` where both axes have one scale.
    """
    from atomscope import scan4d
    from atomscope.pipeline.records import as_stack

    stack = as_stack(source)
    if stack.navigation_shape:
        stack = pattern(stack, at, corrections=corrections, on_progress=on_progress, should_stop=should_stop)
    values = stack.frame(0)
    radius, mean, sd = scan4d.radial_profile(values, centre_px or disk_centre(stack, values), ring_px)
    table = pd.DataFrame({"radius_px": radius, "intensity": mean, "sd": sd})
    row, col = stack.pixel_axes
    name = {"mrad": "radius_mrad", "1/nm": "radius_per_nm"}.get(row.unit)
    if name is not None and row.unit == col.unit and np.isclose(row.scale, col.scale):
        table.insert(1, name, radius * row.scale)
    return table


def disk_centre(stack: Stack, values: np.ndarray) -> tuple[float, float]:
    """Return the centre of the bright disk of a pattern; of the patterns' axes where there is none."""
    from atomscope import scan4d

    try:
        disk = scan4d.bright_disk(values)
    except InputError:
        return scan4d.pattern_centre(stack.frame_shape, stack.axes)
    return disk.row, disk.col


def _position(stack: Stack, at: tuple[int, ...]) -> tuple[int, ...]:
    shape = stack.navigation_shape
    inside = len(at) == len(shape) and all(0 <= int(i) < n for i, n in zip(at, shape, strict=True))
    if not inside:
        raise InputError(f"pattern: wanted a position inside the scan of {' x '.join(map(str, shape))}, got {at}")
    return tuple(int(i) for i in at)


def _of_sites(stack: Stack, sites: Sites | pd.DataFrame) -> np.ndarray:
    """Return how many sites stand at each position of the scan."""
    table = sites.table if isinstance(sites, Sites) else sites
    shape = stack.navigation_shape
    if len(shape) < 2:
        shape = (1, *shape)
    count = np.zeros((int(np.prod(shape[:-2], dtype=np.int64)), *shape[-2:]))
    frame = table["frame"].to_numpy(int) if "frame" in table else np.zeros(len(table), int)
    row, col = (np.rint(table[name].to_numpy(float)).astype(int) for name in ("row", "col"))
    inside = (row >= 0) & (row < shape[-2]) & (col >= 0) & (col < shape[-1]) & (frame >= 0) & (frame < len(count))
    np.add.at(count, (frame[inside], row[inside], col[inside]), 1.0)
    return count.reshape(stack.navigation_shape)
