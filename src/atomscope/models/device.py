"""Where tensors live."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

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


def precision(name: str, device: torch.device) -> contextlib.AbstractContextManager[None]:
    """Return a context in which products are made in 16 bits where that is wanted: ``auto`` only on CUDA."""
    mixed = name == "mixed" or (name == "auto" and device.type == "cuda")
    if not mixed:
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


@contextlib.contextmanager
def deterministic(wanted: bool) -> Iterator[None]:
    """Use only operations that give the same bits every time; what has no such form warns."""
    if not wanted:  # to say so imports torch's compiler
        yield
        return
    was, warned = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(was, warn_only=warned)
