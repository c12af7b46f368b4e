"""The arithmetic of a pass: blocks of patterns times masks, exact for whole numbers.

Patterns are converted, a few at a time, to float32 in the cache, and multiplied there. For weights and counts that are
whole and not negative a float32 product below 2**24 is exact, since every sum on the way is a whole number below it. A
product that is not is made again in parts of the pattern, and in float64 when parts do not help.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from atomscope.scan4d.job import Job, Part
from atomscope.scan4d.rings import TOGETHER, RingSums

#: Pixels converted at a time: 1 MB of float32.
_TILE = 2**18
#: Whole numbers below this are exact in float32.
_EXACT = 2.0**24
#: Parts of a pattern that are tried before float64.
_MOST_PARTS = 32


class Column:
    """One set of weights over a window, flat, and in how many parts its products are made.

    Parameters
    ----------
    weights : numpy.ndarray, shape (rows, cols)
        bool or float64.
    """

    def __init__(self, weights: np.ndarray) -> None:
        flat = np.ascontiguousarray(weights, np.float64).reshape(-1)
        self.double = flat
        self.single = flat.astype(np.float32)
        self.whole = bool((flat >= 0).all() and (flat == np.rint(flat)).all() and flat.max(initial=0) < _EXACT)
        self.parts = 1

    def times(self, tile: np.ndarray) -> np.ndarray | None:
        """Return the exact products of a float32 tile of counts, shape (n, pixels); None when float32 cannot."""
        while self.parts <= _MOST_PARTS:
            step = -(-tile.shape[1] // self.parts)
            out = np.zeros(len(tile))
            for start in range(0, tile.shape[1], step):
                product = np.dot(tile[:, start : start + step], self.single[start : start + step])
                if not product.max(initial=0) < _EXACT:
                    break
                out += product
            else:
                return out
            self.parts *= 2
        return None


class Kernel:
    """A job for one window of the patterns.

    Parameters
    ----------
    job : Job
    window : tuple of slice
        Rows and columns of the pattern that blocks hold.
    """

    def __init__(self, job: Job, window: tuple[slice, slice]) -> None:
        self.job, self.window = job, window
        rows = window[0].stop - window[0].start
        cols = window[1].stop - window[1].start
        self.shape = (rows, cols)
        height = max(1, _TILE // max(cols, 1))
        self.bands = [slice(start, min(start + height, rows)) for start in range(0, rows, height)]
        self.columns = [[Column(w[window][band]) for w in job.weights] for band in self.bands]
        rings = None if job.rings is None else job.rings[window]
        self.rings = [RingSums(rings[band], job.n_rings) if rings is not None else None for band in self.bands]
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
        n = int(np.prod(block.shape[:-2], dtype=np.int64))
        part = Part(np.zeros((len(self.job.weights), n)), np.zeros((self.job.n_rings, n)))
        for name in self.job.patterns:
            part.patterns[name] = np.full(self.shape, -np.inf) if name == "max" else np.zeros(self.shape)
        weights = None if over is None else np.asarray(over, np.float64).reshape(-1)
        first = 0
        for run in _runs(block):
            chosen = None if weights is None else weights[first : first + len(run)]
            frames = run if chosen is None or chosen.all() else run[chosen != 0]
            for k, band in enumerate(self.bands):
                self._band(part, frames[:, band], k, first, None if chosen is None else chosen[chosen != 0])
            first += len(run)
        return part

    def _band(self, part: Part, frames: np.ndarray, k: int, first: int, over: np.ndarray | None) -> None:
        shape = frames.shape[1:]
        pixels = shape[0] * shape[1]
        if frames.dtype == bool:
            frames = frames.view(np.uint8)
        step = max(1 if self.rings[k] is None else TOGETHER, _TILE // max(pixels, 1))
        floats = frames.dtype.kind == "f"
        # Counts of 32 bits and less: signed ones may cancel, so that a small sum does not say that it is exact.
        single = frames.dtype.kind == "u" and frames.dtype.itemsize <= 4
        buffer = np.empty((min(step, len(frames)), pixels), np.float32 if single else np.float64)
        for start in range(0, len(frames), step):
            raw = frames[start : start + step]
            tile = buffer[: len(raw)]
            np.copyto(tile.reshape(raw.shape), raw, casting="unsafe")
            bad = None
            if floats and not np.isfinite(tile.sum()):
                bad = ~np.isfinite(tile)
                part.excluded += int(bad.sum())
                tile[bad] = 0.0
            at = slice(first + start, first + start + len(raw))
            work = _Tile(tile, raw)
            for j, column in enumerate(self.columns[k]):
                exact = column.times(tile) if single and column.whole else None
                part.images[j, at] += exact if exact is not None else np.dot(work.double, column.double)
            rings = self.rings[k]
            if rings is not None:
                rings.add(part.rings[:, at], tile, work.in_double)
            if part.patterns:
                self._patterns(
                    part, work, bad, self.bands[k], shape, None if over is None else over[start : start + len(raw)]
                )

    def _patterns(
        self,
        part: Part,
        work: _Tile,
        bad: np.ndarray | None,
        band: slice,
        shape: tuple[int, ...],
        over: np.ndarray | None,
    ) -> None:
        if bad is not None:
            if part.missing is None:
                part.missing = np.zeros(self.shape)
            part.missing[band] += (np.ones(len(bad)) if over is None else over).dot(bad).reshape(shape)
        if "sum" in part.patterns:
            part.patterns["sum"][band] += self._sum(work, over).reshape(shape)
        if "max" in part.patterns:
            raw = work.raw if bad is None else np.where(bad.reshape(work.raw.shape), -np.inf, work.raw)
            largest = raw.max(0)
            np.maximum(part.patterns["max"][band], largest, out=part.patterns["max"][band])
        if "square" in part.patterns:
            part.patterns["square"][band] += self._square(work, bad, band).reshape(shape)

    def _sum(self, work: _Tile, over: np.ndarray | None) -> np.ndarray:
        if over is not None:
            return np.dot(over, work.double)
        if work.tile.dtype == np.float32 and self.single["sum"]:
            total = np.dot(np.ones(len(work.tile), np.float32), work.tile)
            if total.max(initial=0) < _EXACT:
                return total
            self.single["sum"] = False
        return np.dot(np.ones(len(work.tile)), work.double)

    def _square(self, work: _Tile, bad: np.ndarray | None, band: slice) -> np.ndarray:
        reference = self.job.reference
        if reference is None and work.tile.dtype == np.float32 and self.single["square"]:
            total = np.dot(np.ones(len(work.tile), np.float32), work.tile * work.tile)
            if total.max(initial=0) < _EXACT:
                return total
            self.single["square"] = False
        tile = work.double
        if reference is not None:
            tile = tile - reference[self.window][band].reshape(-1)
            if bad is not None:
                tile[bad] = 0.0
        return np.einsum("nk,nk->k", tile, tile)


class _Tile:
    """A few patterns as they were converted, and in float64 when that is asked for."""

    def __init__(self, tile: np.ndarray, raw: np.ndarray) -> None:
        self.tile, self.raw = tile, raw
        self._double: np.ndarray | None = None

    def in_double(self) -> np.ndarray:
        """Return :attr:`double`."""
        return self.double

    @property
    def double(self) -> np.ndarray:
        """The patterns in float64, shape (n, pixels)."""
        if self.tile.dtype == np.float64:
            return self.tile
        if self._double is None:
            self._double = self.raw.astype(np.float64, order="C").reshape(self.tile.shape)
        return self._double


def _runs(block: np.ndarray) -> Iterator[np.ndarray]:
    """Yield a block as runs of patterns, shape (n, rows, cols), without copying it."""
    if block.ndim == 3:
        yield block
        return
    if block.ndim == 2:
        yield block[None]
        return
    flat = block.view()
    try:
        flat.shape = (-1, *block.shape[-2:])
    except (AttributeError, ValueError):  # rows of the scan lie apart, as they do with fly-back frames
        for piece in block:
            yield from _runs(piece)
        return
    yield flat
