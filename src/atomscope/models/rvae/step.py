"""One training step: the bound on a batch, and the schedules of its weights."""

from __future__ import annotations

import torch
from torch import Tensor

from atomscope.models.rvae.encoders import Posterior
from atomscope.models.rvae.pose import equivalents, leaning
from atomscope.models.rvae.vae import VAE, draw, kl_parts, reconstruction_nats
from atomscope.models.rvae.views import read_turned, read_twice

#: Weight of the pose loss of the turned copies, nats a pixel, where the training starts; it falls to 0.
POSE_WEIGHT = 0.3
#: Weight of the choice between equivalent angles, against nats a pixel.
LEAN_WEIGHT = 0.1
#: How fast the noise follows the residuals.
NOISE_RATE = 0.02
#: The smallest noise, of standardised values: noiseless data must not make the likelihood infinite.
LEAST_NOISE = 0.02


def kl_ramp(t: float) -> float:
    """Return the factor of the KL terms at the fraction ``t`` of the training: up in the first quarter."""
    return min(1.0, 4 * t + 0.01)


def losses(
    net: VAE, x: Tensor, t: float, kl_weight: float, copies: float, generator: torch.Generator
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the loss of a batch, nats a pixel, and its parts, nats a patch (detached scalars).

    Parameters
    ----------
    net : VAE
    x : Tensor, shape (n, channels, rows, cols), own units
    t : float
        Fraction of the training done: decides the KL ramp and whether turned copies are shown.
    kl_weight : float
    copies : float
        Fraction of the training in which patches are read twice (see views.py); 0: no copies at all.
    generator : torch.Generator
    """
    spec = net.spec
    x = net.standardise(x)  # (n, channels, rows, cols)
    n, pixels = len(x), net.window[0] * net.window[1]
    noise = torch.randn(n, spec.latent_dim + 3, generator=generator).to(x.device)  # (n, latent + 3)
    disagreement = x.new_zeros(())
    if not (copies and (spec.rotation or spec.translation)):
        p = net.encode(x)
    elif t < copies:
        p, disagreement = read_twice(net, x, generator)
    else:
        p = read_turned(net, x, generator)
    chance = torch.rand(n, generator=generator).to(x.device) if p.lean is not None else None  # (n,)
    d = draw(p, noise, net.order, chance)
    residual = x - net.decode(d.z, d.angle, d.shift)  # (n, channels, rows, cols)
    squared = residual.square().flatten(2).sum(2)  # (n, channels)
    reconstruction = reconstruction_nats(squared, net.noise_var.clone(), pixels).mean()
    kl = {name: part.mean() for name, part in kl_parts(p, net.reach, net.order).items()}
    bound = reconstruction + kl_weight * kl_ramp(t) * sum(kl.values())
    loss = bound / (pixels * net.channels)
    if p.lean is not None and torch.is_grad_enabled():
        loss = loss + LEAN_WEIGHT * lean_error(net, x[::8], p.part(slice(None, None, 8)), d.z[::8])
    if t < copies:
        loss = loss + POSE_WEIGHT * (1 - t / copies) * disagreement
    if spec.noise is None and torch.is_grad_enabled():
        follow_noise(net, squared.detach().mean(0) / pixels)
    parts = {"loss": reconstruction + kl_weight * sum(kl.values()), "reconstruction": reconstruction, **kl}
    return loss, {name: part.detach() for name, part in parts.items()}


def lean_error(net: VAE, x: Tensor, p: Posterior, z: Tensor) -> Tensor:
    """Return how far the weights of the equivalent angles are from what the drawings say, nats, mean.

    Every equivalent angle is drawn; its likelihood is what its weight should be: the same for all of a symmetric patch.

    Parameters
    ----------
    net : VAE
    x : Tensor, shape (n, channels, rows, cols), standardised
    p : Posterior
        With ``lean``.
    z : Tensor, shape (n, latent)
        Latents to draw.
    """
    assert p.angle is not None and p.lean is not None
    angles = equivalents(p.angle, net.order)  # (n, order)
    with torch.no_grad():
        fit = []
        for k in range(net.order):
            squared = (x - net.decode(z, angles[:, k], p.shift)).square().flatten(2).sum(2)  # (n, channels)
            fit.append(-0.5 * (squared / net.noise_var).sum(1))  # (n,)
        right = torch.stack(fit, 1).softmax(1)  # (n, order)
    return -(right * leaning(angles.detach(), p.lean).log_softmax(1)).sum(1).mean()


@torch.no_grad()
def follow_noise(net: VAE, mean_square: Tensor) -> None:
    """Move the noise towards its maximum-likelihood value, the mean squared residual (channels,).

    References
    ----------
    O. Rybkin, K. Daniilidis and S. Levine, "Simple and effective VAE training with calibrated decoders", ICML 2021.
    """
    net.noise_var.lerp_(mean_square.clamp(min=LEAST_NOISE**2), NOISE_RATE)
