"""A pixel-wise network taught by masks: images and what each pixel is to answer in, ``answer(image)`` out.

It knows nothing of particles or walls: a channel is whatever the masks say.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, grid_sample

from atomscope.data import ModelState, OnProgress, ShouldStop, report
from atomscope.data.params import SegmenterParams
from atomscope.errors import InputError, TrainingError
from atomscope.models.adam import Adam, one_cycle
from atomscope.models.copies import one_of_eight
from atomscope.models.tiles import SIDE, continued, cut
from atomscope.models.unet import UNet
from atomscope.models.weights import check_kind, fill, to_tensors

KIND = "Segmenter"
#: Version of the layout of a checkpoint's tensors and meta.
FORMAT = 1
_TILE = SIDE
_WIDTHS = (16, 32, 64)
_RARE = 0.2
_REPORT_EVERY = 5
#: Spread of the log gain, of the offset, and most of the noise that is added, in standard deviations of the image.
_GAIN, _OFFSET, _NOISE = 0.25, 0.25, 0.3
#: Part of a batch that is not turned freely: resampling makes noise smoother than it is.
_UNTURNED = 0.25


@dataclass(frozen=True)
class Example:
    """An image, what the network is to answer there, and where that is known.

    Attributes
    ----------
    image : numpy.ndarray, shape (rows, cols), finite
    target : numpy.ndarray, shape (channels, rows, cols), 0 to 1
    weight : numpy.ndarray, shape (rows, cols)
        How much a pixel counts; 0 where nobody said what it is.
    """

    image: np.ndarray
    target: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True)
class Segmenter:
    """A trained pixel-wise network.

    Attributes
    ----------
    net : UNet
        On the CPU, in evaluation mode.
    channels : tuple of str
        What each channel of the answer says.
    meta : dict
        Seed, steps, losses.
    """

    net: UNet
    channels: tuple[str, ...]
    meta: dict[str, Any] = field(default_factory=dict)

    @torch.inference_mode()
    def answer(self, image: np.ndarray) -> np.ndarray:
        """Return a probability for every channel and pixel.

        Parameters
        ----------
        image : numpy.ndarray, shape (rows, cols), float
            Finite. Its mean and standard deviation do not matter.

        Returns
        -------
        numpy.ndarray, shape (channels, rows, cols), float32
            The same whatever the tiles: each is shown with all that its answer depends on.
        """
        x = standardised(image)
        at_row, at_col = (continued(n, UNet.REACH) for n in x.shape)
        out = np.empty((len(self.channels), *x.shape), np.float32)
        for tile in cut(x.shape, UNet.REACH, lambda top, end: _shown(x[np.ix_(at_row[top:end], at_col)]), side=_TILE):
            tile.put(out, torch.sigmoid(self._fast(tile.pixels))[0])
        return out

    @cached_property
    def _fast(self) -> UNet:
        return self.net.folded()

    def to_state(self) -> ModelState:
        """Return the network as plain data for a model file."""
        spec = {"kind": KIND, "widths": list(self.net.widths), "channels": list(self.channels)}
        return ModelState(
            spec, (UNet.MULTIPLE, UNet.MULTIPLE), 1, to_tensors(self.net), {"format": FORMAT, **self.meta}
        )

    @classmethod
    def from_state(cls, state: ModelState) -> Segmenter:
        """Build a segmenter from a model file's data, every tensor checked by name, shape and value.

        Raises
        ------
        InputError
            If the file holds another kind of model, is of a newer format, or its tensors are not those of a segmenter.
        """
        check_kind(state, KIND, FORMAT, "network")
        try:
            a, b, c = (int(n) for n in state.spec["widths"])
            channels = tuple(str(name) for name in state.spec["channels"])
            net = new_net(len(channels), (a, b, c))
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise InputError(f"this network's description is damaged ({type(error).__name__}: {error})") from error
        fill(net, state, "network")
        return cls(net, channels, {k: v for k, v in state.meta.items() if k != "format"})


def train_segmenter(
    examples: Sequence[Example],
    channels: Sequence[str],
    params: SegmenterParams | None = None,
    *,
    init: Segmenter | None = None,
    rare: float = _RARE,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Segmenter:
    """Train a pixel-wise network on crops of a few images, mirrored, turned, zoomed and made brighter and noisier.

    Parameters
    ----------
    examples : sequence of Example
    channels : sequence of str
        What each channel of the targets says.
    params : SegmenterParams, optional
    init : Segmenter, optional
        Go on from this one.
    rare : float
        The answer of a new network everywhere: about the part of the pixels that are to be 1.
    on_progress : callable, optional
        Its payload holds ``step`` and ``loss`` (nats a pixel and channel, mean since the last report).
    should_stop : callable, optional
        Asked before each step; the network is returned as it is, ``meta["stopped"]`` True.

    Raises
    ------
    TrainingError
        If there is nothing to learn from, or the loss is no longer finite.
    """
    params = params or SegmenterParams()
    if not examples or not any(e.weight.any() for e in examples):
        raise TrainingError("nothing is painted: paint what is to be learnt on at least one frame")
    net = new_net(len(channels), _WIDTHS)
    net.initialise(torch.Generator().manual_seed(params.seed), rare)
    if init is not None:
        if init.channels != tuple(channels) or init.net.widths != net.widths:
            raise InputError(f"init: wanted a network of the channels {tuple(channels)}, got {init.channels}")
        net.load_state_dict(init.net.state_dict())
    optimizer = Adam(net.parameters(), (0.9, 0.99))
    net.train()
    sources = [_Source(e) for e in examples]
    losses: list[float] = []
    rows: list[dict[str, float]] = []
    for step in range(params.steps):
        if should_stop is not None and should_stop():
            break
        x, target, weight = _batch(sources, params, np.random.default_rng([params.seed, step]))
        logits = net(x.contiguous(memory_format=torch.channels_last))  # (batch, channels, side, side)
        loss = (binary_cross_entropy_with_logits(logits, target, reduction="none") * weight).sum()
        loss = loss / (weight.sum() * len(channels)).clamp(min=1.0)
        loss.backward()
        optimizer.step(one_cycle(step / params.steps, params.learning_rate))
        losses.append(float(loss.detach()))
        if not math.isfinite(losses[-1]):
            raise TrainingError(f"the loss is no longer finite at step {step + 1}; use a smaller learning rate")
        if (step + 1) % _REPORT_EVERY == 0 or step + 1 == params.steps:
            rows.append({"step": step + 1.0, "loss": float(np.mean(losses[-_REPORT_EVERY:]))})
            report(on_progress, step + 1, params.steps, "steps", dict(rows[-1]))
    meta = {"seed": params.seed, "steps": len(losses), "stopped": len(losses) < params.steps, "rows": rows}
    return Segmenter(net.eval(), tuple(channels), meta)


def new_net(channels: int, widths: tuple[int, int, int]) -> UNet:
    """Return a U-Net that is shown the image alone and has so many logits a pixel."""
    return UNet(widths, channels, dropout=0.0, inputs=1)


def standardised(image: np.ndarray) -> np.ndarray:
    """Return an image of mean 0 and standard deviation 1, float32."""
    x = np.asarray(image, np.float32)
    return ((x - x.mean(dtype=np.float64)) / max(float(x.std(dtype=np.float64)), 1e-12)).astype(np.float32)


def _shown(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels)[None, None]  # (1, 1, rows, cols)


class _Source:
    """An example as one tensor of layers, and where its crops may lie."""

    def __init__(self, example: Example) -> None:
        self.layers = torch.from_numpy(
            np.concatenate([standardised(example.image)[None], example.target, example.weight[None]]).astype(np.float32)
        )[None]  # (1, 1 + channels + 1, rows, cols)
        self.known = np.argwhere(example.weight > 0)
        self.painted = np.argwhere((example.weight > 0) & (example.target.max(0) > 0.5))


def _batch(
    sources: Sequence[_Source], params: SegmenterParams, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Draw crops: images (n, 1, side, side), targets (n, channels, side, side), weights (n, 1, side, side)."""
    source = sources[int(rng.integers(len(sources)))]
    n, side = params.batch_size, -(-params.crop_px // UNet.MULTIPLE) * UNet.MULTIPLE
    rows, cols = source.layers.shape[-2:]
    at = torch.arange(side, dtype=torch.float32) - (side - 1) / 2  # (side,)
    grids = []
    for k in range(n):
        spots = source.painted if len(source.painted) and rng.random() < 0.5 else source.known
        centre = spots[int(rng.integers(len(spots)))] + rng.uniform(-side / 3, side / 3, 2)
        free = params.rotation and k >= _UNTURNED * n
        angle = rng.uniform(0, 2 * np.pi) if free else 0.0
        zoom = math.exp(rng.uniform(-1, 1) * math.log(params.zoom)) if k >= _UNTURNED * n else 1.0
        c, s = math.cos(angle) / zoom, math.sin(angle) / zoom
        if not free:  # whole pixels stay whole pixels
            centre = np.rint(centre - 0.5) + 0.5
        row = float(centre[0]) + c * at[:, None] - s * at[None, :]  # (side, side)
        col = float(centre[1]) + s * at[:, None] + c * at[None, :]  # (side, side)
        grids.append(torch.stack([col * (2 / max(cols - 1, 1)) - 1, row * (2 / max(rows - 1, 1)) - 1], -1))
    grid = torch.stack(grids)  # (n, side, side, 2): (x, y) as grid_sample wants
    layers = source.layers.expand(n, -1, -1, -1)  # (n, 1 + channels + 1, rows, cols)
    options: dict[str, Any] = {"align_corners": True}
    x = grid_sample(layers[:, :1], grid, mode="bicubic", padding_mode="reflection", **options)  # (n, 1, side, side)
    target = grid_sample(layers[:, 1:-1], grid, padding_mode="reflection", **options)  # (n, channels, side, side)
    weight = grid_sample(layers[:, -1:], grid, padding_mode="zeros", **options)  # (n, 1, side, side)
    gain = np.exp(rng.normal(0, _GAIN, n)).astype(np.float32)
    offset = rng.normal(0, _OFFSET, n).astype(np.float32)
    noise = rng.standard_normal(x.shape, np.float32) * (_NOISE * rng.random((n, 1, 1, 1), np.float32) ** 2)
    x = x * torch.from_numpy(gain)[:, None, None, None] + torch.from_numpy(offset)[:, None, None, None]
    x = x + torch.from_numpy(noise)  # (n, 1, side, side)
    turns = rng.integers(0, 8, n)
    stack = torch.cat([x, target.clamp(0, 1), weight], 1)  # (n, 1 + channels + 1, side, side)
    out = torch.stack([one_of_eight(layer, int(k)) for layer, k in zip(stack, turns, strict=True)])
    return out[:, :1], out[:, 1:-1], out[:, -1:]
