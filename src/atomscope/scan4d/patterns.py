"""Patterns of many positions: their mean, their largest values, their variance, and profiles over the radius."""

from __future__ import annotations

from typing import Literal

import numpy as np

from atomscope.data import OnProgress, ShouldStop, Stack
from atomscope.errors import InputError, ShapeError, Stopped
from atomscope.scan4d.corrections import Corrections
from atomscope.scan4d.job import Job, Outcome
from atomscope.scan4d.kernel import Kernel, MakeKernel
from atomscope.scan4d.masks import radii
from atomscope.scan4d.run import run

Kind = Literal["mean", "sum", "max", "variance"]


def pattern_of(
    stack: Stack,
    over: np.ndarray | None = None,
    kind: Kind = "mean",
    *,
    corrections: Corrections | None = None,
    kernel: MakeKernel = Kernel,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> np.ndarray:
    """Return one pattern made of many.

    Parameters
    ----------
    stack : Stack
        Patterns, shape (*navigation, rows, cols).
    over : numpy.ndarray, shape (*navigation), optional
        Positions as booleans, or weights of them for mean and sum; all when absent. Nothing else is read than the
        blocks that hold them.
    kind : {"mean", "sum", "max", "variance"}
    corrections : Corrections, optional
    kernel : callable
        Makes what computes a window of the patterns from a job and the window.
    on_progress, should_stop : callables, optional
        The payload is the pattern of what was read so far, and so is what a stop carries.

    Returns
    -------
    numpy.ndarray of float64, shape (rows, cols)

    Raises
    ------
    InputError
        If no position is chosen, or weights are given for a kind that knows none.
    """
    weights = None if over is None else _positions(np.asarray(over), stack.navigation_shape, kind)
    names = {"mean": "sum", "sum": "sum", "max": "max", "variance": "square"}
    wanted = {names[kind], "sum"} if kind == "variance" else {names[kind]}
    reference = None
    if kind == "variance" and stack.data.dtype.kind == "f":  # squares of large numbers that differ little lose them
        first = 0 if weights is None else int(np.flatnonzero(weights)[0])
        reference = np.nan_to_num(stack.frame(first).astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    if corrections is not None:
        corrections.check(stack.frame_shape)

    def made(outcome: Outcome) -> np.ndarray:
        return _finish(outcome, kind, weights, reference, corrections)

    job = Job(patterns=frozenset(wanted), over=weights, reference=reference)
    try:
        return made(run(stack, job, on_progress=on_progress, should_stop=should_stop, show=made, kernel=kernel))
    except Stopped as stop:
        raise Stopped(partial=made(stop.partial)) from None


def radial_profile(
    pattern: np.ndarray, centre: tuple[float, float], ring_px: float = 1.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean intensity of rings of a pattern.

    Parameters
    ----------
    pattern : numpy.ndarray, shape (rows, cols)
        Pixels that are NaN are left out.
    centre : tuple of float
        (row, col), px.
    ring_px : float
        Width of a ring: ring i holds i <= r / ring_px < i + 1.

    Returns
    -------
    radius, mean, sd : numpy.ndarray of float64, shape (rings,)
        Mean radius of the pixels of each ring, px; their mean and their standard deviation. NaN for a ring without any.
    """
    r = radii(centre, pattern.shape)
    ring = np.floor(r / ring_px).astype(int)
    there = np.isfinite(pattern)
    count = np.bincount(ring[there], minlength=int(ring.max()) + 1).astype(float)
    count[count == 0] = np.nan
    size = len(count)
    mean = np.bincount(ring[there], pattern[there], size) / count
    off = pattern[there] - mean[ring[there]]
    return (
        np.bincount(ring[there], r[there], size) / count,
        mean,
        np.sqrt(np.bincount(ring[there], off**2, size) / count),
    )


def _positions(over: np.ndarray, navigation: tuple[int, ...], kind: Kind) -> np.ndarray:
    if over.shape != navigation:
        raise ShapeError(f"pattern: wanted a region of the shape of the scan, {navigation}; got {over.shape}")
    if not np.isfinite(over).all() or not np.any(over):
        raise InputError("pattern: the region holds no position; draw it over the scan")
    if over.dtype != bool and kind in ("max", "variance") and not np.isin(over, (0, 1)).all():
        raise InputError(f"pattern: kind {kind!r} takes a region of booleans, not weights")
    return over.astype(np.float64)


def _finish(
    outcome: Outcome,
    kind: Kind,
    weights: np.ndarray | None,
    reference: np.ndarray | None,
    corrections: Corrections | None,
) -> np.ndarray:
    there = outcome.done if weights is None else np.where(outcome.done, weights, 0.0)
    total = float(there.sum()) - outcome.missing
    total = np.where(total > 0, total, np.nan)  # a pixel that is nowhere a number
    fixed = corrections or Corrections()
    if kind == "max":
        return fixed.pattern(np.where(np.isfinite(outcome.patterns["max"]), outcome.patterns["max"], np.nan))
    if kind == "sum" and corrections is None:
        return outcome.patterns["sum"]
    mean = outcome.patterns["sum"] / total
    if kind == "mean":
        return fixed.pattern(mean)
    if kind == "sum":
        return fixed.pattern(mean) * float(there.sum())
    off = mean if reference is None else mean - reference
    variance = np.maximum(outcome.patterns["square"] / total - off**2, 0.0)
    gain = None if fixed.gain is None else np.asarray(fixed.gain) ** 2
    return Corrections(None, gain, fixed.dead).pattern(variance)


def sampled_mean(stack: Stack, count: int = 196) -> np.ndarray:
    """Return the mean of patterns spread evenly over a scan, NaN left out, shape (rows, cols)."""
    side = max(1, round(count ** (1 / len(stack.navigation_shape))))
    grids = [np.unique(np.linspace(0, n - 1, min(side, n)).round().astype(int)) for n in stack.navigation_shape]
    total, seen = np.zeros(stack.frame_shape), np.zeros(stack.frame_shape)
    for where in np.stack(np.meshgrid(*grids, indexing="ij"), -1).reshape(-1, len(grids)):
        frame = stack.frame(int(np.ravel_multi_index(tuple(where), stack.navigation_shape))).astype(np.float64)
        good = np.isfinite(frame)
        total += np.where(good, frame, 0.0)
        seen += good
    return np.where(seen > 0, total / np.maximum(seen, 1), np.nan)
