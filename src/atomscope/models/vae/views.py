"""Turned copies: the same patch shown twice, turned and shifted by a known amount.

This is what keeps a run out of the local minima of rotation-invariant autoencoders, where one half of the patches sits
upside down and a latent says which half. Two things follow from the known turn, with no labels:

1. The angle of the copy must be the angle of the patch plus the turn (and the shift likewise): a loss that
   trains the pose before any picture exists.
2. Latents read from the copy must draw the patch in the patch's own pose, and must be the latents of the patch: a
   latent that holds anything of the pose draws it wrong, or lies in two places that draw the same.

Both are dropped after the first part of the training. In the rest, half of the patches are read *from* their copies,
turned back, and drawn as they are: the bound of patches as measured, by an encoder that has seen each in every pose.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from atomscope.models.vae.encoders import Posterior
from atomscope.models.vae.network import VAE
from atomscope.models.vae.pose import Pose, place, turn

#: Weight of a squared difference of latents, prior standard deviations, against 1 - cos of a difference of angles.
LATENT_WEIGHT = 0.25
#: Weight of the disagreement of log scales.
SCALE_WEIGHT = 10.0
#: Part of a batch that is also shown, or only read, turned; the rest keeps the encoder used to patches as measured.
PART = 0.5
#: Shifts of the copies, of the largest shift: while the pose is found, and after.
FAR, NEAR = 0.5, 0.15


def read_twice(net: VAE, x: Tensor, condition: Tensor | None, generator: torch.Generator) -> tuple[Posterior, Tensor]:
    """Read standardised patches, and half of them once more from their copies.

    Returns
    -------
    posterior : Posterior
        Latents and class from the copy, pose from the patch.
    disagreement : Tensor, scalar
        How far the two readings are from agreeing.
    """
    n = len(x)
    k = math.ceil(PART * n)
    copy, moved = turned_copy(x[:k], net.spec.rotation, _reach(net, FAR), _stretch(net, FAR), generator)
    twice = None if condition is None else torch.cat((condition, condition[:k]))  # (n + k, conditions)
    both = net.encode(torch.cat((x, copy)), twice)
    own, other = both.part(slice(None, n)), both.part(slice(n, None))
    disagreement = pose_disagreement(own.part(slice(None, k)), other, moved, net.reach, net.order).mean()
    posterior = own._replace(
        z=torch.cat((other.z, own.z[k:])),  # (n, latent)
        z_log_sd=torch.cat((other.z_log_sd, own.z_log_sd[k:])),  # (n, latent)
        logits=None if other.logits is None or own.logits is None else torch.cat((other.logits, own.logits[k:])),
    )
    return posterior, disagreement


def read_turned(net: VAE, x: Tensor, condition: Tensor | None, generator: torch.Generator) -> Posterior:
    """Read standardised patches, half of them from their copies; the pose is turned back to the patch's own."""
    k = math.ceil(PART * len(x))
    copy, moved = turned_copy(x[:k], net.spec.rotation, _reach(net, NEAR), _stretch(net, NEAR), generator)
    p = net.encode(torch.cat((copy, x[k:])), condition)
    angle, shift, log_scale = moved
    if p.angle is not None and angle is not None:
        p = p._replace(angle=torch.cat((p.angle[:k] - angle, p.angle[k:])))
        if p.lean is not None:
            p = p._replace(lean=torch.cat((turn(p.lean[:k], -angle), p.lean[k:])))
    if p.log_scale is not None and log_scale is not None:
        p = p._replace(log_scale=torch.cat((p.log_scale[:k] - log_scale, p.log_scale[k:])))
    if p.shift is not None:
        back = p.shift[:k] if shift is None else p.shift[:k] - shift  # (k, 2)
        back = back if log_scale is None else back * torch.exp(-log_scale)[:, None]  # (k, 2)
        p = p._replace(shift=torch.cat((back if angle is None else turn(back, -angle), p.shift[k:])))
    return p


def _reach(net: VAE, part: float) -> tuple[float, float] | None:
    return (part * net.reach[0], part * net.reach[1]) if net.spec.translation else None


def _stretch(net: VAE, part: float) -> float | None:
    return part * math.log(net.spec.max_scale) if net.spec.scaling else None


def turned_copy(
    x: Tensor,
    rotation: bool,
    reach: tuple[float, float] | None,
    stretch: float | None,
    generator: torch.Generator,
) -> tuple[Tensor, Pose]:
    """Return standardised patches turned, shifted and magnified at random, and by how much.

    Parameters
    ----------
    x : Tensor, shape (n, channels, rows, cols)
    rotation : bool
        Whether to turn, by any angle.
    reach : tuple of float or None
        Largest shift, (row, col) px; None: no shift.
    stretch : float or None
        Largest logarithm of the magnification; None: none.

    Returns
    -------
    copy : Tensor, like ``x``
    moved : Pose
    """
    n = len(x)
    angle = shift = log_scale = None
    if rotation:
        angle = (2 * math.pi * torch.rand(n, generator=generator)).to(x.device)  # (n,)
    if reach is not None:
        shift = ((2 * torch.rand(n, 2, generator=generator) - 1) * torch.tensor(reach)).to(x.device)  # (n, 2)
    if stretch is not None:
        log_scale = ((2 * torch.rand(n, generator=generator) - 1) * stretch).to(x.device)  # (n,)
    moved = Pose(angle, shift, log_scale)
    return place(x, (x.shape[2], x.shape[3]), moved), moved


def pose_disagreement(
    own: Posterior, copy: Posterior, moved: Pose, reach: tuple[float, float], order: int = 1
) -> Tensor:
    """Return how far the copy's posterior is from the patch's, moved by the known amount; shape (n,)."""
    angle, shift, log_scale = moved
    total = LATENT_WEIGHT * (own.z - copy.z).square().sum(1)  # (n,)
    if own.angle is not None and copy.angle is not None and angle is not None:
        total = total + 1 - torch.cos(order * (copy.angle - own.angle - angle))  # (n,)
        if own.lean is not None and copy.lean is not None:
            total = total + 1 - torch.cosine_similarity(copy.lean, turn(own.lean, angle), dim=1)  # (n,)
    if own.shift is not None and copy.shift is not None and shift is not None:
        there = own.shift if angle is None else turn(own.shift, angle)  # (n, 2)
        there = there if log_scale is None else there * torch.exp(log_scale)[:, None]  # (n, 2)
        unit = torch.tensor([r or 1.0 for r in reach], device=shift.device)  # (2,)
        total = total + (((copy.shift - there - shift) / unit) ** 2).sum(1)  # (n,)
    if own.log_scale is not None and copy.log_scale is not None and log_scale is not None:
        total = total + SCALE_WEIGHT * (copy.log_scale - own.log_scale - log_scale).square()  # (n,)
    return total
