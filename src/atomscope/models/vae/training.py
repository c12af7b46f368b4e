"""One run of training: the network, its optimiser, where it is, and all that a resumed run needs."""

from __future__ import annotations

import copy
import math
import time

import numpy as np
import pandas as pd
import torch

from atomscope.data import Given, History, ModelState, Patches, ShouldStop
from atomscope.data.params import FitParams
from atomscope.errors import InputError, TrainingError
from atomscope.models.adam import Adam, rate
from atomscope.models.device import precision
from atomscope.models.fallback import placed, survives
from atomscope.models.vae.batches import Batches
from atomscope.models.vae.doubt import settle_doubt
from atomscope.models.vae.gauge import settle
from atomscope.models.vae.known import Known, known
from atomscope.models.vae.model import Model, load_net
from atomscope.models.vae.network import VAE
from atomscope.models.vae.schedule import Moment, check_every, moment, the_end
from atomscope.models.vae.sorting import SORTED, Sorting
from atomscope.models.vae.step import losses

#: Steps that a run makes when the number of epochs is left open, and the bounds of the epochs that follow.
STEPS, LEAST_EPOCHS, MOST_EPOCHS = 5000, 20, 400
#: Of Adam. A run of some thousand steps whose noise falls tenfold: squared gradients of 1000 steps ago (.999) mislead.
BETAS = (0.9, 0.99)


def auto_epochs(steps_an_epoch: int) -> int:
    """Return the number of epochs that makes about 5000 steps, between 20 and 400."""
    return int(np.clip(math.ceil(STEPS / steps_an_epoch), LEAST_EPOCHS, MOST_EPOCHS))


