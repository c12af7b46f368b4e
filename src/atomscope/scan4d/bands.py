"""Patterns in the order of the scan, a band of rows at a time, however the scan is stored."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from atomscope.data import Stack
from atomscope.scan4d.blocks import Block, plan
from atomscope.scan4d.prepare import Preparation

#: Blocks that are read ahead, and threads that read and cut.
_AHEAD, _THREADS = 2, 2


@dataclass(frozen=True)
class Band:
    """Some patterns, cut.

    Attributes
    ----------
    position : numpy.ndarray, shape (n,), int64
        Flat index of each over the scan, ascending.
    windows : numpy.ndarray, shape (n, rows, cols), float32
        In counts; see :meth:`Preparation.cut`.
    """

    position: np.ndarray
    windows: np.ndarray


def bands(
    stack: Stack, preparation: Preparation, over: np.ndarray, tick: Callable[[int], None] = lambda count: None
) -> Iterator[Band]:
    """Yield the patterns of chosen positions in C order.

    In memory are a few blocks of 32 MB (or chunks of the file, where those are larger) and the windows of a band: the
    rows of the scan that one chunk covers.

    Parameters
    ----------
    stack : Stack
        Patterns, shape (*navigation, rows, cols).
    preparation : Preparation
    over : numpy.ndarray of bool, shape (*navigation)
    tick : callable, optional
        Called with the number of positions of each block that was read; may raise.
    """
    window = preparation.needed
    blocks = plan(stack, window, over)
    flat = np.arange(over.size).reshape(over.shape)

    def work(parts: list[Block]) -> Band:
        where = parts[0].navigation
        if len(parts) == 1:
            raw = parts[0].read(stack)
        else:  # a chunk of the file is too large to be read at once
            sizes = [s.stop - s.start for s in (*where, *window)]
            raw = np.empty(sizes, stack.data.dtype.newbyteorder("="))
            for part in parts:
                row, col = (
                    slice(s.start - w.start, s.stop - w.start) for s, w in zip(part.window, window, strict=True)
                )
                raw[..., row, col] = part.read(stack)
        raw = raw.reshape(-1, *raw.shape[-2:])
        wanted = over[where].ravel()
        if not wanted.all():
            raw = raw[wanted]
        return Band(flat[where].ravel()[wanted], preparation.cut(raw))

    groups = [list(group) for _, group in itertools.groupby(blocks, key=lambda b: _corner(b.navigation))]
    held: list[Band] = []
    row: tuple[int, ...] | None = None
    for group, band in zip(groups, _ahead(groups, work), strict=True):
        this = _corner(group[0].navigation[:-1])
        tick(len(band.position))
        if held and this != row:
            yield _joined(held)
            held = []
        held, row = [*held, band], this
    if held:
        yield _joined(held)


def _ahead(groups: list[list[Block]], work: Callable[[list[Block]], Band]) -> Iterator[Band]:
    todo = iter(groups)
    waiting: deque[Future[Band]] = deque()
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="scan4d") as crew:
        try:
            for group in itertools.islice(todo, _AHEAD):
                waiting.append(crew.submit(work, group))
            while waiting:
                band = waiting.popleft().result()
                for group in itertools.islice(todo, 1):
                    waiting.append(crew.submit(work, group))
                yield band
        finally:
            for future in waiting:
                future.cancel()


def _corner(navigation: tuple[slice, ...]) -> tuple[int, ...]:
    return tuple(s.start for s in navigation)


def _joined(held: list[Band]) -> Band:
    if len(held) == 1 and np.all(np.diff(held[0].position) > 0):
        return held[0]
    position = np.concatenate([band.position for band in held])
    windows = np.concatenate([band.windows for band in held])
    order = np.argsort(position, kind="stable")
    return Band(position[order], windows[order])
