"""A first picture of a scan of any size: what can be read in a given time, all else like its nearest neighbour."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np
from scipy import ndimage

from atomscope.data import Stack
from atomscope.scan4d.blas import one_thread
from atomscope.scan4d.blocks import plan
from atomscope.scan4d.corrections import Corrections
from atomscope.scan4d.job import Job
from atomscope.scan4d.kernel import Kernel
from atomscope.scan4d.virtual import Mask, weights_of


def preview_images(
    stack: Stack, masks: Sequence[Mask], seconds: float = 1.0, *, corrections: Corrections | None = None
) -> list[np.ndarray]:
    """Return the image of each detector from the positions that can be read in time, spread evenly over the scan.

    Parameters
    ----------
    stack : Stack
        Patterns, shape (*navigation, rows, cols).
    masks : sequence of Detector or numpy.ndarray, shape (rows, cols)
    seconds : float
        After this no other block is begun; at least one is read.
    corrections : Corrections, optional

    Returns
    -------
    list of numpy.ndarray of float64, shape (*navigation)
        Exact at positions that were read; elsewhere the value of the nearest one.
    """
    end = time.monotonic() + seconds
    weights, taken = weights_of(stack, masks, corrections)
    job = Job(weights)
    window = job.window(stack.frame_shape)
    images = np.zeros((len(weights), *stack.navigation_shape))
    known = np.zeros(stack.navigation_shape, bool)
    if window[0].stop > window[0].start:
        kernel = Kernel(job, window)
        with one_thread():
            for where, block in _spread(stack, window):
                images[(slice(None), *where)] = kernel.run(block).images.reshape(len(weights), *block.shape[:-2])
                known[where] = True
                if time.monotonic() > end:
                    break
    if not known.all() and known.any():
        near = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
        images = images[(slice(None), *near)]
    return [image - constant for image, constant in zip(images, taken, strict=True)]


def _spread(stack: Stack, window: tuple[slice, slice]) -> Iterator[tuple[tuple[slice, ...], np.ndarray]]:
    """Yield parts of a scan, far apart first: every 64th position of a memory map, then those between; or chunks."""
    mapped, shape = stack.mapped, stack.navigation_shape
    if mapped is None:
        blocks = [b for b in plan(stack, window) if b.window == window]
        order = np.random.default_rng(0).permutation(len(blocks))
        for k in order:
            yield blocks[k].navigation, blocks[k].read(stack)
        return
    coarse = tuple(slice(0, n, 64) for n in shape)
    yield coarse, np.asarray(mapped[(*coarse, *window)])
    for step in (16, 4, 1):
        for row in range(0, shape[0], step):
            where = (slice(row, row + 1), *(slice(0, n, step) for n in shape[1:]))
            yield where, np.asarray(mapped[(*where, *window)])