class Training:
    """A run: the network, its optimiser, and where it is."""

    def __init__(
        self, net: VAE, params: FitParams, batches: Batches, given: Given | None, device: torch.device
    ) -> None:
        self.net, self.device = placed(net.train(), device)
        self.params, self.batches = params, batches
        self.given = given
        self.epochs = params.epochs or auto_epochs(batches.steps)
        self.optimizer = Adam(self.net.parameters(), BETAS)
        self.epoch = 0
        self.rows: list[dict[str, float]] = []
        self.best, self.waited = math.inf, 0
        self.keeps = params.keep == "best" or (params.keep is None and params.patience is not None)
        self.kept: dict[str, torch.Tensor] = {}  # the weights of the best epoch
        self.finished = False
        self.sorting: Sorting | None = None

    @survives
    def run_epoch(self, should_stop: ShouldStop | None) -> bool:
        """Train one epoch; return False, with the epoch unfinished, when asked to stop."""
        start = time.perf_counter()
        # A generator an epoch: the randomness of an epoch depends on the seed and its number alone.
        generator = torch.Generator().manual_seed(self.params.seed * 1_000_003 + self.epoch + 1)
        sums: dict[str, list[torch.Tensor]] = {}
        lr, every = 0.0, check_every(self.rows, self.epochs, self.epochs * self.batches.steps)
        for steps, batch in enumerate(self.batches.epoch(self.epoch)):
            if should_stop is not None and should_stop():
                return False
            t = (self.epoch + steps / self.batches.steps) / self.epochs
            now = moment(self.params, t, checks=every > 0 and steps % every == 0)
            of = self.sort(batch.x, known(self.given, batch.number, batch.target), batch.number, t)
            lr = self.step(batch.x, of, now, generator, sums)
        row = {name: float(torch.stack(each).mean()) for name, each in sums.items()}
        if not math.isfinite(row["loss"]):
            raise TrainingError(
                f"the loss is no longer finite in epoch {self.epoch + 1}; lower learning_rate "
                f"(now {self.params.learning_rate:g}) or look for extreme values in the patches"
            )
        row.update(self.validate())
        row.update({"epoch": self.epoch + 1, "learning_rate": lr, "noise": float(self.net.noise_var.mean().sqrt())})
        row["seconds"] = time.perf_counter() - start
        self.rows.append(row)
        self.epoch += 1
        patient = self.is_patient(row)
        self.finished = self.epoch >= self.epochs or not patient
        return True

    def step(
        self, x: torch.Tensor, of: Known, at: Moment, generator: torch.Generator, sums: dict[str, list[torch.Tensor]]
    ) -> float:
        """Make one step on a batch at a moment of the run; add its losses to ``sums``."""
        lr = rate(self.params.schedule, at.t, self.params.learning_rate)
        x, of = self.quarter_turn(x.to(self.device), of.to(self.device), generator)
        with precision(self.params.precision, self.device):
            loss, parts = losses(self.net, x, of, at, generator)
        loss.backward()
        self.optimizer.step(lr)
        for name, part in parts.items():
            sums.setdefault(name, []).append(part)
        return lr

    def sort(self, x: torch.Tensor, of: Known, index: np.ndarray, t: float) -> Known:
        """Return what is known of a batch and, early in the run, the classes that it was sorted into."""
        if self.sorting is None or t >= SORTED:
            return of
        label = self.sorting.classes(x, index)  # (n,)
        return of._replace(label=label if of.label is None else torch.where(of.label >= 0, of.label, label))

    def quarter_turn(self, x: torch.Tensor, of: Known, generator: torch.Generator) -> tuple[torch.Tensor, Known]:
        """Turn a batch by a random multiple of 90 degrees (180 when not square): exact, and against overfitting."""
        if not self.net.spec.rotation or self.net.spec.angle_sd is not None:
            return x, of
        step = 1 if x.shape[2] == x.shape[3] else 2
        turns = step * int(torch.randint(0, 4, (1,), generator=generator))
        target = None if of.target is None else torch.rot90(of.target, turns, (2, 3))
        return torch.rot90(x, turns, (2, 3)), of._replace(target=target)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Return the bound of the patches kept aside (full KL weight, no copies)."""
        if not len(self.batches.validation):
            return {}
        generator = torch.Generator().manual_seed(self.params.seed)
        total, recon, n = 0.0, 0.0, 0
        for x, index, target in self.batches.held_out():
            of = known(self.given, index, target).to(self.device)
            _, parts = losses(self.net, x.to(self.device), of, the_end(self.params), generator)
            total, recon = total + float(parts["loss"]) * len(x), recon + float(parts["reconstruction"]) * len(x)
            n += len(x)
        return {"val_loss": total / n, "val_reconstruction": recon / n}

    def is_patient(self, row: dict[str, float]) -> bool:
        """Note whether this epoch is the best so far, after the KL ramp; say whether to wait for a better one."""
        if self.epoch < self.epochs // 4:
            return True
        now = row.get("val_loss", row["loss"])
        self.best, self.waited = (now, 0) if now < self.best else (self.best, self.waited + 1)
        if self.keeps and not self.waited:
            self.kept = {name: value.clone() for name, value in self.net.state_dict().items()}
        return self.params.patience is None or self.waited < self.params.patience

    @survives
    def settle(self) -> None:
        """Take the weights that are kept, and settle what the data leave open, on at most 20 000 training patches."""
        if self.kept:
            self.net.load_state_dict(self.kept)
            self.kept = {}
        index = self.batches.train[:: max(1, len(self.batches.train) // self.batches.most(20_000))]
        some = [(x, known(self.given, k, target)) for x, k, target in self.batches.take(index)]
        settle(self.net, some)
        self.net.eval()
        settle_doubt(self.net, some)
        self.net.train()

    def model(self, stopped: bool = False) -> Model:
        """Return the model as it is now."""
        net = copy.deepcopy(self.net).cpu().eval()
        meta = {"fit": self.params.model_dump(), "epoch": self.epoch, "epochs": self.epochs}
        return Model(net.spec, net, History(pd.DataFrame(self.rows), stopped), meta)

    def drawings(self, model: Model, count: int = 8) -> np.ndarray:
        """Return some patches that were kept aside, and what is drawn of them, shape (2, n, rows, cols); channel 0."""
        index = self.batches.validation if len(self.batches.validation) else self.batches.train
        index = index[np.linspace(0, len(index) - 1, min(count, len(index))).astype(int)]
        x = next(self.batches.take(index)).x
        given = None if self.given is None else self.given.rows(index)
        drawn = model.reconstruct(Patches.from_array(x.numpy()), given)
        return np.stack((x.numpy()[:, 0], drawn[:, 0]))

    def state(self) -> ModelState:
        """Return everything that a resumed run needs."""
        state = self.model().to_state()
        for name, value in self.optimizer.state().items():
            state.tensors[f"optimizer.{name}"] = value.cpu().numpy().copy()
        for name, value in self.kept.items():
            state.tensors[f"best.{name}"] = value.cpu().numpy().copy()
        best = None if math.isinf(self.best) else self.best
        state.meta["training"] = {"best": best, "waited": self.waited, "finished": self.finished}
        return state

    def restart(self, device: torch.device, state: ModelState) -> None:
        """Go on from a state of this run on another device."""
        self.net, self.device = load_net(state).to(device).train(), device
        self.optimizer = Adam(self.net.parameters(), BETAS)
        self.restore(state)

    def restore(self, state: ModelState) -> None:
        """Go on from a checkpoint of the same run."""
        progress = state.meta.get("training")
        if progress is None:
            raise InputError("this checkpoint holds a finished model, not a run to resume; start from it with init=")
        was, now = FitParams(**state.meta.get("fit", {})).model_dump(), self.params.model_dump()
        ignore = {"device", "checkpoint_every", "patience", "keep", "precision", "deterministic"}
        changed = [f"{k} {was.get(k)!r} -> {v!r}" for k, v in now.items() if k not in ignore and was.get(k) != v]
        if changed:
            raise InputError(
                f"resume: the parameters changed since the run began ({', '.join(changed)}); resume with the same "
                "ones, or start a new run from this model with init="
            )
        if state.meta.get("epochs") != self.epochs:
            raise InputError("resume: the run began with another number of patches; resume with the same ones")
        self.net.load_state_dict(load_net(state).state_dict())
        moments = {k.removeprefix("optimizer."): v for k, v in state.tensors.items() if k.startswith("optimizer.")}
        self.optimizer.restore({name: torch.from_numpy(np.array(value)) for name, value in moments.items()})
        if self.keeps:
            best = {k.removeprefix("best."): v for k, v in state.tensors.items() if k.startswith("best.")}
            self.kept = {name: torch.from_numpy(np.array(value)).to(self.device) for name, value in best.items()}
        self.epoch, self.rows = int(state.meta["epoch"]), [dict(r) for r in state.meta.get("history", [])]
        self.best = math.inf if progress["best"] is None else float(progress["best"])
        self.waited, self.finished = int(progress["waited"]), bool(progress["finished"])
