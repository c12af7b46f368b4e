"""Bring the contrast of an image to the same all over, and filter it for spots: what a network need not learn."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, interpolate

#: The image is averaged in blocks of this side, px, and these over a Gaussian of this width, blocks.
_BLOCK, _WIDTH = 8, 3.0
#: Pixels farther than this, px, do not change the contrast of a pixel: the reach of the mean and that of the spread.
REACH = 2 * _BLOCK * (int(3 * _WIDTH) + 1)
#: Where the contrast is far below that of the whole image there is nothing but the detector's zero.
_LEAST = 1e-3
#: Pixels that are filtered for spots at a time: a convolution of two channels takes many times their memory.
_PIXELS = 1 << 20


def even_contrast(x: Tensor) -> Tensor:
    """Subtract the local mean and divide by the local standard deviation.

    Parameters
    ----------
    x : Tensor, shape (n, 1, rows, cols), float32
        Rows and columns multiples of 8. Finite, of mean 0 and standard deviation 1.

    Returns
    -------
    Tensor, shape (n, 1, rows, cols), float32
        The neighbourhood is about 25 px wide (standard deviation).
    """
    x = x - _spread(avg_pool2d(x, _BLOCK), x)  # (n, 1, rows, cols)
    spread = _spread(avg_pool2d(x * x, _BLOCK), x)  # (n, 1, rows, cols)
    return x.div_(spread.sqrt_().clamp_(min=_LEAST))


def spot_response(x: Tensor, width: float) -> Tensor:
    """Return minus the scale-normalised Laplacian of a Gaussian of images, 1 for noise that is white.

    Parameters
    ----------
    x : Tensor, shape (n, 1, rows, cols), float32
    width : float, px
        Standard deviation of the Gaussian.

    Returns
    -------
    Tensor, shape (n, 1, rows, cols), float32
    """
    reach = round(4 * width)
    at = torch.arange(-reach, reach + 1, dtype=x.dtype, device=x.device) / width
    smooth = torch.exp(-0.5 * at**2)
    curved = (1 - at**2) * smooth
    curved = curved - smooth * (curved.sum() / smooth.sum())  # a constant has no spots
    norm = (2 * (curved.square().sum() * smooth.square().sum() + (curved * smooth).sum().square())).sqrt()
    down = torch.stack((curved, smooth)).view(2, 1, -1, 1)
    along = torch.stack((smooth, curved)).view(1, 2, 1, -1) / norm
    out, x = torch.empty_like(x), _mirrored(x, reach, 2)
    step = max(1, _PIXELS // (len(out) * out.shape[3]))
    for top in range(0, out.shape[2], step):
        rows = out[:, :, top : top + step]  # (n, 1, some, cols)
        rows.copy_(conv2d(conv2d(_mirrored(x.narrow(2, top, rows.shape[2] + 2 * reach), reach, 3), down), along))
    return out


def _spread(blocks: Tensor, like: Tensor) -> Tensor:
    """Smooth values of blocks and lay them out over the image."""
    reach = int(3 * _WIDTH)
    at = torch.arange(-reach, reach + 1, dtype=blocks.dtype)
    kernel = torch.exp(-0.5 * (at / _WIDTH) ** 2)
    kernel = (kernel / kernel.sum()).to(blocks.device)
    blocks = conv2d(_mirrored(blocks, reach, 2), kernel[:, None].expand(1, 1, -1, 1))  # (n, 1, rows / 8, ...)
    blocks = conv2d(_mirrored(blocks, reach, 3), kernel.expand(1, 1, 1, -1))  # (n, 1, rows / 8, cols / 8)
    return interpolate(blocks, size=like.shape[2:], mode="bilinear", align_corners=False)


def _mirrored(x: Tensor, reach: int, dim: int) -> Tensor:
    """Continue by mirroring at both ends, again and again where the image is smaller than the reach."""
    while reach > 0:
        n = min(reach, x.shape[dim])
        ends = x.narrow(dim, 0, n).flip(dim), x.narrow(dim, x.shape[dim] - n, n).flip(dim)
        x = torch.cat((ends[0], x, ends[1]), dim)
        reach -= n
    return x
