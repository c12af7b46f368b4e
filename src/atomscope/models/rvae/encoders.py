"""Encoders: the networks that read a patch and say its latents and its pose, with their uncertainty."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from atomscope.models.layers import Convolution, Dense

#: Bounds of every learnt log standard deviation: wide enough for any use, narrow enough never to overflow.
LOG_SD = (-7.0, 2.0)
#: Standard deviation of an angle as uncertain as can be, times the order of the symmetry, rad: a wider one would
#: overlap with that of the next equivalent turn, and a normal of this one has the entropy of a uniform angle.
BROADEST = math.sqrt(2 * math.pi / math.e)


class Posterior(NamedTuple):
    """What the encoder says of n patches; parts that the model does not have are None.

    Attributes
    ----------
    z, z_log_sd : Tensor, shape (n, latent)
    angle, angle_log_sd : Tensor, shape (n,), rad, or None
    shift, shift_log_sd : Tensor, shape (n, 2), (row, col) px, or None
    lean : Tensor, shape (n, 2), (row, col) parts of a vector, or None
        Of a model of symmetric patches: which of the equivalent turns it is. See symmetry.py.
    """

    z: Tensor
    z_log_sd: Tensor
    angle: Tensor | None
    angle_log_sd: Tensor | None
    shift: Tensor | None
    shift_log_sd: Tensor | None
    lean: Tensor | None = None

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


class Encoder(nn.Module):
    """A trunk and one head for all of the posterior's numbers.

    The angle is the direction of a 2-vector: on the circle there is no place where it would have to jump. Patches that
    look the same after a turn by 1/n of a full one would still make it jump. Of them it is the direction over n, which
    says the angle up to such turns, and a second vector leans towards one of these.
    """

    def __init__(
        self,
        trunk: nn.Module,
        hidden: int,
        latent: int,
        rotation: bool,
        translation: bool,
        reach: tuple[float, float],
        order: int,
    ) -> None:
        super().__init__()
        self.trunk = trunk
        leans = rotation and order > 1
        self.sizes = [latent, latent] + [2, 1] * rotation + [2, 2] * translation + [2] * leans
        self.rotation, self.translation, self.leans, self.reach, self.order = rotation, translation, leans, reach, order
        self.largest = math.log(BROADEST / order) if leans else LOG_SD[1]
        self.head = Dense(hidden, sum(self.sizes))

    def forward(self, x: Tensor) -> Posterior:
        """Read standardised patches (n, channels, rows, cols)."""
        out = list(self.head(self.trunk(x)).split(self.sizes, dim=1))
        z, z_log_sd = out[0], out[1].clamp(*LOG_SD)  # (n, latent) twice
        angle = angle_log_sd = shift = shift_log_sd = None
        if self.rotation:
            direction = out[2]  # (n, 2): row and column part
            angle = torch.atan2(direction[:, 0], direction[:, 1])  # (n,)
            angle = angle / self.order if self.leans else angle  # (n,)
            angle_log_sd = out[3][:, 0].clamp(LOG_SD[0], self.largest)  # (n,)
        if self.translation:
            reach = torch.tensor(self.reach, device=x.device)  # (2,)
            at = 4 if self.rotation else 2
            shift = reach * torch.tanh(out[at])  # (n, 2)
            shift_log_sd = out[at + 1].clamp(*LOG_SD)  # (n, 2)
        return Posterior(z, z_log_sd, angle, angle_log_sd, shift, shift_log_sd, out[-1] if self.leans else None)
