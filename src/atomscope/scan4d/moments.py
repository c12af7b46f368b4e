"""Centres of mass of patterns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atomscope.data import OnProgress, ShouldStop, Stack
from atomscope.errors import Stopped
from atomscope.scan4d.corrections import Corrections
from atomscope.scan4d.job import Job, Outcome
from atomscope.scan4d.kernel import Kernel, MakeKernel
from atomscope.scan4d.run import run
from atomscope.scan4d.virtual import Mask, weights_of


@dataclass(frozen=True)
class Moments:
    """Total intensity and centre of mass at each position.

    Attributes
    ----------
    total : numpy.ndarray of float64, shape (*navigation)
    row, col : numpy.ndarray of float64, shape (*navigation)
        px; NaN where a pattern has no intensity.
    """

    total: np.ndarray
    row: np.ndarray
    col: np.ndarray

    @classmethod
    def of(cls, sums: np.ndarray, taken: list[float] | None = None) -> Moments:
        """Return the moments of sums of intensity, intensity times row, and intensity times column."""
        total, row, col = (s - t for s, t in zip(sums, taken or [0.0] * 3, strict=True))
        safe = np.where(total > 0, total, np.nan)
        return cls(total, row / safe, col / safe)


def moment_masks(mask: np.ndarray) -> list[np.ndarray]:
    """Return a mask, and the mask times row and times column."""
    rows, cols = np.indices(mask.shape, np.float64)
    return [mask, mask * rows, mask * cols]


def centre_of_mass(
    stack: Stack,
    mask: Mask | None = None,
    *,
    corrections: Corrections | None = None,
    kernel: MakeKernel = Kernel,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Moments:
    """Return the centre of mass of every pattern, in one pass.

    Parameters
    ----------
    stack : Stack
        Patterns, shape (*navigation, rows, cols).
    mask : Detector or numpy.ndarray, shape (rows, cols), optional
        Where intensity counts; everywhere when absent.
    corrections : Corrections, optional
    kernel : callable
        Makes what computes a window of the patterns from a job and the window.
    on_progress, should_stop : callables, optional
        Payload and partial result are the Moments so far, NaN where nothing is known yet.
    """
    whole = np.ones(stack.frame_shape, bool) if mask is None else weights_of(stack, [mask])[0][0]
    weights, taken = weights_of(stack, moment_masks(whole), corrections)

    def show(outcome: Outcome) -> Moments:
        return Moments.of(np.stack([outcome.image(k) for k in range(3)]), taken)

    try:
        outcome = run(stack, Job(weights), on_progress=on_progress, should_stop=should_stop, show=show, kernel=kernel)
    except Stopped as stop:
        raise Stopped(partial=show(stop.partial)) from None
    return Moments.of(outcome.images, taken)
