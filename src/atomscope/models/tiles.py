"""An image of any size cut into tiles that a U-Net is shown, with all that its answer there depends on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from atomscope.models.unet import UNet

#: Side of a tile, px, without the margin that it is shown with: memory for an image of any size.
SIDE = 512


@dataclass(frozen=True)
class Tile:
    """A part of an image with its margin.

    Attributes
    ----------
    pixels : Tensor, shape (1, channels, rows + ..., cols + ...)
        What the network is shown; a tensor of its own, channels last in memory, as convolutions want it.
    row, col, size : int, int, tuple of int
        Where the part begins in the image, px, and its (rows, cols).
    margin_row, margin_col : int
        Where the part begins in ``pixels``, px.
    """

    pixels: Tensor
    row: int
    col: int
    size: tuple[int, int]
    margin_row: int
    margin_col: int

    def part(self, answer: Tensor, apron: int = 0) -> Tensor:
        """Return what of an answer, shape (..., rows + ..., cols + ...), is of the part, and ``apron`` px round it."""
        r, c = self.margin_row - apron, self.margin_col - apron
        return answer[..., r : r + self.size[0] + 2 * apron, c : c + self.size[1] + 2 * apron]

    def put(self, out: np.ndarray, answer: Tensor) -> None:
        """Write the part of an answer, shape (..., rows + ..., cols + ...), into maps of the whole image."""
        rows, cols = self.size
        out[..., self.row : self.row + rows, self.col : self.col + cols] = self.part(answer).numpy()


def continued(n: int, margin: int) -> np.ndarray:
    """Continue the numbers of n pixels by mirroring: ``margin`` at the beginning, as many at the end and what fills up.

    Returns
    -------
    numpy.ndarray, int
        As many as the network can halve often enough, and twice the margin.
    """
    step = UNet.MULTIPLE
    return np.pad(np.arange(n), (margin, -(-n // step) * step - n + margin), mode="reflect" if n > 1 else "edge")


def cut(
    shape: tuple[int, int], margin: int, show: Callable[[int, int], Tensor], *, apron: int = 0, side: int = SIDE
) -> Iterator[Tile]:
    """Cut an image that is continued by mirroring into tiles.

    Parameters
    ----------
    shape : tuple of int
        Of the image, (rows, cols).
    margin : int
        The image is continued by so many pixels on all sides (:func:`continued`).
    show : callable
        Takes the first row of the continued image and the one after the last, and returns what is shown of these rows,
        shape (1, channels, rows, all).
    apron : int
        The answer is also right so many px beyond each tile; at most 8.
    side : int
        Of a tile without its margin, px; a multiple of 8.

    Yields
    ------
    Tile
        In raster order; only a band of tiles is in memory beside the image.
    """
    rows, cols = shape
    # Where the continued image ends, every band and tile ends: what is beyond does not depend on the tiles.
    last = len(continued(rows, margin))
    reach = UNet.REACH + (UNet.MULTIPLE if apron else 0)
    for r in range(0, rows, side):
        top, end = max(0, r + margin - reach), min(last, r + margin + side + reach)
        band = show(top, end)  # (1, channels, rows, all)
        for c in range(0, cols, side):
            left = max(0, c + margin - reach)
            # A copy: the band goes before the next is made, though who asks still holds the last tile.
            pixels = band[..., left : c + margin + side + reach].clone(memory_format=torch.channels_last)
            size = min(side, rows - r), min(side, cols - c)
            yield Tile(pixels, r, c, size, r + margin - top, c + margin - left)
        del band
