"""Classes that are turned copies of each other become one; what only looks alike does not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from atomscope.data.params import ClusterParams, ComponentParams
from atomscope.errors import InputError, ShapeError
from atomscope.latent import class_pictures, cluster, components, find_copies, lattice_order, merge
from atomscope.latent.copies import turned

SIDE, SIGMA = 32, 1.7


def draw(spots, heights, angle=0.0, shift=(0.0, 0.0), sigma=SIGMA, side=SIDE):
    at = np.arange(side) - (side - 1) / 2
    c, s = np.cos(angle), np.sin(angle)
    row, col = s * spots[:, 1] + c * spots[:, 0] + shift[0], c * spots[:, 1] - s * spots[:, 0] + shift[1]
    one, two = (np.exp(-0.5 * ((at[:, None] - x) / sigma) ** 2) for x in (row, col))
    return (one * heights) @ two.T


def lattice(order, spacing=7.0):
    """A square (4) or triangular (6) lattice about its own column, farther than the window at any turn."""
    i, j = (a.ravel() for a in np.meshgrid(np.arange(-5, 6), np.arange(-5, 6), indexing="ij"))
    if order == 4:
        return spacing * np.stack([i, j], 1).astype(float)
    return spacing * np.stack([i * np.sqrt(3) / 2, j + i / 2], 1)


def defects(order, rng):
    """Three sites that lower the symmetry of the lattice fully: what is near them is changed in different ways."""
    places = lattice(order)
    far = np.hypot(*places.T)
    ring = np.flatnonzero((far > 1) & (far < 8))
    ring = ring[np.argsort(np.arctan2(places[ring, 0], places[ring, 1]))]
    kinds = []
    for which in range(3):
        p, h = places.copy(), np.ones(len(places))
        if which == 0:
            h[ring[0]] = 0.0  # a vacancy beside it
        elif which == 1:
            h[ring[0]], h[ring[1]] = 2.2, 1.6  # two dopants
        else:
            p[ring[0]] *= 1.3  # one pushed outwards, one brighter
            h[ring[2]] = 1.7
        kinds.append((p, h))
    return kinds


def planted(order, seed, n=1500, snr=5.0):
    rng = np.random.default_rng(seed)
    kinds = defects(order, rng)
    kind, turn = rng.integers(0, 3, n), rng.integers(0, order, n)
    clean = {(k, t): draw(*kinds[k], angle=2 * np.pi * t / order) for k in range(3) for t in range(order)}
    x = np.stack([clean[k, t] for k, t in zip(kind, turn, strict=True)]) + rng.normal(0, 1 / snr, (n, SIDE, SIDE))
    return x.astype(np.float32), kind, turn


@pytest.mark.parametrize("order", [4, 6])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_planted_number_comes_back_after_merging(order, seed):
    x, kind, turn = planted(order, seed)
    table = components(x, ComponentParams(n_components=12)).table
    found = cluster(table, ClusterParams(by="pc", method="hdbscan"))
    assert found["cluster"].nunique() >= 3 * order - 2  # a class for each orientation
    shown = class_pictures(x, found["cluster"].to_numpy())
    n = lattice_order(shown.everything)
    assert n == order
    copies = find_copies(shown.mean, 2 * np.pi * np.arange(n) / n, noise_var=shown.noise_var)
    merged = merge(found, shown.number, copies)
    assert set(merged["cluster"]) - {-1} == {0, 1, 2}
    assert adjusted_rand_score(kind, merged["cluster"]) >= 0.95
    off = turn * 2 * np.pi / order - merged["variant_turn"]
    for k in range(3):  # the turns are right up to that of the first of the class
        assert abs(np.exp(1j * off[merged["cluster"] == k]).mean()) > 0.95


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_sites_that_differ_in_one_column_stay_apart(seed):
    """A perfect site, one beside a vacancy and one beside a dopant: 1 of 20 columns is not the same."""
    rng = np.random.default_rng(seed)
    places = lattice(4)
    beside = int(np.argmin(np.hypot(*(places - (0, 7.0)).T)))
    mean = []
    for height in (1.0, 0.0, 1.6):
        h = np.ones(len(places))
        h[beside] = height
        mean.append(draw(places, h) + rng.normal(0, 0.02, (SIDE, SIDE)))
    copies = find_copies(np.stack(mean), np.pi / 2 * np.arange(4), noise_var=np.full(3, 0.02**2))
    assert copies.group.tolist() == [0, 1, 2]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_drawings_at_any_angle_and_a_little_off_centre_are_copies(seed):
    rng = np.random.default_rng(seed)
    spots, heights = rng.uniform(-8, 8, (6, 2)), rng.uniform(0.5, 1, 6)
    angle = rng.uniform(-3, 3)
    other = rng.uniform(-8, 8, (6, 2))
    pictures = np.stack(
        [
            draw(spots, heights),
            draw(spots, heights, angle, (0.7, -1.2)),
            draw(other, heights),
            draw(-spots * (1, -1), heights),
        ]
    )
    turns = np.radians(np.arange(0, 360, 10))
    copies = find_copies(pictures, turns, any_angle=True)
    assert copies.group.tolist() == [0, 0, 1, 2]
    assert abs(np.angle(np.exp(1j * (copies.turn[1] - angle)))) < np.radians(1)
    both = find_copies(pictures, turns, any_angle=True, mirrors=True)
    assert both.group.tolist() == [0, 0, 1, 0] and both.mirrored.tolist() == [False, False, False, True]


def test_a_turn_is_clockwise_on_screen():
    picture = draw(np.array([[0.0, 8.0]]), np.ones(1))
    for angle in (np.pi / 2, 1.0):
        np.testing.assert_allclose(turned(picture, angle), draw(np.array([[0.0, 8.0]]), np.ones(1), angle), atol=0.01)


def test_merging_keeps_every_row_and_numbers_by_size():
    label = np.array([0, 0, 1, 2, 2, -1, 3])
    table = pd.DataFrame({"cluster": label}, index=pd.Index(np.arange(7) + 3, name="site"))
    spots = np.array([[0.0, 6.0], [5.0, 0.0]])
    one, two = draw(spots, np.array([1.0, 0.5])), draw(spots, np.array([0.5, 1.0]), 0.3)
    copies = find_copies(np.stack([two, one, np.rot90(one, -1), np.rot90(one, 2)]), np.pi / 2 * np.arange(4))
    merged = merge(table, np.arange(4), copies)
    assert merged.index.equals(table.index)
    assert merged["cluster"].tolist() == [1, 1, 0, 0, 0, -1, 0]
    assert merged["variant"].tolist() == label.tolist()
    np.testing.assert_allclose(merged["variant_turn"], [0, 0, 0, np.pi / 2, np.pi / 2, np.nan, np.pi], atol=1e-6)


def test_errors_say_what_is_missing():
    with pytest.raises(ShapeError, match="pictures of shape"):
        find_copies(np.zeros((3, 3)), np.zeros(1))
    with pytest.raises(InputError, match="sort the sites into classes first"):
        class_pictures(np.zeros((4, 8, 8)), np.full(4, -1))
    assert find_copies(np.zeros((0, 8, 8)), np.zeros(1)).group.shape == (0,)
    assert find_copies(np.ones((1, 8, 8)), np.zeros(1)).group.tolist() == [0]
