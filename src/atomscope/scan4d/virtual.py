"""Virtual images: a detector is a mask, and each position of the scan is a pixel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from atomscope.data import OnProgress, ShouldStop, Stack
from atomscope.data.params import Detector
from atomscope.errors import Stopped
from atomscope.scan4d.corrections import Corrections
from atomscope.scan4d.job import Job, Outcome
from atomscope.scan4d.kernel import Kernel, MakeKernel
from atomscope.scan4d.masks import as_weights, detector_mask
from atomscope.scan4d.run import run

Mask = Detector | np.ndarray


def weights_of(
    stack: Stack, masks: Sequence[Mask], corrections: Corrections | None = None
) -> tuple[tuple[np.ndarray, ...], list[float]]:
    """Return the weights of detectors and masks over raw patterns, and the constant to take off each image."""
    frame_shape = stack.frame_shape
    made, taken = [], []
    if corrections is not None:
        corrections.check(frame_shape)
    for mask in masks:
        weights = (
            detector_mask(mask, frame_shape, stack.axes)
            if isinstance(mask, Detector)
            else as_weights(mask, frame_shape)
        )
        constant = 0.0
        if corrections is not None:
            weights, constant = corrections.weights(weights)
        made.append(weights)
        taken.append(constant)
    return tuple(made), taken


def virtual_images(
    stack: Stack,
    masks: Sequence[Mask],
    *,
    corrections: Corrections | None = None,
    kernel: MakeKernel = Kernel,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> list[np.ndarray]:
    """Return the image of each detector, all made in one pass.

    Parameters
    ----------
    stack : Stack
        Patterns, shape (*navigation, rows, cols).
    masks : sequence of Detector or numpy.ndarray, shape (rows, cols)
        Booleans or weights.
    corrections : Corrections, optional
    kernel : callable
        Makes what computes a window of the patterns from a job and the window.
    on_progress : callable, optional
        The payload is the list of images so far, NaN where nothing is known yet.
    should_stop : callable, optional
        A stop raises :class:`~atomscope.errors.Stopped` with such a list.

    Returns
    -------
    list of numpy.ndarray of float64, shape (*navigation)
        The sum of mask times pattern; exact for whole numbers.
    """
    weights, taken = weights_of(stack, masks, corrections)

    def show(outcome: Outcome) -> list[np.ndarray]:
        return [outcome.image(k) - taken[k] for k in range(len(weights))]

    try:
        outcome = run(stack, Job(weights), on_progress=on_progress, should_stop=should_stop, show=show, kernel=kernel)
    except Stopped as stop:
        raise Stopped(partial=show(stop.partial)) from None
    return [outcome.images[k] - taken[k] for k in range(len(weights))]
