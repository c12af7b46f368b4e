"""Patches read from where they lie: in whole blocks, in random order, a pool ahead of the training.

A store is read fastest in the pieces that it was written in. So whole chunks (or shards) are read, in random order,
and the patches of several are shuffled together in a *pool*. While one pool is trained on, a thread fills the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import numpy as np

Pool = tuple[np.ndarray, np.ndarray]
Shuffle = Callable[[np.ndarray, np.random.Generator], np.ndarray]


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
    """

    def __init__(self, values: Any, index: np.ndarray, limit: int, pieces: int) -> None:
        self.values, self.index = values, index
        self.shape = (1, *values.shape[1:]) if len(values.shape) == 3 else tuple(values.shape[1:])
        each = 4 * int(np.prod(self.shape))
        self.piece = piece_length(values, limit // 2 // pieces)
        self.many = max(1, limit // 2 // (each * self.piece))

    def batches(
        self, size: int, count: int, rng: np.random.Generator, shuffle: Shuffle | None = None
    ) -> Iterator[Pool]:
        """Yield at most ``count`` batches of ``size`` patches (n, channels, rows, cols), and their numbers.

        ``shuffle`` says the order of a pool, from the numbers of its patches; by default it is random.
        """
        rest = np.empty((0, *self.shape), np.float32), np.empty(0, np.int64)
        sent = 0
        for pool, index in self._pools(rng):
            order, at = rng.permutation(len(index)) if shuffle is None else shuffle(index, rng), 0
            while at + size - len(rest[0]) <= len(order):
                if sent == count:
                    return
                here = order[at : at + size - len(rest[0])]
                at += len(here)
                x, numbers = pool[here], index[here]
                if len(rest[0]):  # what the pool before left over
                    x, numbers = np.concatenate((rest[0], x)), np.concatenate((rest[1], numbers))
                    rest = rest[0][:0], rest[1][:0]
                yield x, numbers
                sent += 1
            rest = np.concatenate((rest[0], pool[order[at:]])), np.concatenate((rest[1], index[order[at:]]))
            del pool  # else there would be a third one in memory

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
        x, done = np.empty((len(index), *self.shape), np.float32), 0
        for start, low, high in bounds:
            if stop.is_set():
                break
            which = self.index[low:high] - start
            if len(which):
                piece = rows(self.values, start, start + self.piece)
                np.take(piece, which, axis=0, out=x[done : done + len(which)])
            done += len(which)
        return x, index

    def take(self, index: np.ndarray, size: int) -> Iterator[Pool]:
        """Yield patches by sorted numbers, in order, ``size`` at a time, each piece read once."""
        start, piece = -1, np.empty((0, *self.shape), np.float32)
        for at in range(0, len(index), size):
            part = index[at : at + size]
            x = np.empty((len(part), *self.shape), np.float32)
            for first in np.unique(part // self.piece) * self.piece:
                if first != start:
                    start, piece = int(first), rows(self.values, int(first), int(first) + self.piece)
                here = (part >= first) & (part < first + self.piece)
                x[here] = piece[part[here] - first]
            yield x, part
