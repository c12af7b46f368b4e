"""Batches in random order: from memory when the patches fit, else streamed from disk in bounded memory."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from atomscope.data import Patches
from atomscope.errors import InputError, TrainingError

log = logging.getLogger(__name__)

#: Patches larger than this are streamed from where they lie.
IN_MEMORY_BYTES = 2_000_000_000
#: Bytes held at once when streaming: blocks are read in random order and shuffled together.
POOL_BYTES = 256_000_000
BLOCKS_A_POOL = 8


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


class Batches:
    """Random minibatches of the finite patches of a set, and the part kept aside for validation.

    The order of epoch e depends on (seed, e) alone: a resumed run sees what an uninterrupted one sees.

    Parameters
    ----------
    patches : Patches
    batch_size : int
    validation : float
        Fraction kept aside (none of it when fewer than 64 patches are usable).
    seed : int
    keep : numpy.ndarray, shape (n,), bool, optional
        Patches that are never kept aside: few of them are labelled, and those must teach.

    Raises
    ------
    InputError
        If there is no patch, or no finite one.
    TrainingError
        If every patch is the same constant.
    """

    def __init__(
        self, patches: Patches, batch_size: int, validation: float, seed: int, keep: np.ndarray | None = None
    ) -> None:
        if len(patches) == 0:
            raise InputError("fit: wanted patches to train on, got none; find sites and crop windows first")
        self.values, self.seed = patches.values, seed
        self.channels, self.window = patches.channels, patches.window
        nbytes = 4 * int(np.prod(patches.values.shape))
        self.streamed = nbytes > IN_MEMORY_BYTES
        self.block = block_length(patches.values, POOL_BYTES // BLOCKS_A_POOL)
        self.low, self.high = np.inf, -np.inf
        good, self.offset, self.scale = self._survey()
        if not self.streamed:
            self.data = torch.from_numpy(rows(patches.values, 0, len(patches)))
        held = int(len(good) * validation) if len(good) >= 64 else 0
        order = np.random.default_rng([seed, 0]).permutation(len(good))
        if keep is not None:
            order = order[np.argsort(keep[good[order]], kind="stable")]
            held = min(held, int((~keep[good]).sum()))
        self.validation, self.train = np.sort(good[order[:held]]), np.sort(good[order[held:]])
        self.batch_size = max(1, min(batch_size, len(self.train) // 4 or 1))
        self.steps = max(1, len(self.train) // self.batch_size)

    def _survey(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One pass: which patches are finite, and the mean and standard deviation of their values, by channel."""
        good, count = [], 0
        mean, square = np.zeros(self.channels), np.zeros(self.channels)
        for start in range(0, self.values.shape[0], self.block):
            x = rows(self.values, start, min(start + self.block, self.values.shape[0]))
            ok = np.isfinite(x.reshape(len(x), -1).sum(1, dtype=np.float64))
            good.append(start + np.flatnonzero(ok))
            x = x if ok.all() else x[ok]
            if not len(x):
                continue
            # Chan's parallel update: exact for counts of a million as well as for values near 0.
            self.low, self.high = min(self.low, float(x.min())), max(self.high, float(x.max()))
            n, m = len(x), x.mean((0, 2, 3), dtype=np.float64)
            s = n * x.var((0, 2, 3), dtype=np.float64)
            square += s + (m - mean) ** 2 * (count * n / (count + n))
            mean += (m - mean) * (n / (count + n))
            count += n
        keep = np.concatenate(good)
        bad = self.values.shape[0] - count
        if count == 0:
            raise InputError(f"fit: none of the {bad} patches is finite; crop with edge='pad' or 'drop'")
        if bad:
            log.warning("%d of %d patches hold NaN or inf and are left out of the training", bad, bad + count)
        sd = np.sqrt(square / count)
        if not np.any(sd > 1e-12 * np.maximum(np.abs(mean), 1e-30)):
            raise TrainingError(
                f"fit: every patch is the same constant ({mean[0]:g}), there is nothing to learn; "
                "were the windows cropped from an empty region?"
            )
        return keep, mean.astype(np.float32), np.where(sd > 0, sd, 1).astype(np.float32)

    def epoch(self, number: int) -> Iterator[tuple[Tensor, np.ndarray]]:
        """Yield ``steps`` batches (batch, channels, rows, cols) in the random order of this epoch, and their rows."""
        rng = np.random.default_rng([self.seed, 1, number])
        if not self.streamed:
            order = rng.permutation(self.train)
            for i in range(self.steps):
                index = order[i * self.batch_size : (i + 1) * self.batch_size]
                yield self.data[torch.from_numpy(index)], index
            return
        left = np.empty((0, self.channels, *self.window), np.float32)
        left_index = np.empty(0, np.int64)
        sent = 0
        starts = rng.permutation(np.arange(0, self.values.shape[0], self.block))
        for i in range(0, len(starts), BLOCKS_A_POOL):
            pool, numbers = [left], [left_index]
            for start in starts[i : i + BLOCKS_A_POOL]:
                stop = min(start + self.block, self.values.shape[0])
                lo, hi = np.searchsorted(self.train, [start, stop])
                pool.append(rows(self.values, start, stop)[self.train[lo:hi] - start])
                numbers.append(self.train[lo:hi])
            x, index = np.concatenate(pool), np.concatenate(numbers)
            order = rng.permutation(len(x))
            x, index = x[order], index[order]
            for at in range(0, len(x) - self.batch_size + 1, self.batch_size):
                if sent < self.steps:
                    yield torch.from_numpy(x[at : at + self.batch_size]), index[at : at + self.batch_size]
                    sent += 1
            rest = len(x) // self.batch_size * self.batch_size
            left, left_index = x[rest:], index[rest:]

    def held_out(self) -> Iterator[tuple[Tensor, np.ndarray]]:
        """Yield the validation patches in order, at most 1000 of them, and their numbers."""
        index = self.validation[:: max(1, -(-len(self.validation) // 1000))]
        yield from self.take(index)

    def take(self, index: np.ndarray, size: int = 1000) -> Iterator[tuple[Tensor, np.ndarray]]:
        """Yield patches by sorted row numbers, in order, and these numbers."""
        for at in range(0, len(index), size):
            part = index[at : at + size]
            if not self.streamed:
                yield self.data[torch.from_numpy(part)], part
            else:
                yield torch.from_numpy(np.concatenate([rows(self.values, i, i + 1) for i in part])), part
