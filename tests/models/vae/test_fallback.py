"""An accelerator that fails in the middle of work: the CPU goes on, nothing is lost, and it is said."""

from __future__ import annotations

import importlib
import logging

import numpy as np
import pytest
import torch

from atomscope.data import Patches
from atomscope.data.params import RVAE, FitParams
from atomscope.errors import InputError, TrainingError
from atomscope.models import encode, fallback, fit

fitting = importlib.import_module("atomscope.models.vae.fit")
training = importlib.import_module("atomscope.models.vae.training")
encoding = importlib.import_module("atomscope.models.vae.encode")
#: Stands for an accelerator: computes as the CPU does, and is not the CPU.
GPU = torch.device("cpu:0")
SPEC, QUICK = RVAE(hidden=8), FitParams(epochs=3, batch_size=40)
FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
GONE = RuntimeError("CUDA error: unspecified launch failure\nCompile with TORCH_USE_CUDA_DSA")


@pytest.fixture(scope="module")
def patches() -> Patches:
    return Patches.from_array(np.random.default_rng(0).normal(size=(240, 12, 12)).astype(np.float32))


@pytest.fixture
def with_gpu(monkeypatch):
    for module in (fitting, encoding):
        monkeypatch.setattr(module, "find_device", lambda name: GPU)


def failing(monkeypatch, owner, name, at, error):
    """Let a method fail at its ``at``-th call, as long as it is not the CPU that calls it."""
    real, calls = getattr(owner, name), []

    def method(self, *args, **kwargs):
        calls.append(1)
        if len(calls) == at:
            raise error
        return real(self, *args, **kwargs)

    monkeypatch.setattr(owner, name, method)


def same(a, b) -> bool:
    one, two = a.to_state().tensors, b.to_state().tensors
    return all(np.array_equal(one[k], two[k]) for k in one)


@pytest.mark.parametrize("error", [FULL, GONE])
@pytest.mark.parametrize("at", [1, 8])
def test_training_goes_on_from_the_last_epoch_to_the_same_end(monkeypatch, caplog, patches, with_gpu, error, at):
    whole = fit(patches, SPEC, QUICK)
    failing(monkeypatch, fitting.Training, "step", at, error)
    with caplog.at_level(logging.WARNING):
        model = fit(patches, SPEC, QUICK)
    assert same(model, whole) and len(model.history.table) == 3 and not model.history.stopped
    assert "the training goes on on the CPU" in caplog.text
    assert ("batch_size" in caplog.text) == (error is FULL)


def test_a_device_that_does_not_take_the_network_is_left(monkeypatch, caplog, patches, with_gpu):
    whole = fit(patches, SPEC, QUICK)
    real = torch.nn.Module.to

    def to(self, device, *args, **kwargs):
        if device is GPU:
            raise FULL
        return real(self, device, *args, **kwargs)

    monkeypatch.setattr(torch.nn.Module, "to", to)
    model = fit(patches, SPEC, QUICK)
    assert same(model, whole) and "is out of memory" in caplog.text


def test_settling_at_the_end_survives_too(monkeypatch, caplog, patches, with_gpu):
    whole, calls, real = fit(patches, SPEC, QUICK), [], training.settle

    def settle(net, some):
        calls.append(1)
        real(net, some)
        if len(calls) == 1:
            raise FULL

    monkeypatch.setattr(training, "settle", settle)
    assert same(fit(patches, SPEC, QUICK), whole)
    assert len(calls) == 2


@pytest.mark.parametrize("error", [FULL, GONE])
def test_encoding_goes_on_from_the_batch_that_failed(monkeypatch, caplog, patches, with_gpu, error):
    model = fit(patches, SPEC, QUICK)
    whole = encode(model, patches, batch_size=100)
    failing(monkeypatch, type(model.net), "encode", 2, error)
    assert encode(model, patches, batch_size=100).equals(whole)
    assert "encoding goes on on the CPU" in caplog.text


def test_errors_that_are_not_the_devices_are_errors(monkeypatch, patches, with_gpu):
    failing(monkeypatch, fitting.Training, "step", 2, RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="mat1"):
        fit(patches, SPEC, QUICK)
    assert fallback.lost(TrainingError("the loss is no longer finite"), GPU) is None
    assert fallback.lost(FULL, fallback.CPU) is None


def test_more_latents_than_patches_are_refused(patches, caplog):
    with pytest.raises(InputError, match="latent_dim=40 cannot be learnt from 30 patches"):
        fit(patches[:30], RVAE(latent_dim=40, hidden=8), QUICK)
    fit(patches[:30], RVAE(latent_dim=5, hidden=8), QUICK.replace(epochs=1))
    assert "latent_dim=5 of only 30 patches" in caplog.text
