"""Encoders: the networks that read a patch and say its latents and its pose, with their uncertainty."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from atomscope.data.params import VAESpec
from atomscope.models.layers import Convolution, Dense
from atomscope.models.vae.glance import Glance
from atomscope.models.vae.pose import Pose
from atomscope.models.vae.rotations import BROADEST_TURN, quaternion_of

#: Bounds of every learnt log standard deviation: wide enough for any use, narrow enough never to overflow.
LOG_SD = (-7.0, 2.0)
#: Standard deviation of an angle as uncertain as can be, times the order of the symmetry, rad: a wider one would
#: overlap with that of the next equivalent turn, and a normal of this one has the entropy of a uniform angle.
BROADEST = math.sqrt(2 * math.pi / math.e)
#: Standard deviation of a periodic latent that says nothing, rad.
BROADEST_CIRCLE = 2.5


class Posterior(NamedTuple):
    """What the encoder says of n patches; parts that the model does not have are None.

    Attributes
    ----------
    z, z_log_sd : Tensor, shape (n, latent)
    angle, angle_log_sd : Tensor, shape (n,), rad, or None
    shift, shift_log_sd : Tensor, shape (n, 2), (row, col) px, or None
    lean : Tensor, shape (n, 2), (row, col) parts of a vector, or None
        Of a model of symmetric patches: which of the equivalent turns it is. See symmetry.py.
    log_scale, scale_log_sd : Tensor, shape (n,), or None
        Logarithm of the magnification.
    logits : Tensor, shape (n, classes), or None
        Log probabilities of the classes, up to a constant.
    circles, circles_log_sd : Tensor, shape (n, k), rad, or None
        Periodic latents.
    frame : Tensor, shape (n, 4), or None
        A rotation in space, as a unit quaternion (w, x, y, z).
    frame_log_sd : Tensor, shape (n,), rad, or None
    gap : Tensor, shape (n,), or None
        How far the first look was from the shift. See glance.py.
    """

    z: Tensor
    z_log_sd: Tensor
    angle: Tensor | None
    angle_log_sd: Tensor | None
    shift: Tensor | None
    shift_log_sd: Tensor | None
    lean: Tensor | None = None
    log_scale: Tensor | None = None
    scale_log_sd: Tensor | None = None
    logits: Tensor | None = None
    circles: Tensor | None = None
    circles_log_sd: Tensor | None = None
    frame: Tensor | None = None
    frame_log_sd: Tensor | None = None
    gap: Tensor | None = None

    @property
    def pose(self) -> Pose:
        """The pose at the means."""
        return Pose(self.angle, self.shift, self.log_scale)

    def part(self, index: slice) -> Posterior:
        """Return the posterior of some of the patches."""
        cut = [None if t is None else t[index] for t in self]
        return Posterior(self.z[index], self.z_log_sd[index], *cut[2:])


class MLPTrunk(nn.Module):
    """Dense layers, the fastest reader: one that looks at the pixels, three that think.

    The later layers cost a tenth of the first and take a fifth off the error of the pose.
    """

    def __init__(self, window: tuple[int, int], channels: int, hidden: int) -> None:
        super().__init__()
        self.read = Dense(channels * window[0] * window[1], hidden)
        self.mix = nn.ModuleList(Dense(hidden, hidden) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        """Read patches (n, channels, rows, cols)."""
        h = nn.functional.leaky_relu(self.read(x.flatten(1)), 0.1)  # (n, hidden)
        for mix in self.mix:
            h = nn.functional.leaky_relu(mix(h), 0.1)  # (n, hidden)
        return h


class ConvTrunk(nn.Module):
    """One convolution on tiles of 4 px, one strided, then dense: the finest angles."""

    def __init__(self, window: tuple[int, int], channels: int, hidden: int) -> None:
        super().__init__()
        self.tiles = Convolution(channels, 32, 4, stride=4, padding=2)
        rows, cols = window[0] // 4 + 1, window[1] // 4 + 1
        self.strided = Convolution(32, 64, 3, stride=2, padding=1)
        rows, cols = (rows + 1) // 2, (cols + 1) // 2
        self.read = Dense(64 * rows * cols, hidden)
        self.mix = Dense(hidden, hidden)

    def forward(self, x: Tensor) -> Tensor:
        """Read patches (n, channels, rows, cols)."""
        x = x.contiguous(memory_format=torch.channels_last)  # (n, channels, rows, cols)
        h = nn.functional.leaky_relu(self.tiles(x), 0.1)  # (n, 32, rows / 4, cols / 4)
        h = nn.functional.leaky_relu(self.strided(h), 0.1)  # (n, 64, rows / 8, cols / 8)
        h = nn.functional.leaky_relu(self.read(h.permute(0, 2, 3, 1).flatten(1)), 0.1)  # (n, hidden)
        return nn.functional.leaky_relu(self.mix(h), 0.1)  # (n, hidden)


#: The networks that read, by name.
TRUNKS = {"mlp": MLPTrunk, "conv": ConvTrunk}


class Encoder(nn.Module):
    """A trunk and one head for all of the posterior's numbers.

    The angle is the direction of a 2-vector: on the circle there is no place where it would have to jump. Patches that
    look the same after a turn by 1/n of a full one would still make it jump. Of them it is the direction over n, which
    says the angle up to such turns, and a second vector leans towards one of these.

    Parameters
    ----------
    spec : VAESpec
    window : tuple of int
        (rows, cols).
    channels : int
    conditions : int
        How many numbers are known of each patch.
    """

    def __init__(self, spec: VAESpec, window: tuple[int, int], channels: int, conditions: int = 0) -> None:
        super().__init__()
        self.trunk = TRUNKS[spec.encoder](window, channels, spec.hidden)
        self.spec, self.reach, self.order = spec, reach_of(spec, window), spec.symmetry or 1
        leans = spec.rotation and self.order > 1
        sizes = {
            "z": spec.latent_dim,
            "z_log_sd": spec.latent_dim,
            "direction": 2 * spec.rotation,
            "angle_log_sd": spec.rotation,
            "shift": 2 * spec.translation,
            "shift_log_sd": 2 * spec.translation,
            "lean": 2 * leans,
            "log_scale": spec.scaling,
            "scale_log_sd": spec.scaling,
            "logits": spec.classes,
            "circles": 2 * spec.circles,
            "circles_log_sd": spec.circles,
            "frame": 6 * spec.orientation,
            "frame_log_sd": spec.orientation,
        }
        self.sizes = {name: int(size) for name, size in sizes.items() if size or name.startswith("z")}
        self.largest = math.log(BROADEST / self.order) if leans else LOG_SD[1]
        self.glance = Glance(window, channels, self.reach) if spec.translation and spec.glance else None
        self.knows = Dense(spec.hidden + conditions, spec.hidden) if conditions else None
        self.head = Dense(spec.hidden, sum(self.sizes.values()))

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Posterior:
        """Read standardised patches (n, channels, rows, cols), of which ``condition`` (n, conditions) is known."""
        if self.glance is not None:
            lies, by, x = self.glance(x)  # (n, 2), (n, 2), (n, channels, rows, cols)
        h = self.trunk(x)  # (n, hidden)
        if self.knows is not None:
            assert condition is not None
            h = nn.functional.leaky_relu(self.knows(torch.cat((h, condition), 1)), 0.1)  # (n, hidden)
        said = dict(zip(self.sizes, self.head(h).split(list(self.sizes.values()), dim=1), strict=True))
        p = Posterior(said["z"], said["z_log_sd"].clamp(*LOG_SD), None, None, None, None)
        if "direction" in said:
            angle = torch.atan2(said["direction"][:, 0], said["direction"][:, 1])  # (n,), from row and column part
            angle = angle / self.order if "lean" in said else angle  # (n,)
            spread = said["angle_log_sd"][:, 0].clamp(LOG_SD[0], self.largest)  # (n,)
            p = p._replace(angle=angle, angle_log_sd=spread, lean=said.get("lean"))
        if "shift" in said:
            reach = torch.tensor(self.reach, device=x.device)  # (2,)
            near = reach if self.glance is None else self.glance.near.to(x.device)  # (2,)
            shift = near * torch.tanh(said["shift"])  # (n, 2)
            spread = said["shift_log_sd"].clamp(*LOG_SD)  # (n, 2)
            if self.reach[0] <= 0:  # a curve: no shift along its one row, and no doubt about it
                spread = torch.cat((torch.full_like(spread[:, :1], -math.inf), spread[:, 1:]), 1)  # (n, 2)
            if self.glance is not None:
                shift = by + shift  # (n, 2)
                p = p._replace(gap=self.glance.gap(lies, shift))
            p = p._replace(shift=shift, shift_log_sd=spread)
        if "log_scale" in said:
            log_scale = math.log(self.spec.max_scale) * torch.tanh(said["log_scale"][:, 0])  # (n,)
            p = p._replace(log_scale=log_scale, scale_log_sd=said["scale_log_sd"][:, 0].clamp(*LOG_SD))
        if "circles" in said:
            row, col = said["circles"].chunk(2, 1)  # (n, k) twice
            most = math.log(BROADEST_CIRCLE)
            spread = most - nn.functional.softplus(most - said["circles_log_sd"])  # (n, k), whose slope is never 0
            spread = spread.clamp(min=LOG_SD[0])  # (n, k)
            p = p._replace(circles=torch.atan2(row, col), circles_log_sd=spread)
        if "frame" in said:
            most = math.log(BROADEST_TURN)
            spread = most - nn.functional.softplus(most - said["frame_log_sd"][:, 0])  # (n,)
            spread = spread.clamp(min=LOG_SD[0])  # (n,)
            p = p._replace(frame=quaternion_of(said["frame"]), frame_log_sd=spread)
        return p._replace(logits=said.get("logits"))


def reach_of(spec: VAESpec, window: tuple[int, int]) -> tuple[float, float]:
    """Return the largest shift, (row, col) px; along the rows of a curve (1 x length) there is none."""
    return (spec.max_shift * window[0] if window[0] > 1 else 0.0, spec.max_shift * window[1])
