"""What is known of the patches of a batch, as tensors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from atomscope.data.given import Given
from atomscope.models.vae.batches import rows
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


def known(given: Given | None, index: np.ndarray) -> Known:
    """Return what is known of the patches of these numbers."""
    if given is None:
        return NOTHING
    condition = None if given.condition is None else torch.from_numpy(given.condition[index].astype(np.float32))
    label = None if given.label is None else torch.from_numpy(given.label[index].astype(np.int64))
    target = None
    if given.target is not None:
        sort = np.argsort(index, kind="stable")
        back = np.argsort(sort, kind="stable")
        if isinstance(given.target, np.ndarray):
            target = torch.from_numpy(rows(given.target[index], 0, len(index)))
        else:  # a lazy array is asked in order
            target = torch.from_numpy(rows(given.target.oindex[index[sort]], 0, len(index))[back])
    near = None if given.edges is None else contacts(given.edges, index)
    return Known(condition, label, target, near)
