"""Latents that do not depend on what is known.

A decoder that is told the dose needs no dose in its latents, but early in a run it has not learnt to listen, and what
has found its way into the latents leaves them slowly: the KL alone pays a nat or two for it. So dependence itself has
a price.

References
----------
A. Gretton, O. Bousquet, A. Smola and B. Schoelkopf, "Measuring statistical dependence with Hilbert-Schmidt norms",
ALT 2005.
R. Lopez, J. Regier, M. I. Jordan and N. Yosef, "Information constraints on auto-encoding variational Bayes",
NeurIPS 2018: the same price in a VAE.
"""

from __future__ import annotations

import torch
from torch import Tensor

#: Patches below which dependence is not told from chance.
FEWEST = 8


def dependence(z: Tensor, condition: Tensor) -> Tensor:
    """Return how much latents depend on what is known: 0 not at all, 1 wholly; scalar.

    The Hilbert-Schmidt criterion with Gaussian kernels, over that of each with itself, less what chance makes of it.

    Parameters
    ----------
    z : Tensor, shape (n, latent)
    condition : Tensor, shape (n, conditions), standardised
    """
    n = len(z)
    if n < FEWEST or not z.shape[1]:
        return z.new_zeros(())
    a, b = _centred_kernel(z), _centred_kernel(condition)  # (n, n) twice
    chance = torch.trace(a.detach()) * torch.trace(b) / (n - 1)
    return ((a * b).sum() - chance).clamp(min=0) / (a.detach().norm() * b.norm() + 1e-12)


def _centred_kernel(x: Tensor) -> Tensor:
    """Return the Gaussian kernel between rows (n, k), as wide as the rows are spread, means taken out; (n, n)."""
    x = (x - x.mean(0)) / (x.detach().std(0) + 1e-6)  # (n, k): a latent that says little is asked as well
    kernel = torch.exp(-torch.cdist(x, x).square() / (2 * x.shape[1]))  # (n, n)
    return kernel - kernel.mean(0) - kernel.mean(1, keepdim=True) + kernel.mean()
