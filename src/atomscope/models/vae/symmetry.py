"""The symmetry of most patches: the turns that leave them alike."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from atomscope.models.vae.pose import Pose, place

#: Orders of rotation that crystals have.
ORDERS = (2, 3, 4, 6)
#: Turns (parts of a full one) that no crystal has: how alike any two turned patches are.
_OTHERS = (0.07, 0.11, 0.19, 0.23, 0.29, 0.31, 0.38, 0.43, 0.47)
#: Least part of the patches' power that a symmetry must explain, and of what the best one explains.
_LEAST, _NEAR = 0.3, 0.75
#: Noise is never taken for more than this part of the power.
_MOST_NOISE = 0.8
#: A patch with a shorter side shows no symmetry, px.
_LEAST_SIDE = 5


@torch.no_grad()
def likeness(x: Tensor, orders: Sequence[int] = ORDERS) -> list[float]:
    """Return how alike patches are to themselves after a turn by 1/n of a full one.

    Parameters
    ----------
    x : Tensor, shape (n, channels, rows, cols)

    Returns
    -------
    list of float
        1: equal but for the noise; 0: as alike as after any turn.
    """
    if min(x.shape[2:]) < _LEAST_SIDE:
        return [0.0] * len(orders)
    rows, cols = x.shape[2:]
    r, c = torch.arange(rows) - (rows - 1) / 2, torch.arange(cols) - (cols - 1) / 2  # (rows,), (cols,)
    disc = (torch.hypot(r[:, None], c) <= min(rows, cols) / 2 - 1).to(x)  # (rows, cols)

    def level(y: Tensor) -> Tensor:
        return (y - (y * disc).sum((2, 3), keepdim=True) / disc.sum().clamp(min=1)) * disc

    still = level(x)  # (n, channels, rows, cols)

    def match(part: float) -> float:
        turned = place(x, (rows, cols), Pose(x.new_full((len(x),), 2 * math.pi * part)))  # (n, channels, rows, cols)
        return float((still * level(turned)).sum())

    any_turn = sum(match(part) for part in _OTHERS) / len(_OTHERS)
    noise = float((noise_variance(x) * disc).sum())
    power = max(float(still.square().sum()) - noise - any_turn, (1 - _MOST_NOISE) * float(still.square().sum()))
    return [(match(1 / n) - any_turn) / power if power > 0 else 0.0 for n in orders]


def noise_variance(x: Tensor) -> Tensor:
    """Return the noise variance of each patch and channel, shape (n, channels, 1, 1), from what no smooth image has.

    References
    ----------
    J. Immerkaer, "Fast noise variance estimation", Comput. Vis. Image Underst. 64 (1996) 300-302.
    """
    down = x[..., 2:, :] - 2 * x[..., 1:-1, :] + x[..., :-2, :]  # (n, channels, rows - 2, cols)
    rough = down[..., 2:] - 2 * down[..., 1:-1] + down[..., :-2]  # (n, channels, rows - 2, cols - 2)
    return rough.square().mean((2, 3), keepdim=True) / 36


def find_symmetry(x: Tensor) -> int:
    """Return the order of rotation of most patches (n, channels, rows, cols); 1 if they have none."""
    alike = likeness(x)
    best = max(alike)
    if best < _LEAST:
        return 1
    return max(n for n, a in zip(ORDERS, alike, strict=True) if a >= _NEAR * best)
