"""Pose: where a picture lies in a window. Turning, shifting, sampling, and the posterior on the circle.

Geometry, for a window of (rows, cols) with centre c and pixels u = (row, col) - c, in px::

    x(u) = picture(R(-angle) (u - shift) / scale)

so that a positive angle turns the picture from +col towards +row (clockwise on screen), and the shift is in the
laboratory frame: it says where the centre of the picture lies in the window, whatever the angle.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import grid_sample


class Pose(NamedTuple):
    """Where pictures lie in n windows; parts that there are not are None.

    Attributes
    ----------
    angle : Tensor, shape (n,), rad
    shift : Tensor, shape (n, 2), (row, col) px
    log_scale : Tensor, shape (n,)
        Logarithm of the magnification.
    """

    angle: Tensor | None = None
    shift: Tensor | None = None
    log_scale: Tensor | None = None

    def rows(self, index: slice | Tensor) -> Pose:
        """Return the pose of some of the windows."""
        return Pose(*(None if part is None else part[index] for part in self))


def picture_points(
    window: tuple[int, int], pose: Pose, centre: Tensor | None = None, unit: tuple[float, float] = (1.0, 1.0)
) -> Tensor:
    """Return where in the picture each pixel of the window looks, from the picture's centre.

    A pose is linear in the pixel's coordinates: a 2 x 3 matrix a patch, and one product for all points.

    Parameters
    ----------
    window : tuple of int
        (rows, cols).
    pose : Pose
    centre : Tensor, shape (n, 2), (row, col) px, or None
        Where the picture's own centre lies on its canvas.
    unit : tuple of float
        Length that is 1 in the points, px, along (row, col).

    Returns
    -------
    Tensor, shape (n or 1, rows, cols, 2)
        (col, row), as ``grid_sample`` wants it.
    """
    angle, shift, log_scale = pose
    like = next((t for t in (*pose, centre) if t is not None), None)
    n, device = (1, None) if like is None else (like.shape[0], like.device)
    pixels = _pixels(window, device)  # (3, rows * cols)
    if angle is None:
        turned = torch.eye(2, device=device).expand(n, 2, 2)
    else:
        c, s = torch.cos(angle), torch.sin(angle)  # (n,) twice
        turned = torch.stack((c, s, -s, c), 1).view(n, 2, 2)
    if log_scale is not None:
        turned = turned * torch.exp(-log_scale)[:, None, None]  # (n, 2, 2)
    middle = torch.zeros(n, 2, 1, device=device)  # where the middle of the window looks, (col, row)
    if shift is not None:
        middle = turned @ -shift.flip(1)[:, :, None]  # (n, 2, 1)
    if centre is not None:
        middle = middle + centre.flip(1)[:, :, None]  # (n, 2, 1)
    matrix = torch.cat((turned, middle), 2) / _column((unit[1], unit[0]), device)  # (n, 2, 3)
    points = matrix.view(2 * n, 3) @ pixels  # (2 n, rows * cols)
    return points.view(n, 2, *window).permute(0, 2, 3, 1)  # (n, rows, cols, 2)


@lru_cache(maxsize=64)
@torch.inference_mode(False)
def _pixels(window: tuple[int, int], device: torch.device | None) -> Tensor:
    """Return (col, row, 1) of every pixel of a window from its centre, shape (3, rows * cols)."""
    row, col = (torch.arange(k, device=device) - (k - 1) / 2 for k in window)  # (rows,), (cols,)
    one = torch.ones(window, device=device)
    return torch.stack((col * one, row[:, None] * one, one)).flatten(1)  # (3, rows * cols)


@lru_cache(maxsize=64)
@torch.inference_mode(False)
def _column(values: tuple[float, float], device: torch.device | None) -> Tensor:
    return torch.tensor(values, device=device)[:, None]  # (2, 1)


def place(picture: Tensor, window: tuple[int, int], pose: Pose, centre: Tensor | None = None, times: int = 1) -> Tensor:
    """Draw pictures (n, channels, height, width) in windows (n, channels, rows, cols), turned, shifted, magnified.

    Bilinear; outside the picture there is 0. ``centre`` (n, 2) is where the picture's own centre lies on its canvas.
    With ``times``, each picture is drawn in so many poses, those of the first one first: (times n, ...) everywhere.
    """
    n, channels, height, width = picture.shape
    grid = picture_points(window, pose, centre, (max(height - 1, 1) / 2, max(width - 1, 1) / 2))  # (n or 1, ...)
    if times == 1:
        return grid_sample(picture, grid.expand(n, -1, -1, -1), align_corners=True)
    grid = grid.expand(times * n, -1, -1, -1).reshape(n, -1, window[1], 2)  # (n, times rows, cols, 2)
    drawn = grid_sample(picture, grid, align_corners=True)  # (n, channels, times rows, cols)
    return drawn.view(n, channels, times, *window).transpose(1, 2).flatten(0, 1)  # (times n, channels, rows, cols)


def equivalents(angle: Tensor, order: int) -> Tensor:
    """Return the angles that a symmetric patch cannot tell apart: those of ``angle`` (n,), shape (n, order), rad."""
    return angle[:, None] + torch.arange(order, device=angle.device) * (2 * math.pi / order)


def leaning(angles: Tensor, lean: Tensor) -> Tensor:
    """Return the log weights, up to a constant, that vectors (n, 2) (row, col) give to angles (n, order)."""
    return lean[:, 1:] * torch.cos(angles) + lean[:, :1] * torch.sin(angles)  # (n, order)


def turn(vector: Tensor, angle: Tensor) -> Tensor:
    """Turn (row, col) vectors, shape (n, 2), by ``angle``, shape (n,), from +col towards +row."""
    c, s = torch.cos(angle), torch.sin(angle)  # (n,)
    row, col = vector[:, 0], vector[:, 1]  # (n,)
    return torch.stack((s * col + c * row, c * col - s * row), dim=1)  # (n, 2)


def canvas_side(
    window: tuple[int, int], rotation: bool, margin: tuple[float, float], smallest: float = 1.0
) -> tuple[int, int]:
    """Return (height, width) of a canvas that covers the window in nearly every pose.

    With rotation the canvas is a square whose side is the diagonal of the window: the corners of a turned window
    stay inside; shifts then reach a little out, where the canvas is zero (the mean of the data). Where pictures are
    drawn as small as ``smallest``, the window sees more of the canvas.
    """
    rows, cols = (math.ceil(n / smallest) if n > 1 else 1 for n in window)
    if not rotation:
        return rows + 2 * math.ceil(margin[0]), cols + 2 * math.ceil(margin[1])
    side = math.ceil(math.hypot(rows, cols)) + 1
    return side, side


def kl_circle(sd: Tensor) -> Tensor:
    """Return KL(wrapped normal of standard deviation ``sd``, uniform on the circle), nats, same shape.

    For sd < 1 the wrapped normal is as good as a normal; above, the series of its entropy in q = exp(-sd^2) begins
    q + q^2/2 - q^3/3 + q^4/4 - q^5/5, as 2 q - ln(1 + q) does. Right to .005 nats everywhere (worst at sd = 1), and
    a patch that does not know its angle pays nothing.

    References
    ----------
    K. V. Mardia and P. E. Jupp, Directional Statistics (Wiley, 2000), section 3.5.7. The entropy's series follows from
    the Jacobi triple product.
    """
    narrow = 0.5 * math.log(2 * math.pi / math.e) - torch.log(sd)
    q = torch.exp(-sd.clamp(min=1.0).square())
    return torch.where(sd < 1.0, narrow, 2 * q - torch.log1p(q))


def kl_normal(mean: Tensor, log_sd: Tensor, prior_sd: float | Tensor = 1.0) -> Tensor:
    """Return KL(N(mean, sd), N(0, prior_sd)) summed over the last axis, nats."""
    log_ratio = log_sd - (math.log(prior_sd) if isinstance(prior_sd, float) else torch.log(prior_sd))
    square = torch.exp(2 * log_ratio) + (mean / prior_sd).square()
    return (0.5 * square - log_ratio).sum(-1) - 0.5 * mean.shape[-1]
