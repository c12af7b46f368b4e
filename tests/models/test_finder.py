from __future__ import annotations

import importlib

import numpy as np
import pytest
import torch

from atomscope.data import ModelState
from atomscope.errors import InputError
from atomscope.models.finder import Finder
from atomscope.models.train_finder import FinderTraining
from atomscope.models.unet import UNet

seen_module = importlib.import_module("atomscope.models.seen")


def blobs(index, side=32):
    """Draw spots and where they are."""
    rng = np.random.default_rng(index)
    at = np.arange(side)
    image, answer = np.zeros((2, 4, side, side), np.float32)
    for k in range(4):
        for row, col in rng.uniform(3, side - 3, (5, 2)):
            d2 = (at[:, None] - row) ** 2 + (at - col) ** 2
            image[k] += np.exp(-0.5 * d2 / 2.0**2)
            answer[k] = np.maximum(answer[k], np.exp(-0.5 * d2 / 1.3**2))
    image += rng.normal(0, 0.1, image.shape)
    return (image - image.mean()) / image.std(), answer


@pytest.fixture(scope="module")
def finder():
    run = FinderTraining(blobs, 60, 0, 2.0, (8, 8, 8))
    run.run()
    return run.finder()


def test_it_learns_to_find_spots(finder):
    image, answer = blobs(10_001)
    got = finder.answer(image[0])
    assert got.shape == (32, 32)
    assert np.corrcoef(got.ravel(), answer[0].ravel())[0, 1] > 0.8


def test_the_answer_is_the_same_for_every_tiling_and_brightness(finder, monkeypatch):
    image = np.random.default_rng(0).normal(size=(170, 203)).astype(np.float32)
    whole = finder.answer(image)
    monkeypatch.setattr(seen_module, "_TILE", 64)
    np.testing.assert_allclose(finder.answer(image), whole, atol=2e-5)
    np.testing.assert_allclose(finder.answer(1e4 + 37 * image), whole, atol=2e-3)


def test_nothing_farther_than_the_margin_changes_the_answer():
    net = UNet((8, 8, 8))
    net.initialise(torch.Generator().manual_seed(0))
    x = torch.randn(1, UNet.INPUTS, 256, 256, generator=torch.Generator().manual_seed(1)).requires_grad_()
    net.eval()(x)[0, 0, 128, 128].backward()
    row, col = torch.nonzero(x.grad[0, 0]).T
    assert int((row - 128).abs().max()) <= UNet.REACH
    assert int((col - 128).abs().max()) <= UNet.REACH


def test_the_fast_network_is_the_trained_one(finder):
    x = torch.randn(1, UNet.INPUTS, 64, 48, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(finder.net.folded()(x), finder.net(x), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (8, 8), (9, 40)])
def test_images_smaller_than_the_margin_have_an_answer(finder, shape):
    got = finder.answer(np.random.default_rng(0).normal(size=shape))
    assert got.shape == shape
    assert np.isfinite(got).all()


def test_a_resumed_run_equals_one_that_was_not_interrupted():
    whole = FinderTraining(blobs, 12, 3, 2.0, (4, 4, 4))
    whole.run()
    first = FinderTraining(blobs, 12, 3, 2.0, (4, 4, 4))
    assert not first.run(should_stop=lambda: first.done == 5)
    second = FinderTraining(blobs, 12, 3, 2.0, (4, 4, 4))
    second.restore(first.state())
    second.run()
    weights = [t for t in whole.net.state_dict().values() if t.is_floating_point()]
    again = [t for t in second.net.state_dict().values() if t.is_floating_point()]
    for a, b in zip(weights, again, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)
    with pytest.raises(InputError, match="not of this run"):
        FinderTraining(blobs, 12, 4, 2.0, (4, 4, 4)).restore(first.state())


def test_a_finder_comes_back_from_its_file_and_a_foreign_or_damaged_one_does_not(finder):
    state = finder.to_state()
    image = blobs(5)[0][0]
    np.testing.assert_array_equal(Finder.from_state(state).answer(image), finder.answer(image))

    def changed(spec=None, tensors=None, meta=None):
        return ModelState(
            {**state.spec, **(spec or {})}, (8, 8), 1, tensors or state.tensors, {**state.meta, **(meta or {})}
        )

    name = next(iter(state.tensors))
    for bad, words in (
        (changed(spec={"kind": "RVAE"}), "wanted a Finder"),
        (changed(meta={"format": 99}), "newer"),
        (changed(spec={"widths": [8]}), "description is damaged"),
        (changed(spec={"widths": [8, 8, 16]}), "another architecture"),
        (changed(tensors={k: v for k, v in state.tensors.items() if k != name}), name),
        (changed(tensors={**state.tensors, name: np.full_like(state.tensors[name], np.nan)}), name),
    ):
        with pytest.raises(InputError, match=words):
            Finder.from_state(bad)
