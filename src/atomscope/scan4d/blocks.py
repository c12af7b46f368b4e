"""In which blocks a scan is read: as its source stores it, a bounded number of bytes at a time."""

from __future__ import annotations

import itertools
import mmap
from dataclasses import dataclass
from typing import Any

import numpy as np

from atomscope.data import Stack

#: Bytes of a block that is mapped into memory, and of one of small chunks; larger chunks are a block each.
_BLOCK, _CHUNKS = 32 * 2**20, 2**20
#: Bytes of a mapped file that are read before they are forgotten.
_FORGET = 512 * 2**20
#: A chunk of patterns is read in windows of the detector when it has more bytes than this.
_LARGEST = 128 * 2**20


@dataclass(frozen=True)
class Block:
    """A part of a scan that is read at once.

    Attributes
    ----------
    navigation : tuple of slice
        Positions.
    window : tuple of slice
        Rows and columns of the pattern.
    last : bool
        Whether the positions are finished after it.
    """

    navigation: tuple[slice, ...]
    window: tuple[slice, slice]
    last: bool

    @property
    def positions(self) -> int:
        """Number of positions."""
        return int(np.prod([s.stop - s.start for s in self.navigation], dtype=np.int64))

    @property
    def pixels(self) -> int:
        """Number of pixels of all patterns."""
        return self.positions * int(np.prod([s.stop - s.start for s in self.window], dtype=np.int64))

    def read(self, stack: Stack) -> np.ndarray:
        """Return the block, shape (*navigation, rows, cols); a view where the source is mapped into memory."""
        mapped = stack.mapped
        if mapped is not None:
            return np.asarray(mapped[(*self.navigation, *self.window)])
        whole, part = [], []  # whole chunks are decoded where they stay; cutting them out would be a copy
        for s, size, n in zip(self.window, stack.stored_chunks[-2:], stack.frame_shape, strict=True):
            first = s.start // size * size
            whole.append(slice(first, min(-(-s.stop // size) * size, n)))
            part.append(slice(s.start - first, s.stop - first))
        return stack.block((*self.navigation, *whole))[..., part[0], part[1]]


def expect(stack: Stack, frames: np.ndarray) -> None:
    """Ask the system for frames of a mapped file, all at once: one after the other each would be waited for.

    Parameters
    ----------
    stack : Stack
    frames : numpy.ndarray of int, shape (n,)
        Flat indices over the navigation axes.
    """
    held = _map_of(stack)
    if held is not None and hasattr(mmap, "MADV_WILLNEED"):
        for start, length in pages(stack, held, frames):
            held.madvise(mmap.MADV_WILLNEED, start, length)


def pages(stack: Stack, held: mmap.mmap, frames: np.ndarray) -> list[tuple[int, int]]:
    """Return first byte and number of bytes of frames in a map, from whole pages on; none where they lie scattered."""
    mapped = stack.mapped
    assert mapped is not None
    begin, out = np.frombuffer(held, np.uint8, 1).ctypes.data, []
    for where in zip(*np.unravel_index(frames, stack.navigation_shape), strict=True):
        frame = mapped[tuple(int(i) for i in where)]
        low, high = np.lib.array_utils.byte_bounds(frame)
        if high - low > 2 * frame.nbytes:
            return []
        first = (low - begin) // mmap.PAGESIZE * mmap.PAGESIZE
        out.append((first, high - begin - first))
    return out


def _map_of(stack: Stack) -> mmap.mmap | None:
    base: Any = stack.mapped
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, mmap.mmap) and hasattr(base, "madvise") else None


class Forgetting:
    """Lets the system forget pages of a large mapped file that were read, which would count as memory of the process.

    Parameters
    ----------
    stack : Stack
    """

    def __init__(self, stack: Stack) -> None:
        large = stack.mapped is not None and stack.mapped.nbytes > 2 * _FORGET
        # Small files stay: to map them again takes a tenth of the time of a pass.
        self.map = _map_of(stack) if large and hasattr(mmap, "MADV_DONTNEED") else None
        self.since = 0

    def read(self, nbytes: int) -> None:
        """Count bytes that were read, and forget them when there are many."""
        self.since += nbytes
        if self.map is not None and self.since > _FORGET:
            self.map.madvise(mmap.MADV_DONTNEED)
            self.since = 0


def plan(stack: Stack, window: tuple[slice, slice], over: np.ndarray | None = None) -> list[Block]:
    """Return the blocks of a pass, in the order of the file.

    Parameters
    ----------
    stack : Stack
    window : tuple of slice
        Rows and columns of the pattern that are needed.
    over : numpy.ndarray, shape (*navigation), optional
        Blocks without a non-zero position are left out.
    """
    navigation = stack.navigation_shape
    item = stack.data.dtype.itemsize
    sizes = [s.stop - s.start for s in window]
    unit, windows = (1,) * len(navigation), [window]
    if stack.mapped is None:
        chunks = stack.stored_chunks
        unit = chunks[:-2]
        positions = int(np.prod(unit, dtype=np.int64))
        if positions * sizes[0] * sizes[1] * item > _LARGEST:
            windows = _windows(window, (chunks[-2], chunks[-1]), _LARGEST // (positions * item))
    else:
        chunks = (*unit, *stack.frame_shape)
    pixels = max((w[0].stop - w[0].start) * (w[1].stop - w[1].start) for w in windows)
    size = _BLOCK if stack.mapped is not None else _CHUNKS
    step = _grown(unit, navigation, max(1, size // max(1, pixels * item)))
    blocks = []
    for corner in itertools.product(*(range(0, n, s) for n, s in zip(navigation, step, strict=True))):
        where = tuple(slice(c, min(c + s, n)) for c, s, n in zip(corner, step, navigation, strict=True))
        if over is not None and not np.any(over[where]):
            continue
        blocks += [Block(where, w, w is windows[-1]) for w in windows]
    return blocks


def _grown(unit: tuple[int, ...], shape: tuple[int, ...], count: int) -> tuple[int, ...]:
    """Return a multiple of ``unit`` that holds about ``count`` positions, growing the last axis first."""
    step = [min(u, n) for u, n in zip(unit, shape, strict=True)]
    for axis in reversed(range(len(step))):
        room = count // int(np.prod(step, dtype=np.int64))
        if room < 2:
            break
        step[axis] = min(shape[axis], step[axis] * room)
        if step[axis] < shape[axis]:
            break
    return tuple(step)


def _windows(window: tuple[slice, slice], chunk: tuple[int, int], pixels: int) -> list[tuple[slice, slice]]:
    """Return windows of whole chunks of rows, and of columns where rows alone are too many."""
    rows, cols = window
    wide = cols.stop - cols.start
    col_step = wide if chunk[0] * wide <= pixels else max(1, pixels // (chunk[0] * chunk[1])) * chunk[1]
    row_step = max(1, pixels // (chunk[0] * min(col_step, wide))) * chunk[0]
    return [(r, c) for r in _cut(rows, chunk[0], row_step) for c in _cut(cols, chunk[1], col_step)]


def _cut(part: slice, chunk: int, step: int) -> list[slice]:
    first = part.start // chunk * chunk
    return [slice(max(i, part.start), min(i + step, part.stop)) for i in range(first, part.stop, step)]
