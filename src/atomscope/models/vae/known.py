"""What is known of the patches of a batch, as tensors."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from atomscope.data.given import Given
from atomscope.errors import InputError, ShapeError
from atomscope.models.vae.batches import block_length, rows
from atomscope.models.vae.boundary import Contacts, contacts


class Known(NamedTuple):
    """Of n patches; parts that are not known are None.

    Attributes
    ----------
    condition : Tensor, shape (n, k), or None
    label : Tensor, shape (n,), int64, or None
        -1 where the class is not known.
    target : Tensor, shape (n, channels, rows, cols), or None
        In their own units, as the patches.
    near : Contacts or None
        Which of them are neighbours.
    """

    condition: Tensor | None = None
    label: Tensor | None = None
    target: Tensor | None = None
    near: Contacts | None = None

    def to(self, device: torch.device) -> Known:
        """Return it on a device."""
        return Known(*(None if part is None else part.to(device) for part in self))  # type: ignore[arg-type]


NOTHING = Known()


def known(given: Given | None, index: np.ndarray, target: Tensor | None = None) -> Known:
    """Return what is known of the patches of these numbers; their targets are read, unless they are here already."""
    if given is None:
        return NOTHING
    condition = None if given.condition is None else torch.from_numpy(given.condition[index].astype(np.float32))
    label = None if given.label is None else torch.from_numpy(given.label[index].astype(np.int64))
    if target is None and given.target is not None:
        sort = np.argsort(index, kind="stable")
        back = np.argsort(sort, kind="stable")
        if isinstance(given.target, np.ndarray):
            target = torch.from_numpy(rows(given.target[index], 0, len(index)))
        else:  # a lazy array is asked in order
            target = torch.from_numpy(rows(given.target.oindex[index[sort]], 0, len(index))[back])
    near = None if given.edges is None else contacts(given.edges, index)
    return Known(condition, label, target, near)


def check_target(values: Any, target: Any) -> None:
    """Raise ShapeError or InputError unless a target is of the shape of the patches and finite; one pass over it."""
    if tuple(target.shape) != tuple(values.shape):
        raise ShapeError(f"fit: the target has shape {tuple(target.shape)}, the patches {tuple(values.shape)}")
    step = block_length(target, 32_000_000)
    for start in range(0, int(target.shape[0]), step):
        x = rows(target, start, start + step)  # (b, channels, rows, cols)
        bad = np.flatnonzero(~np.isfinite(x.reshape(len(x), -1).sum(1, dtype=np.float64)))
        if len(bad):
            raise InputError(
                f"fit: the target of patch {start + bad[0]} holds NaN or inf; cut pairs with edge='drop' or 'pad'"
            )
