"""What is asked of a posterior: its likeliest pose, a random draw, how far it is from the prior."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from atomscope.models.vae.encoders import Posterior
from atomscope.models.vae.pose import Pose, equivalents, kl_circle, kl_normal, leaning
from atomscope.models.vae.rotations import kl_rotation, turned_frame

#: Log weight by which, among angles that cannot be told apart, that nearest 0 is reported.
NEAREST = 0.5


class Draw(NamedTuple):
    """One random draw from a posterior; parts that there are not are None. Shapes as in :class:`Posterior`."""

    z: Tensor
    angle: Tensor | None
    shift: Tensor | None
    log_scale: Tensor | None = None
    circles: Tensor | None = None
    frame: Tensor | None = None

    @property
    def pose(self) -> Pose:
        """The pose of the draw."""
        return Pose(self.angle, self.shift, self.log_scale)


def wrap(angle: Tensor) -> Tensor:
    """Bring angles to (-pi, pi]."""
    return math.pi - torch.remainder(math.pi - angle, 2 * math.pi)


def doubted(p: Posterior, factors: Tensor) -> Posterior:
    """Return a posterior whose pose is as uncertain as it was measured to be; logarithms of three factors."""
    if p.angle_log_sd is not None:
        p = p._replace(angle_log_sd=p.angle_log_sd + factors[0])
    if p.shift_log_sd is not None:
        p = p._replace(shift_log_sd=p.shift_log_sd + factors[1])
    return p if p.scale_log_sd is None else p._replace(scale_log_sd=p.scale_log_sd + factors[2])


def choose(p: Posterior, order: int) -> Posterior:
    """Return the posterior with the likeliest of the equivalent angles; that nearest 0 where they are alike."""
    assert p.angle is not None and p.lean is not None
    angles = equivalents(p.angle, order)  # (n, order)
    best = (leaning(angles, p.lean) + NEAREST * torch.cos(angles)).argmax(1, keepdim=True)  # (n, 1)
    return p._replace(angle=wrap(angles.gather(1, best)[:, 0]))


def draw(p: Posterior, noise: Tensor, order: int = 1, chance: Tensor | None = None) -> Draw:
    """Draw from a posterior with standard normal ``noise`` (n, chances), by reparameterisation.

    ``chance`` (n,), uniform in (0, 1), decides between the equivalent angles.
    """
    n_z = p.z.shape[1]
    z = p.z + torch.exp(p.z_log_sd) * noise[:, :n_z]  # (n, latent)
    angle = shift = log_scale = circles = frame = None
    if p.angle is not None and p.angle_log_sd is not None:
        angle = p.angle + torch.exp(p.angle_log_sd) * noise[:, n_z]  # (n,)
        if p.lean is not None and chance is not None:
            weights = leaning(equivalents(p.angle, order), p.lean).detach().softmax(1)  # (n, order)
            turns = (weights.cumsum(1)[:, :-1] < chance[:, None]).sum(1)  # (n,)
            angle = angle + turns * (2 * math.pi / order)  # (n,)
    if p.shift is not None and p.shift_log_sd is not None:
        shift = p.shift + torch.exp(p.shift_log_sd) * noise[:, n_z + 1 : n_z + 3]  # (n, 2)
    at = n_z + 3
    if p.log_scale is not None and p.scale_log_sd is not None:
        log_scale = p.log_scale + torch.exp(p.scale_log_sd) * noise[:, at]  # (n,)
        at += 1
    if p.circles is not None and p.circles_log_sd is not None:
        k = p.circles.shape[1]
        circles = p.circles + torch.exp(p.circles_log_sd) * noise[:, at : at + k]  # (n, k)
        at += k
    if p.frame is not None and p.frame_log_sd is not None:
        small = torch.exp(p.frame_log_sd)[:, None] * noise[:, at : at + 3]  # (n, 3), rad
        frame = turned_frame(p.frame, small)  # (n, 4)
    return Draw(z, angle, shift, log_scale, circles, frame)


def kl_parts(
    p: Posterior,
    reach: tuple[float, float],
    order: int = 1,
    *,
    angle_sd: float | None = None,
    max_scale: float = 1.5,
) -> dict[str, Tensor]:
    """Return the KL of each group to its prior, nats, shape (n,).

    Priors: z N(0, 1); the angle uniform on the circle, or N(0, angle_sd); the shift N(0, reach / 2); the logarithm of
    the scale N(0, ln(max_scale) / 2); classes, periodic latents and orientations uniform.
    """
    parts = {"kl_z": kl_normal(p.z, p.z_log_sd)}
    if p.angle is not None and p.angle_log_sd is not None:
        if angle_sd is None:
            parts["kl_angle"] = kl_circle(torch.exp(p.angle_log_sd))
        else:
            parts["kl_angle"] = kl_normal(wrap(p.angle)[:, None], p.angle_log_sd[:, None], angle_sd)
        if p.lean is not None:
            log_weights = leaning(equivalents(p.angle, order), p.lean).detach().log_softmax(1)  # (n, order)
            parts["kl_angle"] = parts["kl_angle"] + (log_weights.exp() * log_weights).sum(1)
    if p.shift is not None and p.shift_log_sd is not None:
        axes = slice(reach[0] <= 0, 2)  # curves have no rows to be shifted along
        prior = torch.tensor(reach[axes], device=p.shift.device) / 2  # (axes,)
        parts["kl_shift"] = kl_normal(p.shift[:, axes], p.shift_log_sd[:, axes], prior)
    if p.log_scale is not None and p.scale_log_sd is not None:
        parts["kl_scale"] = kl_normal(p.log_scale[:, None], p.scale_log_sd[:, None], math.log(max_scale) / 2)
    if p.logits is not None:
        log_q = p.logits.log_softmax(1)  # (n, classes)
        parts["kl_class"] = (log_q.exp() * log_q).sum(1) + math.log(p.logits.shape[1])
    if p.circles_log_sd is not None:
        parts["kl_circles"] = kl_circle(torch.exp(p.circles_log_sd)).sum(1)
    if p.frame_log_sd is not None:
        parts["kl_frame"] = kl_rotation(torch.exp(p.frame_log_sd))
    return parts
