"""A decoder of objects in space: a cloud of Gaussians, turned by the orientation and seen along the beam."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from atomscope.data.params import VAESpec
from atomscope.models.layers import Dense
from atomscope.models.vae.codes import MATRIX
from atomscope.models.vae.pose import Pose

#: Number of Gaussians of a cloud.
SPOTS = 48
#: Standard deviation of a Gaussian, and radius of the ball that they begin in, parts of the window's shorter side.
WIDTH, BALL = 0.08, 0.25


class CloudDecoder(nn.Module):
    """Draw one object in space, and look at it from the side that the orientation says.

    x(u) = sum_k height_k(z) exp(-|u - shift - scale P R place_k(z)|^2 / (2 width^2)), with R the orientation and P the
    projection along the third axis. Places and heights follow the latents, if there are any: all patches show one
    object, or a family of them. A free decoder of orientations could bend the space of rotations at will; in this one
    an angle between two orientations is an angle.

    References
    ----------
    M. Chen and S. J. Ludtke, "Deep learning-based mixed-dimensional Gaussian mixture model for characterizing
    variability in cryo-EM", Nat. Methods 18 (2021) 930-936.
    """

    def __init__(self, spec: VAESpec, window: tuple[int, int], channels: int, code: int) -> None:
        super().__init__()
        self.window, self.channels, hidden = window, channels, spec.hidden
        self.unit_px = float(min(window))
        self.at = spec.latent_dim + 2 * spec.circles  # where the orientation stands in a code
        self.hidden, self.varies = hidden, code > MATRIX
        if self.varies:
            self.mix1 = Dense(code - MATRIX, hidden)
            self.mix2 = Dense(hidden, hidden)
            self.draw = Dense(hidden, SPOTS * (3 + channels))
        self.places = nn.Parameter(torch.zeros(SPOTS, 3))  # (col, row, depth), parts of the unit
        self.heights = nn.Parameter(torch.zeros(SPOTS, channels))
        self.log_width = nn.Parameter(torch.zeros(1))
        self.floor = nn.Parameter(torch.zeros(channels))

    def initialise(self, generator: torch.Generator) -> None:
        """Begin with spots at random in a ball."""
        with torch.no_grad():
            direction = nn.functional.normalize(torch.randn(SPOTS, 3, generator=generator), dim=1)  # (SPOTS, 3)
            radius = BALL * torch.rand(SPOTS, 1, generator=generator) ** (1 / 3)  # (SPOTS, 1)
            self.places.copy_(direction * radius)
            self.heights.copy_(0.1 + 0.1 * torch.rand(SPOTS, self.channels, generator=generator))
            self.log_width.fill_(math.log(WIDTH))
            self.floor.zero_()

    def features(self, code: Tensor) -> Tensor:
        """Return what the object is made from, shape (n, hidden): nothing of its orientation."""
        if not self.varies:
            return code.new_zeros(len(code), self.hidden)
        rest = torch.cat((code[:, : self.at], code[:, self.at + MATRIX :]), 1)  # (n, code - 9)
        h = leaky_relu(self.mix1(rest), 0.1)  # (n, hidden)
        return leaky_relu(self.mix2(h), 0.1)  # (n, hidden)

    def cloud(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """Return places (n, SPOTS, 3), parts of the unit from the object's centre, and heights (n, SPOTS, channels)."""
        if self.varies:
            change = self.draw(self.features(code)).view(-1, SPOTS, 3 + self.channels)  # (n, SPOTS, 3 + channels)
            places, heights = self.places + 0.1 * change[..., :3], self.heights + 0.1 * change[..., 3:]
        else:  # one object
            places, heights = self.places[None], self.heights[None]
        weight = heights.abs().sum(2, keepdim=True) + 1e-6  # (n or 1, SPOTS, 1)
        middle = (weight * places).sum(1, keepdim=True) / weight.sum(1, keepdim=True)  # (n or 1, 1, 3)
        n = len(code)
        return (places - middle).expand(n, -1, -1), heights.expand(n, -1, -1)

    def forward(self, code: Tensor, pose: Pose, centre: Tensor | None, times: int = 1) -> Tensor:
        """Draw codes (n, code) in so many poses each; an object is centred by itself."""
        code = code if times == 1 else code.repeat_interleave(times, 0)  # (times n, code)
        n, (rows, cols) = len(code), self.window
        places, heights = self.cloud(code)  # (n, SPOTS, 3), (n, SPOTS, channels)
        matrix = code[:, self.at : self.at + MATRIX].view(n, 3, 3)[:, :2]  # (n, 2, 3)
        seen = self.unit_px * (matrix @ places.transpose(1, 2))  # (n, 2, SPOTS): col, row
        width = self.unit_px * self.log_width.exp().expand(n)  # (n,)
        if pose.shift is not None:
            seen = seen + pose.shift.flip(1)[:, :, None]
        along = [torch.arange(k, device=code.device) - (k - 1) / 2 for k in (cols, rows)]
        fall = -0.5 / width[:, None, None].square()  # (n, 1, 1)
        by_col, by_row = (
            torch.exp(fall * (u - seen[:, i, :, None]).square()) for i, u in enumerate(along)
        )  # (n, SPOTS, cols), (n, SPOTS, rows)
        out = [by_row.transpose(1, 2) @ (heights[:, :, i, None] * by_col) for i in range(self.channels)]
        return torch.stack(out, 1) + self.floor[:, None, None]  # (n, channels, rows, cols)
