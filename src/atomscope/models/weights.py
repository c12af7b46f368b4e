"""The weights of a network as plain data for a model file, and back: every tensor checked by name, shape and value."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import torch
from torch import nn

from atomscope.data import ModelState
from atomscope.errors import InputError


def to_tensors(net: nn.Module) -> dict[str, np.ndarray]:
    """Return copies of the weights, by name."""
    return {n: t.detach().numpy().copy() for n, t in net.state_dict().items() if t.is_floating_point()}


def check_kind(state: ModelState, kind: str, newest: int, what: str) -> None:
    """Check that a file holds a model of a kind, in a layout that is known.

    Parameters
    ----------
    state : ModelState
    kind : str
        What is wanted.
    newest : int
        Newest layout that can be read.
    what : str
        How a person calls such a model.

    Raises
    ------
    InputError
        If it does not.
    """
    if state.spec.get("kind") != kind:
        raise InputError(f"this file holds a model of kind {state.spec.get('kind')!r}; wanted a {kind}")
    if int(state.meta.get("format", newest)) > newest:
        raise InputError(f"this {what} has format {state.meta['format']}, newer than {newest}; update the program")


def fill(net: nn.Module, state: ModelState, what: str, beside: Collection[str] = ()) -> None:
    """Give a network the weights of a model file and make it ready for evaluation.

    Parameters
    ----------
    net : torch.nn.Module
    state : ModelState
    what : str
        How a person calls such a model.
    beside : collection of str
        Tensors of the file that are none of the network's.

    Raises
    ------
    InputError
        If tensors are missing, unknown, of another shape or not finite.
    """
    wanted = {name: t for name, t in net.state_dict().items() if t.is_floating_point()}
    wrong = sorted(set(wanted) ^ (set(state.tensors) - set(beside)))
    wrong += [n for n, t in state.tensors.items() if n in wanted and tuple(t.shape) != tuple(wanted[n].shape)]
    wrong += [n for n, t in state.tensors.items() if not np.isfinite(t).all()]
    if wrong:
        raise InputError(f"this {what} is damaged or of another architecture: see {', '.join(wrong[:4])}")
    net.load_state_dict({n: torch.from_numpy(np.array(state.tensors[n], np.float32)) for n in wanted}, strict=False)
    net.eval()
