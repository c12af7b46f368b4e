"""When an accelerator fails in the middle of work: out of memory, taken away, broken. The CPU goes on.

What was done up to the last epoch (or batch) is on the CPU already, and the randomness of an epoch depends on the seed
and its number alone, so nothing is lost but time.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar

import torch
from torch import nn

from atomscope.data import ModelState

log = logging.getLogger(__name__)

CPU = torch.device("cpu")
#: What drivers say when the device is out of memory, and when it is not usable any more (lower case).
_FULL = ("out of memory", "alloc_failed", "not enough memory")
_LOST = ("cuda error", "cuda driver", "cudnn", "cublas", "cusolver", "nvml", "device-side assert", "hip error", "mps ")


class Movable(Protocol):
    """A run that can go on elsewhere."""

    device: torch.device

    def state(self) -> ModelState:
        """Return everything that is needed to go on."""

    def restart(self, device: torch.device, state: ModelState) -> None:
        """Go on from a state on a device."""


R = TypeVar("R", bound=Movable)
P = ParamSpec("P")
T = TypeVar("T")
N = TypeVar("N", bound=nn.Module)


def lost(error: BaseException, device: torch.device) -> str | None:
    """Return in words what became of an accelerator, or None when the error is not of its making."""
    if device == CPU or not isinstance(error, RuntimeError):
        return None
    said = str(error).lower()
    if isinstance(error, torch.OutOfMemoryError) or any(word in said for word in _FULL):
        return "is out of memory"
    broken = getattr(torch, "AcceleratorError", None)
    if (broken is not None and isinstance(error, broken)) or any(word in said for word in _LOST):
        return "failed"
    return None


def tell(device: torch.device, why: str, error: BaseException, what: str) -> None:
    """Say in the log that the CPU goes on, and what can be done about it."""
    advice = "a smaller batch_size or closing other programs may help" if "memory" in why else "look at its driver"
    first = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
    log.warning("%s %s (%s); %s goes on on the CPU, slower: %s", device, why, first, what, advice)


def placed(net: N, device: torch.device, what: str = "the training") -> tuple[N, torch.device]:
    """Bring a network to a device, or to the CPU when that fails; return it and where it is."""
    try:
        return net.to(device), device
    except RuntimeError as error:
        why = lost(error, device)
        if why is None:
            raise
        tell(device, why, error, what)
        return net.to(CPU), CPU


def survives(work: Callable[Concatenate[R, P], T]) -> Callable[Concatenate[R, P], T]:
    """Make a method of a run start again on the CPU, from where it began, when the accelerator fails in it."""

    @functools.wraps(work)
    def guarded(run: R, /, *args: P.args, **kwargs: P.kwargs) -> T:
        if run.device == CPU:
            return work(run, *args, **kwargs)
        before = run.state()
        try:
            return work(run, *args, **kwargs)
        except RuntimeError as error:
            why = lost(error, run.device)
            if why is None:
                raise
            tell(run.device, why, error, "the training")
            run.restart(CPU, before)
            return work(run, *args, **kwargs)

    return guarded
