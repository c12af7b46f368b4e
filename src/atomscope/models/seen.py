"""What a network is shown of an image: four pictures of it, tile by tile, the same whatever the tiles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from atomscope.models.bragg import WINDOW, repeating, window_rows
from atomscope.models.contrast import REACH as CONTRAST_REACH
from atomscope.models.contrast import even_contrast, spot_response
from atomscope.models.unet import UNet

#: Side of a tile, px, without the margin that it is shown with: memory for an image of any size.
_TILE = 512
#: The image is continued by so many mirrored pixels.
_MARGIN = 16
#: A lattice that can just be seen is faint beside the noise of the image.
_LOUDER = 2.0
#: Widths of the spots that are looked for, px.
_SPOTS = (1.6, 2.5)
#: Rows farther than this do not change what is shown of a row: spots have even contrast, in an image of even contrast.
_SHOWN_REACH = 2 * CONTRAST_REACH + 16


@dataclass(frozen=True)
class Tile:
    """A part of an image with its margin.

    Attributes
    ----------
    pixels : Tensor, shape (1, 4, rows + ..., cols + ...)
        What the network is shown.
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
        """Write the part of an answer into a map of the whole image."""
        rows, cols = self.size
        out[self.row : self.row + rows, self.col : self.col + cols] = self.part(answer).numpy()


def cut_tiles(image: np.ndarray, apron: int = 0) -> Iterator[Tile]:
    """Cut an image into tiles that are each shown with all that their answer depends on.

    Parameters
    ----------
    image : numpy.ndarray, shape (rows, cols), float
    apron : int
        The answer is also right so many px beyond each tile; at most 8.

    Yields
    ------
    Tile
        In raster order; only a band of tiles is in memory beside the image.
    """
    x = np.asarray(image, np.float32)
    mean, spread = float(x.mean(dtype=np.float64)), _spread(x)
    rows, cols = x.shape
    at_row, at_col = (_mirrored(n, _MARGIN, UNet.MULTIPLE) for n in x.shape)
    reach = UNet.REACH + (UNet.MULTIPLE if apron else 0)
    for r in range(0, rows, _TILE):
        # Where the continued image ends, every band and tile ends: what is beyond does not depend on the tiles.
        top, end = max(0, r + _MARGIN - reach), min(len(at_row), r + _MARGIN + _TILE + reach)
        shown = _shown(x, at_row, at_col, (top, end), (mean, spread))  # (1, 4, rows, all)
        for c in range(0, cols, _TILE):
            left = max(0, c + _MARGIN - reach)
            pixels = shown[..., left : c + _MARGIN + _TILE + reach]  # (1, 4, rows + ..., cols + ...)
            size = min(_TILE, rows - r), min(_TILE, cols - c)
            yield Tile(pixels, r, c, size, r + _MARGIN - top, c + _MARGIN - left)


def _shown(
    x: np.ndarray, at_row: np.ndarray, at_col: np.ndarray, span: tuple[int, int], scale: tuple[float, float]
) -> Tensor:
    """Return what is shown of the rows of a span of the continued image, as if the whole image had been looked at."""
    top, end = span
    windows = [w for w in window_rows(len(at_row)) if top - WINDOW < w < end]
    low, high = windows[0], min(len(at_row), windows[-1] + WINDOW)
    first = max(0, low - _SHOWN_REACH) // UNet.MULTIPLE * UNet.MULTIPLE
    last = min(len(at_row), -(-(high + _SHOWN_REACH) // UNet.MULTIPLE) * UNet.MULTIPLE)
    band = (x[at_row[first:last]][:, at_col] - np.float32(scale[0])) / np.float32(scale[1])
    even = even_contrast(torch.from_numpy(band)[None, None])  # (1, 1, rows, all)
    lattice = repeating(even[:, :, low - first : high - first], [w - low for w in windows])
    spots = [spot[:, :, top - first : end - first] for spot in _spots(even)]
    return _together(even[:, :, top - first : end - first], lattice[:, :, top - low : end - low], spots)


def as_seen(x: Tensor) -> Tensor:
    """Return what a network is shown of images.

    The image with even contrast, what repeats in it, and how well a spot of either of two widths fits at each pixel: a
    faint lone column is best seen by a filter wider than a small network would come to learn.

    Parameters
    ----------
    x : Tensor, shape (n, 1, rows, cols), float32
        Mean 0, standard deviation 1; rows and columns multiples of 8.

    Returns
    -------
    Tensor, shape (n, 4, rows, cols), float32
    """
    even = even_contrast(x)  # (n, 1, rows, cols)
    return _together(even, repeating(even), _spots(even))


def shown(image: np.ndarray) -> Tensor:
    """Return what a network is shown of a whole image, shape (1, 4, rows, cols), float32."""
    out = torch.empty(1, UNet.INPUTS, *image.shape)
    for tile in cut_tiles(image):
        r, c = tile.row, tile.col
        out[..., r : r + tile.size[0], c : c + tile.size[1]] = tile.part(tile.pixels)
    return out


def _spots(even: Tensor) -> list[Tensor]:
    return [even_contrast(spot_response(even, width)) for width in _SPOTS]


def _together(even: Tensor, lattice: Tensor, spots: list[Tensor]) -> Tensor:
    return torch.cat((even, _LOUDER * lattice, *spots), 1)  # (n, 4, rows, cols)


def _spread(x: np.ndarray) -> float:
    return max(float(x.std(dtype=np.float64)), 1e-12)


def _mirrored(n: int, margin: int, step: int) -> np.ndarray:
    """Continue the numbers of n pixels by mirroring, ``margin`` at the beginning and at least as many at the end."""
    return np.pad(np.arange(n), (margin, -(-n // step) * step - n + margin), mode="reflect" if n > 1 else "edge")
