"""The symmetry of most patches: the turns that leave them alike."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from atomscope.models.pose import place

#: Orders of rotation that crystals have.
ORDERS = (2, 3, 4, 6)
#: Turns (parts of a full one) that no crystal has: how alike any two turned patches are.
_OTHERS = (0.07, 0.11, 0.19, 0.23, 0.29, 0.31, 0.38, 0.43, 0.47)
#: Least part of the patches' power (noise and all) that a symmetry must explain, and of what the best one explains.
_LEAST, _NEAR = 0.25, 0.75


@torch.no_grad()
def likeness(x: Tensor, orders: Sequence[int] = ORDERS) -> list[float]:
    """Return how alike patches are to themselves after a turn by 1/n of a full one.

    Parameters
    ----------
    x : Tensor, shape (n, channels, rows, cols)

    Returns
    -------
    list of float
        1: equal, noise and all; 0: as alike as after any turn.
    """
    rows, cols = x.shape[2:]
    r, c = torch.arange(rows) - (rows - 1) / 2, torch.arange(cols) - (cols - 1) / 2  # (rows,), (cols,)
    disc = (torch.hypot(r[:, None], c) <= min(rows, cols) / 2 - 1).to(x)  # (rows, cols)

    def level(y: Tensor) -> Tensor:
        return (y - (y * disc).sum((2, 3), keepdim=True) / disc.sum().clamp(min=1)) * disc

    still = level(x)  # (n, channels, rows, cols)

    def match(part: float) -> float:
        turned = place(x, (rows, cols), x.new_full((len(x),), 2 * math.pi * part), None)  # (n, channels, rows, cols)
        return float((still * level(turned)).sum())

    any_turn = sum(match(part) for part in _OTHERS) / len(_OTHERS)
    power = float(still.square().sum()) - any_turn
    return [(match(1 / n) - any_turn) / power if power > 0 else 0.0 for n in orders]


def find_symmetry(x: Tensor) -> int:
    """Return the order of rotation of most patches (n, channels, rows, cols); 1 if they have none."""
    alike = likeness(x)
    best = max(alike)
    if best < _LEAST:
        return 1
    return max(n for n, a in zip(ORDERS, alike, strict=True) if a >= _NEAR * best)
