"""Training a classifier on crops that are labelled as a whole."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from atomscope.data import OnProgress, ShouldStop, report
from atomscope.data.params import ClassifierParams
from atomscope.errors import InputError, TrainingError
from atomscope.models.activation_net import ActivationNet, as_shown
from atomscope.models.adam import Adam, one_cycle
from atomscope.models.classifier import Classifier
from atomscope.models.copies import one_of_eight

_BRIGHTER = 0.15  # spread of the log gain of the copies
_LEAST_CROP = 16


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
    x = as_shown(crops)  # (n, 1, rows, cols)
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
    copies = rng.integers(0, 8, len(x))
    return torch.stack([one_of_eight(crop, int(k)) for crop, k in zip(x, copies, strict=True)])  # (n, 1, rows, cols)
