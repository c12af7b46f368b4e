"""A pass over a dask array: chunks are computed where dask puts them, on threads or a cluster; only sums come back."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from atomscope.data import ShouldStop, Stack, check_stop, compute
from atomscope.scan4d.blocks import Block
from atomscope.scan4d.job import Job, Part
from atomscope.scan4d.kernel import MakeKernel

#: Slabs of the scan that are computed one after another, so that there is something to see.
_SLABS = 16


def graph_parts(
    stack: Stack,
    job: Job,
    window: tuple[slice, slice],
    kernel: MakeKernel,
    should_stop: ShouldStop | None,
    partial: Callable[[], Any],
) -> Iterator[tuple[Block, Part]]:
    """Yield each block of a pass over a dask array with its part.

    Parameters
    ----------
    stack : Stack
    job : Job
    window : tuple of slice
        Rows and columns that are needed; chunks without any of them are not computed.
    kernel : callable
    should_stop, partial : callables
        Polled between slabs.
    """
    import dask.array as da

    data = stack.data[(..., *window)]
    spans = [
        _spans(sizes, first.start) for sizes, first in zip(data.chunks, (*_from_zero(stack), *window), strict=True)
    ]
    kernels = np.empty(tuple(len(s) for s in spans[-2:]), object)
    for i, j in np.ndindex(*kernels.shape):
        kernels[i, j] = kernel(job, (spans[-2][i], spans[-1][j]))
    for slab in _slabs(spans[0]):
        check_stop(should_stop, partial)
        rows = slice(spans[0][slab.start].start, spans[0][slab.stop - 1].stop)
        parts = da.map_blocks(
            _reduce,
            data[rows],
            kernels=kernels,
            over=None if job.over is None else job.over[rows],
            chunks=tuple((1,) * len(s) for s in (spans[0][slab], *spans[1:])),
            dtype=object,
            meta=np.empty((0,) * data.ndim, object),
        )
        made = compute(parts)
        for where in np.ndindex(*made.shape[:-2]):
            navigation = (spans[0][slab.start + where[0]], *(s[i] for s, i in zip(spans[1:-2], where[1:], strict=True)))
            for i, j in np.ndindex(*kernels.shape):
                last = (i, j) == (kernels.shape[0] - 1, kernels.shape[1] - 1)
                yield Block(navigation, (spans[-2][i], spans[-1][j]), last), made[(*where, i, j)]


def _reduce(block: np.ndarray, kernels: np.ndarray, over: np.ndarray | None, block_info: Any = None) -> np.ndarray:
    """Return the part of a chunk as the one element of an array of objects."""
    told = block_info[0]
    kernel = kernels[tuple(told["chunk-location"][-2:])]
    chosen = None if over is None else over[tuple(slice(a, b) for a, b in told["array-location"][:-2])]
    out = np.empty((1,) * block.ndim, object)
    out[(0,) * block.ndim] = kernel.run(np.asarray(block), chosen)
    return out


def _from_zero(stack: Stack) -> list[slice]:
    return [slice(0, n) for n in stack.navigation_shape]


def _spans(sizes: tuple[int, ...], first: int) -> list[slice]:
    ends = list(itertools.accumulate(sizes, initial=first))
    return [slice(a, b) for a, b in itertools.pairwise(ends)]


def _slabs(spans: list[slice]) -> list[slice]:
    step = -(-len(spans) // _SLABS)
    return [slice(i, min(i + step, len(spans))) for i in range(0, len(spans), step)]
