"""Teach a finder from a few annotated images: start from trained weights, move few of them, and not far."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from atomscope.data import OnProgress, ShouldStop, report
from atomscope.data.taught import Taught
from atomscope.errors import TrainingError
from atomscope.models.adam import Adam, one_cycle
from atomscope.models.finder import Finder
from atomscope.models.judge import Judge
from atomscope.models.lessons import Desk, Lesson
from atomscope.models.unet import UNet

#: What may move, from little to all. Scales and offsets of channels are in every set.
SETS = {
    "head": ("head",),
    "last": ("head", "fine_up"),
    "decoder": ("head", "fine_up", "up1", "middle_up", "up2"),
    "all": ("",),
}
#: What a new output answers at first.
_SELDOM = 0.03
_RARE, _BETAS = 0.15, (0.9, 0.99)
#: Peak of the learning rate, from trained weights and from nothing.
_PEAK, _PEAK_NEW = 2e-3, 4e-3


class Teaching:
    """A run of teaching: the network, its optimiser, and where it is.

    Parameters
    ----------
    lessons : list of Lesson
    classes : tuple of str
    peaked : tuple of bool
        Which of them stand out as bright spots.
    start : Finder or None
        Whose weights to start from; None: from nothing.
    steps : int
        Crops are shown ``batch`` at a time, so many times.
    movable : {"head", "last", "decoder", "all"}
    seed : int
    pull : float
        How strongly the weights are drawn back to where they started, a step at the full learning rate.
    """

    def __init__(
        self,
        lessons: list[Lesson],
        classes: tuple[str, ...],
        peaked: tuple[bool, ...],
        start: Finder | None,
        *,
        steps: int,
        movable: str = "last",
        seed: int = 0,
        pull: float = 0.5,
        batch: int = 8,
        side: int = 96,
    ) -> None:
        self.desk, self.steps, self.seed, self.batch = Desk(lessons, len(classes), side), steps, seed, batch
        self.fresh = start is None
        self.net = UNet() if start is None else seeded(start, classes, peaked)
        if start is None:
            self.net = UNet(outputs=len(classes))
            self.net.initialise(torch.Generator().manual_seed(seed))
        names = ("",) if start is None else SETS[movable]
        moving = []
        for name, p in self.net.named_parameters():
            p.requires_grad_(any(name.startswith(n) for n in names) or "norms" in name)
            if p.requires_grad:
                moving.append(p)
        self.optimizer = Adam(moving, _BETAS)
        self._began = [p.detach().clone() for p in moving]
        self._pull = 0.0 if start is None else pull
        self._peak = _PEAK_NEW if start is None else _PEAK
        self._chance = torch.Generator()
        self.net.use_chance(self._chance)
        self.done = 0
        self.rows: list[dict[str, float]] = []

    def run(
        self,
        *,
        every: int = 10,
        before: int = 0,
        total: int | None = None,
        what: str = "steps",
        on_progress: OnProgress | None = None,
        should_stop: ShouldStop | None = None,
    ) -> bool:
        """Train to the last step; return False when asked to stop before it.

        Progress counts from ``before`` to ``total``; its payload is the row of the loss.
        """
        loss, count, began = 0.0, 0, time.perf_counter()
        self._mode()
        while self.done < self.steps:
            if should_stop is not None and should_stop():
                return False
            loss, count = loss + self._step(), count + 1
            self.done += 1
            if self.done % every == 0 or self.done == self.steps:
                row = {"step": before + self.done, "loss": loss / count, "seconds": time.perf_counter() - began}
                if not math.isfinite(row["loss"]):
                    raise TrainingError(f"the loss is no longer finite at step {self.done}; nothing was changed")
                self.rows.append(row)
                report(on_progress, before + self.done, total or self.steps, what, dict(row))
                loss, count, began = 0.0, 0, time.perf_counter()
                self._mode()
        return True

    def _mode(self) -> None:
        """Forget channels while learning, but keep the means and spreads of trained weights: a few crops have none."""
        self.net.train(self.fresh)
        self.net.drop_coarse.train()
        self.net.drop_middle.train()

    def _step(self) -> float:
        rng = np.random.default_rng([self.seed, self.done])
        images, answers, weights = self.desk.batch(rng, self.batch)
        self._chance.manual_seed((self.seed + 1) * 1_000_003 + self.done)
        logits = self.net(images.contiguous(memory_format=torch.channels_last))  # (batch, classes, side, side)
        loss = taught_loss(logits, answers, weights)
        loss.backward()
        rate = one_cycle(self.done / self.steps, self._peak)
        self.optimizer.step(rate)
        if self._pull:
            with torch.no_grad():
                for p, was in zip(self.optimizer.params, self._began, strict=True):
                    p.lerp_(was, self._pull * rate)
        return float(loss.detach())

    def finder(self, unit_px: float, taught: Taught | None = None, judge: Judge | None = None, **meta: Any) -> Finder:
        """Return the finder as it is now."""
        net = UNet(self.net.widths, self.net.outputs)
        net.load_state_dict(self.net.state_dict())
        plain = np.array([0.0, 1.0])
        card = {"seed": self.seed, "steps": self.done, **meta}
        return Finder(net.eval(), unit_px, (plain, plain), card, None, taught, judge)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return all that a resumed run needs: tensors, and plain data."""
        tensors = {f"net.{k}": t.detach().numpy().copy() for k, t in self.net.state_dict().items()}
        tensors |= {f"optimizer.{k}": t.numpy().copy() for k, t in self.optimizer.state().items()}
        return tensors, {"done": self.done, "steps": self.steps, "rows": self.rows}

    def restore(self, tensors: dict[str, np.ndarray], meta: dict[str, Any]) -> None:
        """Go on from :meth:`state` of the same run."""
        own = {n: torch.from_numpy(np.array(t)) for n, t in tensors.items()}
        self.net.load_state_dict({n: own[f"net.{n}"] for n in self.net.state_dict()})
        self.optimizer.restore({n: own[f"optimizer.{n}"] for n in self.optimizer.state()})
        self.done, self.rows = int(meta["done"]), list(meta["rows"])


def taught_loss(logits: Tensor, answers: Tensor, weights: Tensor) -> Tensor:
    """Return the mean cross-entropy of the pixels that count, all of shape (n, classes or 1, rows, cols); scalar."""
    each = binary_cross_entropy_with_logits(logits, answers, reduction="none")
    return (each * weights).sum() / (weights.sum() * logits.shape[1]).clamp(min=1.0) / _RARE


def seeded(start: Finder, classes: tuple[str, ...], peaked: tuple[bool, ...]) -> UNet:
    """Return a network with the weights of a finder and an output for each class.

    A class that the finder knows by name keeps its output; any other starts from the finder's first, or from nothing
    when it does not stand out.
    """
    old = start.net
    net = UNet(old.widths, len(classes))
    state = {k: v.clone() for k, v in old.state_dict().items()}
    known = start.classes
    at = [known.index(name) if name in known else 0 for name in classes]
    each = old.head.weight.shape[0] // old.outputs
    rows = torch.cat([torch.arange(each) + k * each for k in at])
    state["head.weight"], state["head.bias"] = state["head.weight"][rows], state["head.bias"][rows]
    for k, name in enumerate(classes):
        if name not in known and not peaked[k]:
            state["head.weight"][k * each : (k + 1) * each] = 0
            state["head.bias"][k * each : (k + 1) * each] = math.log(_SELDOM / (1 - _SELDOM))
    net.load_state_dict(state)
    return net
