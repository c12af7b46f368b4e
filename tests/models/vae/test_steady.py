"""What of a shape does not change lies still: drawings are turned by what the most of them has in common."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from atomscope.models.vae.steady import drift, laid_on

SPOTS = ((0, 9, 1.0), (7, -5, 0.8), (-8, 1, 0.9), (-2, -8, 0.7), (5, 4, 0.9))


def drawings(deformation, turn, side=32, moving=(3, 4), spots=SPOTS):
    """Spots of which some move with the deformation, all turned; shape (n, 1, side, side)."""
    at = np.arange(side) - (side - 1) / 2
    out = np.zeros((len(deformation), 1, side, side), np.float32)
    for k, (row, col, height) in enumerate(spots):
        r, c = (row + 3.0 * deformation, col + 2.0 * deformation) if k in moving else (row, col)
        down, right = np.sin(turn) * c + np.cos(turn) * r, np.cos(turn) * c - np.sin(turn) * r
        far = (at[None, :, None] - down[:, None, None]) ** 2 + (at - right[:, None, None]) ** 2
        out[:, 0] += height * np.exp(-far / (2 * 1.7**2))
    return torch.from_numpy(4 * out)


def features(deformation):
    """What a decoder might draw from: smooth functions of the deformation, and one that says nothing."""
    waves = [np.tanh(2 * deformation + b) for b in np.linspace(-2, 2, 9)]
    return torch.from_numpy(np.stack([*waves, np.ones_like(deformation)], 1).astype(np.float32))


@pytest.mark.parametrize(("slope", "larger"), [(0.12, 1), (-0.12, 1), (0.0, 1), (0.12, 3)])
def test_the_leaning_of_a_family_is_found_and_taken_back(slope, larger):
    deformation = np.random.default_rng(0).uniform(-1, 1, 256)
    lean = slope * deformation + 0.5 * slope * deformation**2
    by = features(deformation)
    drawn = drawings(deformation, lean)
    if larger > 1:
        drawn = torch.nn.functional.interpolate(drawn, scale_factor=larger, mode="bilinear")
    weights = drift(drawn, by)
    turned = (by @ weights[:-1] + weights[-1]).numpy() + lean
    assert np.degrees((turned - np.median(turned)).std()) < 0.6  # it was 4.4 degrees


def test_two_families_are_each_brought_to_rest():
    rng = np.random.default_rng(1)
    deformation, kind = rng.uniform(-1, 1, 256), np.arange(256) % 2
    lean = np.where(kind, 0.12, -0.1) * deformation
    one, other = (drawings(deformation, lean, moving=m, spots=s) for m, s in (((3, 4), SPOTS), ((0,), SPOTS[::-1][:4])))
    drawn = torch.where(torch.from_numpy(kind == 1)[:, None, None, None], one, other)
    by = torch.cat(
        [features(deformation) * torch.from_numpy((kind == k).astype(np.float32))[:, None] for k in (0, 1)], 1
    )
    weights = drift(drawn, by)
    turned = (by @ weights[:-1] + weights[-1]).numpy() + lean
    for k in (0, 1):
        assert np.degrees(turned[kind == k].std()) < 0.8  # they were 4.0 and 3.3 degrees


def test_a_drawing_is_laid_on_another_by_what_they_have_in_common():
    zero = np.zeros(3)
    other = drawings(zero, zero)
    turn, agree = laid_on(drawings(np.array([0.0, 1.0, -0.8]), np.array([0.15, 0.15, -0.1])), other)
    torch.testing.assert_close(turn, torch.tensor([-0.15, -0.15, 0.1]), atol=0.01, rtol=0)
    assert agree[0] > 0.75 and (agree[1:] > 0.4).all() and (agree[1:] < 0.75).all()


def test_drawings_that_say_nothing_or_are_all_the_same_are_not_turned():
    by = features(np.linspace(-1, 1, 64))
    for drawn in (torch.zeros(64, 1, 16, 16), drawings(np.zeros(64), np.zeros(64), side=24)):
        weights = drift(drawn, by)
        assert torch.isfinite(weights).all() and weights.abs().max() < 1e-3
    noise = torch.randn(64, 2, 16, 16, generator=torch.Generator().manual_seed(0))
    weights = drift(noise, by, scaling=True)
    assert torch.isfinite(weights).all() and (by @ weights[:-1] + weights[-1]).abs().max() < 0.1
