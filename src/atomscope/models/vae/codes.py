"""Codes: what a decoder draws from. Latents of every kind side by side, then the class, then what is known."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from atomscope.data.params import VAESpec
from atomscope.models.vae.encoders import Posterior
from atomscope.models.vae.rotations import matrix_of

#: Numbers of a rotation in space: its matrix.
MATRIX = 9


class Layout(NamedTuple):
    """How many numbers of a code are what, in this order."""

    latent: int
    circles: int
    orientation: bool
    classes: int
    conditions: int

    @classmethod
    def of(cls, spec: VAESpec, conditions: int) -> Layout:
        """Return the layout of a model's codes."""
        return cls(spec.latent_dim, spec.circles, spec.orientation, spec.classes, conditions)

    @property
    def size(self) -> int:
        """Length of a code."""
        return self.latent + 2 * self.circles + MATRIX * self.orientation + self.classes + self.conditions


def code_of(
    z: Tensor,
    circles: Tensor | None = None,
    frame: Tensor | None = None,
    classes: Tensor | None = None,
    condition: Tensor | None = None,
) -> Tensor:
    """Put a code together, shape (n, code).

    Parameters
    ----------
    z : Tensor, shape (n, latent)
    circles : Tensor, shape (n, k), rad, or None
        Periodic latents: the decoder sees their cosines and sines.
    frame : Tensor, shape (n, 4), or None
        Unit quaternions: the decoder sees their matrices, in which q and -q are one.
    classes : Tensor, shape (n, classes), or None
    condition : Tensor, shape (n, conditions), standardised, or None
    """
    parts = [z]
    if circles is not None:
        parts += [torch.cos(circles), torch.sin(circles)]
    if frame is not None:
        parts.append(matrix_of(frame))
    parts += [part for part in (classes, condition) if part is not None]
    return parts[0] if len(parts) == 1 else torch.cat(parts, 1)


def mean_code(p: Posterior, condition: Tensor | None = None) -> Tensor:
    """Return the code of a posterior's means and of its likeliest class, shape (n, code)."""
    classes = None if p.logits is None else one_hot(p.logits.argmax(1), p.logits.shape[1]).to(p.z)
    return code_of(p.z, p.circles, p.frame, classes, condition)


def nearest(code: Tensor, anchors: Tensor) -> Tensor:
    """Return which of the anchors (m, code) is nearest to each code (n, code); (n,), int64.

    By products: ``torch.cdist`` asks how many there are, so that no graph for any number of patches can hold it.
    """
    far = anchors.square().sum(1) - 2 * code @ anchors.T  # (n, m), squared, up to what a code has with all
    return far.argmin(1)
