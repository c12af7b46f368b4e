"""The mean of frames laid on each other: the one place where pixels are resampled."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from atomscope.data import OnProgress, ShouldStop, Stack, report
from atomscope.dynamics.drift import Drift
from atomscope.errors import InputError, ShapeError, Stopped


def mean_of_frames(
    stack: Stack,
    drift: Drift,
    *,
    flagged: bool = False,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> np.ndarray:
    """Return the mean picture, each frame moved back by its drift (cubic splines), read one at a time.

    Parameters
    ----------
    stack : Stack
        The movie.
    drift : Drift
    flagged : bool
        Whether frames with a flag are in it too.
    on_progress, should_stop : callables, optional
        Told after, and asked before, each frame.

    Returns
    -------
    array, shape (rows, cols), float64
        In the place of frame 0. Each pixel is the mean over the frames that show it; NaN where none does.

    Raises
    ------
    ShapeError
        If the drift is not of so many frames.
    InputError
        If every frame has a flag.
    Stopped
        When asked to; ``partial`` is the mean of the frames done, None when there is none.
    """
    if len(drift) != stack.n_frames or len(stack.navigation_shape) != 1:
        raise ShapeError(
            f"registered_mean: wanted the drift of this movie, got one of {len(drift)} frames for {stack.name}, "
            f"shape {stack.shape}"
        )
    wanted = np.arange(len(drift)) if flagged else np.flatnonzero(drift.good)
    if not len(wanted):
        raise InputError("registered_mean: every frame has a flag; say flagged=True to take them all the same")
    total, count = np.zeros(stack.frame_shape), np.zeros(stack.frame_shape)

    def mean() -> np.ndarray:
        return np.where(count > 1e-6, total / np.maximum(count, 1e-6), np.nan)

    for done, t in enumerate(wanted):
        if should_stop is not None and should_stop():
            raise Stopped(partial=mean() if done else None)
        moved, seen = moved_back(stack.frame(int(t)), drift.shift_px[t])
        total += np.where(seen, moved, 0)
        count += seen
        report(on_progress, done + 1, len(wanted), "frames")
    return mean()


def moved_back(frame: np.ndarray, shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a frame moved by minus a shift, and which of its pixels were seen.

    Parameters
    ----------
    frame : array, shape (rows, cols)
    shift : array, shape (2,), px

    Returns
    -------
    moved : array, float64
    seen : array, bool
    """
    values = frame.astype(np.float64)
    good = np.isfinite(values)
    seen = np.ones(frame.shape, bool)
    for axis, by in enumerate(shift):
        place = np.arange(frame.shape[axis]) + by
        inside = (place >= 0) & (place <= frame.shape[axis] - 1)
        seen &= inside[:, None] if axis == 0 else inside[None]
    if not good.all():
        values = np.where(good, values, np.median(values[good]) if good.any() else 0.0)
        # A pixel whose neighbours in the spline were missing was not seen either.
        lost = ndimage.shift((~good).astype(np.float64), -shift, order=1, mode="nearest", prefilter=False)
        seen &= lost < 1e-6
    if not np.any(shift):
        return values, seen
    return np.asarray(ndimage.shift(values, -shift, order=3, mode="mirror")), seen
