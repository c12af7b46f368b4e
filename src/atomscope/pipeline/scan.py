"""The verbs of scans of patterns (4D-STEM): virtual images, patterns, centres of mass, fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from atomscope.data import Axis, OnProgress, ShouldStop, Stack
from atomscope.data.params import Detector
from atomscope.errors import InputError, ShapeError, Stopped
from atomscope.pipeline.records import as_stack

if TYPE_CHECKING:
    from atomscope.scan4d import Corrections

Mask = Detector | np.ndarray


@overload
def virtual_image(
    source: Any,
    detector: Mask,
    *,
    corrections: Corrections | None = ...,
    on_progress: OnProgress | None = ...,
    should_stop: ShouldStop | None = ...,
) -> Stack: ...
@overload
def virtual_image(
    source: Any,
    detector: Sequence[Mask],
    *,
    corrections: Corrections | None = ...,
    on_progress: OnProgress | None = ...,
    should_stop: ShouldStop | None = ...,
) -> list[Stack]: ...
def virtual_image(
    source: Any,
    detector: Mask | Sequence[Mask],
    *,
    corrections: Corrections | None = None,
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

    stack = as_scan(source)
    many = isinstance(detector, list | tuple)
    masks: list[Mask] = [*detector] if many else [detector]  # type: ignore[list-item]
    if not masks:
        raise InputError("virtual_image: wanted at least one detector, got an empty list")
    names = [m.title if isinstance(m, Detector) else "mask" for m in masks]

    def made(images: list[np.ndarray]) -> Stack | list[Stack]:
        out = [image_stack(stack, image, name) for image, name in zip(images, names, strict=True)]
        return out if many else out[0]

    try:
        images = scan4d.virtual_images(
            stack, masks, corrections=corrections, on_progress=_shown(on_progress, made), should_stop=should_stop
        )
    except Stopped as stop:
        raise Stopped(partial=made(stop.partial)) from None
    return made(images)


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
    axes = list(stack.axes[:-2])
    if image.ndim < 2:  # a line of positions is an image of one row
        image = image.reshape(1, -1)
        axes = [Axis("row"), *axes]
        axes[0] = replace(axes[1], name="row", offset=0.0)
    axes[-2] = replace(axes[-2], name="row", kind="signal")
    axes[-1] = replace(axes[-1], name="col", kind="signal")
    return Stack.from_array(image, axes, name=f"{stack.name} {name}".strip(), source=stack.source)


def _shown(on_progress: OnProgress | None, made: Any) -> OnProgress | None:
    """Return a callback that hands on reports with their payload as the verb would return it."""
    if on_progress is None:
        return None
    return lambda progress: on_progress(
        progress if progress.payload is None else replace(progress, payload=made(progress.payload))
    )
