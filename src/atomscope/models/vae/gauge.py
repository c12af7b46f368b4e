"""The gauge: the part of the pose that the data leave open, and how it is settled, once, after training.

A decoder that draws its picture off the middle of the canvas, and an encoder that answers with a shift that turns with
the angle, explain the data equally well; so do one that draws some shapes turned, and angles turned back. Both are
settled as functions of the latents, so that every patch is drawn as before:

- the centre: among all pairs, that with the smallest mean squared shift is the most probable (the prior of the shift).
  It is found in closed form;
- the scale: likewise, the smallest mean squared logarithm of the magnification;
- the orientation: like shapes lie alike (see align.py), and what of them does not change lies still (see steady.py);
- the numbers of the latents: z1 is the one that says most.

A latent that the run left unused is settled too: its mean is nothing but leftovers of the pose, and would be shown as
colour.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from atomscope.models.layers import Dense
from atomscope.models.vae.align import compare, polar, synchronise
from atomscope.models.vae.codes import mean_code
from atomscope.models.vae.encoders import Posterior
from atomscope.models.vae.known import Known
from atomscope.models.vae.network import ANCHORS, VAE
from atomscope.models.vae.pose import Pose, turn
from atomscope.models.vae.steady import drift

#: Drawings below which nothing can be said of their likeness.
FEWEST = 30
#: Variance of its means below which a latent may be idle.
IDLE_VARIANCE = 0.01
#: How far latents are drawn round their means, their standard deviations, to learn the pictures' centres and sizes.
LOOSE = 2.0

log = logging.getLogger(__name__)


@torch.no_grad()
def settle(net: VAE, batches: Sequence[tuple[Tensor, Known]]) -> None:
    """Settle the gauge of a trained network on some of its patches.

    Each batch is of patches (n, channels, rows, cols) in their own units and of what is known of them.
    """
    was_training = net.training
    net.eval()
    settle_order(net, batches)
    settle_idle(net, batches)
    if net.spec.decoder != "cloud":  # an object in space is centred by itself
        settle_centres(net, batches)
    settle_scales(net, batches)
    settle_turns(net, batches)
    net.train(was_training)


def settle_order(net: VAE, batches: Iterable[tuple[Tensor, Known]]) -> None:
    """Sort the latents by how much they say: z1 has the means of the largest variance."""
    n = net.spec.latent_dim
    read = [read_known(net.encoder, net, x, known)[0].z for x, known in batches]
    if n < 2 or not read:
        return
    said = torch.cat(read).var(0, correction=0)  # (latent,)
    if net.spec.walls and net.spec.wall_latents:  # those with walls stay the first
        said[: net.spec.wall_latents] += said.max() + 1
    order = said.argsort(descending=True, stable=True)  # (latent,)
    both = torch.cat((order, n + order))  # the means' rows of the head, and those of their uncertainties
    head, first = net.encoder.head, net.decoder.mix1
    assert isinstance(first, Dense)
    for values in (head.weight, head.bias):
        values[: 2 * n] = values[both]
    first.weight[:, :n] = first.weight[:, order]


def settle_idle(net: VAE, batches: Iterable[tuple[Tensor, Known]]) -> None:
    """Set ``net.idle`` for latents in which no patch differs from the others by more than its own uncertainty.

    The variance of their means is below .01 (the usual threshold of an active unit), and, so that a latent of a rare
    defect stays, not one mean lies further from the middle than a mean standard deviation of the posterior. The mean
    of such a latent is reported as one number; the drawings hardly change. While no latent says anything the run was
    too short to tell, and none is idle.

    References
    ----------
    Y. Burda, R. Grosse and R. Salakhutdinov, "Importance weighted autoencoders", ICLR 2016, section 5.2.
    """
    net.idle.zero_()
    read = [read_known(net.encoder, net, x, known)[0] for x, known in batches]
    if not net.spec.latent_dim or not read:
        return
    z, sd = torch.cat([p.z for p in read]), torch.cat([p.z_log_sd.exp() for p in read])  # (all, latent) twice
    middle = z.mean(0)  # (latent,)
    idle = (z.var(0, correction=0) < IDLE_VARIANCE) & ((z - middle).abs().amax(0) < sd.mean(0))  # (latent,)
    if idle.all() or not idle.any():
        return
    net.idle.copy_(idle.float())
    net.idle_at.copy_(middle)
    if log.isEnabledFor(logging.INFO):
        log.info("latents that say nothing: %s", ", ".join(f"z{i + 1}" for i in torch.nonzero(idle).flatten().tolist()))


def settle_centres(net: VAE, batches: Iterable[tuple[Tensor, Known]], ridge: float = 0.1) -> None:
    """Set ``net.centre`` so that the shifts of the given patches are as small as the likelihood leaves them.

    The centre is linear in the decoder's features h(z): least squares of -R(-angle) shift on h.

    Parameters
    ----------
    net : VAE
        In evaluation mode.
    batches : iterable of (Tensor, Known)
        Patches (n, channels, rows, cols) in their own units, and what is known of them.
    ridge : float
        Relative ridge of the least squares: with a small one the centre follows what is left of the shift in the
        latents' means, by which patches of one shape differ.
    """
    open_gauge(net)
    # Where patches lie at any angle a shift cannot be in the latents: it is of the picture's own frame.
    loose = not net.spec.rotation or net.spec.angle_sd is not None
    features: list[Tensor] = []
    wanted: list[Tensor] = []
    for x, known in batches:
        p, condition = read_known(net.encode, net, x, known)
        if p.shift is None:
            break
        features.append(_features(net, p, condition, len(features), loose=loose))  # (n, hidden + 1)
        back = p.shift if p.angle is None else turn(p.shift, -p.angle)  # (n, 2)
        back = back if p.log_scale is None else back * torch.exp(-p.log_scale)[:, None]  # (n, 2)
        wanted.append(-back.double().cpu())  # (n, 2)
    if features:
        net.centre.copy_(_linear(torch.cat(features), torch.cat(wanted), ridge))


def settle_scales(net: VAE, batches: Iterable[tuple[Tensor, Known]], ridge: float = 1e-3) -> None:
    """Set ``net.magnified`` so that no shape is small or large by itself; arguments as of :func:`settle_centres`.

    A decoder may draw one shape twice as large as another, and the encoder answer with half the magnification. The
    logarithm of the scale is brought to mean 0 for every latent: linear in the decoder's features, least squares.
    """
    if not net.spec.scaling:
        return
    net.magnified.zero_()
    features: list[Tensor] = []
    wanted: list[Tensor] = []
    for x, known in batches:
        p, condition = read_known(net.encode, net, x, known)
        assert p.log_scale is not None
        features.append(_features(net, p, condition, len(features), loose=True))  # (n, hidden + 1)
        wanted.append(-p.log_scale.double().cpu())  # (n,)
    if features:
        net.magnified.copy_(_linear(torch.cat(features), torch.cat(wanted)[:, None], ridge)[:, 0])


def _features(net: VAE, p: Posterior, condition: Tensor | None, number: int, *, loose: bool) -> Tensor:
    """Return what the decoder draws from, and 1, shape (n, hidden + 1), float64.

    A picture's centre and size follow what latents *say*. The mean of a latent may also lean a little with the pose,
    by less than its own uncertainty; taken at its word it would take a part of the shift or of the scale away. So
    ``loose`` latents are drawn ``LOOSE`` times as wide as they are known.
    """
    if loose:
        noise = torch.randn(p.z.shape, generator=torch.Generator().manual_seed(number)).to(p.z)
        p = p._replace(z=p.z + LOOSE * torch.exp(p.z_log_sd) * noise)
    h = net.features(mean_code(p, condition))  # (n, hidden)
    return torch.cat((h, torch.ones_like(h[:, :1])), dim=1).double().cpu()


def open_gauge(net: VAE) -> None:
    """Unsettle where, how large and in which orientation shapes are drawn."""
    net.centre.zero_()
    net.turn.zero_()
    net.drift.zero_()
    if net.spec.scaling:
        net.magnified.zero_()


def _linear(a: Tensor, b: Tensor, ridge: float) -> Tensor:
    """Return the weights of the ridge regression of b (n, m) on features a (n, k), whose last is 1; (k, m), float32."""
    gram = a.T @ a  # (k, k)
    penalty = ridge * torch.diagonal(gram).mean() * torch.eye(len(gram), dtype=gram.dtype)
    penalty[-1, -1] *= 1e-3  # the constant is known best
    return torch.linalg.solve(gram + penalty, a.T @ b).float()


def settle_turns(net: VAE, batches: Iterable[tuple[Tensor, Known]]) -> None:
    """Set ``net.turn`` and ``net.drift`` so that like shapes are drawn in one orientation, whatever their latents.

    The drawings of ``ANCHORS`` of the patches are compared. Where they jump, other latents follow the nearest anchor;
    what is left is a smooth function of the latents, where angles have no prior of their own.

    Parameters
    ----------
    net : VAE
        In evaluation mode, its centres settled.
    batches : iterable of (Tensor, Known)
        Patches (n, channels, rows, cols) in their own units, and what is known of them.
    """
    net.turn.zero_()
    net.drift.zero_()
    if not (net.spec.rotation and net.layout.size):
        return
    read = [read_known(net.encode, net, x, known) for x, known in batches]
    z = torch.cat([mean_code(p, condition) for p, condition in read])  # (all, code)
    if len(z) < FEWEST:
        return
    z = z[torch.linspace(0, len(z) - 1, min(ANCHORS, len(z))).long().to(z.device)]  # (anchors, code)
    rings = polar(_upright(net, z).cpu(), max(2, min(net.window) // 2 - 1))  # (anchors, circles, angles)
    turns = torch.from_numpy(synchronise(compare(rings))).float()  # (anchors,)
    log.info("orientation of the drawings: %.0f %% turned", 100 * float((turns != 0).float().mean()))
    repeat = torch.arange(ANCHORS) % len(z)
    net.turn_at.copy_(z[repeat.to(z.device)])
    net.turn.copy_(turns[repeat])
    if net.spec.angle_sd is None and min(net.window) > 1:
        net.drift.copy_(drift(_upright(net, z), net.features(z), net.spec.scaling))


def _upright(net: VAE, code: Tensor) -> Tensor:
    """Return the drawings of codes (n, code) without turn, shift or magnification, (n, channels, rows, cols)."""
    zero = code.new_zeros(len(code))
    shift = zero[:, None].expand(-1, 2) if net.spec.translation else None
    return net.decode(code, Pose(zero, shift, zero if net.spec.scaling else None))


def read_known(
    reader: Callable[[Tensor, Tensor | None], Posterior], net: VAE, x: Tensor, known: Known
) -> tuple[Posterior, Tensor | None]:
    """Return the posterior of patches in their own units, and what is known of them, standardised."""
    device = net.offset.device
    condition = net.standardise_known(known.to(device).condition)  # (n, conditions)
    return reader(net.standardise(x.to(device)), condition), condition
