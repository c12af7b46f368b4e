"""Orientations found by search: the object of the moment is drawn from all sides, and each patch compared with all.

An encoder and an object that both begin from nothing mislead each other: whatever the encoder says first, the object
becomes. So patches are drawn in orientations that are searched for, which costs one product of matrices, and polished;
the encoder learns from drawings, whose orientation is known, and where it fits better than the search it is taken.
:func:`found` does the same for a trained model, so that no patch is reported from a wrong side.

References
----------
G. E. Hinton, P. Dayan, B. J. Frey and R. M. Neal, "The wake-sleep algorithm for unsupervised neural networks",
Science 268 (1995) 1158-1161. A. Punjani et al., "cryoSPARC: algorithms for rapid unsupervised cryo-EM structure
determination", Nat. Methods 14 (2017) 290-296.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from atomscope.models.vae.codes import code_of
from atomscope.models.vae.pose import Pose, place
from atomscope.models.vae.rotations import turned_frame

if TYPE_CHECKING:
    from atomscope.models.vae.encoders import Posterior
    from atomscope.models.vae.network import VAE, Draw

#: Sides that the object is seen from at each training step, and when a trained model reads.
SIDES, ALL_SIDES = 512, 2048
#: Part of the training in which orientations are drawn from the posterior over all sides; later the best is taken.
RANDOM = 0.4
#: Steps of the polish in training and when a trained model reads, and from how many sides it then begins.
POLISH, FINE_POLISH, BEGINNINGS = 2, 8, 4
#: Rotation by which derivatives are taken, and the longest step of the polish, rad.
_SMALL, _FAR = 0.02, 0.3


class Subject(NamedTuple):
    """What is drawn from many sides, n of each; parts that there are not are None."""

    z: Tensor
    circles: Tensor | None
    condition: Tensor | None
    shift: Tensor | None

    def rows(self, index: Tensor | slice) -> Subject:
        """Return some of them."""
        return Subject(*(None if part is None else part[index] for part in self))

    def seen(self, net: VAE, frame: Tensor) -> Tensor:
        """Draw each in an orientation (n, 4): what is expected, standardised, (n, channels, rows, cols)."""
        code = code_of(self.z, self.circles, frame, None, self.condition)  # (n, code)
        drawn = net.decode(code, Pose(shift=self.shift))  # (n, channels, rows, cols)
        return drawn if net.spec.likelihood == "gaussian" else net.standardise(net.restore(drawn))


def random_frames(n: int, generator: torch.Generator) -> Tensor:
    """Return uniform random rotations as unit quaternions, shape (n, 4)."""
    return normalize(torch.randn(n, 4, generator=generator), dim=1)


@torch.no_grad()
def searched(net: VAE, x: Tensor, d: Draw, condition: Tensor | None, t: float, generator: torch.Generator) -> Draw:
    """Return a draw whose orientations are searched for.

    Parameters
    ----------
    net : VAE
        Of a cloud.
    x : Tensor, shape (n, channels, rows, cols), standardised
    d : Draw
        From the encoder's posterior.
    condition : Tensor, shape (n, conditions), standardised, or None
    t : float
        Fraction of the training done.
    generator : torch.Generator
    """
    assert d.frame is not None
    subject = Subject(d.z, d.circles, condition, d.shift)
    frames = random_frames(SIDES, generator).to(x.device)  # (SIDES, 4)
    some = subject.rows(torch.arange(SIDES, device=x.device) % len(x))
    score = _scores(net, x, d.shift, some, frames)  # (n, SIDES)
    mine = -_misfit(net, x, subject.seen(net, d.frame))  # (n,)
    if t < RANDOM:
        chance = torch.rand(score.shape, generator=generator).clamp(1e-9, 1 - 1e-7).to(x.device)
        score = score - torch.log(-torch.log(chance))  # Gumbel's: the maximum is a draw from the posterior
    best, where = score.max(1)  # (n,) twice
    frame = torch.where((best > mine)[:, None], frames[where], d.frame)  # (n, 4)
    if t >= RANDOM:
        frame, _ = polished(net, x, subject, frame, POLISH)
    return d._replace(frame=frame)


def dream_error(net: VAE, d: Draw, condition: Tensor | None, generator: torch.Generator) -> Tensor:
    """Return how wrong the encoder is of drawings whose orientation is known, mean, scalar.

    The angle's half chord squared, and the normal -ln q of what the encoder says its uncertainty is. They do not share
    gradients: an encoder that does not know yet would only learn to say so.
    """
    n = len(d.z)
    with torch.no_grad():
        frame = random_frames(n, generator).to(d.z.device)  # (n, 4)
        code = code_of(d.z, d.circles, frame, None, condition)  # (n, code)
        mean = net.restore(net.decode(code, Pose(shift=d.shift)))  # (n, channels, rows, cols)
        x = net.likelihood.scatter(mean, net.noise_var, net.scale, generator)  # (n, channels, rows, cols)
    p = net.encoder(net.standardise(x), condition)
    assert p.frame is not None and p.frame_log_sd is not None
    square = 4 * (1 - (p.frame * frame).sum(1).square())  # (n,): 4 sin^2(angle / 2)
    return (square + 0.5 * square.detach() * torch.exp(-2 * p.frame_log_sd) + 3 * p.frame_log_sd).mean()


@torch.no_grad()
def found(net: VAE, x: Tensor, p: Posterior, condition: Tensor | None) -> Posterior:
    """Return a posterior whose orientations (and shifts) fit best; their uncertainty is that of the fit.

    Each patch is found by itself, whatever comes with it.
    """
    assert p.frame is not None and p.frame_log_sd is not None
    subject = Subject(p.z, p.circles, condition, p.shift)
    frames = random_frames(ALL_SIDES, torch.Generator().manual_seed(0)).to(x.device)  # (ALL_SIDES, 4)
    nothing = Subject(*(None if part is None else torch.zeros_like(part[:1]) for part in subject))
    usual = nothing.rows(torch.zeros(ALL_SIDES, dtype=torch.long, device=x.device))
    best = _scores(net, x, p.shift, usual, frames).topk(BEGINNINGS, dim=1).indices  # (n, BEGINNINGS)
    frame, shift, sd = p.frame, p.shift, p.frame_log_sd
    misfit = torch.full_like(sd, torch.inf)  # (n,)
    for begin in (p.frame, *frames[best].unbind(1)):
        trial, moved = polished(net, x, subject, begin, FINE_POLISH)  # (n, 4)
        now = _misfit(net, x, moved.seen(net, trial))  # (n,)
        better = now < misfit  # (n,)
        frame, misfit = torch.where(better[:, None], trial, frame), torch.where(better, now, misfit)
        if shift is not None and moved.shift is not None:
            shift = torch.where(better[:, None], moved.shift, shift)
    moved = subject._replace(shift=shift)
    fisher = _normal_equations(net, x, moved, frame)[0]  # (n, k, k)
    eye = torch.eye(fisher.shape[1], device=x.device)
    variance = torch.linalg.inv(fisher + 0.1 * eye).diagonal(dim1=1, dim2=2)  # (n, k)
    p = p._replace(frame=frame, frame_log_sd=0.5 * torch.log(variance[:, :3].mean(1)))
    return p if shift is None else p._replace(shift=shift, shift_log_sd=0.5 * torch.log(variance[:, 3:]))


@torch.no_grad()
def polished(net: VAE, x: Tensor, subject: Subject, frame: Tensor, steps: int) -> tuple[Tensor, Subject]:
    """Return orientations (n, 4) that fit better, and the subject with shifts that do, by Levenberg and Marquardt."""
    damping = torch.full((len(x), 1, 1), 0.1, device=x.device)
    misfit = _misfit(net, x, subject.seen(net, frame))  # (n,)
    for _ in range(steps):
        a, b = _normal_equations(net, x, subject, frame)  # (n, k, k), (n, k)
        size = a.diagonal(dim1=1, dim2=2).mean(1)[:, None, None] + 1e-6  # (n, 1, 1)
        eye = torch.eye(a.shape[1], device=x.device)
        step = torch.linalg.solve(a + damping * size * eye, b)  # (n, k)
        turn_by = step[:, :3] * (_FAR / step[:, :3].norm(dim=1, keepdim=True).clamp(min=_FAR))  # (n, 3)
        trial = turned_frame(frame, turn_by)  # (n, 4)
        moved = subject if subject.shift is None else subject._replace(shift=subject.shift + step[:, 3:].clamp(-1, 1))
        now = _misfit(net, x, moved.seen(net, trial))  # (n,)
        better = now < misfit  # (n,)
        frame, misfit = torch.where(better[:, None], trial, frame), torch.where(better, now, misfit)
        if subject.shift is not None and moved.shift is not None:
            subject = subject._replace(shift=torch.where(better[:, None], moved.shift, subject.shift))
        damping = torch.where(better[:, None, None], damping * 0.2, damping * 8)
    return frame, subject


def _normal_equations(net: VAE, x: Tensor, subject: Subject, frame: Tensor) -> tuple[Tensor, Tensor]:
    """Return J^T W J (n, k, k) and J^T W r (n, k) of the rotation vector (and the shift), by differences."""
    here = subject.seen(net, frame)  # (n, channels, rows, cols)
    weight = torch.rsqrt(net.noise_var)[:, None, None]  # (channels, 1, 1)
    slopes = []
    for e in torch.eye(3, device=x.device):
        there = subject.seen(net, turned_frame(frame, _SMALL * e.expand(len(x), 3)))
        slopes.append(((there - here) * weight / _SMALL).flatten(1))  # (n, pixels)
    if subject.shift is not None:
        for e in torch.eye(2, device=x.device):
            there = subject._replace(shift=subject.shift + 0.1 * e).seen(net, frame)
            slopes.append(((there - here) * weight / 0.1).flatten(1))  # (n, pixels)
    j = torch.stack(slopes, 1)  # (n, k, pixels)
    return j @ j.transpose(1, 2), (j @ ((x - here) * weight).flatten(1)[:, :, None])[:, :, 0]


def _misfit(net: VAE, x: Tensor, seen: Tensor) -> Tensor:
    """Return -ln p but for what is the same whatever is drawn, shape (n,)."""
    per = 0.5 / net.noise_var[:, None, None]  # (channels, 1, 1)
    return ((seen.square() - 2 * x * seen) * per).flatten(1).sum(1)


def _scores(net: VAE, x: Tensor, shift: Tensor | None, subject: Subject, frames: Tensor) -> Tensor:
    """Return ln p of patches (n, ...) against drawings in all orientations (m, 4), shape (n, m), as :func:`_misfit`."""
    still = subject if subject.shift is None else subject._replace(shift=torch.zeros_like(subject.shift))
    seen = still.seen(net, frames)  # (m, channels, rows, cols)
    back = x if shift is None else place(x, net.window, Pose(shift=-shift))  # (n, channels, rows, cols)
    per = 1 / net.noise_var[:, None, None]  # (channels, 1, 1)
    return (back * per).flatten(1) @ seen.flatten(1).T - 0.5 * (seen.square() * per).flatten(1).sum(1)
