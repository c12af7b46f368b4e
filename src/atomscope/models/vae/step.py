"""One training step: the bound on a batch, and the schedules of its weights."""

from __future__ import annotations

import torch
from torch import Tensor

from atomscope.models.vae.boundary import wall_length
from atomscope.models.vae.codes import code_of, mean_code
from atomscope.models.vae.encoders import Posterior
from atomscope.models.vae.independence import dependence
from atomscope.models.vae.joint import LABEL_WEIGHT, label_error
from atomscope.models.vae.joint import expected as expected_over_classes
from atomscope.models.vae.known import Known
from atomscope.models.vae.network import VAE, Draw, draw, kl_parts
from atomscope.models.vae.pose import equivalents, leaning
from atomscope.models.vae.search import dream_error, searched
from atomscope.models.vae.views import read_turned, read_twice

#: Weight of the pose loss of the turned copies, nats a pixel, where the training starts; it falls to 0.
POSE_WEIGHT = 0.3
#: Weight of the choice between equivalent angles, against nats a pixel.
LEAN_WEIGHT = 0.1
#: Price of latents that depend on what is known, nats a pixel where they say nothing else.
KNOWN_WEIGHT = 1.0
#: How fast the noise follows the residuals.
NOISE_RATE = 0.02
#: The smallest noise, of standardised values: noiseless data must not make the likelihood infinite.
LEAST_NOISE = 0.02
#: Weight of what the drawings say of the classes, against nats a pixel.
CLASS_WEIGHT = 0.1


def kl_ramp(t: float) -> float:
    """Return the factor of the KL terms at the fraction ``t`` of the training: up in the first quarter."""
    return min(1.0, 4 * t + 0.01)


def wall_ramp(t: float) -> float:
    """Return the factor of the wall term at the fraction ``t``: latents must say something before they have walls."""
    return min(1.0, max(0.0, (t - 0.15) / 0.35))


def losses(
    net: VAE,
    x: Tensor,
    known: Known,
    t: float,
    kl_weight: float,
    copies: float,
    generator: torch.Generator,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the loss of a batch, nats a pixel, and its parts, nats a patch (detached scalars).

    Parameters
    ----------
    net : VAE
    x : Tensor, shape (n, channels, rows, cols), own units
    known : Known
        What is known of these patches.
    t : float
        Fraction of the training done: decides the KL ramp and whether turned copies are shown.
    kl_weight : float
    copies : float
        Fraction of the training in which patches are read twice (see views.py); 0: no copies at all.
    generator : torch.Generator
    """
    spec = net.spec
    target = x if known.target is None else known.target
    condition = net.standardise_known(known.condition)  # (n, conditions)
    x = net.standardise(x)  # (n, channels, rows, cols)
    wanted = x if known.target is None else net.standardise(target)  # (n, channels, rows, cols)
    n, pixels = len(x), net.window[0] * net.window[1]
    noise = torch.randn(n, net.chances, generator=generator).to(x.device)  # (n, chances)
    disagreement = x.new_zeros(())
    if not (copies and (spec.rotation or spec.translation or spec.scaling)):
        p = net.encode(x, condition)
    elif t < copies:
        p, disagreement = read_twice(net, x, condition, generator)
    else:
        p = read_turned(net, x, condition, generator)
    chance = torch.rand(n, generator=generator).to(x.device) if p.lean is not None else None  # (n,)
    d = draw(p, noise, net.order, chance)
    dream = None
    if spec.decoder == "cloud":
        d = searched(net, x, d, condition, t, generator)
        dream = dream_error(net, d, condition, generator) if torch.is_grad_enabled() else None
    nats, squared, unsaid = expected(net, p, d, wanted, target, known.label, condition)
    reconstruction = nats.mean()
    if spec.decoder == "cloud":  # patches were drawn as the search says
        sds = {"circles_log_sd": p.circles_log_sd, "frame_log_sd": p.frame_log_sd}
        p = p._replace(**{name: sd.detach() for name, sd in sds.items() if sd is not None})
    groups = kl_parts(p, net.reach, net.order, angle_sd=spec.angle_sd, max_scale=spec.max_scale)
    kl = {name: part.mean() for name, part in groups.items()}
    bound = reconstruction + kl_weight * kl_ramp(t) * sum(kl.values())
    parts = {"loss": reconstruction + kl_weight * sum(kl.values()), "reconstruction": reconstruction, **kl}
    if p.logits is not None and known.label is not None:
        unlike = label_error(p.logits, known.label)
        bound = bound + LABEL_WEIGHT * pixels * net.channels * unlike
        if spec.labels is not None:
            parts["label"] = unlike
    if dream is not None:
        bound = bound + dream
        parts["dream"] = dream
    if spec.walls and known.near is not None and len(known.near.pairs):
        walls = wall_length(p.z[:, : spec.wall_latents], p.logits, known.near)
        parts["wall_length"] = walls * known.near.length
        bound = bound + spec.walls * wall_ramp(t) * walls * known.near.steps
    loss = bound / (pixels * net.channels)
    if p.logits is not None:
        loss = loss + CLASS_WEIGHT * unsaid
    if condition is not None and torch.is_grad_enabled():
        loss = loss + KNOWN_WEIGHT * dependence(p.z, condition)
    if p.lean is not None and torch.is_grad_enabled():
        few = slice(None, None, 8)
        code = code_at(net, p.part(few), d, few, condition)
        loss = loss + LEAN_WEIGHT * lean_error(net, wanted[few], p.part(few), code)
    if t < copies:
        loss = loss + POSE_WEIGHT * (1 - t / copies) * disagreement
    if spec.noise is None and torch.is_grad_enabled():
        follow_noise(net, squared.detach().mean(0) / pixels)
    return loss, {name: part.detach() for name, part in parts.items()}


def expected(
    net: VAE, p: Posterior, d: Draw, wanted: Tensor, raw: Tensor, label: Tensor | None, condition: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return -ln p(x | draw), nats, shape (n,), the squared residuals (n, channels), and the error of the classes."""
    if p.logits is not None:
        return expected_over_classes(net, p, d, wanted, raw, label, condition)
    drawn = net.decode(code_of(d.z, d.circles, d.frame, None, condition), d.pose)  # (n, channels, rows, cols)
    return *net.likelihood.nats(drawn, wanted, raw, net.noise_var.clone(), net.offset), drawn.new_zeros(())


def code_at(net: VAE, p: Posterior, d: Draw, index: slice, condition: Tensor | None) -> Tensor:
    """Return the codes of some of the draws, of their likeliest class, shape (n, code)."""
    some = p._replace(
        z=d.z[index],
        circles=None if d.circles is None else d.circles[index],
        frame=None if d.frame is None else d.frame[index],
    )
    return mean_code(some, None if condition is None else condition[index])


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


@torch.no_grad()
def follow_noise(net: VAE, mean_square: Tensor) -> None:
    """Move the noise towards its maximum-likelihood value, the mean squared residual (channels,).

    References
    ----------
    O. Rybkin, K. Daniilidis and S. Levine, "Simple and effective VAE training with calibrated decoders", ICML 2021.
    """
    net.noise_var.lerp_(mean_square.clamp(min=LEAST_NOISE**2), NOISE_RATE)
