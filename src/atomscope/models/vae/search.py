"""Orientations found by search: the object of the moment is drawn from all sides, and each patch compared with all.

An encoder and an object that both begin from nothing mislead each other: whatever the encoder says first, the object
becomes. So patches are drawn in orientations that are searched for: draws from the posterior over many sides, which
costs one product of matrices, later the best side, polished. The encoder learns from drawings, whose orientation is
known; where it fits better than the search it is taken. :func:`found` does the same for a trained model, so that no
patch is reported from a wrong side. (Periodic latents of an object, if it has any, are searched for with it.)

References
----------
G. E. Hinton, P. Dayan, B. J. Frey and R. M. Neal, "The wake-sleep algorithm for unsupervised neural networks",
Science 268 (1995) 1158-1161. A. Punjani et al., "cryoSPARC: algorithms for rapid unsupervised cryo-EM structure
determination", Nat. Methods 14 (2017) 290-296.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from atomscope.models.vae.codes import code_of
from atomscope.models.vae.pose import Pose, place
from atomscope.models.vae.rotations import turned_frame

if TYPE_CHECKING:
    from atomscope.models.vae.encoders import Posterior
    from atomscope.models.vae.network import VAE
    from atomscope.models.vae.posteriors import Draw

#: Sides that the object is seen from at each training step, and when a trained model reads.
SIDES, ALL_SIDES = 512, 2048
#: Part of the training in which orientations are drawn from the posterior over all sides; later the best is taken.
RANDOM = 0.4
#: Steps of the polish in training and when a trained model reads, and from how many sides it then begins.
POLISH, FINE_POLISH, BEGINNINGS = 2, 8, 4
#: Rotation by which derivatives are taken, and the longest step of the polish, rad.
_SMALL, _FAR = 0.02, 0.3
_SMALL_PX = 0.1


class Subject(NamedTuple):
    """What is drawn, n of each; parts that there are not are None. Shapes as in :class:`Draw`."""

    z: Tensor
    circles: Tensor | None
    frame: Tensor | None
    condition: Tensor | None
    shift: Tensor | None

    def rows(self, index: Tensor | slice) -> Subject:
        """Return some of them."""
        rest = (None if part is None else part[index] for part in self[1:])
        return Subject(self.z[index], *rest)

    def anywhere(self, generator: torch.Generator) -> Subject:
        """Return them with other periodic latents and orientations, uniform at random."""
        n, device = len(self.z), self.z.device
        circles = frame = None
        if self.circles is not None:
            circles = (2 * math.pi * torch.rand(n, self.circles.shape[1], generator=generator)).to(device)  # (n, k)
        if self.frame is not None:
            frame = random_frames(n, generator).to(device)  # (n, 4)
        return self._replace(circles=circles, frame=frame)

    def seen(self, net: VAE) -> Tensor:
        """Draw them: what is expected, standardised, shape (n, channels, rows, cols)."""
        code = code_of(self.z, self.circles, self.frame, None, self.condition)  # (n, code)
        drawn = net.decode(code, Pose(shift=self.shift))  # (n, channels, rows, cols)
        return drawn if net.spec.likelihood == "gaussian" else net.standardise(net.restore(drawn))


def random_frames(n: int, generator: torch.Generator) -> Tensor:
    """Return uniform random rotations as unit quaternions, shape (n, 4)."""
    return normalize(torch.randn(n, 4, generator=generator), dim=1)


@torch.no_grad()
def searched(net: VAE, x: Tensor, d: Draw, condition: Tensor | None, t: float, generator: torch.Generator) -> Draw:
    """Return a draw whose periodic latents and orientations are searched for.

    Parameters
    ----------
    net : VAE
    x : Tensor, shape (n, channels, rows, cols), standardised
    d : Draw
        From the encoder's posterior.
    condition : Tensor, shape (n, conditions), standardised, or None
    t : float
        Fraction of the training done.
    generator : torch.Generator
    """
    subject = Subject(d.z, d.circles, d.frame, condition, d.shift)
    others = subject.rows(torch.arange(SIDES, device=x.device) % len(x)).anywhere(generator)
    score = _scores(net, x, d.shift, others)  # (n, SIDES)
    mine = -_misfit(net, x, subject.seen(net))  # (n,)
    if t < RANDOM:
        chance = torch.rand(score.shape, generator=generator).clamp(1e-9, 1 - 1e-7).to(x.device)
        score = score - torch.log(-torch.log(chance))  # Gumbel's: the maximum is a draw from the posterior
    best, where = score.max(1)  # (n,) twice
    better = (best > mine)[:, None]  # (n, 1)
    if subject.circles is not None and others.circles is not None:
        subject = subject._replace(circles=torch.where(better, others.circles[where], subject.circles))
    if subject.frame is not None and others.frame is not None:
        subject = subject._replace(frame=torch.where(better, others.frame[where], subject.frame))
        if t >= RANDOM:
            subject = polished(net, x, subject, POLISH)
    return d._replace(circles=subject.circles, frame=subject.frame)


def dream_error(net: VAE, d: Draw, condition: Tensor | None, generator: torch.Generator) -> Tensor:
    """Return how wrong the encoder is of drawings whose code is known, mean, scalar.

    Half chords of angles squared, and the normal -ln q of what the encoder says its uncertainty is. They do not share
    gradients: an encoder that does not know yet would only learn to say so.
    """
    subject = Subject(d.z, d.circles, d.frame, condition, d.shift)
    with torch.no_grad():
        subject = subject.anywhere(generator)
        code = code_of(subject.z, subject.circles, subject.frame, None, condition)  # (n, code)
        mean = net.restore(net.decode(code, Pose(shift=d.shift)))  # (n, channels, rows, cols)
        x = net.likelihood.scatter(mean, net.noise_var, net.scale, generator)  # (n, channels, rows, cols)
    p = net.encoder(net.standardise(x), condition)
    error = x.new_zeros(len(x))  # (n,)
    if p.circles is not None and p.circles_log_sd is not None and subject.circles is not None:
        square = 2 - 2 * torch.cos(p.circles - subject.circles)  # (n, k)
        error = error + _wrong(square, p.circles_log_sd, 1).sum(1)
    if p.frame is not None and p.frame_log_sd is not None and subject.frame is not None:
        square = 4 * (1 - (p.frame * subject.frame).sum(1).square())  # (n,): 4 sin^2(angle / 2)
        error = error + _wrong(square, p.frame_log_sd, 3)
    return error.mean()


def _wrong(square: Tensor, log_sd: Tensor, dimensions: int) -> Tensor:
    return square + 0.5 * square.detach() * torch.exp(-2 * log_sd) + dimensions * log_sd


@torch.no_grad()
def found(net: VAE, x: Tensor, p: Posterior, condition: Tensor | None) -> Posterior:
    """Return a posterior whose orientations (and shifts) fit best; their uncertainty is that of the fit.

    Each patch is found by itself, whatever comes with it.
    """
    assert p.frame is not None and p.frame_log_sd is not None
    own = Subject(p.z, p.circles, p.frame, condition, p.shift)
    usual = Subject(p.z.new_zeros(1, p.z.shape[1]), *(None if t is None else torch.zeros_like(t[:1]) for t in own[1:]))
    usual = usual.rows(torch.zeros(ALL_SIDES, dtype=torch.long, device=x.device))
    sides = usual.anywhere(torch.Generator().manual_seed(0)).frame  # (ALL_SIDES, 4)
    assert sides is not None
    best = _scores(net, x, p.shift, usual._replace(frame=sides)).topk(BEGINNINGS, dim=1).indices  # (n, BEGINNINGS)
    misfit, fits = torch.full_like(p.frame_log_sd, torch.inf), own  # (n,)
    for begin in (p.frame, *sides[best].unbind(1)):
        trial = polished(net, x, own._replace(frame=begin), FINE_POLISH)
        now = _misfit(net, x, trial.seen(net))  # (n,)
        fits, misfit = _where(now < misfit, trial, fits), torch.minimum(now, misfit)
    fisher = _normal_equations(net, x, fits)[0]  # (n, k, k)
    eye = torch.eye(fisher.shape[1], device=x.device)
    variance = torch.linalg.inv(fisher + 0.1 * eye).diagonal(dim1=1, dim2=2)  # (n, k)
    p = p._replace(frame=fits.frame, frame_log_sd=0.5 * torch.log(variance[:, :3].mean(1)))
    return p if p.shift is None else p._replace(shift=fits.shift, shift_log_sd=0.5 * torch.log(variance[:, 3:]))


@torch.no_grad()
def polished(net: VAE, x: Tensor, subject: Subject, steps: int) -> Subject:
    """Return subjects with orientations (and shifts) that fit patches better, by Levenberg and Marquardt."""
    damping = torch.full((len(x), 1, 1), 0.1, device=x.device)
    misfit = _misfit(net, x, subject.seen(net))  # (n,)
    for _ in range(steps):
        a, b = _normal_equations(net, x, subject)  # (n, k, k), (n, k)
        size = a.diagonal(dim1=1, dim2=2).mean(1)[:, None, None] + 1e-6  # (n, 1, 1)
        step = torch.linalg.solve(a + damping * size * torch.eye(a.shape[1], device=x.device), b)  # (n, k)
        turn_by = step[:, :3] * (_FAR / step[:, :3].norm(dim=1, keepdim=True).clamp(min=_FAR))  # (n, 3)
        assert subject.frame is not None
        trial = subject._replace(frame=turned_frame(subject.frame, turn_by))
        if subject.shift is not None:
            trial = trial._replace(shift=subject.shift + step[:, 3:].clamp(-1, 1))
        now = _misfit(net, x, trial.seen(net))  # (n,)
        better = now < misfit  # (n,)
        subject, misfit = _where(better, trial, subject), torch.minimum(now, misfit)
        damping = torch.where(better[:, None, None], damping * 0.2, damping * 8)
    return subject


def _where(better: Tensor, trial: Subject, subject: Subject) -> Subject:
    """Return the orientations and shifts of the trial where it is better (n,)."""
    if subject.shift is not None and trial.shift is not None:
        subject = subject._replace(shift=torch.where(better[:, None], trial.shift, subject.shift))
    assert trial.frame is not None and subject.frame is not None
    return subject._replace(frame=torch.where(better[:, None], trial.frame, subject.frame))


def _normal_equations(net: VAE, x: Tensor, subject: Subject) -> tuple[Tensor, Tensor]:
    """Return J^T W J (n, k, k) and J^T W r (n, k) of the rotation vector (and the shift), by differences."""
    here, frame = subject.seen(net), subject.frame  # (n, channels, rows, cols), (n, 4)
    assert frame is not None
    weight = torch.rsqrt(net.noise_var)[:, None, None]  # (channels, 1, 1)
    turns = torch.eye(3, device=x.device) * _SMALL  # (3, 3)
    moved = [(subject._replace(frame=turned_frame(frame, v.expand(len(x), 3))), _SMALL) for v in turns]
    if subject.shift is not None:
        steps = torch.eye(2, device=x.device) * _SMALL_PX  # (2, 2)
        moved += [(subject._replace(shift=subject.shift + v), _SMALL_PX) for v in steps]
    j = torch.stack([((there.seen(net) - here) * weight / by).flatten(1) for there, by in moved], 1)  # (n, k, pixels)
    return j @ j.transpose(1, 2), (j @ ((x - here) * weight).flatten(1)[:, :, None])[:, :, 0]


def _misfit(net: VAE, x: Tensor, seen: Tensor) -> Tensor:
    """Return -ln p but for what is the same whatever is drawn, shape (n,)."""
    per = 0.5 / net.noise_var[:, None, None]  # (channels, 1, 1)
    return ((seen.square() - 2 * x * seen) * per).flatten(1).sum(1)


def _scores(net: VAE, x: Tensor, shift: Tensor | None, subject: Subject) -> Tensor:
    """Return ln p of patches (n, ...) against each of m drawings, shape (n, m), up to the same as :func:`_misfit`."""
    still = subject if subject.shift is None else subject._replace(shift=torch.zeros_like(subject.shift))
    seen = still.seen(net)  # (m, channels, rows, cols)
    back = x if shift is None else place(x, net.window, Pose(shift=-shift))  # (n, channels, rows, cols)
    per = 1 / net.noise_var[:, None, None]  # (channels, 1, 1)
    return (back * per).flatten(1) @ seen.flatten(1).T - 0.5 * (seen.square() * per).flatten(1).sum(1)
