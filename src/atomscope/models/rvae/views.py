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

from atomscope.models.rvae.encoders import Posterior
from atomscope.models.rvae.pose import place, turn
from atomscope.models.rvae.vae import VAE

#: Weight of a squared difference of latents, prior standard deviations, against 1 - cos of a difference of angles.
LATENT_WEIGHT = 0.25
#: Part of a batch that is also shown, or only read, turned; the rest keeps the encoder used to patches as measured.
PART = 0.5
#: Shifts of the copies, of the largest shift: while the pose is found, and after.
FAR, NEAR = 0.5, 0.15


def read_twice(net: VAE, x: Tensor, generator: torch.Generator) -> tuple[Posterior, Tensor]:
    """Read standardised patches, and half of them once more from their copies.

    Returns
    -------
    posterior : Posterior
        Latents from the copy, pose from the patch.
    disagreement : Tensor, scalar
        How far the two readings are from agreeing.
    """
    n = len(x)
    k = math.ceil(PART * n)
    copy, angle, shift = turned_copy(x[:k], net.spec.rotation, _reach(net, FAR), generator)
    both = net.encode(torch.cat((x, copy)))
    own, other = both.part(slice(None, n)), both.part(slice(n, None))
    disagreement = pose_disagreement(own.part(slice(None, k)), other, angle, shift, net.reach, net.order).mean()
    posterior = own._replace(
        z=torch.cat((other.z, own.z[k:])),  # (n, latent)
        z_log_sd=torch.cat((other.z_log_sd, own.z_log_sd[k:])),  # (n, latent)
    )
    return posterior, disagreement


def read_turned(net: VAE, x: Tensor, generator: torch.Generator) -> Posterior:
    """Read standardised patches, half of them from their copies; the pose is turned back to the patch's own."""
    k = math.ceil(PART * len(x))
    copy, angle, shift = turned_copy(x[:k], net.spec.rotation, _reach(net, NEAR), generator)
    p = net.encode(torch.cat((copy, x[k:])))
    if p.angle is not None and angle is not None:
        p = p._replace(angle=torch.cat((p.angle[:k] - angle, p.angle[k:])))
        if p.lean is not None:
            p = p._replace(lean=torch.cat((turn(p.lean[:k], -angle), p.lean[k:])))
    if p.shift is not None and shift is not None:
        back = p.shift[:k] - shift  # (k, 2)
        p = p._replace(shift=torch.cat((back if angle is None else turn(back, -angle), p.shift[k:])))
    return p


def _reach(net: VAE, part: float) -> tuple[float, float] | None:
    return (part * net.reach[0], part * net.reach[1]) if net.spec.translation else None


def turned_copy(
    x: Tensor, rotation: bool, reach: tuple[float, float] | None, generator: torch.Generator
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Return standardised patches turned and shifted at random, and by how much.

    Parameters
    ----------
    x : Tensor, shape (n, channels, rows, cols)
    rotation : bool
        Whether to turn, by any angle.
    reach : tuple of float or None
        Largest shift, (row, col) px; None: no shift.

    Returns
    -------
    copy : Tensor, like ``x``
    angle : Tensor, shape (n,), rad, or None
    shift : Tensor, shape (n, 2), px, or None
    """
    n = len(x)
    angle = shift = None
    if rotation:
        angle = (2 * math.pi * torch.rand(n, generator=generator)).to(x.device)  # (n,)
    if reach is not None:
        shift = ((2 * torch.rand(n, 2, generator=generator) - 1) * torch.tensor(reach)).to(x.device)  # (n, 2)
    copy = place(x, (x.shape[2], x.shape[3]), angle, shift)  # (n, channels, rows, cols)
    return copy, angle, shift


def pose_disagreement(
    own: Posterior,
    copy: Posterior,
    angle: Tensor | None,
    shift: Tensor | None,
    reach: tuple[float, float],
    order: int = 1,
) -> Tensor:
    """Return how far the copy's posterior is from the patch's, moved by the known amount; shape (n,)."""
    total = LATENT_WEIGHT * (own.z - copy.z).square().sum(1)  # (n,)
    if own.angle is not None and copy.angle is not None and angle is not None:
        total = total + 1 - torch.cos(order * (copy.angle - own.angle - angle))  # (n,)
        if own.lean is not None and copy.lean is not None:
            total = total + 1 - torch.cosine_similarity(copy.lean, turn(own.lean, angle), dim=1)  # (n,)
    if own.shift is not None and copy.shift is not None and shift is not None:
        moved = own.shift if angle is None else turn(own.shift, angle)  # (n, 2)
        total = total + (((copy.shift - moved - shift) / torch.tensor(reach, device=shift.device)) ** 2).sum(1)  # (n,)
    return total
