"""Copies of an example that are as good as itself: mirrored and turned."""

from __future__ import annotations

import torch
from torch import Tensor


def one_of_eight(layers: Tensor, k: int) -> Tensor:
    """Return copy ``k``, 0 to 7, of the eight that mirroring and turning by 90 degrees make of a square.

    Of a rectangle there are four: a quarter turn counts as a half one.

    Parameters
    ----------
    layers : Tensor, shape (layers, rows, cols)
    k : int

    Returns
    -------
    Tensor, shape (layers, rows, cols)
    """
    square = layers.shape[-1] == layers.shape[-2]
    turned = torch.rot90(layers, k % 4 if square else 2 * (k % 2), (1, 2))  # (layers, rows, cols)
    return turned.flip(2) if k >= 4 else turned
