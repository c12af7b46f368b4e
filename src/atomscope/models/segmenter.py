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
from atomscope.models.adam import Adam
from atomscope.models.step import one_cycle
from atomscope.models.unet import UNet

KIND = "Segmenter"
#: Version of the layout of a checkpoint's tensors and meta.
FORMAT = 1
_TILE = 512
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
        rows, cols = x.shape
        margin, step = UNet.REACH, UNet.MULTIPLE
        pads = [(margin, -(-n // step) * step - n + margin) for n in x.shape]
        padded = torch.from_numpy(np.pad(x, pads, mode="reflect" if min(x.shape) > 1 else "edge"))
        out = np.empty((len(self.channels), rows, cols), np.float32)
        for r in range(0, rows, _TILE):
            for c in range(0, cols, _TILE):
                n, m = min(_TILE, rows - r), min(_TILE, cols - c)
                whole = (-(-n // step) * step + 2 * margin, -(-m // step) * step + 2 * margin)
                tile = padded[r : r + whole[0], c : c + whole[1]][None, None]  # (1, 1, n + ..., m + ...)
                answer = torch.sigmoid(self._fast(tile.contiguous(memory_format=torch.channels_last)))[0]
                out[:, r : r + n, c : c + m] = answer[:, margin : margin + n, margin : margin + m].numpy()
        return out

    @cached_property
    def _fast(self) -> UNet:
        return self.net.folded()

    def to_state(self) -> ModelState:
        """Return the network as plain data for a model file."""
        tensors = {n: t.detach().numpy().copy() for n, t in self.net.state_dict().items() if t.is_floating_point()}
        spec = {"kind": KIND, "widths": list(self.net.widths), "channels": list(self.channels)}
        return ModelState(spec, (UNet.MULTIPLE, UNet.MULTIPLE), 1, tensors, {"format": FORMAT, **self.meta})

    @classmethod
    def from_state(cls, state: ModelState) -> Segmenter:
        """Build a segmenter from a model file's data, every tensor checked by name, shape and value.

        Raises
        ------
        InputError
            If the file holds another kind of model, is of a newer format, or its tensors are not those of a segmenter.
        """
        if state.spec.get("kind") != KIND:
            raise InputError(f"this file holds a model of kind {state.spec.get('kind')!r}; wanted a {KIND}")
        if int(state.meta.get("format", FORMAT)) > FORMAT:
            raise InputError(f"this network has format {state.meta['format']}, newer than {FORMAT}; update the program")
        try:
            a, b, c = (int(n) for n in state.spec["widths"])
            channels = tuple(str(name) for name in state.spec["channels"])
            net = new_net(len(channels), (a, b, c))
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise InputError(f"this network's description is damaged ({type(error).__name__}: {error})") from error
        wanted = {name: t for name, t in net.state_dict().items() if t.is_floating_point()}
        wrong = sorted(set(wanted) ^ set(state.tensors))
        wrong += [n for n, t in state.tensors.items() if n in wanted and tuple(t.shape) != tuple(wanted[n].shape)]
        wrong += [n for n, t in state.tensors.items() if not np.isfinite(t).all()]
        if wrong:
            raise InputError(f"this network is damaged or of another architecture: see {', '.join(wrong[:4])}")
        net.load_state_dict({n: torch.from_numpy(np.array(state.tensors[n], np.float32)) for n in wanted}, strict=False)
        return cls(net.eval(), channels, {k: v for k, v in state.meta.items() if k != "format"})


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
    out = torch.stack([_symmetry(layer, int(k)) for layer, k in zip(stack, turns, strict=True)])
    return out[:, :1], out[:, 1:-1], out[:, -1:]


def _symmetry(layers: Tensor, k: int) -> Tensor:
    """Return one of the eight pictures that a square makes, (layers, side, side)."""
    turned = torch.rot90(layers, k % 4, (1, 2))  # (layers, side, side)
    return turned.flip(2) if k >= 4 else turned
