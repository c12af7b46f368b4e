"""Where tensors live."""

from __future__ import annotations

import torch

from atomscope.errors import InputError


def find_device(name: str) -> torch.device:
    """Return the torch device of a name: ``auto`` (cuda, else the CPU), ``cpu``, ``cuda`` or ``mps``.

    Raises
    ------
    InputError
        If the name is unknown or the machine has no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        raise InputError(f"device: wanted 'auto', 'cpu', 'cuda' or 'mps', got {name!r}") from None
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(device.type, False):
        raise InputError(f"device: this machine has no usable {name!r}; use device='auto' or 'cpu'")
    return device
