"""One pass that makes annuli immediate: sums over rings, added up outwards, with sums, largest values and moments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atomscope.data import OnProgress, ShouldStop, Stack
from atomscope.errors import InputError
from atomscope.scan4d.job import Job, Outcome
from atomscope.scan4d.kernel import Kernel, MakeKernel
from atomscope.scan4d.moments import Moments, moment_masks
from atomscope.scan4d.run import run

#: Bytes of the sums over rings; rings of larger scans are made wider.
_MOST = 512 * 2**20


@dataclass(frozen=True)
class Products:
    """What one pass over a scan leaves behind.

    Attributes
    ----------
    discs : numpy.ndarray of float64, shape (rings, *navigation)
        Sum of each pattern within the outer radius of each ring.
    moments : numpy.ndarray of float64, shape (3, *navigation)
        Sum of intensity, of intensity times row, of intensity times column.
    patterns : numpy.ndarray of float64, shape (2, rows, cols)
        Sum and largest value over all positions.
    centre : tuple of float
        (row, col) of the rings, px.
    ring_px : float
        Width of a ring, in px along columns.
    """

    discs: np.ndarray
    moments: np.ndarray
    patterns: np.ndarray
    centre: tuple[float, float]
    ring_px: float

    @property
    def positions(self) -> int:
        """Number of patterns."""
        return int(np.prod(self.moments.shape[1:], dtype=np.int64))

    @property
    def total(self) -> np.ndarray:
        """Intensity of each pattern, shape (*navigation)."""
        return self.moments[0]

    @property
    def mean(self) -> np.ndarray:
        """Mean pattern, shape (rows, cols)."""
        return self.patterns[0] / self.positions

    @property
    def largest(self) -> np.ndarray:
        """Largest value of each pixel, shape (rows, cols)."""
        return self.patterns[1]

    @property
    def centre_of_mass(self) -> Moments:
        """Centre of mass of each pattern, px."""
        return Moments.of(np.asarray(self.moments))

    def snapped(self, radius_px: float | None) -> float:
        """Return the radius of a ring that is nearest to a radius, px; the outermost for None."""
        return self._ring(radius_px) * self.ring_px

    def annulus(self, inner_px: float, outer_px: float | None) -> np.ndarray:
        """Return the virtual image of an annulus about the centre, at once.

        Parameters
        ----------
        inner_px, outer_px : float
            Brought to the nearest rings, see :meth:`snapped`; no outer radius: to the end.

        Returns
        -------
        numpy.ndarray of float64, shape (*navigation)

        Raises
        ------
        InputError
            If the outer radius is not larger than the inner one.
        """
        first, end = self._ring(inner_px), self._ring(outer_px)
        if outer_px is not None and not outer_px > inner_px:
            raise InputError(f"annulus: wanted an outer radius larger than {inner_px:g} px, got {outer_px:g}")
        if end <= first:
            return np.zeros(self.discs.shape[1:])
        outer = np.array(self.discs[end - 1])
        return outer if first == 0 else np.subtract(outer, self.discs[first - 1], out=outer)

    def _ring(self, radius_px: float | None) -> int:
        rings = len(self.discs)
        return rings if radius_px is None else min(rings, round(max(radius_px, 0.0) / self.ring_px))


def ring_labels(
    frame_shape: tuple[int, int], centre: tuple[float, float], ring_px: float, aspect: float = 1.0
) -> np.ndarray:
    """Return the ring of each pixel, shape (rows, cols); ``aspect`` is the length of a row over that of a column."""
    down = (np.arange(frame_shape[0])[:, None] - centre[0]) * aspect
    right = np.arange(frame_shape[1])[None, :] - centre[1]
    return np.asarray(np.floor(np.hypot(down, right) / ring_px).astype(np.int64))


def make_products(
    stack: Stack,
    centre: tuple[float, float],
    ring_px: float = 1.0,
    *,
    aspect: float = 1.0,
    seen: tuple[float, float | None] | None = None,
    kernel: MakeKernel = Kernel,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Products:
    """Compute the products of a scan in one pass.

    Parameters
    ----------
    stack : Stack
        Patterns, shape (*navigation, rows, cols).
    centre : tuple of float
        (row, col) of the rings, px.
    ring_px : float
        Width of a ring; doubled until the sums over rings of a large scan take no more than 512 MB.
    aspect : float
        Length of a row over that of a column, for patterns whose axes differ.
    seen : tuple of float, optional
        Inner and outer radius, px, of the annulus whose image is the payload; the whole intensity when absent.
    kernel : callable
        Makes what computes a window of the patterns from a job and the window.
    on_progress, should_stop : callables, optional
        The payload is an image so far, NaN where nothing is known yet.
    """
    labels = ring_labels(stack.frame_shape, centre, ring_px, aspect)
    while (int(labels.max()) + 1) * stack.n_frames * 8 > _MOST:
        ring_px *= 2
        labels = ring_labels(stack.frame_shape, centre, ring_px, aspect)
    weights = tuple(moment_masks(np.ones(stack.frame_shape, bool)))
    job = Job(weights, frozenset({"sum", "max"}), rings=labels)

    rings = None if seen is None else slice(*(None if r is None else round(r / ring_px) for r in seen))

    def show(outcome: Outcome) -> np.ndarray:
        if rings is None:
            return outcome.image(0)
        return np.where(outcome.done, outcome.rings[rings].sum(0), np.nan)

    made = run(stack, job, on_progress=on_progress, should_stop=should_stop, show=show, kernel=kernel)
    discs = np.cumsum(made.rings, axis=0, out=made.rings)
    patterns = np.stack([made.patterns["sum"], made.patterns["max"]])
    return Products(discs, made.images, patterns, (float(centre[0]), float(centre[1])), float(ring_px))
