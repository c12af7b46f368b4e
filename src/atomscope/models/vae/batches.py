"""Batches in random order: from memory when the patches fit, else streamed from disk in bounded memory."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from atomscope.data import Edges, Patches
from atomscope.errors import InputError, TrainingError
from atomscope.models.vae.streams import Pool, Stream, block_length, piece_length, rows

log = logging.getLogger(__name__)

#: Patches larger than this are streamed from where they lie.
IN_MEMORY_BYTES = 2_000_000_000
#: Bytes held at once when streaming: one pool that is trained on and one that is being read.
POOL_BYTES = 256_000_000
PIECES_A_POOL = 8
#: Contiguous tiles a batch, where patches know their neighbours: places to compare, and many neighbours in each.
TILES = 8
#: Patches that the validation looks at: kept in memory, for every epoch asks for the same ones.
MOST_HELD_OUT = 1000

__all__ = ["Batches", "block_length", "rows"]


class Batch(NamedTuple):
    """Some patches, shape (n, channels, rows, cols), their numbers, and their targets, where there are any."""

    x: Tensor
    number: np.ndarray
    target: Tensor | None


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
    edges : Edges, optional
        Batches are then made of contiguous tiles, from random places of the image; which patches lie together in a tile
        changes from epoch to epoch.
    target : array of the shape of the patches, optional
        What is drawn instead of them: it is read with them, from memory or in whole pieces from where it lies.

    Raises
    ------
    InputError
        If there is no patch, or no finite one.
    TrainingError
        If every patch is the same constant.
    """

    def __init__(
        self,
        patches: Patches,
        batch_size: int,
        validation: float,
        seed: int,
        *,
        keep: np.ndarray | None = None,
        edges: Edges | None = None,
        target: Any = None,
    ) -> None:
        if len(patches) == 0:
            raise InputError("fit: wanted patches to train on, got none; find sites and crop windows first")
        self.values, self.seed = patches.values, seed
        self.channels, self.window = patches.channels, patches.window
        nbytes = 4 * int(np.prod(patches.values.shape))
        lazy = target is not None and not isinstance(target, np.ndarray)
        self.streamed = nbytes * (2 if lazy else 1) > IN_MEMORY_BYTES
        self.copies = 1 if target is None else 2
        self.block = max(
            block_length(patches.values, POOL_BYTES // PIECES_A_POOL),
            piece_length(patches.values, POOL_BYTES // (2 * PIECES_A_POOL)),
        )
        self.low, self.high = np.inf, -np.inf
        good, self.offset, self.scale = self._survey()
        if not self.streamed:
            self.data = torch.from_numpy(rows(patches.values, 0, len(patches)))
            self.target = None if target is None else torch.from_numpy(rows(target, 0, len(patches)))
        held = int(len(good) * validation) if len(good) >= 64 else 0
        order = np.random.default_rng([seed, 0]).permutation(len(good))
        if keep is not None:
            order = order[np.argsort(keep[good[order]], kind="stable")]
            held = min(held, int((~keep[good]).sum()))
        self.validation, self.train = np.sort(good[order[:held]]), np.sort(good[order[held:]])
        self.stream = Stream(patches.values, self.train, POOL_BYTES, PIECES_A_POOL, target)
        self._held_out: list[Batch] | None = None
        self.batch_size = max(1, min(batch_size, len(self.train) // 4 or 1))
        self.steps = max(1, len(self.train) // self.batch_size)
        self.place: np.ndarray | None = None  # of each patch along a curve on which neighbours are near
        if edges is not None:
            self.place = np.empty(len(edges), np.int64)
            self.place[edges.order] = np.arange(len(edges))

    def shuffle(self, index: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return an order of patches (of these numbers, sorted) to be cut into batches: random, or random by tiles."""
        if self.place is None:
            return rng.permutation(len(index))
        along, tile = np.argsort(self.place[index]), max(1, self.batch_size // TILES)
        along = np.roll(along, int(rng.integers(len(along)))) if len(along) else along
        whole = along[: len(along) // tile * tile].reshape(-1, tile)  # (tiles, tile)
        return np.concatenate((rng.permutation(whole).ravel(), along[whole.size :]))

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

    def most(self, wanted: int) -> int:
        """Return how many patches may be held at once beside the pools: as many as wanted when all are in memory."""
        if not self.streamed:
            return wanted
        return max(1, min(wanted, POOL_BYTES // (4 * self.copies * int(np.prod(self.values.shape[1:])))))

    def epoch(self, number: int) -> Iterator[Batch]:
        """Yield ``steps`` batches in the random order of this epoch."""
        rng = np.random.default_rng([self.seed, 1, number])
        if not self.streamed:
            order = self.train[self.shuffle(self.train, rng)]
            for i in range(self.steps):
                yield self._rows(order[i * self.batch_size : (i + 1) * self.batch_size])
            return
        for pool in self.stream.batches(self.batch_size, self.steps, rng, self.shuffle):
            yield _as_tensors(pool)

    def held_out(self) -> Iterator[Batch]:
        """Yield the validation patches in order, at most 1000 of them."""
        if self._held_out is None:
            index = self.validation[:: max(1, -(-len(self.validation) // self.most(MOST_HELD_OUT)))]
            self._held_out = list(self.take(index))
        yield from self._held_out

    def take(self, index: np.ndarray, size: int = 1000) -> Iterator[Batch]:
        """Yield patches by sorted row numbers, in order."""
        if self.streamed:
            for pool in self.stream.take(index, size):
                yield _as_tensors(pool)
            return
        for at in range(0, len(index), size):
            yield self._rows(index[at : at + size])

    def _rows(self, index: np.ndarray) -> Batch:
        """Return patches that are in memory."""
        which = torch.from_numpy(index)
        return Batch(self.data[which], index, None if self.target is None else self.target[which])


def _as_tensors(pool: Pool) -> Batch:
    target = None if pool.target is None else torch.from_numpy(pool.target)
    return Batch(torch.from_numpy(pool.x), pool.number, target)
