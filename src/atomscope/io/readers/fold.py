"""From frames in a row to a scan: which frame a scan position is, and which frames are left out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from atomscope.data import Axis, Stack, axis_names
from atomscope.data.params import ScanFileParams
from atomscope.errors import ChoiceNeededError, InputError, ShapeError
from atomscope.io.readers.base import lazy_stack
from atomscope.io.scan_shape import ScanGuess, clues_of, guess_scan_shapes


@runtime_checkable
class ScanReader(Protocol):
    """A reader of files that do not say all of themselves: it also takes what the user says."""

    def open_as(self, path: Path, key: str | None, params: ScanFileParams) -> Stack:
        """Open one data set lazily, as ``params`` say; ChoiceNeededError when they do not say enough."""


#: The choice of leaving the frames as they are.
MOVIE = "movie"


@dataclass(frozen=True)
class Fold:
    """How frames become a scan.

    Attributes
    ----------
    shape : tuple of int
        (rows, cols) or (scans, rows, cols).
    flyback : int
        Frames left out after each row; after the last row of all they need not be there.
    first : int
        Frames left out before the scan.
    """

    shape: tuple[int, ...]
    flyback: int = 0
    first: int = 0

    @property
    def frames(self) -> int:
        """Frames from the first to the last scan position."""
        return int(np.prod(self.shape[:-1], dtype=np.int64)) * (self.shape[-1] + self.flyback) - self.flyback

    def frame(self, where: tuple[int, ...]) -> int:
        """Return which frame of the file a scan position is."""
        row = 0
        for i, n in zip(where[:-1], self.shape[:-1], strict=True):
            row = row * n + i
        return self.first + row * (self.shape[-1] + self.flyback) + where[-1]

    def view(self, frames: np.ndarray) -> np.ndarray:
        """Return an array of frames as a scan, without copying.

        Parameters
        ----------
        frames : numpy.ndarray, shape (n, rows, cols)

        Returns
        -------
        numpy.ndarray, shape (*shape, rows, cols)
            A view; still a memory map when ``frames`` is one.
        """
        step = frames.strides[0]
        strides = [step, step * (self.shape[-1] + self.flyback)]
        for n in self.shape[-2:0:-1]:
            strides.append(strides[-1] * n)
        # No position lies after the last frame: fit() has counted them.
        return np.lib.stride_tricks.as_strided(
            frames[self.first :],
            (*self.shape, *frames.shape[1:]),
            (*reversed(strides), *frames.strides[1:]),
            subok=True,
            writeable=False,
        )


def fit(path: Path, n_frames: int, params: ScanFileParams) -> Fold | None:
    """Return the fold that is asked for; None when the frames stay as they are.

    Raises
    ------
    ShapeError
        If the frames do not make that scan; what would fit is named.
    """
    shape = params.scan_shape
    before, after = params.skip_frames
    if shape is None or isinstance(shape, str):
        if params.flyback or before or after:
            raise InputError(f"{path}: flyback and skip_frames belong to a scan; say scan_shape=(rows, cols) as well")
        return None
    fold = Fold(tuple(shape), params.flyback, before)
    there = n_frames - before - after
    if params.truncated and there < fold.frames:
        rows = (there + params.flyback) // (shape[-1] + params.flyback)
        whole = (rows, shape[-1]) if len(shape) == 2 else (rows // shape[1], *shape[1:])
        if min(whole) < 1:
            raise ShapeError(f"{path}: not one row of {shape[-1]} positions is whole, there are {there} frames")
        return Fold(whole, params.flyback, before)
    if not fold.frames <= there <= fold.frames + params.flyback:
        raise ShapeError(_misfit(path, n_frames, params, fold))
    return fold


def _misfit(path: Path, n_frames: int, params: ScanFileParams, fold: Fold) -> str:
    said = " x ".join(map(str, fold.shape))
    if fold.flyback:
        said += f" with {fold.flyback} fly-back frames a row"
    before, after = params.skip_frames
    left = f" and {before + after} left out" if before + after else ""
    text = f"{path}: a scan of {said}{left} needs {fold.frames + before + after} frames, the file has {n_frames}"
    more = n_frames - before - after - fold.frames
    if 0 < more <= max(fold.shape):
        text += f"; skip_frames=({before}, {after + more}) leaves the last {more} out"
    elif more < 0:
        text += "; truncated=True opens the rows that are whole"
    guesses = guess_scan_shapes(n_frames, clues_of(path), 6)
    if guesses:
        text += f"; what fits: {', '.join(str(g) for g in guesses)}"
    return text


def choose(path: Path, n_frames: int, guesses: list[ScanGuess]) -> ChoiceNeededError:
    """Return the error that asks which scan the frames of a file are."""
    first = guesses[0]
    words = ", ".join(f"{k}={v!r}" for k, v in first.options.items())
    return ChoiceNeededError(
        f"{path}: {n_frames} frames, and nothing says which scan they are; say for example {words}, "
        f"or scan_shape='movie' for frames in a row; likely: {', '.join(str(g) for g in guesses[:6])}",
        [*(str(g) for g in guesses), f"{n_frames} frames in a row (movie)"],
        [*(g.options for g in guesses), {"scan_shape": MOVIE}],
    )


def scan_axes(shape: tuple[int, ...], signal: tuple[Axis, Axis] | None = None) -> tuple[Axis, ...]:
    """Return the axes of frames folded to a shape: pixels, but for the calibration of the frames that is known."""
    names = axis_names(len(shape))
    axes = [Axis(n, kind="navigation") for n in names[:-2]]
    for name, known in zip(names[-2:], signal or (Axis("row"), Axis("col")), strict=True):
        axes.append(Axis(name, known.scale, known.unit, known.offset))
    return tuple(axes)


def folded(stack: Stack, params: ScanFileParams) -> Stack:
    """Return a stack of any reader with its frames laid out as a scan.

    Raises
    ------
    ShapeError
        If the frames do not make that scan.
    """
    path = Path(stack.source or stack.name)
    if params.raw:
        raise InputError(f"{path}: says itself what a frame is; leave out {', '.join(params.raw)}")
    fold = fit(path, stack.n_frames, params)
    if fold is None or (fold.shape == stack.navigation_shape and not fold.flyback and not fold.first):
        return stack
    shape = (*fold.shape, *stack.frame_shape)
    metadata: dict[str, Any] = {**stack.metadata, "opened": params.said}
    axes = scan_axes(shape, stack.pixel_axes)
    read = FoldedFrames(stack, fold)
    laid = lazy_stack(path, read, shape, stack.data.dtype, axes, name=stack.name, metadata=metadata)
    return replace(laid, source=stack.source)


class FoldedFrames:
    """Reads the frames of a stack by scan position; picklable when the stack is."""

    def __init__(self, stack: Stack, fold: Fold) -> None:
        self.stack, self.fold = stack, fold

    def __call__(self, where: tuple[int, ...]) -> np.ndarray:
        """Return one frame, shape (rows, cols)."""
        return self.stack.frame(self.fold.frame(where))
