"""Which of the equivalent angles of a symmetric patch it is: taught by what drawing each of them says."""

from __future__ import annotations

import torch
from torch import Tensor

from atomscope.models.vae.encoders import Posterior
from atomscope.models.vae.network import VAE
from atomscope.models.vae.pose import equivalents, leaning


def lean_error(net: VAE, x: Tensor, p: Posterior, code: Tensor) -> Tensor:
    """Return how far the weights of the equivalent angles are from what the drawings say, nats, mean.

    Every equivalent angle is drawn; its likelihood is what its weight should be: the same for all of a symmetric patch.

    Parameters
    ----------
    net : VAE
    x : Tensor, shape (n, channels, rows, cols), standardised
    p : Posterior
        With ``lean``.
    code : Tensor, shape (n, code)
        What to draw.
    """
    assert p.angle is not None and p.lean is not None
    angles = equivalents(p.angle, net.order)  # (n, order)
    with torch.no_grad():
        fit = []
        for k in range(net.order):
            drawn = net.decode(code, p.pose._replace(angle=angles[:, k]))  # (n, channels, rows, cols)
            nats, _ = net.likelihood.nats(drawn, x, net.unstandardise(x), net.noise_var, net.offset)
            fit.append(-nats)  # (n,)
        right = torch.stack(fit, 1).softmax(1)  # (n, order)
    return -(right * leaning(angles.detach(), p.lean).log_softmax(1)).sum(1).mean()
