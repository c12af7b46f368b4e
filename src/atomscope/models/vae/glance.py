"""The first look at a patch: where in the window its object lies.

An object that may lie anywhere in a fifth of the window is hard to read: the angle that is easiest to learn is the
direction in which it lies off the middle, and one half of the patches ends up upside down. So a small network says
where the object is, the patch is moved back, and the encoder reads what then lies near the middle. What the encoder
finds is still missing from the shift teaches the first look.

References
----------
M. Jaderberg, K. Simonyan, A. Zisserman and K. Kavukcuoglu, "Spatial transformer networks", NeurIPS 2015.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from atomscope.models.layers import Dense
from atomscope.models.vae.pose import Pose, place

#: Width of the network, and how far it looks, parts of the largest shift: an object's own centre is not known yet.
WIDTH, FAR = 64, 1.3


class Glance(nn.Module):
    """Say where the object of a patch lies.

    Parameters
    ----------
    window : tuple of int
        (rows, cols).
    channels : int
    reach : tuple of float
        Largest shift, (row, col) px.
    """

    def __init__(self, window: tuple[int, int], channels: int, reach: tuple[float, float]) -> None:
        super().__init__()
        self.reach = reach
        self.read = Dense(channels * window[0] * window[1], WIDTH)
        self.mix = Dense(WIDTH, WIDTH)
        self.say = Dense(WIDTH, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return where the objects lie (n, 2), (row, col) px, and the patches (n, channels, rows, cols) moved back."""
        h = leaky_relu(self.read(x.flatten(1)), 0.1)  # (n, WIDTH)
        h = leaky_relu(self.mix(h), 0.1)  # (n, WIDTH)
        lies = FAR * torch.tensor(self.reach, device=x.device) * torch.tanh(self.say(h))  # (n, 2)
        return lies, place(x, (x.shape[2], x.shape[3]), Pose(shift=-lies.detach()))

    def gap(self, lies: Tensor, shift: Tensor) -> Tensor:
        """Return how far the first look was from the shift (n, 2), squared, parts of the largest one; shape (n,)."""
        unit = torch.tensor([r or 1.0 for r in self.reach], device=lies.device)  # (2,): a curve has no rows
        return ((lies - shift.detach()) / unit).square().sum(1)
