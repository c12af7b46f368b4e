"""Likelihoods: how a patch scatters round what is drawn of it.

A decoder draws numbers whose 0 is the mean of the training data; a likelihood says what these mean, and how probable a
patch is.
"""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from atomscope.errors import InputError

#: Rates of counts stay below exp of this times their mean.
_MOST = 12.0
#: Means that a logarithm is taken of stay so far from 0 (and 1).
_LEAST = 1e-4


class Likelihood(Protocol):
    """What a model asks of its likelihood; ``offset`` and ``scale`` (channels,) are those of the training data."""

    def check(self, low: float, high: float) -> None:
        """Raise InputError if data between these bounds cannot be drawn from it."""

    def nats(self, drawn: Tensor, x: Tensor, raw: Tensor, noise_var: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
        """Return -ln p of patches, shape (n,), and what their noise is learned from, shape (n, channels).

        ``x`` standardised and ``raw`` both (n, channels, rows, cols).
        """

    def mean(self, drawn: Tensor, offset: Tensor, scale: Tensor) -> Tensor:
        """Return the patch that is expected, in the units of the data."""

    def scatter(self, mean: Tensor, noise_var: Tensor, scale: Tensor, generator: torch.Generator) -> Tensor:
        """Return patches drawn round what is expected of them, in the units of the data."""


class Gaussian:
    """Noise of one standard deviation for each channel, given or learned."""

    def check(self, low: float, high: float) -> None:
        """Anything goes."""

    def nats(self, drawn: Tensor, x: Tensor, raw: Tensor, noise_var: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
        """Return -ln N(x; drawn, noise_var), shape (n,), and the squared residuals summed over pixels."""
        squared = (x - drawn).square().flatten(2).sum(2)  # (n, channels)
        pixels = x.shape[2] * x.shape[3]
        nats = (0.5 * squared / noise_var + 0.5 * pixels * torch.log(2 * math.pi * noise_var)).sum(1)  # (n,)
        return nats, squared

    def mean(self, drawn: Tensor, offset: Tensor, scale: Tensor) -> Tensor:
        """Undo the standardisation."""
        return drawn * scale[:, None, None] + offset[:, None, None]

    def scatter(self, mean: Tensor, noise_var: Tensor, scale: Tensor, generator: torch.Generator) -> Tensor:
        """Add the noise."""
        noise = torch.randn(mean.shape, generator=generator).to(mean)
        return mean + (noise_var.sqrt() * scale)[:, None, None] * noise


class Bernoulli:
    """Values from 0 to 1: of each pixel the probability that it is set."""

    def check(self, low: float, high: float) -> None:
        """Wanted: values from 0 to 1."""
        if low < 0 or high > 1:
            raise InputError(
                f"likelihood='bernoulli' wants values from 0 to 1, got {low:g} to {high:g}; crop with "
                "normalise='none' from such an image, or use the gaussian likelihood"
            )

    def nats(self, drawn: Tensor, x: Tensor, raw: Tensor, noise_var: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
        """Return the cross-entropy, shape (n,); there is no noise to learn."""
        each = binary_cross_entropy_with_logits(drawn + self._zero(offset), raw, reduction="none")
        return each.flatten(1).sum(1), x.new_zeros(x.shape[:2])

    def mean(self, drawn: Tensor, offset: Tensor, scale: Tensor) -> Tensor:
        """Return the probabilities."""
        return torch.sigmoid(drawn + self._zero(offset))

    def scatter(self, mean: Tensor, noise_var: Tensor, scale: Tensor, generator: torch.Generator) -> Tensor:
        """Set pixels with their probabilities."""
        return (torch.rand(mean.shape, generator=generator).to(mean) < mean).to(mean)

    def _zero(self, offset: Tensor) -> Tensor:
        return torch.logit(offset.clamp(_LEAST, 1 - _LEAST))[:, None, None]  # (channels, 1, 1)


class Poisson:
    """Counts, whose scatter grows with their mean."""

    def check(self, low: float, high: float) -> None:
        """Wanted: counts."""
        if low < 0:
            raise InputError(
                f"likelihood='poisson' wants counts, 0 or more, got {low:g} to {high:g}; crop with normalise='none' "
                "from an image of counts, or use the gaussian likelihood"
            )

    def nats(self, drawn: Tensor, x: Tensor, raw: Tensor, noise_var: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
        """Return -ln Poisson(raw; rate), shape (n,); there is no noise to learn."""
        log_rate = self._log_rate(drawn, offset)  # (n, channels, rows, cols)
        nats = (log_rate.exp() - raw * log_rate + torch.lgamma(raw + 1)).flatten(1).sum(1)  # (n,)
        return nats, x.new_zeros(x.shape[:2])

    def mean(self, drawn: Tensor, offset: Tensor, scale: Tensor) -> Tensor:
        """Return the rates."""
        return self._log_rate(drawn, offset).exp()

    def scatter(self, mean: Tensor, noise_var: Tensor, scale: Tensor, generator: torch.Generator) -> Tensor:
        """Count."""
        return torch.poisson(mean.cpu(), generator=generator).to(mean)

    def _log_rate(self, drawn: Tensor, offset: Tensor) -> Tensor:
        return drawn.clamp(max=_MOST) + offset.clamp(min=_LEAST).log()[:, None, None]


LIKELIHOODS: dict[str, Likelihood] = {"gaussian": Gaussian(), "bernoulli": Bernoulli(), "poisson": Poisson()}
