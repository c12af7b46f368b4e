"""Pose: where a picture lies in a window. Turning, shifting, sampling, and the posterior on the circle.

Geometry, for a window of (rows, cols) with centre c and pixels u = (row, col) - c, in px::

    x(u) = picture(R(-angle) (u - shift))

so that a positive angle turns the picture from +col towards +row (clockwise on screen), and the shift is in the
laboratory frame: it says where the centre of the picture lies in the window, whatever the angle.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import grid_sample


def picture_points(window: tuple[int, int], angle: Tensor | None, shift: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return where in the picture each pixel of the window looks, px from the picture's centre.

    Parameters
    ----------
    window : tuple of int
        (rows, cols).
    angle : Tensor, shape (n,), rad, or None
    shift : Tensor, shape (n, 2), (row, col) px, or None

    Returns
    -------
    row, col : Tensor
        Broadcast to (n or 1, rows, cols).
    """
    like = angle if angle is not None else shift
    device = like.device if like is not None else None
    rows, cols = window
    row = (torch.arange(rows, device=device) - (rows - 1) / 2).float()[None, :, None]  # (1, rows, 1)
    col = (torch.arange(cols, device=device) - (cols - 1) / 2).float()[None, None, :]  # (1, 1, cols)
    if shift is not None:
        row = row - shift[:, 0, None, None]  # (n, rows, 1)
        col = col - shift[:, 1, None, None]  # (n, 1, cols)
    if angle is None:
        return row, col
    c, s = torch.cos(angle)[:, None, None], torch.sin(angle)[:, None, None]  # (n, 1, 1)
    return c * row - s * col, s * row + c * col  # (n, rows, cols) twice


def sample(picture: Tensor, row: Tensor, col: Tensor, edge: str = "zeros") -> Tensor:
    """Sample pictures bilinearly at points given in px from their centre.

    Parameters
    ----------
    picture : Tensor, shape (n, channels, height, width)
    row, col : Tensor, broadcast to (n, rows, cols)
    edge : {"zeros", "border"}
        What lies outside the picture.

    Returns
    -------
    Tensor, shape (n, channels, rows, cols)
    """
    n, _, height, width = picture.shape
    row, col = torch.broadcast_tensors(row * (2 / max(height - 1, 1)), col * (2 / max(width - 1, 1)))
    grid = torch.stack((col, row), dim=-1)  # (n or 1, rows, cols, 2)
    return grid_sample(picture, grid.expand(n, -1, -1, -1), padding_mode=edge, align_corners=True)


def place(picture: Tensor, window: tuple[int, int], angle: Tensor | None, shift: Tensor | None) -> Tensor:
    """Draw pictures (n, channels, height, width) in windows (n, channels, rows, cols), turned and shifted."""
    row, col = picture_points(window, angle, shift)  # (n or 1, rows, cols) twice
    return sample(picture, row, col)


def turn(vector: Tensor, angle: Tensor) -> Tensor:
    """Turn (row, col) vectors, shape (n, 2), by ``angle``, shape (n,), from +col towards +row."""
    c, s = torch.cos(angle), torch.sin(angle)  # (n,)
    row, col = vector[:, 0], vector[:, 1]  # (n,)
    return torch.stack((s * col + c * row, c * col - s * row), dim=1)  # (n, 2)


def canvas_side(window: tuple[int, int], rotation: bool, margin: tuple[float, float]) -> tuple[int, int]:
    """Return (height, width) of a canvas that covers the window in nearly every pose.

    With rotation the canvas is a square whose side is the diagonal of the window: the corners of a turned window
    stay inside; shifts then reach a little out, where the canvas is zero (the mean of the data).
    """
    rows, cols = window
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
    log_prior = math.log(prior_sd) if isinstance(prior_sd, float) else torch.log(prior_sd)
    ratio = (torch.exp(2 * log_sd) + mean**2) / prior_sd**2
    return (0.5 * (ratio - 1) - log_sd + log_prior).sum(-1)
