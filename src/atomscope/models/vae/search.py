"""Orientations found by search: the object of the moment is drawn from all sides, and each patch compared with all.

An encoder and an object that both begin from nothing mislead each other: whatever the encoder says first, the object
becomes. So while the object is found, patches are drawn in an orientation that is drawn at random from the posterior
over many, which costs one product of matrices; the encoder learns from drawings, whose orientation is known. As it
gets better than the search it takes over, patch by patch.

References
----------
G. E. Hinton, P. Dayan, B. J. Frey and R. M. Neal, "The wake-sleep algorithm for unsupervised neural networks",
Science 268 (1995) 1158-1161. A. Punjani et al., "cryoSPARC: algorithms for rapid unsupervised cryo-EM structure
determination", Nat. Methods 14 (2017) 290-296.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from atomscope.models.vae.codes import code_of
from atomscope.models.vae.encoders import Posterior
from atomscope.models.vae.network import VAE, Draw
from atomscope.models.vae.pose import Pose, place

#: Sides that the object is seen from at each step.
SIDES = 512
#: Part of the training in which patches are compared with all of them.
SEARCH = 0.5
#: Weight of what the encoder says of drawings, nats, against the bound.
DREAM_WEIGHT = 1.0


def searched(
    net: VAE, x: Tensor, p: Posterior, d: Draw, condition: Tensor | None, t: float, generator: torch.Generator
) -> tuple[Draw, Tensor]:
    """Return a draw whose orientations are right by search, and how wrong the encoder is of drawings, nats, scalar.

    Parameters
    ----------
    net : VAE
        Of a cloud.
    x : Tensor, shape (n, channels, rows, cols), standardised
    p, d : Posterior, Draw
        Of these patches.
    condition : Tensor, shape (n, conditions), or None
    t : float
        Fraction of the training done.
    generator : torch.Generator
    """
    assert p.frame is not None and d.frame is not None
    n = len(x)
    if t >= SEARCH:
        frames = random_frames(n, generator).to(x.device)  # (n, 4)
        code = code_of(d.z, d.circles, frames, None, condition).detach()
        return d, dream_error(net, net.decode(code, d.pose).detach(), frames, condition, generator)
    frames = random_frames(SIDES, generator).to(x.device)  # (SIDES, 4)
    which = torch.arange(SIDES, device=x.device) % n  # (SIDES,): the latents to draw
    with torch.no_grad():
        facts = None if condition is None else condition[which]
        code = code_of(d.z[which], None if d.circles is None else d.circles[which], frames, None, facts)
        still = Pose(shift=torch.zeros_like(d.shift[which])) if d.shift is not None else Pose()
        seen = net.decode(code, still)  # (SIDES, channels, rows, cols)
        own = net.decode(code_of(d.z, d.circles, d.frame, None, condition), d.pose)  # (n, channels, rows, cols)
        back = x if d.shift is None else place(x, net.window, Pose(shift=-d.shift))  # (n, channels, rows, cols)
        per = 0.5 / net.noise_var.repeat_interleave(net.window[0] * net.window[1])  # (pixels,)
        a, b, c = (y.flatten(1) for y in (back, seen, own))  # (n, pixels), (SIDES, pixels), (n, pixels)
        score = 2 * (a * per) @ b.T - (b.square() * per).sum(1)  # (n, SIDES), up to what is the same for all
        mine = (2 * (a if d.shift is None else x.flatten(1)) * per * c - c.square() * per).sum(1)  # (n,)
        chance = -torch.log(-torch.log(torch.rand(score.shape, generator=generator).clamp(1e-9, 1 - 1e-7)))
        best, where = (score + chance.to(x.device)).max(1)  # (n,) twice: a draw from the posterior
        better = best > mine  # (n,)
    frame = torch.where(better[:, None], frames[where], d.frame)
    return d._replace(frame=frame), dream_error(net, seen[:n], frames[:n], None if facts is None else facts[:n], generator)


def random_frames(n: int, generator: torch.Generator) -> Tensor:
    """Return uniform random rotations as unit quaternions, shape (n, 4)."""
    return normalize(torch.randn(n, 4, generator=generator), dim=1)


def dream_error(net: VAE, drawn: Tensor, frame: Tensor, condition: Tensor | None, generator: torch.Generator) -> Tensor:
    """Return -ln q(frame | drawing with noise), nats up to a constant, mean; drawn (n, channels, rows, cols)."""
    sd = net.noise_var.sqrt()[:, None, None]  # (channels, 1, 1)
    noise = torch.randn(drawn.shape, generator=generator).to(drawn.device)
    p = net.encoder(drawn + sd * noise, condition)
    assert p.frame is not None and p.frame_log_sd is not None
    square = 4 * (1 - (p.frame * frame).sum(1).square())  # (n,): 4 sin^2(angle / 2)
    return (0.5 * square * torch.exp(-2 * p.frame_log_sd) + 3 * p.frame_log_sd).mean()
