"""What the verbs of scans share: what counts as a scan, and images over its positions as Stacks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from atomscope.data import Axis, OnProgress, Stack
from atomscope.errors import ShapeError, Stopped
from atomscope.pipeline.records import as_stack


def as_scan(source: Any) -> Stack:
    """Return a stack of patterns.

    Raises
    ------
    ShapeError
        If it is a single image.
    """
    stack = as_stack(source)
    if not stack.navigation_shape:
        raise ShapeError(
            f"{stack.name}: wanted a scan of patterns, shape (scan rows, scan cols, rows, cols); got one image of "
            f"{stack.frame_shape[0]} x {stack.frame_shape[1]} px"
        )
    return stack


def image_stack(stack: Stack, image: np.ndarray, name: str) -> Stack:
    """Return an image over the positions of a scan as a Stack, with the axes of the scan."""
    if image.ndim < 2:  # a line of positions is an image of one row
        image = image.reshape(1, -1)
    return Stack.from_array(image, image_axes(stack), name=f"{stack.name} {name}".strip(), source=stack.source)


def scan_shape(stack: Stack) -> tuple[int, ...]:
    """Return the shape of an image over the positions of a scan; a line of positions is an image of one row."""
    shape = stack.navigation_shape
    return shape if len(shape) > 1 else (1, *shape)


def image_axes(stack: Stack) -> tuple[Axis, ...]:
    """Return the axes of an image over the positions of a scan; a line of positions is an image of one row."""
    axes = list(stack.axes[:-2])
    if len(axes) < 2:
        axes = [replace(axes[0], offset=0.0), *axes]
    axes[-2] = replace(axes[-2], name="row", kind="signal")
    axes[-1] = replace(axes[-1], name="col", kind="signal")
    return tuple(axes)


def pattern_stack(stack: Stack, pattern: np.ndarray, name: str) -> Stack:
    """Return a pattern as a Stack, with the axes of the patterns."""
    axes = [Axis(n, a.scale, a.unit, a.offset) for n, a in zip(("row", "col"), stack.axes[-2:], strict=True)]
    return Stack.from_array(pattern, axes, name=f"{stack.name} {name}".strip(), source=stack.source)


def scan_step(stack: Stack) -> tuple[tuple[float, float], str]:
    """Return the distance of scan rows and of scan columns, and its unit; in pixels unless both have one unit."""
    row, col = stack.axes[-4:-2] if len(stack.axes) > 3 else (stack.axes[0], stack.axes[0])
    if row.calibrated and row.unit == col.unit:
        return (row.scale, col.scale), row.unit
    return (1.0, 1.0), "pixel"


def shown(on_progress: OnProgress | None, made: Callable[[Any], Any]) -> OnProgress | None:
    """Return a callback that hands on reports with their payload as the verb would return it."""
    if on_progress is None:
        return None
    return lambda progress: on_progress(
        progress if progress.payload is None else replace(progress, payload=made(progress.payload))
    )


def finishing(made: Callable[[Any], Any], work: Callable[[], Any]) -> Any:
    """Return ``made(work())``; what a stop carries is treated alike."""
    try:
        result = work()
    except Stopped as stop:
        raise Stopped(partial=made(stop.partial)) from None
    return made(result)
