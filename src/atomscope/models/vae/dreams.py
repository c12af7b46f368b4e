"""Dreams: drawings of the model's own, whose pose is known, read by its encoder.

They cost little and their labels are exact. Early in a run an encoder that reads them as they were drawn reads patches
alike, too: one that has half of them upside down has a picture to compare with. At the end they say how far off a pose
usually is (see doubt.py).

References
----------
G. E. Hinton, P. Dayan, B. J. Frey and R. M. Neal, "The wake-sleep algorithm for unsupervised neural networks",
Science 268 (1995) 1158-1161.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from atomscope.models.vae.network import VAE
from atomscope.models.vae.pose import Pose
from atomscope.models.vae.views import SCALE_WEIGHT

#: Magnifications of dreams: up to this part of the largest one, logarithms.
STRETCH = 0.85


def anywhere(net: VAE, n: int, generator: torch.Generator) -> Pose:
    """Return n random poses: uniform where the model expects any, normal where it expects angles near 0."""
    spec, device = net.spec, net.offset.device
    angle = shift = log_scale = None
    if spec.rotation and spec.angle_sd is not None:
        angle = (spec.angle_sd * torch.randn(n, generator=generator)).to(device)  # (n,)
    elif spec.rotation:
        angle = (2 * math.pi * torch.rand(n, generator=generator)).to(device)  # (n,)
    if spec.translation:
        shift = ((2 * torch.rand(n, 2, generator=generator) - 1) * torch.tensor(net.reach)).to(device)  # (n, 2)
    if spec.scaling:
        part = STRETCH * (2 * torch.rand(n, generator=generator) - 1)  # (n,)
        log_scale = (part * math.log(spec.max_scale)).to(device)  # (n,)
    return Pose(angle, shift, log_scale)


@torch.no_grad()
def dreamt(net: VAE, code: Tensor, pose: Pose, generator: torch.Generator) -> Tensor:
    """Return patches drawn of codes (n, code) in a pose, with noise, standardised, shape (n, channels, rows, cols)."""
    mean = net.restore(net.decode(code, pose))  # (n, channels, rows, cols)
    return net.standardise(net.likelihood.scatter(mean, net.noise_var, net.scale, generator))


def pose_error(
    net: VAE, code: Tensor, condition: Tensor | None, generator: torch.Generator, latents: float = 0.0
) -> Tensor:
    """Return how wrong the encoder is of the pose of dreams of these codes (n, code), mean, scalar.

    1 - cos of angles (up to the symmetry of the patches), and squares of shifts, in parts of the largest one, and of
    log scales; with them how far the first look was off, and squares of differences of the latents, of this weight: one
    shape has the same latents in every pose.
    """
    pose = anywhere(net, len(code), generator)
    p = net.encoder(dreamt(net, code, pose, generator), condition)
    error = off(net, p.pose, pose)  # (n,)
    if latents:
        error = error + latents * (p.z - code[:, : net.spec.latent_dim]).square().sum(1)  # (n,)
    return (error if p.gap is None else error + p.gap).mean()


def off(net: VAE, said: Pose, true: Pose) -> Tensor:
    """Return how far poses are from others, shape (n,); of what each has."""
    error = net.offset.new_zeros(())
    if said.angle is not None and true.angle is not None:
        error = error + 1 - torch.cos(net.order * (said.angle - true.angle))  # (n,)
    if said.shift is not None and true.shift is not None:
        unit = torch.tensor([r or 1.0 for r in net.reach], device=said.shift.device)  # (2,)
        error = error + ((said.shift - true.shift) / unit).square().sum(1)  # (n,)
    if said.log_scale is not None and true.log_scale is not None:
        error = error + SCALE_WEIGHT * (said.log_scale - true.log_scale).square()  # (n,)
    return error
