"""Patches read from where they lie: in whole blocks, in random order, a pool ahead of the training.

A store is read fastest in the pieces that it was written in. So whole chunks (or shards) are read, in random order,
and the patches of several are shuffled together in a *pool*. While one pool is trained on, a thread fills the next.
What shall be drawn instead of the patches, where that is something else, is read with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any, NamedTuple

import numpy as np

Shuffle = Callable[[np.ndarray, np.random.Generator], np.ndarray]


class Pool(NamedTuple):
    """Some patches, shape (n, channels, rows, cols), their numbers, and their targets, where there are any."""

    x: np.ndarray
    number: np.ndarray
    target: np.ndarray | None

    def rows(self, which: np.ndarray | slice) -> Pool:
        """Return some of them."""
        return Pool(self.x[which], self.number[which], None if self.target is None else self.target[which])

    def then(self, more: Pool) -> Pool:
        """Return these and then others."""
        if not len(self.number):
            return more
        target = None
        if self.target is not None and more.target is not None:
            target = np.concatenate((self.target, more.target))
        return Pool(np.concatenate((self.x, more.x)), np.concatenate((self.number, more.number)), target)


def rows(values: Any, start: int, stop: int) -> np.ndarray:
    """Read patches ``start:stop`` as float32, shape (n, channels, rows, cols), C-contiguous."""
    x = np.ascontiguousarray(np.asarray(values[start:stop]), dtype=np.float32)
    return x if x.ndim == 4 else x[:, None]


def block_length(values: Any, limit: int) -> int:
    """Return how many patches to read at once: at most ``limit`` bytes, whole chunks of a zarr array if they fit."""
    each = 4 * int(np.prod(values.shape[1:]))
    length = max(1, limit // each)
    chunk = getattr(values, "chunks", None)
    if chunk and isinstance(chunk[0], int) and chunk[0] <= length:
        length = length // chunk[0] * chunk[0]
    return int(length)


def piece_length(values: Any, limit: int) -> int:
    """Return how many patches make a piece for random order: whole chunks, even one larger than ``limit`` bytes.

    A chunk can only be read whole; read in parts it would be read (and unpacked) again for each.
    """
    length = block_length(values, limit)
    chunk = getattr(values, "chunks", None)
    whole = int(chunk[0]) if chunk and isinstance(chunk[0], int) else 1
    return min(max(length, whole), max(1, int(values.shape[0])))


class Stream:
    """Some patches of a store, in random order and in bounded memory.

    At most two pools are held: of ``limit`` bytes together, or of two pieces where pieces are larger than that.

    Parameters
    ----------
    values : array, shape (n, rows, cols) or (n, channels, rows, cols)
        zarr array, memmap or anything that is sliced like one.
    index : numpy.ndarray, shape (k,), int64
        Sorted numbers of the patches that are wanted.
    limit : int
        Bytes of both pools.
    pieces : int
        Fewest pieces of a pool, if they fit: the more there are, the better patches are mixed.
    target : array of the shape of ``values``, optional
        What is read with them.
    """

    def __init__(self, values: Any, index: np.ndarray, limit: int, pieces: int, target: Any = None) -> None:
        self.values, self.index, self.target = values, index, target
        self.shape = (1, *values.shape[1:]) if len(values.shape) == 3 else tuple(values.shape[1:])
        limit //= 1 if target is None else 2  # there is as much again of the targets
        each = 4 * int(np.prod(self.shape))
        chunked = target if target is not None and not getattr(values, "chunks", None) else values
        self.piece = piece_length(chunked, limit // 2 // pieces)
        self.many = max(1, limit // 2 // (each * self.piece))

    def batches(
        self, size: int, count: int, rng: np.random.Generator, shuffle: Shuffle | None = None
    ) -> Iterator[Pool]:
        """Yield at most ``count`` batches of ``size`` patches.

        ``shuffle`` says the order of a pool, from the numbers of its patches; by default it is random.
        """
        rest, sent = self._room(0), 0
        for pool in self._pools(rng):
            order = rng.permutation(len(pool.number)) if shuffle is None else shuffle(pool.number, rng)
            at = 0
            while at + size - len(rest.number) <= len(order):
                if sent == count:
                    return
                here = order[at : at + size - len(rest.number)]
                at += len(here)
                yield rest.then(pool.rows(here))  # first what the pool before left over
                rest = self._room(0)
                sent += 1
            rest = rest.then(pool.rows(order[at:]))
            del pool  # else there would be a third one in memory

    def _room(self, n: int) -> Pool:
        """Return room for n patches, with numbers of 0."""
        x = np.empty((n, *self.shape), np.float32)
        return Pool(x, np.zeros(n, np.int64), None if self.target is None else np.empty_like(x))

    def _pools(self, rng: np.random.Generator) -> Iterator[Pool]:
        """Yield pools of random pieces; the next one is being read meanwhile."""
        starts = rng.permutation(np.arange(0, int(self.values.shape[0]), self.piece))
        parts = [starts[i : i + self.many] for i in range(0, len(starts), self.many)]
        stop = Event()
        with ThreadPoolExecutor(1, "patches") as thread:
            try:
                ahead = thread.submit(self._read, parts[0], stop)
                for part in parts[1:]:
                    pool = ahead.result()
                    ahead = thread.submit(self._read, part, stop)
                    yield pool
                    del pool
                yield ahead.result()
            finally:
                stop.set()

    def _read(self, starts: np.ndarray, stop: Event) -> Pool:
        """Read pieces, shape (n, channels, rows, cols), and the numbers of their patches."""
        bounds = [(int(s), *np.searchsorted(self.index, [s, s + self.piece])) for s in starts]
        index = np.concatenate([self.index[low:high] for _, low, high in bounds])
        pool, done = self._room(len(index))._replace(number=index), 0
        for start, low, high in bounds:
            if stop.is_set():
                break
            which, here = self.index[low:high] - start, slice(done, done + high - low)
            for values, out in ((self.values, pool.x), (self.target, pool.target)):
                if len(which) and out is not None:
                    np.take(rows(values, start, start + self.piece), which, axis=0, out=out[here])
            done += len(which)
        return pool

    def take(self, index: np.ndarray, size: int) -> Iterator[Pool]:
        """Yield patches by sorted numbers, in order, ``size`` at a time, each piece read once."""
        start, piece = -1, self._room(0)
        for at in range(0, len(index), size):
            numbers = index[at : at + size]
            part = self._room(len(numbers))._replace(number=numbers)
            for first in np.unique(numbers // self.piece) * self.piece:
                if first != start:
                    start, stop = int(first), int(first) + self.piece
                    target = None if self.target is None else rows(self.target, start, stop)
                    piece = Pool(rows(self.values, start, stop), piece.number, target)
                here = (numbers >= first) & (numbers < first + self.piece)
                part.x[here] = piece.x[numbers[here] - first]
                if part.target is not None and piece.target is not None:
                    part.target[here] = piece.target[numbers[here] - first]
            yield part
