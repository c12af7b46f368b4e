"""One training step: the bound on a batch, and the terms beside it."""

from __future__ import annotations

import torch
from torch import Tensor

from atomscope.models.vae.codes import code_of
from atomscope.models.vae.encoders import Posterior
from atomscope.models.vae.joint import expected as expected_over_classes
from atomscope.models.vae.known import Known
from atomscope.models.vae.network import VAE
from atomscope.models.vae.posteriors import Draw, draw, kl_parts
from atomscope.models.vae.schedule import Moment
from atomscope.models.vae.search import searched
from atomscope.models.vae.terms import Scene, terms_of
from atomscope.models.vae.views import read_turned, read_twice

#: How fast the noise follows the residuals.
NOISE_RATE = 0.02
#: The smallest noise, of standardised values: noiseless data must not make the likelihood infinite.
LEAST_NOISE = 0.02


def losses(
    net: VAE, x: Tensor, known: Known, at: Moment, generator: torch.Generator
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the loss of a batch, nats a value of a patch, and its parts, nats a patch (detached scalars).

    Parameters
    ----------
    net : VAE
    x : Tensor, shape (n, channels, rows, cols), own units
    known : Known
        What is known of these patches.
    at : Moment
        How far the run is: weights, and whether turned copies are shown.
    generator : torch.Generator
    """
    target = x if known.target is None else known.target
    condition = net.standardise_known(known.condition)  # (n, conditions)
    x = net.standardise(x)  # (n, channels, rows, cols)
    wanted = x if known.target is None else net.standardise(target)  # (n, channels, rows, cols)
    noise = torch.randn(len(x), net.chances, generator=generator).to(x.device)  # (n, chances)
    p, disagreement = read(net, x, condition, at, generator)
    chance = torch.rand(len(x), generator=generator).to(x.device) if p.lean is not None else None  # (n,)
    d = draw(p, noise, net.order, chance)
    if net.spec.decoder == "cloud":
        d = searched(net, x, d, condition, at.t, generator)
    nats, squared, unsaid = expected(net, p, d, wanted, target, known.label, condition)
    reconstruction = nats.mean()
    if net.spec.decoder == "cloud":  # patches were drawn as the search says
        sds = {"circles_log_sd": p.circles_log_sd, "frame_log_sd": p.frame_log_sd}
        p = p._replace(**{name: sd.detach() for name, sd in sds.items() if sd is not None})
    groups = kl_parts(p, net.reach, net.order, angle_sd=net.spec.angle_sd, max_scale=net.spec.max_scale)
    kl = {name: part.mean() for name, part in groups.items()}
    parts = {"loss": reconstruction + at.full_kl * priced(kl, at.full_capacity), "reconstruction": reconstruction, **kl}
    learning = torch.is_grad_enabled()
    scene = Scene(net, wanted, known, condition, p, d, unsaid, disagreement, at, learning, generator)
    loss = (reconstruction + at.kl * priced(kl, at.capacity)) / scene.values
    for term in terms_of(net.spec):
        measure = term.measure(scene)
        if measure is not None:
            loss = loss + term.price(scene) * measure
            if term.name:
                parts[term.name] = measure
    if net.spec.noise is None and learning:
        follow_noise(net, squared.detach().mean(0) / (net.window[0] * net.window[1]))
    return loss, {name: part.detach() for name, part in parts.items()}


def read(
    net: VAE, x: Tensor, condition: Tensor | None, at: Moment, generator: torch.Generator
) -> tuple[Posterior, Tensor]:
    """Read standardised patches, some from their copies; return also how far two readings are from agreeing."""
    spec = net.spec
    if not (at.copies and (spec.rotation or spec.translation or spec.scaling)):
        return net.encode(x, condition), x.new_zeros(())
    if at.t < at.copies:
        return read_twice(net, x, condition, generator)
    return read_turned(net, x, condition, generator), x.new_zeros(())


def priced(kl: dict[str, Tensor], capacity: float | None) -> Tensor:
    """Return what the KL of the groups costs, nats, scalar: their sum, or how far the latents' is from a capacity.

    References
    ----------
    C. P. Burgess et al., "Understanding disentangling in beta-VAE", arXiv:1804.03599: a capacity that grows.
    """
    if capacity is None:
        return sum(kl.values(), start=kl["kl_z"].new_zeros(()))
    rest = [part for name, part in kl.items() if name != "kl_z"]
    return sum(rest, start=(kl["kl_z"] - capacity).abs())


def expected(
    net: VAE, p: Posterior, d: Draw, wanted: Tensor, raw: Tensor, label: Tensor | None, condition: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return -ln p(x | draw), nats, shape (n,), the squared residuals (n, channels), and the error of the classes."""
    if p.logits is not None:
        return expected_over_classes(net, p, d, wanted, raw, label, condition)
    drawn = net.decode(code_of(d.z, d.circles, d.frame, None, condition), d.pose)  # (n, channels, rows, cols)
    return *net.likelihood.nats(drawn, wanted, raw, net.noise_var.clone(), net.offset), drawn.new_zeros(())


@torch.no_grad()
def follow_noise(net: VAE, mean_square: Tensor) -> None:
    """Move the noise towards its maximum-likelihood value, the mean squared residual (channels,).

    References
    ----------
    O. Rybkin, K. Daniilidis and S. Levine, "Simple and effective VAE training with calibrated decoders", ICML 2021.
    """
    net.noise_var.lerp_(mean_square.clamp(min=LEAST_NOISE**2), NOISE_RATE)
