"""Finer poses: an encoder reads what is near, and a few Gauss-Newton steps on the drawing go the rest of the way.

An encoder reads a pose in one go and is off by its own error, several times what the noise leaves open. The drawing
says in which direction: its derivatives by the angle, the shift and the scale are pictures, and the residual is a sum
of them. Steps are damped for each patch by itself (Levenberg, Marquardt), and one that draws worse is not taken; nor
one that leads far from what the encoder read: where a drawing does not fit at all, drawing nothing would fit better.

References
----------
B. D. Lucas and T. Kanade, "An iterative image registration technique", IJCAI 1981.
C. Cremer, X. Li and D. Duvenaud, "Inference suboptimality in variational autoencoders", ICML 2018.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, pad

from atomscope.models.vae.codes import mean_code
from atomscope.models.vae.decoders import CanvasDecoder
from atomscope.models.vae.encoders import Posterior
from atomscope.models.vae.pose import Pose, picture_points

if TYPE_CHECKING:
    from atomscope.models.vae.network import VAE

#: Steps, the damping of the first one, and by what it is multiplied after a step that was taken, and one that was not.
STEPS, DAMPED, BETTER, WORSE = 4, 1e-2, 0.3, 10.0
#: How far from what was read a pose may be moved: rad; parts of the largest shift, and of the largest log scale.
FAR_ANGLE, FAR_SHIFT, FAR_SCALE = 0.5, 0.5, 1.0
#: Added to the curvature of each part: a direction in which the drawing does not change is left alone.
FLAT = 1e-3


def refined(net: VAE, x: Tensor, p: Posterior, condition: Tensor | None) -> Posterior:
    """Return a posterior with poses at which the drawing of its latents fits patches best.

    Parameters
    ----------
    net : VAE
        One that draws a picture on a canvas.
    x : Tensor, shape (n, channels, rows, cols)
        Standardised patches.
    p : Posterior
        With poses as the decoder takes them: no gauge yet.
    condition : Tensor, shape (n, k), or None
    """
    decoder = net.decoder
    assert isinstance(decoder, CanvasDecoder)
    picture = decoder.picture(mean_code(p, condition))  # (n, channels, height, width)
    sloped = torch.cat((picture, *slopes(picture)), 1)  # (n, 3 channels, height, width)
    pose, damping = p.pose, DAMPED * torch.ones_like(x[:, 0, 0, 0])  # (n,)
    error, gradient, curvature = _fit(sloped, x, pose)
    for _ in range(STEPS):
        diagonal = curvature.diagonal(dim1=1, dim2=2)  # (n, parts)
        eye = torch.eye(diagonal.shape[1], device=x.device)
        damped = curvature + eye * (damping[:, None] * diagonal + FLAT)[:, :, None]  # (n, parts, parts)
        tried = moved(pose, solve(damped, gradient))
        new = _fit(sloped, x, tried)
        good = (new[0] < error) & _near(net, p.pose, tried)  # (n,)
        pose = Pose(*(a if a is None or b is None else _where(good, b, a) for a, b in zip(pose, tried, strict=True)))
        error, gradient, curvature = (
            _where(good, b, a) for a, b in zip((error, gradient, curvature), new, strict=True)
        )
        damping = damping * torch.where(good, BETTER, WORSE)  # (n,)
    return p._replace(angle=pose.angle, shift=pose.shift, log_scale=pose.log_scale)


def slopes(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Return the derivatives of pictures (n, channels, height, width) along columns and along rows, a px."""
    col = pad((picture[..., 2:] - picture[..., :-2]) / 2, (1, 1))
    if picture.shape[2] < 3:  # a curve
        return col, torch.zeros_like(picture)
    return col, pad((picture[..., 2:, :] - picture[..., :-2, :]) / 2, (0, 0, 1, 1))


def solve(matrix: Tensor, right: Tensor) -> Tensor:
    """Solve small positive definite systems, (n, k, k) and (n, k), by elimination; plain operations, as graphs want."""
    both = torch.cat((matrix, right[:, :, None]), 2)  # (n, k, k + 1)
    for i in range(right.shape[1]):
        pivot = both[:, i : i + 1] / both[:, i : i + 1, i : i + 1]  # (n, 1, k + 1)
        rest = both - both[:, :, i : i + 1] * pivot  # (n, k, k + 1)
        both = torch.cat((rest[:, :i], pivot, rest[:, i + 1 :]), 1)  # (n, k, k + 1)
    return both[:, :, -1]  # (n, k)


