"""Adam, on all parameters as one vector, and the learning rate of its steps."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn


class Adam:
    """Adam with the gradient's norm bounded.

    A step of a small network is mostly the calling of small operations: here there is one vector for all of its
    tensors. (And the first use of an optimiser of ``torch.optim`` imports torch's compiler, a second and a half.)

    Parameters
    ----------
    params : iterable of Parameter
        All on one device, float32.
    betas : tuple of float
        How much of the mean gradient and of the mean squared gradient a step keeps.
    largest : float
        A longer gradient is shortened to this norm.

    References
    ----------
    D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", arXiv:1412.6980.
    """

    def __init__(self, params: Iterable[nn.Parameter], betas: tuple[float, float], largest: float = 1.0) -> None:
        self.params, self.betas, self.largest = list(params), betas, largest
        self._values = torch.cat([p.detach().flatten() for p in self.params])
        for p, part in zip(self.params, self._values.split([p.numel() for p in self.params]), strict=True):
            p.data = part.view_as(p)
        self._gradient = torch.empty_like(self._values)
        self._mean, self._square = torch.zeros_like(self._values), torch.zeros_like(self._values)
        self._steps = torch.zeros((), device=self._values.device)

    @torch.no_grad()
    def step(self, lr: float) -> None:
        """Move the parameters by their gradients, which are used up; one that has none counts as 0."""
        self._steps += 1
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.params]
        g = torch.cat([grad.flatten() for grad in gradients], out=self._gradient)
        for p in self.params:
            p.grad = None
        shorten = (torch.linalg.vector_norm(g) / self.largest).clamp(min=1.0)
        torch._fused_adam_(
            [self._values],
            [g],
            [self._mean],
            [self._square],
            [],
            [self._steps],
            lr=lr,
            beta1=self.betas[0],
            beta2=self.betas[1],
            weight_decay=0.0,
            eps=1e-8,
            amsgrad=False,
            maximize=False,
            grad_scale=shorten,
        )

    def state(self) -> dict[str, Tensor]:
        """Return what a resumed run needs."""
        return {"mean": self._mean, "square": self._square, "steps": self._steps}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from :meth:`state`."""
        for name, value in self.state().items():
            value.copy_(state[name])


def one_cycle(t: float, peak: float) -> float:
    """Return the learning rate at the fraction ``t`` of the training: up in a quarter, down to nearly nothing.

    References
    ----------
    L. N. Smith and N. Topin, "Super-convergence", arXiv:1708.07120.
    """
    if t < 0.25:
        return peak * (0.04 + 0.96 * 0.5 * (1 - math.cos(4 * math.pi * t)))
    return peak * (1e-3 + (1 - 1e-3) * 0.5 * (1 + math.cos(math.pi * (t - 0.25) / 0.75)))


def rate(schedule: str, t: float, peak: float) -> float:
    """Return the learning rate of a schedule (one_cycle, cosine, constant) at the fraction ``t`` of the training."""
    if schedule == "constant":
        return peak
    if schedule == "cosine":
        return peak * (1e-3 + (1 - 1e-3) * 0.5 * (1 + math.cos(math.pi * t)))
    return one_cycle(t, peak)
