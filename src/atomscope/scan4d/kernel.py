"""The arithmetic of a pass: blocks of patterns times masks, exact for whole numbers.

Patterns are converted, a few at a time, to float32 in the cache, and multiplied there. There are few calls a tile, and
what is exact is looked at once a block: each call lets the other thread in, and coming back costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Protocol

import numpy as np

from atomscope.scan4d.columns import EXACT, Column, RunningSum
from atomscope.scan4d.job import Job, Part
from atomscope.scan4d.rings import TOGETHER, RingSums
from atomscope.scan4d.runs import runs
from atomscope.scan4d.tile import Tile, scratch
from atomscope.scan4d.together import Together

#: Pixels converted at a time: 1 MB of float32.
_TILE = 2**18
#: Positions of a tile where a pixel of many positions lies together.
_POSITIONS = 1024


class Computes(Protocol):
    """What computes a job for one window of the patterns, from any thread."""

    def run(self, block: np.ndarray, over: np.ndarray | None = None) -> Part:
        """Return what a block adds."""


#: Makes what computes a window of the patterns.
MakeKernel = Callable[[Job, tuple[slice, slice]], Computes]


class Kernel:
    """A job for one window of the patterns.

    Parameters
    ----------
    job : Job
    window : tuple of slice
        Rows and columns of the pattern that blocks hold.
    across : bool
        Whether a pixel of many positions lies together in blocks: then tiles hold few pixels of many positions.
    """

    def __init__(self, job: Job, window: tuple[slice, slice], across: bool = False) -> None:
        self.job, self.window, self.across = job, window, across
        rows = window[0].stop - window[0].start
        cols = window[1].stop - window[1].start
        self.shape = (rows, cols)
        height = max(1, (_TILE // _POSITIONS if across else _TILE) // max(cols, 1))
        self.bands = [slice(start, min(start + height, rows)) for start in range(0, rows, height)]
        self.columns = [[Column(w[window][band]) for w in job.weights] for band in self.bands]
        rings = None if job.rings is None else job.rings[window]
        self.rings = [RingSums(rings[band], job.n_rings) if rings is not None else None for band in self.bands]
        self._stacked: dict[tuple[int, tuple[int, ...]], np.ndarray] = {}
        self.single = {"sum": True, "square": True}

    def run(self, block: np.ndarray, over: np.ndarray | None = None) -> Part:
        """Return what a block adds.

        Parameters
        ----------
        block : numpy.ndarray, shape (*navigation, rows of the window, cols of the window)
            Any real type and byte order.
        over : numpy.ndarray, shape (*navigation), optional
            Weights of the positions in the sum of patterns.
        """
        if not self.across and block.ndim > 2 and block.strides[-3] < min(block.strides[-2:]):
            return self._other.run(block, over)
        n = int(np.prod(block.shape[:-2], dtype=np.int64))
        part = Part(np.zeros((len(self.job.weights), n)), np.zeros((self.job.n_rings, n)))
        for name in self.job.patterns:
            part.patterns[name] = np.full(self.shape, -np.inf) if name == "max" else np.zeros(self.shape)
        weights = None if over is None else np.asarray(over, np.float64).reshape(-1)
        first = 0
        for run in runs(block):
            chosen = None if weights is None else weights[first : first + len(run)]
            frames = run if chosen is None or chosen.all() else run[chosen != 0]
            for k, band in enumerate(self.bands):
                self._band(part, frames[:, band], k, first, None if chosen is None else chosen[chosen != 0])
            first += len(run)
        return part

    @cached_property
    def _other(self) -> Kernel:
        return Kernel(self.job, self.window, across=True)

    def _band(self, part: Part, frames: np.ndarray, k: int, first: int, over: np.ndarray | None) -> None:
        shape = frames.shape[1:]
        pixels = shape[0] * shape[1]
        if frames.dtype == bool:
            frames = frames.view(np.uint8)
        floats = frames.dtype.kind == "f"
        signed = frames.dtype.kind == "i"
        single = (frames.dtype.kind == "u" and frames.dtype.itemsize <= 4) or (signed and frames.dtype.itemsize <= 2)
        columns = self.columns[k]
        quick = [j for j, c in enumerate(columns) if single and not signed and c.whole and c.parts == 1]
        slow = [j for j in range(len(columns)) if j not in quick]
        products = (
            Together(self._weights(k, tuple(quick)), len(frames), min(len(frames), self._step(k))) if quick else None
        )
        total = None
        if "sum" in part.patterns and over is None and frames.dtype.kind == "u" and frames.dtype.itemsize <= 2:
            total = RunningSum(pixels, np.iinfo(frames.dtype).max)
        rest = bool(set(part.patterns) - ({"sum"} if total is not None else set()))
        for at, raw, tile in self._tiles(frames, k, np.float32 if single else np.float64):
            if products is not None:
                products.add(at, tile)
            if total is not None:
                total.add(tile)
            if not (slow or rest or self.rings[k] is not None):
                continue
            bad = None
            if floats and not np.isfinite(tile.sum()):
                bad = ~np.isfinite(tile)
                part.excluded += int(bad.sum())
                tile[bad] = 0.0
            largest = max(float(raw.max()), -float(raw.min())) if single and signed else None
            work = Tile(tile, raw, largest)
            images = part.images[:, first + at.start : first + at.stop]
            for j in slow:
                images[j] += columns[j].product(work)
            rings = self.rings[k]
            if rings is not None:
                rings.add(part.rings[:, first + at.start : first + at.stop], tile, work.in_double, largest)
            if rest:
                self._patterns(part, work, bad, self.bands[k], shape, None if over is None else over[at], total is None)
        if total is not None:
            part.patterns["sum"][self.bands[k]] += total.total().reshape(shape)
        for row, j in enumerate(quick):
            image = part.images[j, first : first + len(frames)]
            if products is not None and (made := products.of(row)).max(initial=0) < EXACT:
                image += made
                continue
            columns[j].parts *= 2
            for at, raw, tile in self._tiles(frames, k, np.float32):
                image[at] += columns[j].product(Tile(tile, raw, None))

    def _step(self, k: int) -> int:
        """Return the patterns of a tile of a band."""
        pixels = (self.bands[k].stop - self.bands[k].start) * self.shape[1]
        return max(1 if self.rings[k] is None else TOGETHER, _TILE // max(pixels, 1))

    def _weights(self, k: int, which: tuple[int, ...]) -> np.ndarray:
        """Return the weights of some columns of a band, shape (columns, pixels)."""
        if (k, which) not in self._stacked:
            self._stacked[k, which] = np.stack([self.columns[k][j].single for j in which])
        return self._stacked[k, which]

    def _tiles(self, frames: np.ndarray, k: int, dtype: type) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """Yield where, the patterns as they are, and converted, shape (n, pixels), a few at a time."""
        pixels = frames.shape[1] * frames.shape[2]
        step = self._step(k)
        for start in range(0, len(frames), step):
            raw = frames[start : start + step]
            if self.across:
                tile = scratch(pixels, len(raw), dtype).T
                np.copyto(tile.T.reshape(*raw.shape[1:], len(raw)), raw.transpose(1, 2, 0), casting="unsafe")
            else:
                tile = scratch(len(raw), pixels, dtype)
                np.copyto(tile.reshape(raw.shape), raw, casting="unsafe")
            yield slice(start, start + len(raw)), raw, tile

    def _patterns(
        self,
        part: Part,
        work: Tile,
        bad: np.ndarray | None,
        band: slice,
        shape: tuple[int, ...],
        over: np.ndarray | None,
        with_sum: bool,
    ) -> None:
        if bad is not None:
            if part.missing is None:
                part.missing = np.zeros(self.shape)
            part.missing[band] += (np.ones(len(bad)) if over is None else over).dot(bad).reshape(shape)
        if with_sum and "sum" in part.patterns:
            part.patterns["sum"][band] += self._sum(work, over).reshape(shape)
        if "max" in part.patterns:
            raw = work.raw if bad is None else np.where(bad.reshape(work.raw.shape), -np.inf, work.raw)
            largest = raw.max(0)
            np.maximum(part.patterns["max"][band], largest, out=part.patterns["max"][band])
        if "square" in part.patterns:
            part.patterns["square"][band] += self._square(work, bad, band).reshape(shape)

    def _sum(self, work: Tile, over: np.ndarray | None) -> np.ndarray:
        if over is not None:
            return np.dot(over, work.double)
        if work.tile.dtype == np.float32 and self.single["sum"]:
            total = np.dot(np.ones(len(work.tile), np.float32), work.tile)
            if (total.max(initial=0) if work.largest is None else work.largest * len(work.tile)) < EXACT:
                return total
            self.single["sum"] = False
        return np.dot(np.ones(len(work.tile)), work.double)

    def _square(self, work: Tile, bad: np.ndarray | None, band: slice) -> np.ndarray:
        reference = self.job.reference
        if reference is None and work.tile.dtype == np.float32 and self.single["square"]:
            total = np.dot(np.ones(len(work.tile), np.float32), work.tile * work.tile)
            if total.max(initial=0) < EXACT:
                return total
            self.single["square"] = False
        tile = work.double
        if reference is not None:
            tile = tile - reference[self.window][band].reshape(-1)
            if bad is not None:
                tile[bad] = 0.0
        return np.einsum("nk,nk->k", tile, tile)
