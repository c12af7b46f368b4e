"""One training step: the bound on a batch, and the schedules of its weights."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from atomscope.models.vae.boundary import wall_length
from atomscope.models.vae.codes import code_of, mean_code
from atomscope.models.vae.encoders import Posterior
from atomscope.models.vae.known import Known
from atomscope.models.vae.network import VAE, Draw, draw, kl_parts
from atomscope.models.vae.pose import equivalents, leaning
from atomscope.models.vae.views import read_turned, read_twice

#: Weight of the pose loss of the turned copies, nats a pixel, where the training starts; it falls to 0.
POSE_WEIGHT = 0.3
#: Weight of the choice between equivalent angles, against nats a pixel.
LEAN_WEIGHT = 0.1
#: How fast the noise follows the residuals.
NOISE_RATE = 0.02
#: The smallest noise, of standardised values: noiseless data must not make the likelihood infinite.
LEAST_NOISE = 0.02
#: Weight of a known label against a pixel's bound.
LABEL_WEIGHT = 0.2


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
    nats, squared = expected(net, p, d, wanted, target, known.label, condition)
    reconstruction = nats.mean()
    groups = kl_parts(p, net.reach, net.order, angle_sd=spec.angle_sd, max_scale=spec.max_scale)
    kl = {name: part.mean() for name, part in groups.items()}
    bound = reconstruction + kl_weight * kl_ramp(t) * sum(kl.values())
    parts = {"loss": reconstruction + kl_weight * sum(kl.values()), "reconstruction": reconstruction, **kl}
    if p.logits is not None and known.label is not None:
        parts["label"] = label_error(p.logits, known.label)
        bound = bound + LABEL_WEIGHT * pixels * net.channels * parts["label"]
    if spec.walls and known.near is not None and len(known.near.pairs):
        walls = wall_length(p.z[:, : spec.wall_latents], p.logits, known.near)
        parts["wall_length"] = walls * known.near.length
        bound = bound + spec.walls * wall_ramp(t) * walls * known.near.steps
    loss = bound / (pixels * net.channels)
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
) -> tuple[Tensor, Tensor]:
    """Return -ln p(x | draw), nats, shape (n,), and the squared residuals, shape (n, channels).

    A class is summed over exactly: every class is drawn, and weighed by its probability, or by the label where known.
    """
    if p.logits is None:
        drawn = net.decode(code_of(d.z, d.circles, d.frame, None, condition), d.pose)  # (n, channels, rows, cols)
        return net.likelihood.nats(drawn, wanted, raw, net.noise_var.clone(), net.offset)
    n, classes = p.logits.shape
    q = p.logits.softmax(1)  # (n, classes)
    if label is not None:
        q = torch.where(label[:, None] >= 0, one_hot(label.clamp(min=0), classes).to(q), q)  # (n, classes)
    which = torch.eye(classes, device=q.device).repeat(n, 1)  # (n * classes, classes)
    every = torch.arange(n, device=q.device).repeat_interleave(classes)  # (n * classes,)

    def each(part: Tensor | None) -> Tensor | None:
        return None if part is None else part[every]

    code = code_of(d.z[every], each(d.circles), each(d.frame), which, each(condition))  # (n * classes, code)
    drawn = net.decode(code, d.pose.rows(every))  # (n * classes, channels, rows, cols)
    nats, squared = net.likelihood.nats(drawn, wanted[every], raw[every], net.noise_var.clone(), net.offset)
    mean = (q * nats.view(n, classes)).sum(1)  # (n,)
    return mean, (q[:, :, None] * squared.view(n, classes, -1)).sum(1)


def code_at(net: VAE, p: Posterior, d: Draw, index: slice, condition: Tensor | None) -> Tensor:
    """Return the codes of some of the draws, of their likeliest class, shape (n, code)."""
    some = p._replace(
        z=d.z[index],
        circles=None if d.circles is None else d.circles[index],
        frame=None if d.frame is None else d.frame[index],
    )
    return mean_code(some, None if condition is None else condition[index])


def label_error(logits: Tensor, label: Tensor) -> Tensor:
    """Return the cross-entropy of the patches whose class is known, mean over all; logits (n, classes), label (n,)."""
    return cross_entropy(logits, label, ignore_index=-1, reduction="sum") / len(label)


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
