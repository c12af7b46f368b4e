"""Train a finder on frames that are drawn as they are needed: no frame is seen twice."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from atomscope.data import ModelState, OnProgress, ShouldStop, report
from atomscope.errors import InputError, TrainingError
from atomscope.models.adam import Adam, one_cycle
from atomscope.models.finder import Finder
from atomscope.models.seen import as_seen
from atomscope.models.unet import UNet

#: Number of a batch in, images and answers (batch, side, side) out.
Draw = Callable[[int], tuple[np.ndarray, np.ndarray]]
#: Share of a usual frame that its columns take, which weighs as it is; fewer than the second weigh as that.
_SHARE, _LEAST_SHARE = 0.3, 0.01
_PEAK, _BETAS = 4e-3, (0.9, 0.99)


class FinderTraining:
    """A run: the network, its optimiser, and where it is.

    Parameters
    ----------
    draw : callable
        Draws batch ``i``: images of mean 0 and standard deviation 1, and what the network is to answer (0 to 1).
    steps : int
        Batches to train on.
    seed : int
    unit_px : float
        Column width of the frames, px.
    widths : tuple of int
    """

    def __init__(
        self, draw: Draw, steps: int, seed: int, unit_px: float, widths: tuple[int, int, int] = (16, 32, 64)
    ) -> None:
        self.draw, self.steps, self.seed, self.unit_px = draw, steps, seed, unit_px
        self.net = UNet(widths)
        self.net.initialise(torch.Generator().manual_seed(seed))
        self._chance = torch.Generator()
        self.net.use_chance(self._chance)
        self.optimizer = Adam(self.net.parameters(), _BETAS)
        self.done = 0
        self.rows: list[dict[str, float]] = []

    def run(
        self,
        until: int | None = None,
        *,
        every: int = 50,
        on_progress: OnProgress | None = None,
        should_stop: ShouldStop | None = None,
    ) -> bool:
        """Train until a step (by default the last); return False when asked to stop before it."""
        until = self.steps if until is None else min(until, self.steps)
        self.net.train()
        total, count, start = 0.0, 0, time.perf_counter()
        while self.done < until:
            if should_stop is not None and should_stop():
                return False
            total, count = total + self._step(), count + 1
            self.done += 1
            if self.done % every == 0 or self.done == until:
                row = {"step": self.done, "loss": total / count, "seconds": time.perf_counter() - start}
                if not math.isfinite(row["loss"]):
                    raise TrainingError(f"the loss is no longer finite at step {self.done}")
                self.rows.append(row)
                report(on_progress, self.done, self.steps, "steps", dict(row))
                total, count, start = 0.0, 0, time.perf_counter()
        return True

    def _step(self) -> float:
        images, wanted = (torch.from_numpy(a)[:, None] for a in self.draw(self.done))  # (batch, 1, side, side) twice
        self._chance.manual_seed((self.seed + 1) * 1_000_003 + self.done)  # A resumed run forgets the same channels.
        images = as_seen(images).contiguous(memory_format=torch.channels_last)  # (batch, 4, side, side)
        logits = self.net(images)  # (batch, 1, side, side)
        loss = finder_loss(logits, wanted)
        loss.backward()
        self.optimizer.step(one_cycle(self.done / self.steps, _PEAK))
        return float(loss.detach())

    def finder(
        self,
        calibration: tuple[np.ndarray, np.ndarray] | None = None,
        precision: tuple[np.ndarray, np.ndarray] | None = None,
        **meta: Any,
    ) -> Finder:
        """Return the finder as it is now; uncalibrated, heights count as probabilities."""
        plain = np.array([0.0, 1.0])
        net = UNet(self.net.widths)
        net.load_state_dict(self.net.state_dict())
        meta = {"seed": self.seed, "steps": self.done, **meta}
        return Finder(net.eval(), self.unit_px, calibration or (plain, plain), meta, precision)

    def state(self) -> ModelState:
        """Return everything that a resumed run needs."""
        state = self.finder().to_state()
        state.tensors.update({f"optimizer.{k}": v.numpy().copy() for k, v in self.optimizer.state().items()})
        state.meta["training"] = {"done": self.done, "steps": self.steps, "seed": self.seed, "rows": self.rows}
        return state

    def restore(self, state: ModelState) -> None:
        """Go on from a checkpoint of the same run."""
        was = state.meta.get("training")
        if was is None or (was["steps"], was["seed"]) != (self.steps, self.seed):
            raise InputError("this checkpoint is not of this run: it has another seed, other steps, or none at all")
        tensors = {name: torch.from_numpy(np.array(t)) for name, t in state.tensors.items()}
        self.net.load_state_dict({n: tensors[n] for n in self.net.state_dict() if n in tensors}, strict=False)
        self.optimizer.restore({n: tensors[f"optimizer.{n}"] for n in self.optimizer.state()})
        self.done, self.rows = int(was["done"]), list(was["rows"])


def finder_loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """Return the cross-entropy of the answers, every frame with a weight of its own; scalar.

    A frame with few columns has little to lose: over its loss is put the share of the frame that its columns take.
    Within a frame columns are not weighted up: a probability is to be one.
    """
    each = binary_cross_entropy_with_logits(logits, wanted, reduction="none").mean((1, 2, 3))  # (n,)
    return (each * _SHARE / (wanted.mean((1, 2, 3)) + _LEAST_SHARE)).mean()
