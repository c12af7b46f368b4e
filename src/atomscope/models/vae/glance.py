"""Looking twice: a patch whose object lies far off the middle is moved back, and read again.

An object that may lie anywhere in a fifth of the window is hard to read: the angle that is easiest to learn is the
direction in which it lies off the middle, and one half of the patches ends up upside down. So a first look only says
where the object is: at the centre of what stands out of the background, and a small network says by how much it is
not. Where that is far off, the patch is moved back by whole pixels, then the encoder reads it; and what it finds
teaches the first look.

References
----------
M. Jaderberg, K. Simonyan, A. Zisserman and K. Kavukcuoglu, "Spatial transformer networks", NeurIPS 2015.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, pad

from atomscope.models.layers import Dense

#: Width of the network, and how far it looks, parts of the largest shift: an object's own centre is not known yet.
WIDTH, FAR = 64, 1.3
#: Patches are moved by multiples of this part of the largest shift: one near the middle stays as it is.
STEP = 0.25
#: How far off the middle an object is read after that: parts of the largest shift, but not fewer px than this.
NEAR, NEAR_PX = 0.4, 3.4
#: What stands out: deviations from the background larger than so many times its scatter.
OUT = 2.5
#: What noise alone makes stand out, of its scatter, a pixel: four times the mean of normal noise.
CHANCE = 0.016


class Glance(nn.Module):
    """Say where the object of a patch lies, and bring it near the middle.

    Parameters
    ----------
    window : tuple of int
        (rows, cols).
    channels : int
    reach : tuple of float
        Largest shift, (row, col) px.
    """

    level: Tensor
    scatter: Tensor

    def __init__(self, window: tuple[int, int], channels: int, reach: tuple[float, float]) -> None:
        super().__init__()
        self.reach = reach
        self.steps = [max(1, round(STEP * r)) for r in reach]  # px
        row, col = (step * round(FAR * r / step) for step, r in zip(self.steps, reach, strict=True))
        self.far = (row, col)  # px
        self.read = Dense(channels * window[0] * window[1], WIDTH)
        self.mix = Dense(WIDTH, WIDTH)
        self.say = Dense(WIDTH, 2)
        self.register_buffer("level", torch.zeros(channels))
        self.register_buffer("scatter", torch.ones(channels))

    @torch.no_grad()
    def get_used_to(self, x: Tensor) -> None:
        """Learn the background of standardised patches (n, channels, rows, cols): their median and its deviation."""
        values = x.transpose(0, 1).flatten(1)  # (channels, n * rows * cols)
        self.level.copy_(values.median(1).values)
        self.scatter.copy_(1.4826 * (values - self.level[:, None]).abs().median(1).values)

    def middle(self, x: Tensor) -> Tensor:
        """Return the centre of what stands out of the background in patches, from their middle; (n, 2), px."""
        level, edge = self.level[:, None, None], OUT * self.scatter[:, None, None]  # (channels, 1, 1) twice
        mass = ((x - level).abs() - edge).clamp(min=0).sum(1)  # (n, rows, cols)
        rows, cols = x.shape[2:]
        row = torch.arange(rows, device=x.device)[:, None].expand(rows, cols) - (rows - 1) / 2  # (rows, cols)
        col = torch.arange(cols, device=x.device).expand(rows, cols) - (cols - 1) / 2  # (rows, cols)
        at = torch.stack((row, col, torch.ones_like(row)), -1).flatten(0, 1)  # (rows * cols, 3)
        sums = mass.flatten(1) @ at  # (n, 3)
        chance = CHANCE * rows * cols * self.scatter.sum()  # scalar
        return sums[:, :2] / (sums[:, 2:] + chance + 1e-6)  # where nothing is, the middle

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Look at standardised patches (n, channels, rows, cols).

        Returns
        -------
        lies : Tensor, shape (n, 2), (row, col) px
            Where the objects lie.
        by : Tensor, shape (n, 2), (row, col) px
            By how many whole pixels the patches were moved back.
        moved : Tensor, like ``x``
        """
        h = leaky_relu(self.read(x.flatten(1)), 0.1)  # (n, WIDTH)
        h = leaky_relu(self.mix(h), 0.1)  # (n, WIDTH)
        far = FAR * torch.tensor(self.reach, device=x.device)  # (2,)
        lies = self.middle(x) + far * torch.tanh(self.say(h))  # (n, 2)
        lies = torch.minimum(torch.maximum(lies, -far), far)  # (n, 2)
        step = torch.tensor(self.steps, device=x.device)  # (2,)
        by = torch.round(lies.detach() / step).long() * step  # (n, 2)
        return lies, by, moved_back(x, by, self.far)

    @property
    def near(self) -> Tensor:
        """How far off the middle an object is read once its patch was moved back, (row, col) px, shape (2,)."""
        return torch.tensor([min(r, max(NEAR * r, NEAR_PX)) for r in self.reach])

    def gap(self, lies: Tensor, shift: Tensor) -> Tensor:
        """Return how far the first look was from the shift (n, 2), squared, parts of the largest one; shape (n,)."""
        unit = torch.tensor([r or 1.0 for r in self.reach], device=lies.device)  # (2,): a curve has no rows
        return ((lies - shift.detach()) / unit).square().sum(1)


def moved_back(x: Tensor, by: Tensor, far: tuple[int, int]) -> Tensor:
    """Return patches moved back by whole pixels; what comes in is 0.

    Parameters
    ----------
    x : Tensor, shape (n, channels, rows, cols)
    by : Tensor, shape (n, 2), int64, (row, col) px
        Patches are moved by -``by``.
    far : tuple of int
        The largest of these numbers that there may be, (row, col).
    """
    (up, left), (channels, rows, cols) = far, x.shape[1:]
    wide = pad(x, (left, left, up, up)).flatten(2)  # (n, channels, height * width)
    width = cols + 2 * left
    row, col = torch.arange(rows, device=x.device)[:, None], torch.arange(cols, device=x.device)  # (rows, 1), (cols,)
    begin = (up + by[:, :1]) * width + left + by[:, 1:]  # (n, 1)
    at = begin + (row * width + col).flatten()  # (n, rows * cols)
    return wide.gather(2, at[:, None].expand(-1, channels, -1)).view(x.shape)
