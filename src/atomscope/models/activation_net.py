"""The network behind class activation maps: what it is shown of crops, its classes, and its maps."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from atomscope.models.layers import Convolution
from atomscope.models.segmenter import standardised

_WIDTH = 24
#: What a mean over a crop is multiplied by before the classes are weighed: a defect fills a small part of a crop.
_GAIN = 8.0


class ActivationNet(nn.Module):
    """Convolutions, the mean over the crop, a weight for each feature and class.

    What speaks for a class is at most 8 px from where it is said: a network that sees farther marks the surroundings of
    a defect as gladly as the defect (with 15 px, four in ten defects were missed by more than 8 px, with 8 px none).

    References
    ----------
    B. Zhou et al., "Learning deep features for discriminative localization", CVPR 2016.
    """

    STRIDE = 2
    REACH = 8

    def __init__(self, classes: int) -> None:
        super().__init__()
        w = _WIDTH
        options: dict[str, Any] = {"padding_mode": "reflect", "bias": False}
        self.convs = nn.ModuleList(
            [
                Convolution(1, w, 5, stride=self.STRIDE, padding=2, **options),
                Convolution(w, w, 3, padding=1, **options),
                Convolution(w, w, 3, padding=1, **options),
                Convolution(w, w, 3, padding=1, **options),
            ]
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(w) for _ in self.convs)
        self.weigh = Convolution(w, classes, 1)

    def features(self, x: Tensor) -> Tensor:
        """Return f_k(u), shape (n, features, rows / 2, cols / 2), of images (n, 1, rows, cols)."""
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = relu(norm(conv(x)))  # (n, features, rows / 2, cols / 2)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, shape (n, classes), of crops (n, 1, rows, cols)."""
        pooled = self.features(x).mean((2, 3), keepdim=True)  # (n, features, 1, 1)
        return self.weigh(_GAIN * pooled)[:, :, 0, 0]

    def maps(self, x: Tensor) -> Tensor:
        """Return M_c(u) = sum_k w_k^c f_k(u), shape (n, classes, rows / 2, cols / 2), mean over the classes 0."""
        weight = self.weigh.weight - self.weigh.weight.mean(0, keepdim=True)  # (classes, features, 1, 1)
        return nn.functional.conv2d(self.features(x), weight)

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Fill every weight from one generator."""
        for name, p in self.named_parameters():
            if p.ndim > 1:
                bound = math.sqrt(6 / p.shape[1:].numel())
                p.copy_((2 * torch.rand(p.shape, generator=generator) - 1) * bound * (0.1 if "weigh" in name else 1))
            else:
                p.fill_(1.0 if "norms" in name and name.endswith("weight") else 0.0)


def as_shown(crops: Any) -> Tensor:
    """Return what the network is shown of crops (n, rows, cols), shape (n, 1, rows, cols)."""
    return torch.from_numpy(np.stack([_levelled(c) for c in crops]))[:, None]


def _levelled(image: np.ndarray) -> np.ndarray:
    """Return an image of median 0 and (robust) standard deviation 1, float32.

    A defect must not change how its own surroundings look: it would be known by them, and an image larger than the
    crops would look different.
    """
    x = np.asarray(image, np.float32)
    x = x - np.median(x)
    spread = 1.4826 * float(np.median(np.abs(x)))
    return np.asarray(x / spread, np.float32) if spread > 0 else standardised(image)
