"""A block of patterns as runs of patterns, without a copy."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def runs(block: np.ndarray) -> Iterator[np.ndarray]:
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
            yield from runs(piece)
        return
    yield flat
