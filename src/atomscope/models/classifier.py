"""A network that is told what crops hold, never where, and can say where nevertheless: class activation maps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, relu

from atomscope.data import ModelState, OnProgress, ShouldStop, report
from atomscope.data.params import ClassifierParams
from atomscope.errors import InputError, TrainingError
from atomscope.models.adam import Adam
from atomscope.models.encoders import Convolution
from atomscope.models.segmenter import standardised
from atomscope.models.step import one_cycle

KIND = "Classifier"
FORMAT = 1
_WIDTH = 24
#: What a mean over a crop is multiplied by before the classes are weighed: a defect fills a small part of a crop.
_GAIN = 8.0
_BRIGHTER = 0.15  # spread of the log gain of the copies
_LEAST_CROP = 16
_AT_ONCE = 64


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


@dataclass(frozen=True)
class Classifier:
    """A trained classifier of crops.

    Attributes
    ----------
    net : ActivationNet
        On the CPU, in evaluation mode.
    classes : tuple of str
    background : int
        Index of the class that holds nothing to locate.
    window : tuple of int
        (rows, cols) of the crops that it was trained on.
    meta : dict
        Seed, epochs, losses.
    """

    net: ActivationNet
    classes: tuple[str, ...]
    background: int
    window: tuple[int, int]
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def stride(self) -> int:
        """Pixels of the image a pixel of a map."""
        return ActivationNet.STRIDE

    @property
    def reach(self) -> int:
        """How far from a place a pixel may be and still change what is said there, px."""
        return ActivationNet.REACH

    @torch.inference_mode()
    def probabilities(self, crops: Any) -> np.ndarray:
        """Return the probability of each class, shape (n, classes), of crops, shape (n, rows, cols)."""
        parts = [np.zeros((0, len(self.classes)), np.float32)]
        for start in range(0, len(crops), _AT_ONCE):
            x = _tensor(crops[start : start + _AT_ONCE])
            parts.append(self.net(x).softmax(1).numpy())
        return np.concatenate(parts)

    @torch.inference_mode()
    def activation(self, image: np.ndarray) -> np.ndarray:
        """Return how much each place speaks for a class rather than for the background.

        Parameters
        ----------
        image : numpy.ndarray, shape (rows, cols), finite

        Returns
        -------
        numpy.ndarray, shape (classes, rows / 2, cols / 2), float32
            M_c - M_background; pixel i of a map lies at pixel 2 i of the image.
        """
        maps = self.net.maps(_tensor(np.asarray(image)[None]))[0]
        return (maps - maps[self.background]).numpy()

    def to_state(self) -> ModelState:
        """Return the classifier as plain data for a model file."""
        tensors = {n: t.detach().numpy().copy() for n, t in self.net.state_dict().items() if t.is_floating_point()}
        spec = {"kind": KIND, "classes": list(self.classes), "background": self.background}
        return ModelState(spec, self.window, 1, tensors, {"format": FORMAT, **self.meta})

    @classmethod
    def from_state(cls, state: ModelState) -> Classifier:
        """Build a classifier from a model file's data, every tensor checked by name, shape and value.

        Raises
        ------
        InputError
            If the file holds another kind of model, is of a newer format, or its tensors are not those of a classifier.
        """
        if state.spec.get("kind") != KIND:
            raise InputError(f"this file holds a model of kind {state.spec.get('kind')!r}; wanted a {KIND}")
        if int(state.meta.get("format", FORMAT)) > FORMAT:
            raise InputError(
                f"this classifier has format {state.meta['format']}, newer than {FORMAT}; update the program"
            )
        try:
            classes = tuple(str(name) for name in state.spec["classes"])
            background = int(state.spec["background"])
            if not 0 <= background < len(classes):
                raise ValueError(f"background {background}")
            net = ActivationNet(len(classes))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"this classifier's description is damaged ({type(error).__name__}: {error})") from error
        wanted = {name: t for name, t in net.state_dict().items() if t.is_floating_point()}
        wrong = sorted(set(wanted) ^ set(state.tensors))
        wrong += [n for n, t in state.tensors.items() if n in wanted and tuple(t.shape) != tuple(wanted[n].shape)]
        wrong += [n for n, t in state.tensors.items() if not np.isfinite(t).all()]
        if wrong:
            raise InputError(f"this classifier is damaged or of another architecture: see {', '.join(wrong[:4])}")
        net.load_state_dict({n: torch.from_numpy(np.array(state.tensors[n], np.float32)) for n in wanted}, strict=False)
        meta = {k: v for k, v in state.meta.items() if k != "format"}
        return cls(net.eval(), classes, background, state.window, meta)


def train_classifier(
    crops: np.ndarray,
    labels: Sequence[Any],
    params: ClassifierParams | None = None,
    *,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Classifier:
    """Train a classifier on crops, each shown in its eight symmetric copies and at several brightnesses.

    Parameters
    ----------
    crops : numpy.ndarray, shape (n, rows, cols)
    labels : sequence of str or int, length n
    params : ClassifierParams, optional
    on_progress : callable, optional
        Its payload holds ``epoch``, ``loss`` and ``accuracy`` (on the crops as they were shown).
    should_stop : callable, optional
        Asked before each step; the classifier is returned as it is, ``meta["stopped"]`` True.

    Raises
    ------
    TrainingError
        If there are fewer than two classes or fewer crops than twice the classes, or the crops are all constant.
    InputError
        If labels and crops do not fit each other, or the background is none of the classes.
    """
    params = params or ClassifierParams()
    classes, index, background = _check(crops, labels, params)
    net = ActivationNet(len(classes))
    net.initialise(torch.Generator().manual_seed(params.seed))
    net.train()
    optimizer = Adam(net.parameters(), (0.9, 0.99))
    x = _tensor(crops)  # (n, 1, rows, cols)
    target = torch.from_numpy(index)  # (n,)
    # Rare classes count as much as frequent ones.
    weight = torch.from_numpy(len(index) / (len(classes) * np.bincount(index))).float()  # (classes,)
    per_epoch = math.ceil(len(x) / params.batch_size)
    total, done, stopped, rows = per_epoch * params.epochs, 0, False, []
    for epoch in range(params.epochs):
        rng = np.random.default_rng([params.seed, epoch])
        losses, right = [], 0
        for batch in np.array_split(rng.permutation(len(x)), per_epoch):
            if should_stop is not None and should_stop():
                stopped = True
                break
            seen = _copy(x[batch], rng)  # (batch, 1, rows, cols)
            logits = net(seen)  # (batch, classes)
            loss = cross_entropy(logits, target[batch], weight=weight)
            loss.backward()
            optimizer.step(one_cycle(done / total, params.learning_rate))
            done += 1
            losses.append(float(loss.detach()))
            right += int((logits.argmax(1) == target[batch]).sum())
        if stopped:
            break
        if not np.isfinite(losses).all():
            raise TrainingError(f"the loss is no longer finite in epoch {epoch + 1}; use a smaller learning rate")
        rows.append({"epoch": epoch + 1.0, "loss": float(np.mean(losses)), "accuracy": right / len(x)})
        report(on_progress, epoch + 1, params.epochs, "epochs", dict(rows[-1]))
    meta = {"seed": params.seed, "epochs": len(rows), "stopped": stopped, "rows": rows}
    return Classifier(net.eval(), classes, background, (int(crops.shape[1]), int(crops.shape[2])), meta)


def _check(
    crops: np.ndarray, labels: Sequence[Any], params: ClassifierParams
) -> tuple[tuple[str, ...], np.ndarray, int]:
    if crops.ndim != 3 or min(crops.shape[1:]) < _LEAST_CROP:
        raise InputError(f"crops: wanted shape (n, rows, cols) of at least {_LEAST_CROP} px, got {crops.shape}")
    if len(labels) != len(crops):
        raise InputError(f"wanted a label for each of {len(crops)} crops, got {len(labels)}")
    names = np.array([str(label) for label in labels], dtype=object)
    classes = tuple(sorted(set(names.tolist())))
    if len(classes) < 2:
        raise TrainingError(f"wanted crops of at least two classes, all are {classes[0]!r}" if classes else "no crops")
    if len(crops) < 2 * len(classes):
        raise TrainingError(f"{len(crops)} crops of {len(classes)} classes: wanted at least two of each; label more")
    if not np.isfinite(crops).all():
        raise InputError("crops: wanted finite values; leave out or fill the crops with NaN")
    if not (crops.reshape(len(crops), -1).std(1) > 0).any():
        raise TrainingError("every crop is constant: nothing can be learnt from them")
    named = params.background
    if named is None:
        plain = [c for c in classes if c.lower() in ("0", "none", "background", "nothing", "no")]
        named = plain[0] if plain else classes[0]
    if named not in classes:
        raise InputError(f"background: {named!r} is none of the classes {list(classes)}")
    return classes, np.searchsorted(np.array(classes, dtype=object), names), classes.index(named)


def _copy(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Return crops (n, 1, rows, cols) mirrored, turned (square ones by 90 degrees) and brighter or darker."""
    gain = torch.from_numpy(np.exp(rng.normal(0, _BRIGHTER, len(x))).astype(np.float32))[:, None, None, None]
    x = x * gain  # (n, 1, rows, cols)
    square = x.shape[-1] == x.shape[-2]
    out = torch.empty_like(x)
    for k, one in enumerate(rng.integers(0, 8, len(x))):
        turned = torch.rot90(x[k], int(one) % 4 if square else 2 * (int(one) % 2), (1, 2))
        out[k] = turned.flip(2) if one >= 4 else turned
    return out


def _tensor(crops: Any) -> Tensor:
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
