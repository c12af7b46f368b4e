"""The centre of a drawing: the part of the pose that the data leave open, and how it is settled.

A decoder that draws its picture off the middle of the canvas, and an encoder that answers with a shift that turns with
the angle, explain the data equally well. What settles it is the prior of the shift: among all such pairs, the one with
the smallest mean squared shift is the most probable. It is found in closed form, once, after training.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from atomscope.models.pose import turn
from atomscope.models.vae import VAE


@torch.no_grad()
def settle_centres(net: VAE, batches: Iterable[Tensor], ridge: float = 1e-3) -> None:
    """Set ``net.centre`` so that the shifts of the given patches are as small as the likelihood leaves them.

    The centre is linear in the decoder's features h(z): least squares of -R(-angle) shift on h.

    Parameters
    ----------
    net : VAE
    batches : iterable of Tensor, shape (n, channels, rows, cols)
        Patches in their own units.
    ridge : float
        Relative ridge of the least squares.
    """
    net.centre.zero_()
    was_training = net.training
    net.eval()
    features, wanted = [], []
    for x in batches:
        p = net.encode(net.standardise(x.to(net.offset.device)))
        if p.shift is None:
            break
        h = net.features(p.z)  # (n, hidden)
        features.append(torch.cat((h, torch.ones_like(h[:, :1])), dim=1).double().cpu())  # (n, hidden + 1)
        wanted.append(-(p.shift if p.angle is None else turn(p.shift, -p.angle)).double().cpu())  # (n, 2)
    net.train(was_training)
    if not features:
        return
    a, b = torch.cat(features), torch.cat(wanted)  # (all, hidden + 1), (all, 2)
    gram = a.T @ a  # (hidden + 1, hidden + 1)
    penalty = ridge * torch.diagonal(gram).mean() * torch.eye(len(gram), dtype=gram.dtype)
    penalty[-1, -1] *= 1e-3  # the constant is known best
    net.centre.copy_(torch.linalg.solve(gram + penalty, a.T @ b).float())
