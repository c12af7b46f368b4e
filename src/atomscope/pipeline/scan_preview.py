"""The verb of a first image of a scan, in a given time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from atomscope.data import Stack
from atomscope.data.params import Detector
from atomscope.pipeline.scan_images import as_scan, image_stack

if TYPE_CHECKING:
    from atomscope.scan4d import Corrections


def preview_image(
    source: Any, detector: Detector | np.ndarray, seconds: float = 1.0, *, corrections: Corrections | None = None
) -> Stack:
    """Make a first image of the scan in a given time, from positions spread over it.

    Parameters
    ----------
    source : Stack, array or path
    detector : Detector or array of shape (rows, cols)
    seconds : float
    corrections : Corrections, optional

    Returns
    -------
    Stack
        As :func:`virtual_image` returns; positions that there was no time for have the value of the nearest one.
    """
    from atomscope import scan4d

    stack = as_scan(source)
    made = scan4d.preview_images(stack, [detector], seconds, corrections=corrections)[0]
    return image_stack(stack, made, f"{detector.title if isinstance(detector, Detector) else 'mask'} preview")