def differences(sloped: Tensor, x: Tensor, pose: Pose) -> tuple[Tensor, Tensor]:
    """Return what pictures in a pose lack of patches, and how they change with each part of the pose.

    Parameters
    ----------
    sloped : Tensor, shape (n, 3 channels, height, width)
        Pictures, and their derivatives along columns and rows.
    x : Tensor, shape (n, channels, rows, cols)
    pose : Pose

    Returns
    -------
    off : Tensor, shape (n, channels * rows * cols)
    by : Tensor, shape (n, parts, channels * rows * cols)
        Of the angle, the shift along rows and columns, and the log scale: of what there is.
    """
    channels, window = x.shape[1], (x.shape[2], x.shape[3])
    half = tuple(max(k - 1, 1) / 2 for k in sloped.shape[2:])
    at = picture_points(window, pose)  # (n, rows, cols, 2), px
    grid = at / torch.tensor((half[1], half[0]), device=x.device)
    drawn, by_col, by_row = grid_sample(sloped, grid, align_corners=True).flatten(2).split(channels, 1)
    col, row = at.flatten(1, 2).unbind(2)  # (n, pixels) twice
    col, row = col[:, None], row[:, None]  # (n, 1, pixels)
    c = torch.ones_like(x[:, 0, 0, 0]) if pose.angle is None else torch.cos(pose.angle)  # (n,)
    s = torch.zeros_like(c) if pose.angle is None else torch.sin(pose.angle)  # (n,)
    parts = []
    if pose.angle is not None:
        parts.append(by_col * row - by_row * col)  # (n, channels, pixels)
    if pose.shift is not None:
        less = torch.ones_like(c) if pose.log_scale is None else torch.exp(-pose.log_scale)  # (n,)
        c, s = (c * less)[:, None, None], (s * less)[:, None, None]
        parts += [-(s * by_col + c * by_row), -(c * by_col - s * by_row)]
    if pose.log_scale is not None:
        parts.append(-(by_col * col + by_row * row))
    return x.flatten(1) - drawn.flatten(1), torch.stack(parts, 1).flatten(2)


def _fit(sloped: Tensor, x: Tensor, pose: Pose) -> tuple[Tensor, Tensor, Tensor]:
    """Return the squared error of drawings, its half gradient downhill, and the curvature, by the parts of the pose."""
    off, by = differences(sloped, x, pose)
    return off.square().sum(1), (by @ off[:, :, None])[:, :, 0], by @ by.transpose(1, 2)


def moved(pose: Pose, step: Tensor) -> Pose:
    """Return a pose moved by steps (n, parts), in the order of the parts."""
    angle, shift, log_scale = pose
    if angle is not None:
        angle, step = angle + step[:, 0], step[:, 1:]
    if shift is not None:
        shift, step = shift + step[:, :2], step[:, 2:]
    if log_scale is not None:
        log_scale = log_scale + step[:, 0]
    return Pose(angle, shift, log_scale)


def _near(net: VAE, read: Pose, pose: Pose) -> Tensor:
    """Return whether poses are as near to those that were read as a step may lead, shape (n,)."""
    parts = []
    if read.angle is not None and pose.angle is not None:
        parts.append((pose.angle - read.angle).abs() <= FAR_ANGLE)  # (n,)
    if read.shift is not None and pose.shift is not None:
        most = FAR_SHIFT * torch.tensor(net.reach, device=read.shift.device)  # (2,)
        parts.append(((pose.shift - read.shift).abs() <= most).all(1))  # (n,)
    if read.log_scale is not None and pose.log_scale is not None:
        most_scale = FAR_SCALE * math.log(net.spec.max_scale)
        parts.append((pose.log_scale - read.log_scale).abs() <= most_scale)  # (n,)
    return torch.stack(parts).all(0)


def _where(good: Tensor, new: Tensor, old: Tensor) -> Tensor:
    return torch.where(good.view(-1, *(1,) * (old.ndim - 1)), new, old)
