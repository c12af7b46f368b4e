"""A network that finds walls, trained on a few painted frames."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy import ndimage
from skimage.morphology import skeletonize
from torch.nn.functional import binary_cross_entropy_with_logits

from atomscope.data import ModelState, OnProgress, ShouldStop, report
from atomscope.data.params import WallTrainParams
from atomscope.errors import InputError, ShapeError, TrainingError
from atomscope.models.adam import Adam
from atomscope.models.finder import Finder
from atomscope.models.step import one_cycle
from atomscope.models.unet import UNet

KIND = "Walls"
#: Labels: what is painted as wall, and what is painted as surely none.
WALL, NO_WALL = 1, 2
#: More paint than this part of a frame is no line.
_TOO_MUCH = 0.5
_BETAS = (0.9, 0.99)
#: Part of the crops that have a wall in their middle.
_ON_WALLS = 0.6


@dataclass(frozen=True)
class WallNet:
    """A network that says how likely each pixel lies on a wall.

    Attributes
    ----------
    finder : Finder
        The same network, tiles and file as of a finder of columns.
    meta : dict
        The model card: seed, steps, number of painted frames and pixels, loss; ``stopped`` when asked to stop early.
    """

    finder: Finder

    @property
    def meta(self) -> dict[str, Any]:
        """What is known of the training."""
        return self.finder.meta

    def answer(self, image: np.ndarray) -> np.ndarray:
        """Return how likely each pixel lies on a wall, shape (rows, cols), float32, 0 to 1; the same for any tiles."""
        return self.finder.answer(image)

    def to_state(self) -> ModelState:
        """Return the network as plain data for a model file."""
        state = self.finder.to_state()
        return replace(state, spec={**state.spec, "kind": KIND})

    @classmethod
    def from_state(cls, state: ModelState) -> WallNet:
        """Build from a model file's data, every tensor checked.

        Raises
        ------
        InputError
            If the file holds another kind of model, is of a newer format, or damaged.
        """
        kind = state.spec.get("kind")
        if kind != KIND:
            raise InputError(f"this file holds a model of kind {kind!r}; wanted one of kind {KIND!r}, from train_walls")
        try:
            return cls(Finder.from_state(replace(state, spec={**state.spec, "kind": "Finder"})))
        except InputError as error:
            raise InputError(f"this wall network cannot be used: {error}") from error


@dataclass(frozen=True)
class Painted:
    """A painted frame as the training sees it; arrays of shape (rows, cols), float32.

    Attributes
    ----------
    image : mean 0, standard deviation 1
    wanted : 1 on walls, 0 elsewhere
    weight : 1 where the answer is known, else 0
    """

    image: np.ndarray
    wanted: np.ndarray
    weight: np.ndarray


def painted(image: np.ndarray, paint: np.ndarray, band_px: float, good: np.ndarray | None = None) -> Painted:
    """Make a painted frame ready.

    Parameters
    ----------
    image : numpy.ndarray, shape (rows, cols)
        Finite.
    paint : numpy.ndarray of int, shape (rows, cols)
        1: wall, in strokes of any width, whose middle line counts. 2: surely no wall. 0: not painted; where a frame
        has no 2 at all, everything not painted counts as no wall.
    band_px : float
        Pixels so near to a middle line are wall; the rest of a stroke counts as nothing.
    good : numpy.ndarray, shape (rows, cols), bool, optional
        Pixels that were measured.

    Raises
    ------
    ShapeError
        If the paint has another shape than the image.
    InputError
        If more than half of the frame is painted as wall.
    """
    if paint.shape != image.shape:
        raise ShapeError(f"train_walls: labels of shape {paint.shape} on a frame of shape {image.shape}; paint over it")
    stroke = paint == WALL
    if stroke.mean() > _TOO_MUCH:
        raise InputError(
            f"train_walls: {stroke.mean():.0%} of a frame is painted as wall; paint thin lines along the walls"
        )
    line = skeletonize(stroke)
    near = ndimage.distance_transform_edt(~line) <= band_px if line.any() else line
    known = (paint == NO_WALL) if (paint == NO_WALL).any() else ~stroke
    weight = known | near
    if good is not None:
        weight &= good
    x = image.astype(np.float64)
    x = (x - x.mean()) / max(float(x.std()), 1e-12)
    return Painted(x.astype(np.float32), near.astype(np.float32), weight.astype(np.float32))


def train_wall_net(
    frames: Sequence[Painted],
    params: WallTrainParams | None = None,
    *,
    init: WallNet | None = None,
    widths: tuple[int, int, int] = (16, 32, 64),
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> WallNet:
    """Train a network on crops of painted frames, seen in all eight ways that a square can be laid.

    Parameters
    ----------
    frames : sequence of Painted
    params : WallTrainParams, optional
    init : WallNet, optional
        Go on from this network.
    widths : tuple of int
        Channels at the three scales of a new network.
    on_progress : callable, optional
        Every tenth step; the payload is a dict with ``step`` and ``loss``.
    should_stop : callable, optional
        A stop returns the network as it is, with ``meta["stopped"]``.

    Raises
    ------
    TrainingError
        If nothing is painted as wall, or the loss is no longer finite.
    """
    params = params or WallTrainParams()
    pixels = int(sum((f.wanted > 0).sum() for f in frames))
    if not pixels:
        raise TrainingError("train_walls: no wall is painted; paint label 1 along the walls of at least one frame")
    start = init.finder.net if init is not None else None
    net = UNet(widths if start is None else start.widths, dropout=0.0, inputs=1)
    net.initialise(torch.Generator().manual_seed(params.seed))
    if start is not None:
        net.load_state_dict(start.state_dict())
    rng = np.random.default_rng([params.seed, 7])
    larger = [_at_least(f, _side(params)) for f in frames]
    optimizer = Adam(net.parameters(), _BETAS)
    net.train()
    total, count, loss_now, done, began = 0.0, 0, math.nan, 0, time.perf_counter()
    for step in range(params.steps):
        if should_stop is not None and should_stop():
            break
        x, wanted, weight = (torch.from_numpy(a)[:, None] for a in _batch(rng, larger, params))  # (n, 1, side, side)
        logits = net(x.contiguous(memory_format=torch.channels_last))  # (n, 1, side, side)
        each = binary_cross_entropy_with_logits(logits, wanted, reduction="none")  # (n, 1, side, side)
        loss = (each * weight).sum() / weight.sum().clamp(min=1.0)  # scalar
        loss.backward()
        optimizer.step(one_cycle(step / params.steps, params.learning_rate))
        total, count, done = total + float(loss.detach()), count + 1, step + 1
        if done % 10 == 0 or done == params.steps:
            loss_now = total / count
            if not math.isfinite(loss_now):
                raise TrainingError(f"train_walls: the loss is no longer finite at step {done}; use a lower rate")
            row = {"step": done, "epoch": done, "loss": loss_now, "seconds": time.perf_counter() - began}
            report(on_progress, done, params.steps, "steps", row)
            total, count = 0.0, 0
    meta = {
        "seed": params.seed,
        "steps": done,
        "frames": len(frames),
        "wall_pixels": pixels,
        "loss": None if math.isnan(loss_now) else loss_now,
        "stopped": done < params.steps,
    }
    _settle(net, larger, params)
    same = np.array([0.0, 1.0])
    return WallNet(Finder(net.eval(), 1.0, (same, same), meta))


@torch.no_grad()
def _settle(net: UNet, frames: Sequence[Painted], params: WallTrainParams) -> None:
    """Measure the means and spreads that the network normalises by on what it will meet: frames as they are."""
    rng = np.random.default_rng([params.seed, 8])
    norms = [m for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean of all that is shown
    net.train()
    for _ in range(16):
        x = torch.from_numpy(_batch(rng, frames, params)[0])[:, None]  # (n, 1, side, side)
        net(x.contiguous(memory_format=torch.channels_last))
    for norm in norms:
        norm.momentum = 0.1


def _side(params: WallTrainParams) -> int:
    return params.crop_px // UNet.MULTIPLE * UNet.MULTIPLE


def _at_least(frame: Painted, side: int) -> Painted:
    """Continue a frame that is smaller than a crop; what is added counts as nothing."""
    rows, cols = frame.image.shape
    pad = ((0, max(0, side - rows)), (0, max(0, side - cols)))
    return Painted(np.pad(frame.image, pad, mode="symmetric"), np.pad(frame.wanted, pad), np.pad(frame.weight, pad))


def _batch(
    rng: np.random.Generator, frames: Sequence[Painted], params: WallTrainParams
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw crops, each of shape (batch, side, side), float32: images, answers, weights."""
    side = _side(params)
    out = np.empty((3, params.batch_size, side, side), np.float32)
    for i in range(params.batch_size):
        frame = frames[int(rng.integers(len(frames)))]
        most = np.array(frame.image.shape) - side
        on = np.argwhere(frame.wanted > 0) if rng.random() < _ON_WALLS else np.zeros((0, 2), int)
        if len(on):
            corner = np.clip(on[rng.integers(len(on))] - rng.integers(0, side, 2), 0, most)
        else:
            corner = rng.integers(0, most + 1)
        here = (slice(corner[0], corner[0] + side), slice(corner[1], corner[1] + side))
        turns, flip = int(rng.integers(4)), rng.random() < 0.5
        for k, a in enumerate((frame.image, frame.wanted, frame.weight)):
            crop = np.rot90(a[here], turns)
            out[k, i] = crop[::-1] if flip else crop
        # Other frames are brighter or darker, and noisier.
        out[0, i] = out[0, i] * np.exp(rng.normal(0, 0.2)) + rng.normal(0, 0.3)
        if rng.random() < 0.5:
            out[0, i] += rng.uniform(0, 0.4) * rng.normal(size=(side, side))
    return out[0], out[1], out[2]
