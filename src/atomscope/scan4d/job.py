"""What one pass over a scan computes, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from atomscope.scan4d.masks import bounding_box


@dataclass(frozen=True)
class Job:
    """All that is wanted of one pass.

    Attributes
    ----------
    weights : tuple of numpy.ndarray, each shape (rows, cols)
        Boolean masks or float64 weights; each makes an image: the sum of weight times pattern at each position.
    patterns : frozenset of {"sum", "square", "max"}
        Sums over positions of patterns and of their squares, and the largest value of each pixel.
    over : numpy.ndarray, shape (*navigation), optional
        For patterns alone: weights of the positions in "sum", and others only see those that are not zero.
    reference : numpy.ndarray, shape (rows, cols), optional
        Is taken from patterns before they are squared.
    rings : numpy.ndarray of int, shape (rows, cols), optional
        The ring of each pixel, -1 where none; makes an image for each ring.
    """

    weights: tuple[np.ndarray, ...] = ()
    patterns: frozenset[str] = frozenset()
    over: np.ndarray | None = None
    reference: np.ndarray | None = None
    rings: np.ndarray | None = None

    @property
    def n_rings(self) -> int:
        """Number of rings."""
        return 0 if self.rings is None else int(self.rings.max()) + 1

    def window(self, frame_shape: tuple[int, int]) -> tuple[slice, slice]:
        """Return the rows and columns of the pattern that are needed."""
        if self.patterns:
            return slice(0, frame_shape[0]), slice(0, frame_shape[1])
        needed = np.zeros(frame_shape, bool)
        for weights in self.weights:
            needed |= weights != 0
        if self.rings is not None:
            needed |= self.rings >= 0
        return bounding_box(needed)


@dataclass
class Part:
    """What a block of n patterns, or of windows of them, adds.

    Attributes
    ----------
    images : numpy.ndarray of float64, shape (weights, n)
    rings : numpy.ndarray of float64, shape (rings, n)
    patterns : dict of numpy.ndarray, each shape (rows, cols) of the window
    excluded : int
        Pixels that were no finite numbers.
    missing : numpy.ndarray, shape (rows, cols) of the window, optional
        How much weight was excluded of each pixel of the patterns.
    """

    images: np.ndarray
    rings: np.ndarray
    patterns: dict[str, np.ndarray] = field(default_factory=dict)
    excluded: int = 0
    missing: np.ndarray | None = None


@dataclass
class Outcome:
    """What a pass has made so far.

    Attributes
    ----------
    images : numpy.ndarray of float64, shape (weights, *navigation)
    rings : numpy.ndarray of float64, shape (rings, *navigation)
    patterns : dict of numpy.ndarray, each shape (rows, cols)
    done : numpy.ndarray of bool, shape (*navigation)
        Positions that are finished.
    excluded : int
        Pixels that were no finite numbers and were left out.
    missing : numpy.ndarray, shape (rows, cols)
        How many positions, or how much of their weight, were left out at each pixel of the patterns.
    """

    images: np.ndarray
    rings: np.ndarray
    patterns: dict[str, np.ndarray]
    done: np.ndarray
    missing: np.ndarray
    excluded: int = 0

    @classmethod
    def empty(cls, job: Job, navigation: tuple[int, ...], frame_shape: tuple[int, int]) -> Outcome:
        """Return the outcome of no pattern at all."""
        patterns = {
            name: np.full(frame_shape, -np.inf) if name == "max" else np.zeros(frame_shape) for name in job.patterns
        }
        return cls(
            np.zeros((len(job.weights), *navigation)),
            np.zeros((job.n_rings, *navigation)),
            patterns,
            np.zeros(navigation, bool),
            np.zeros(frame_shape),
        )

    def add(self, part: Part, navigation: tuple[slice, ...], window: tuple[slice, slice]) -> None:
        """Add the part of a block."""
        at = (slice(None), *navigation)
        for whole, piece in ((self.images, part.images), (self.rings, part.rings)):
            if len(whole):
                view = whole[at]
                view += piece.reshape(view.shape)
        for name, piece in part.patterns.items():
            view = self.patterns[name][window]
            np.maximum(view, piece, out=view) if name == "max" else np.add(view, piece, out=view)
        self.excluded += part.excluded
        if part.missing is not None:
            self.missing[window] += part.missing

    def image(self, index: int) -> np.ndarray:
        """Return an image as it is now, NaN where it is not finished, shape (*navigation)."""
        return np.where(self.done, self.images[index], np.nan)
