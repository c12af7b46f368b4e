"""Angles live on a circle, and pictures repeat as often as they were made to."""

import numpy as np
import pytest

from atomscope.errors import ShapeError
from atomscope.latent import (
    angle_agreement,
    circular_correlation,
    circular_mean,
    circular_sd,
    find_symmetry_order,
    fold_angle,
    symmetry_scores,
)


@pytest.mark.parametrize("order", [1, 2, 3, 6])
def test_folding_keeps_the_direction_modulo_the_symmetry(order):
    angle = np.random.default_rng(0).uniform(-20, 20, 1000)
    folded = fold_angle(angle, order)
    assert (folded > -np.pi / order).all() and (folded <= np.pi / order).all()
    np.testing.assert_allclose(np.exp(1j * order * folded), np.exp(1j * order * angle), atol=1e-12)
    assert np.isnan(fold_angle(np.array([np.nan]), order)).all()
    assert fold_angle(np.array([-np.pi / order]), order)[0] == np.pi / order


def test_means_cross_the_jump():
    assert abs(circular_mean(np.array([np.pi - 0.1, -np.pi + 0.3])) - (-np.pi + 0.1)) < 1e-12
    assert abs(circular_mean(np.array([0.1, 0.1 + np.pi, np.nan]), 2) - 0.1) < 1e-12
    rng = np.random.default_rng(0)
    assert abs(circular_sd(rng.normal(3, 0.2, 20000)) - 0.2) < 0.005
    assert abs(circular_sd(rng.normal(3, 0.1, 20000) + np.pi * rng.integers(0, 2, 20000), 2) - 0.1) < 0.005


@pytest.mark.parametrize("order", [1, 2, 4])
def test_correlation_ignores_offset_and_knows_mirrors(order):
    rng = np.random.default_rng(1)
    a = rng.uniform(-np.pi, np.pi, 2000)
    b = a + 1.3 + 2 * np.pi / order * rng.integers(0, order, 2000)
    assert circular_correlation(a, b, order) > 0.999
    assert circular_correlation(a, -b, order) < -0.999
    assert angle_agreement(a, b, order) > 0.999
    noise = rng.uniform(-np.pi, np.pi, 2000)
    assert abs(circular_correlation(a, noise, order)) < 0.05 and angle_agreement(a, noise, order) < 0.1
    assert np.isnan(circular_correlation(a, np.zeros(2000), order))


def test_correlation_equals_fisher_and_lees_sum_over_pairs():
    rng = np.random.default_rng(2)
    a = rng.uniform(-np.pi, np.pi, 40)
    b = a + rng.normal(0, 0.8, 40)
    i, j = np.triu_indices(40, 1)
    sa, sb = np.sin(a[i] - a[j]), np.sin(b[i] - b[j])
    naive = (sa * sb).sum() / np.sqrt((sa**2).sum() * (sb**2).sum())
    assert abs(circular_correlation(a, b) - naive) < 1e-12


def motif(order, size=33, turn=0.3, seed=0, noise=0.0):
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    rng = np.random.default_rng(seed)
    picture = np.exp(-(y**2 + x**2) / 8)
    for k in range(order):
        phi = 2 * np.pi * k / order + turn
        picture += np.exp(-((y - 9 * np.sin(phi)) ** 2 + (x - 9 * np.cos(phi)) ** 2) / 8)
    return picture + rng.normal(0, noise, picture.shape)


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5, 6, 8])
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize("size", [32, 33])
def test_symmetry_order_of_planted_motifs(order, seed, noise, size):
    assert find_symmetry_order(motif(order, size, turn=0.2 + seed, seed=seed, noise=noise)) == order


def test_nearly_symmetric_is_not_symmetric():
    picture = motif(6)
    y, x = np.mgrid[:33, :33] - 16
    picture -= 0.6 * np.exp(-((y - 9 * np.sin(0.3)) ** 2 + (x - 9 * np.cos(0.3)) ** 2) / 8)  # one column is weak
    assert find_symmetry_order(picture) == 1


def test_pictures_without_directions():
    rng = np.random.default_rng(0)
    assert find_symmetry_order(np.ones((20, 20))) == 1
    assert find_symmetry_order(rng.normal(size=(33, 33))) == 1
    assert abs(symmetry_scores(rng.normal(size=(65, 65)))[1:]).max() < 0.25
    with pytest.raises(ShapeError):
        symmetry_scores(np.zeros((3, 3, 3)))
