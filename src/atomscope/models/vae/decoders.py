"""Decoders: the networks that draw a patch from its latents, in a pose."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from atomscope.data.params import VAESpec
from atomscope.models.layers import Dense
from atomscope.models.vae.encoders import reach_of
from atomscope.models.vae.pose import Pose, canvas_side, picture_points, place

#: Numbers that a block of a network evaluated pixel by pixel holds: 2 MB stay in a cache, all pixels of a batch do not.
IN_CACHE = 1 << 19


class Decoder(Protocol):
    """What the model asks of a decoder."""

    def features(self, code: Tensor) -> Tensor:
        """Return what the drawing is made from, shape (n, hidden)."""

    def __call__(self, code: Tensor, pose: Pose, centre: Tensor | None, times: int = 1) -> Tensor:
        """Draw codes (n, code) in so many poses each, shape (times n, channels, rows, cols)."""


class CanvasDecoder(nn.Module):
    """Draw one canonical picture on a canvas, then look at it through the turned, shifted window.

    The network runs once a patch, not once a pixel: some forty times faster than :class:`CoordinateDecoder`.
    """

    def __init__(self, spec: VAESpec, window: tuple[int, int], channels: int, code: int) -> None:
        super().__init__()
        self.window, self.channels, hidden = window, channels, spec.hidden
        smallest = 1 / spec.max_scale if spec.scaling else 1.0
        self.canvas = canvas_side(window, spec.rotation, reach_of(spec, window), smallest)
        self.mix1 = Dense(code, hidden)
        self.mix2 = Dense(hidden, hidden)
        self.draw = Dense(hidden, channels * self.canvas[0] * self.canvas[1])

    def features(self, code: Tensor) -> Tensor:
        """Return what the drawing is made from, shape (n, hidden)."""
        h = leaky_relu(self.mix1(code), 0.1)  # (n, hidden)
        return leaky_relu(self.mix2(h), 0.1)  # (n, hidden)

    def picture(self, code: Tensor) -> Tensor:
        """Draw codes (n, code) on the canvas, shape (n, channels, height, width)."""
        picture: Tensor = self.draw(self.features(code)).view(-1, self.channels, *self.canvas)
        return picture

    def forward(self, code: Tensor, pose: Pose, centre: Tensor | None, times: int = 1) -> Tensor:
        """Draw codes (n, code) in so many poses each, the picture's own centre at ``centre`` (times n, 2)."""
        return place(self.picture(code), self.window, pose, centre, times)  # (times n, channels, rows, cols)


class CoordinateDecoder(nn.Module):
    """A network of the pixel's coordinates and the latents, evaluated at every turned pixel.

    Slow, and smooth by construction.

    References
    ----------
    T. Bepler, E. Zhong, K. Kelley, E. Brignole and B. Berger, "Explicitly disentangling image content from
    translation and rotation with spatial-VAE", NeurIPS 2019.
    """

    def __init__(self, spec: VAESpec, window: tuple[int, int], channels: int, code: int) -> None:
        super().__init__()
        self.window, self.channels, hidden = window, channels, spec.hidden
        self.unit_px = max(window) / 2
        self.mix1 = Dense(code, hidden)
        self.where = Dense(2, hidden)
        self.mix2 = Dense(hidden, hidden)
        self.mix3 = Dense(hidden, hidden)
        self.draw = Dense(hidden, channels)

    def features(self, code: Tensor) -> Tensor:
        """Return what the drawing is made from, shape (n, hidden)."""
        return self.mix1(code)  # (n, hidden)

    def forward(self, code: Tensor, pose: Pose, centre: Tensor | None, times: int = 1) -> Tensor:
        """Draw codes (n, code) in so many poses each, the picture's own centre at ``centre`` (times n, 2)."""
        code = code if times == 1 else code.repeat_interleave(times, 0)
        unit = (self.unit_px, self.unit_px)
        at = picture_points(self.window, pose, centre, unit).to(code.device)  # (n or 1, rows, cols, 2)
        at = at.flatten(1, 2).expand(len(code), -1, -1)  # (n, pixels, 2)
        features = self.features(code) + 3 * self.where.bias  # (n, hidden)
        if torch.compiler.is_compiling() or code.device.type != "cpu":
            drawn = self.evaluate(at, features)  # (n, pixels, channels)
        else:
            few = max(1, IN_CACHE // (at.shape[1] * features.shape[1]))
            parts = [self.evaluate(*part) for part in zip(at.split(few), features.split(few), strict=True)]
            drawn = torch.cat(parts)  # (n, pixels, channels)
        return drawn.unflatten(1, self.window).permute(0, 3, 1, 2)  # (n, channels, rows, cols)

    def evaluate(self, at: Tensor, features: Tensor) -> Tensor:
        """Return the values at points (n, pixels, 2) of drawings from features (n, hidden); (n, pixels, channels)."""
        where = 3 * self.where.weight.t().expand(len(at), -1, -1)  # (n, 2, hidden)
        h = torch.baddbmm(features[:, None, :], at, where).tanh_()  # (n, pixels, hidden)
        h = self.mix2(h).tanh_()  # (n, pixels, hidden)
        h = leaky_relu(self.mix3(h), 0.1, inplace=True)  # (n, pixels, hidden)
        drawn: Tensor = self.draw(h)  # (n, pixels, channels)
        return drawn
