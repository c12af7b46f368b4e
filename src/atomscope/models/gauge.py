"""The gauge: the part of the pose that the data leave open, and how it is settled, once, after training.

A decoder that draws its picture off the middle of the canvas, and an encoder that answers with a shift that turns with
the angle, explain the data equally well; so do one that draws some shapes turned, and angles turned back. Both are
settled as functions of the latents, so that every patch is drawn as before:

- the centre: among all pairs, that with the smallest mean squared shift is the most probable (the prior of the shift).
  It is found in closed form;
- the orientation: like shapes lie alike (see align.py).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from atomscope.models.align import compare, polar, synchronise
from atomscope.models.pose import turn
from atomscope.models.vae import ANCHORS, VAE

#: Drawings below which nothing can be said of their likeness.
FEWEST = 30

log = logging.getLogger(__name__)


@torch.no_grad()
def settle(net: VAE, batches: Sequence[Tensor]) -> None:
    """Settle the gauge of a trained network on some of its patches, each (n, channels, rows, cols) in its own units."""
    was_training = net.training
    net.eval()
    settle_centres(net, batches)
    settle_turns(net, batches)
    net.train(was_training)


def settle_centres(net: VAE, batches: Iterable[Tensor], ridge: float = 1e-3) -> None:
    """Set ``net.centre`` so that the shifts of the given patches are as small as the likelihood leaves them.

    The centre is linear in the decoder's features h(z): least squares of -R(-angle) shift on h.

    Parameters
    ----------
    net : VAE
        In evaluation mode.
    batches : iterable of Tensor, shape (n, channels, rows, cols)
        Patches in their own units.
    ridge : float
        Relative ridge of the least squares.
    """
    net.centre.zero_()
    net.turn.zero_()
    features, wanted = [], []
    for x in batches:
        p = net.encode(net.standardise(x.to(net.offset.device)))
        if p.shift is None:
            break
        h = net.features(p.z)  # (n, hidden)
        features.append(torch.cat((h, torch.ones_like(h[:, :1])), dim=1).double().cpu())  # (n, hidden + 1)
        wanted.append(-(p.shift if p.angle is None else turn(p.shift, -p.angle)).double().cpu())  # (n, 2)
    if not features:
        return
    a, b = torch.cat(features), torch.cat(wanted)  # (all, hidden + 1), (all, 2)
    gram = a.T @ a  # (hidden + 1, hidden + 1)
    penalty = ridge * torch.diagonal(gram).mean() * torch.eye(len(gram), dtype=gram.dtype)
    penalty[-1, -1] *= 1e-3  # the constant is known best
    net.centre.copy_(torch.linalg.solve(gram + penalty, a.T @ b).float())


def settle_turns(net: VAE, batches: Iterable[Tensor]) -> None:
    """Set ``net.turn`` so that like shapes are drawn in one orientation, whatever their latents.

    The drawings of ``ANCHORS`` of the patches are compared; other latents follow the nearest anchor.

    Parameters
    ----------
    net : VAE
        In evaluation mode, its centres settled.
    batches : iterable of Tensor, shape (n, channels, rows, cols)
        Patches in their own units.
    """
    net.turn.zero_()
    if not (net.spec.rotation and net.spec.latent_dim):
        return
    z = torch.cat([net.encode(net.standardise(x.to(net.offset.device))).z for x in batches])  # (all, latent)
    if len(z) < FEWEST:
        return
    z = z[torch.linspace(0, len(z) - 1, min(ANCHORS, len(z))).long().to(z.device)]  # (anchors, latent)
    zero = z.new_zeros(len(z))
    drawn = net.decode(z, zero, zero[:, None].expand(-1, 2) if net.spec.translation else None)
    rings = polar(drawn.cpu(), max(2, min(net.window) // 2 - 1))  # (anchors, circles, angles)
    turns = torch.from_numpy(synchronise(compare(rings))).float()  # (anchors,)
    log.info("orientation of the drawings: %.0f %% turned", 100 * float((turns != 0).float().mean()))
    repeat = torch.arange(ANCHORS) % len(z)
    net.turn_at.copy_(z[repeat.to(z.device)])
    net.turn.copy_(turns[repeat])
