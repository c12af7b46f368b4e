"""What a network is shown of an image: four pictures of it, tile by tile, the same whatever the tiles."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from atomscope.models.bragg import WINDOW, repeating, window_rows
from atomscope.models.contrast import REACH as CONTRAST_REACH
from atomscope.models.contrast import even_contrast, spot_response
from atomscope.models.tiles import SIDE, Tile, continued, cut
from atomscope.models.unet import UNet

_TILE = SIDE
#: The image is continued by so many mirrored pixels.
_MARGIN = 16
#: A lattice that can just be seen is faint beside the noise of the image.
_LOUDER = 2.0
#: Widths of the spots that are looked for, px.
_SPOTS = (1.6, 2.5)
#: Rows farther than this do not change what is shown of a row: spots have even contrast, in an image of even contrast.
_SHOWN_REACH = 2 * CONTRAST_REACH + 16


def cut_tiles(image: np.ndarray, apron: int = 0) -> Iterator[Tile]:
    """Cut an image into tiles of what is shown of it, each with all that its answer depends on.

    Parameters
    ----------
    image : numpy.ndarray, shape (rows, cols), float
    apron : int
        The answer is also right so many px beyond each tile; at most 8.

    Returns
    -------
    iterator of Tile
        In raster order; only a band of tiles is in memory beside the image.
    """
    x = np.asarray(image, np.float32)
    scale = _mean_and_spread(x)
    at_row, at_col = (continued(n, _MARGIN) for n in x.shape)

    def show(top: int, end: int) -> Tensor:
        return _shown(x, at_row, at_col, (top, end), scale)  # (1, 4, rows, all)

    return cut(x.shape, _MARGIN, show, apron=apron, side=_TILE)


def _shown(
    x: np.ndarray, at_row: np.ndarray, at_col: np.ndarray, span: tuple[int, int], scale: tuple[float, float]
) -> Tensor:
    """Return what is shown of the rows of a span of the continued image, as if the whole image had been looked at."""
    top, end = span
    windows = [w for w in window_rows(len(at_row)) if top - WINDOW < w < end]
    low, high = windows[0], min(len(at_row), windows[-1] + WINDOW)
    first = max(0, low - _SHOWN_REACH) // UNet.MULTIPLE * UNet.MULTIPLE
    last = min(len(at_row), -(-(high + _SHOWN_REACH) // UNet.MULTIPLE) * UNet.MULTIPLE)
    even = even_contrast(_band(x, at_row[first:last], at_col, scale))  # (1, 1, rows, all)
    lattice = repeating(even[:, :, low - first : high - first], [w - low for w in windows])
    return _together(even, lattice, slice(top - first, end - first), slice(top - low, end - low))


def _band(x: np.ndarray, at_row: np.ndarray, at_col: np.ndarray, scale: tuple[float, float]) -> Tensor:
    """Return some rows of the continued image, of mean 0 and standard deviation 1, shape (1, 1, rows, all)."""
    band = x[at_row[:, None], at_col]
    band -= np.float32(scale[0])
    band /= np.float32(scale[1])
    return torch.from_numpy(band)[None, None]


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
    return _together(even, repeating(even), slice(None), slice(None))


def shown(image: np.ndarray) -> Tensor:
    """Return what a network is shown of a whole image, shape (1, 4, rows, cols), float32."""
    out = torch.empty(1, UNet.INPUTS, *image.shape)
    for tile in cut_tiles(image):
        r, c = tile.row, tile.col
        out[..., r : r + tile.size[0], c : c + tile.size[1]] = tile.part(tile.pixels)
    return out


def _together(even: Tensor, lattice: Tensor, rows: slice, of_lattice: slice) -> Tensor:
    """Lay what is shown of some rows of an evened image side by side, one picture after the other for memory."""
    lattice = lattice[:, :, of_lattice]  # (n, 1, some, cols)
    out = even.new_empty(len(even), UNet.INPUTS, *lattice.shape[2:])
    out[:, 0], out[:, 1] = even[:, 0, rows], _LOUDER * lattice[:, 0]
    for k, width in enumerate(_SPOTS, start=2):
        out[:, k] = even_contrast(spot_response(even, width))[:, 0, rows]
    return out


def _mean_and_spread(x: np.ndarray) -> tuple[float, float]:
    """Return mean and standard deviation, in double precision though no copy of the image is."""
    mean = float(x.mean(dtype=np.float64))
    square = sum(float(np.square(np.subtract(row, mean, dtype=np.float64)).sum()) for row in x)
    return mean, max((square / x.size) ** 0.5, 1e-12)
