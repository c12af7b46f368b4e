"""Semi-supervised models: labels on a few patches, and the others learn from them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

import atomscope as ats
from atomscope.data import Given, Patches
from atomscope.data.params import FitParams, VAESpec
from atomscope.models import encode, fit
from atomscope.models.vae.batches import Batches
from atomscope.models.vae.network import build
from atomscope.models.vae.sorting import sort_patches
from models.vae.motifs import Truth, make


def some_labels(truth: Truth, part: float, seed: int) -> np.ndarray:
    """Return the motifs of a part of the patches, -1 elsewhere."""
    label = np.full(len(truth.motif), -1)
    some = np.random.default_rng([seed, 7]).permutation(len(label))[: int(part * len(label))]
    label[some] = truth.motif[some]
    return label


def supervised_only(x: np.ndarray, label: np.ndarray, spec: VAESpec, seed: int, steps: int = 400) -> np.ndarray:
    """Return the classes that the same encoder says when it is trained on the labelled patches alone, and turned."""
    net = build(spec, x.shape[1:], 1, seed)
    patches = torch.from_numpy((x - x.mean()) / x.std())[:, None]
    known = torch.from_numpy(np.flatnonzero(label >= 0))
    wanted = torch.from_numpy(label)
    optimiser = torch.optim.Adam(net.encoder.parameters(), 1e-3)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        some = known[torch.randint(len(known), (min(100, len(known)),), generator=generator)]
        turned = torch.rot90(patches[some], int(torch.randint(0, 4, (1,), generator=generator)), (2, 3))
        loss = cross_entropy(net.encoder(turned, None).logits, wanted[some])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        return net.encoder(patches, None).logits.argmax(1).numpy()


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)])
def test_one_label_in_twenty_is_enough_and_the_others_help(seed):
    truth = make(2000, 60 + seed, window=(20, 20), max_shift=1, count=3, sigma=1.5)
    label = some_labels(truth, 0.05, seed)
    spec = ats.JRVAE(3, labels="kind", hidden=64)
    patches = Patches.from_array(truth.patches)
    model = fit(patches, spec, FitParams(epochs=30, batch_size=100, seed=seed), given=Given(label=label))
    rest = label < 0
    right = (encode(model, patches)["class"].to_numpy() == truth.motif)[rest].mean()
    alone = (supervised_only(truth.patches, label, spec, seed) == truth.motif)[rest].mean()
    assert right >= 0.95, (right, alone)
    assert right >= min(alone + 0.05, 1), (right, alone)


def test_labels_name_the_classes_that_are_found():
    truth = make(1500, 60, window=(20, 20), max_shift=1, count=3, sigma=1.5)
    x = torch.from_numpy(truth.patches)[:, None]
    for order in ([0, 1, 2], [2, 0, 1]):
        motif = np.array(order)[truth.motif]
        label = np.where(np.arange(1500) < 30, motif, -1)
        found = sort_patches(ats.JRVAE(3, labels="kind"), [x], label).classes(x, np.arange(1500)).numpy()
        assert (found == motif).mean() > 0.9


def test_labels_that_are_not_about_shapes_are_not_sorted_by_them():
    truth = make(1500, 61, window=(20, 20), max_shift=1, count=2, sigma=1.5)
    x = torch.from_numpy(truth.patches)[:, None]
    chance = np.random.default_rng(0).integers(0, 3, 1500)
    assert sort_patches(ats.JRVAE(3, labels="kind"), [x], chance) is None


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2, 3, 4])
def test_three_motifs_with_few_labels_pass_the_bar(seed):
    truth = make(20_000, 100 + seed)
    label = some_labels(truth, 0.05, seed)
    patches = Patches.from_array(truth.patches)
    spec = ats.JRVAE(3, labels="kind")
    model = fit(patches, spec, FitParams(seed=seed), given=Given(label=label))
    right = (encode(model, patches)["class"].to_numpy() == truth.motif)[label < 0].mean()
    alone = (supervised_only(truth.patches, label, spec, seed, 2000) == truth.motif)[label < 0].mean()
    assert right >= 0.95 and right >= min(alone + 0.05, 1), (right, alone)


def test_labelled_patches_are_never_kept_aside():
    patches = Patches.from_array(np.random.default_rng(0).normal(size=(200, 8, 8)))
    keep = np.arange(200) < 190
    batches = Batches(patches, 20, 0.1, 0, keep=keep)
    assert np.array_equal(batches.validation, np.arange(190, 200))
    assert np.array_equal(
        Batches(patches, 20, 0.1, 0, keep=np.zeros(200, bool)).train, Batches(patches, 20, 0.1, 0).train
    )
