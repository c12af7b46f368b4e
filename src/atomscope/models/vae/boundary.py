"""The boundary terms: how long the walls of the latent image, and of the classes, are; differentiable.

Both are sums over pairs of neighbours, weighed so that the sum over the pairs that a wall cuts is its length (see
``data/edges.py``). Of latents that take two values it is the length of the wall between them, once the values are two
standard deviations apart, as two equal shares are; of anything else, its total variation in these units. Both are
divided by how much the batch varies as a whole, *with* the gradient: else latents that shrink, or one class for all,
would have no walls.

References
----------
A. Biswas, M. Ziatdinov and S. V. Kalinin, "Combining variational autoencoders and physical bias for improved microscopy
data analysis", Mach. Learn.: Sci. Technol. 4 (2023) 045004: a loss that knows how long domain walls are.
L. I. Rudin, S. Osher and E. Fatemi, "Nonlinear total variation based noise removal algorithms", Physica D 60 (1992)
259.
P. Charbonnier et al., "Two deterministic half-quadratic regularization algorithms", ICIP 1994: the rounded distance.
R. B. Potts, "Some generalized order-disorder transformations", Proc. Camb. Phil. Soc. 48 (1952) 106.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from atomscope.data.edges import Edges

#: Differences of standardised latents are told from none at about this size.
ROUND = 0.1
#: Variance below which a batch counts as all alike.
LEAST = 1e-6


class Contacts(NamedTuple):
    """Neighbours within a batch.

    Attributes
    ----------
    pairs : Tensor, shape (e, 2), int64
        Places in the batch.
    share : Tensor, shape (e,)
        Weight of each pair over that of all pairs of the batch: they sum to 1.
    length : Tensor, scalar
        Sum of the weights of all edges of the data: what a share of 1 is, in the unit of the edges.
    steps : Tensor, scalar
        The same in spacings, a patch.
    """

    pairs: Tensor
    share: Tensor
    length: Tensor
    steps: Tensor

    def to(self, device: torch.device) -> Contacts:
        """Return it on a device."""
        return Contacts(*(part.to(device) for part in self))


def contacts(edges: Edges, index: np.ndarray) -> Contacts:
    """Return the edges among the patches of these numbers."""
    pairs, weight = edges.among(index)
    share = weight / max(float(weight.sum()), 1e-300)
    per_patch = edges.total / (edges.spacing * len(edges))
    return Contacts(
        torch.from_numpy(pairs),
        torch.from_numpy(share.astype(np.float32)),
        torch.tensor(edges.total, dtype=torch.float32),
        torch.tensor(per_patch, dtype=torch.float32),
    )


def boundary(z: Tensor, pairs: Tensor, weight: Tensor) -> Tensor:
    """Return the length of the discontinuities of latents, scalar: 0.5 sum w (sqrt(|z_i - z_j|^2 + c^2) - c).

    Parameters
    ----------
    z : Tensor, shape (n, latent)
        Standardised by the root of their total variance, with the gradient.
    pairs : Tensor, shape (e, 2), int64
    weight : Tensor, shape (e,)
    """
    if not z.shape[1] or not len(pairs):
        return z.sum() * 0
    spread = z.var(0, correction=0).sum() + LEAST  # scalar
    off = (z[pairs[:, 0]] - z[pairs[:, 1]]).square().sum(1) / spread  # (e,)
    return 0.5 * (weight * (torch.sqrt(off + ROUND**2) - ROUND)).sum()


def potts(q: Tensor, pairs: Tensor, weight: Tensor) -> Tensor:
    """Return the length of the walls between classes, scalar: sum w (1 - q_i . q_j) over what classes at random give.

    Of K classes that are sure and of equal shares it is the length of wall.

    Parameters
    ----------
    q : Tensor, shape (n, classes)
        Probabilities.
    pairs : Tensor, shape (e, 2), int64
    weight : Tensor, shape (e,)
    """
    if not len(pairs):
        return q.sum() * 0
    random = 1 - q.mean(0).square().sum() + LEAST  # scalar
    differ = 1 - (q[pairs[:, 0]] * q[pairs[:, 1]]).sum(1)  # (e,)
    return (1 - 1 / q.shape[1]) * (weight * differ).sum() / random


def wall_length(z: Tensor, logits: Tensor | None, near: Contacts) -> Tensor:
    """Return the length of all walls of a batch over that of all edges, scalar: of the classes if there are any."""
    total = boundary(z, near.pairs, near.share)
    return total if logits is None else total + potts(logits.softmax(1), near.pairs, near.share)
