"""Looking twice: a patch whose object lies far off the middle is moved back, and read again.

An object that may lie anywhere in a fifth of the window is hard to read: the angle that is easiest to learn is the
direction in which it lies off the middle, and one half of the patches ends up upside down. So the first look only says
where the object is. Where that is far off, the patch is moved back by whole pixels and read again; and what is found
then teaches the first look. A patch near the middle is read once.

References
----------
M. Jaderberg, K. Simonyan, A. Zisserman and K. Kavukcuoglu, "Spatial transformer networks", NeurIPS 2015.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

#: Patches are moved by multiples of this part of the largest shift.
STEP = 0.75


def far_off(shift: Tensor, reach: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """Return which patches lie far off (m,), and by how many whole pixels these are to be moved back (m, 2).

    Parameters
    ----------
    shift : Tensor, shape (n, 2), (row, col) px
        Of the first look.
    reach : tuple of float
        Largest shift, (row, col) px.
    """
    step = torch.tensor([max(1, round(STEP * r)) for r in reach], device=shift.device)  # (2,)
    by = torch.round(shift.detach() / step).long() * step  # (n, 2)
    far = torch.nonzero((by != 0).any(1)).flatten()  # (m,)
    return far, by[far]


def moved_back(x: Tensor, by: Tensor) -> Tensor:
    """Return patches (n, channels, rows, cols) moved by -``by`` (n, 2), whole pixels; what comes in is 0."""
    (n, channels, rows, cols), (up, left) = x.shape, by.abs().amax(0).tolist()
    wide = pad(x, (left, left, up, up))  # (n, channels, height, width)
    height, width = wide.shape[2:]
    # A row of a moved patch is a run of numbers of the padded ones: rows are picked by where they begin.
    plane = torch.arange(n * channels, device=x.device).view(n, channels, 1) * (height * width)
    begin = ((up + by[:, :1]) * width + left + by[:, 1:])[:, None]  # (n, 1, 1)
    begin = plane + begin + torch.arange(rows, device=x.device) * width  # (n, channels, rows)
    runs = wide.as_strided((wide.numel() - cols + 1, cols), (1, 1))
    return runs.index_select(0, begin.flatten()).view(x.shape)
