"""What torch computes of a scan is what the processor computes; the device of these tests is the processor itself."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import atomscope as ats
from atomscope.errors import InputError
from atomscope.pipeline import scan_device
from atomscope.pipeline.scan_device import kernel_on
from atomscope.scan4d import Job, ring_labels, run
from scan4d.scans import FORMS, counts, forms

SHAPE = (15, 12)
RINGS = ring_labels(SHAPE, (7.2, 5.1), 1.5)
RINGS[0, 0] = -1


@pytest.fixture
def on_torch(monkeypatch):
    """Let the device "cuda" be torch on the processor."""
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    made = scan_device.DeviceKernel
    monkeypatch.setattr(scan_device, "DeviceKernel", lambda job, window, device: made(job, window, "cpu"))


def both(stack, job):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # pixels that are no numbers
        return run(stack, job), run(stack, job, kernel=kernel_on("cuda"))


def job(over=None, reference=None, patterns=("sum", "square", "max")):
    rng = np.random.default_rng(5)
    weights = (rng.random(SHAPE) < 0.4, rng.integers(0, 9, SHAPE).astype(float))
    return Job(weights, frozenset(patterns), over, reference, RINGS)


def equal(one, other, exact=True):
    check = np.testing.assert_array_equal if exact else lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-11)
    for name in ("images", "rings", "missing"):
        check(getattr(one, name), getattr(other, name))
    for name, values in one.patterns.items():
        check(values, other.patterns[name])
    assert one.excluded == other.excluded and np.array_equal(one.done, other.done)


@pytest.mark.parametrize("form", FORMS)
def test_both_agree_however_the_scan_is_stored(tmp_path, form, on_torch):
    equal(*both(forms(tmp_path)[form](counts()), job()))


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", ">u2", "?"])
@pytest.mark.parametrize("high", [2, 2**15 - 1, 2**31 - 1])
def test_whole_numbers_are_exact(dtype, high, on_torch):
    kind = np.dtype(dtype)
    array = counts((3, 5, *SHAPE), kind, high, seed=2) if kind.kind != "b" else counts((3, 5, *SHAPE)) > 3
    equal(*both(ats.Stack.from_array(array), job(patterns=("sum", "max"))))


def test_floats_with_holes_and_a_reference_agree(on_torch):
    array = np.random.default_rng(5).normal(1e3, 1, (4, 6, *SHAPE)).astype(np.float32)
    array[1, 2, 3, 4], array[0, 0, 5] = np.nan, np.inf
    reference = np.full(SHAPE, 1e3)
    equal(*both(ats.Stack.from_array(array), job(reference=reference)), exact=False)


@pytest.mark.parametrize("tile", [1, 700, 2**23])
def test_weights_of_positions_and_small_tiles(monkeypatch, tile, on_torch):
    monkeypatch.setattr(scan_device, "_TILE", tile)
    array = counts((6, 7, *SHAPE))
    over = np.random.default_rng(1).integers(0, 3, (6, 7)).astype(float)
    one, other = both(ats.Stack.from_array(array), Job(patterns=frozenset({"sum", "max"}), over=over))
    equal(one, other)
    assert np.array_equal(other.patterns["sum"], np.tensordot(over, array, ((0, 1), (0, 1))))


def test_the_verbs_take_a_device(on_torch):
    array = counts((5, 6, *SHAPE))
    ring = ats.Detector(inner=2, outer=6)
    for verb in (
        lambda device: ats.virtual_image(array, ring, device=device).frame(0),
        lambda device: ats.center_of_mass(array, device=device).row.frame(0),
        lambda device: ats.pattern(array, kind="variance", device=device).frame(0),
        lambda device: ats.scan_products(array, cache="off", device=device).annulus(1, 5),
    ):
        np.testing.assert_allclose(verb("cuda"), verb("cpu"), rtol=1e-13)


def test_a_device_that_is_not_there_is_told_before_anything_is_read(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="this machine has no usable 'cuda'"):
        ats.virtual_image(counts(), np.ones(SHAPE, bool), device="cuda")
    with pytest.raises(InputError, match="'cpu' or 'cuda', got 'quantum'"):
        ats.virtual_image(counts(), np.ones(SHAPE, bool), device="quantum")


@pytest.mark.skipif("not __import__('torch').cuda.is_available()", reason="no GPU")
def test_a_gpu_agrees():
    array = counts((20, 30, *SHAPE))
    one = run(ats.Stack.from_array(array), job())
    equal(one, run(ats.Stack.from_array(array), job(), kernel=kernel_on("cuda")))
