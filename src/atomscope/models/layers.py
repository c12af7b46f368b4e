"""Layers whose weights wait for an ``initialise`` with a generator: the global random state stays untouched."""

from __future__ import annotations

from torch import nn


class Dense(nn.Linear):
    """A dense layer."""

    def reset_parameters(self) -> None:
        """Leave the weights as they are."""


class Convolution(nn.Conv2d):
    """A convolution."""

    def reset_parameters(self) -> None:
        """Leave the weights as they are."""
