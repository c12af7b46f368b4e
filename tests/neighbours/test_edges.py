"""Edges between sites say how long a wall is, whatever the lattice and the direction."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import Delaunay

from atomscope.data import Edges
from atomscope.errors import InputError, ShapeError
from atomscope.neighbours import site_edges

HALF = 18.0  # of the field, spacings


def lattice(kind: str, turn: float, jitter: float, rng: np.random.Generator) -> np.ndarray:
    i, j = (a.ravel() for a in np.meshgrid(np.arange(-40, 41), np.arange(-40, 41), indexing="ij"))
    if kind == "grid":
        points = np.stack((i, j), 1).astype(float)
    else:
        points = np.stack((i + 0.5 * j, j * np.sqrt(3) / 2), 1)
        if kind == "honeycomb":
            points = np.sqrt(3) * np.concatenate((points, points + np.array([0.5, 0.5 / np.sqrt(3)])))
    c, s = np.cos(turn), np.sin(turn)
    points = points @ np.array([[c, s], [-s, c]]) + rng.normal(0, jitter, points.shape)
    return points[(np.abs(points) < HALF).all(1)]


def cut(edges: Edges, phase: np.ndarray) -> float:
    i, j = edges.pairs.T
    return float(edges.weight[phase[i] != phase[j]].sum())


@pytest.mark.parametrize("jitter", [0.0, 0.05])
@pytest.mark.parametrize("kind", ["grid", "hexagonal", "honeycomb"])
def test_circles_have_their_length(kind, jitter):
    rng = np.random.default_rng(1)
    errors = []
    for _ in range(12):
        points = lattice(kind, rng.uniform(0, 7), jitter, rng)
        edges = site_edges(*points.T)
        radius, middle = rng.uniform(7, 12), rng.uniform(-2, 2, 2)
        inside = np.hypot(*(points - middle).T) < radius
        errors.append(cut(edges, inside) / (2 * np.pi * radius) - 1)
    assert np.abs(errors).max() < 0.05
    assert abs(np.mean(errors)) < 0.015


@pytest.mark.parametrize("kind", ["grid", "hexagonal", "honeycomb"])
def test_straight_walls_to_the_edge_of_the_field_have_their_length(kind):
    rng = np.random.default_rng(2)
    errors = []
    for _ in range(12):
        points = lattice(kind, rng.uniform(0, 7), 0.0, rng)
        edges = site_edges(*points.T)
        a, off = rng.uniform(0, np.pi), rng.uniform(-6, 6)
        normal, along = np.array([np.sin(a), np.cos(a)]), np.array([np.cos(a), -np.sin(a)])
        line = off * normal + np.arange(-40, 40, 0.02)[:, None] * along
        true = 0.02 * (Delaunay(points).find_simplex(line) >= 0).sum()
        errors.append(cut(edges, points @ normal > off) / true - 1)
    assert np.abs(errors).max() < 0.09  # a line sees one direction: the lattice shows
    assert abs(np.mean(errors)) < 0.03


def test_lengths_are_in_the_unit_of_the_pixels_and_square_pixels_are_not_needed():
    points = lattice("grid", 0.3, 0.0, np.random.default_rng(0))
    inside = np.hypot(*points.T) < 10
    plain = site_edges(*points.T)
    stretched = site_edges(points[:, 0] / 0.2, points[:, 1] / 0.5, pixel=(0.2, 0.5), unit="nm")
    assert cut(stretched, inside) == pytest.approx(cut(plain, inside))
    assert stretched.unit == "nm" and stretched.spacing == pytest.approx(1.0)


def test_frames_and_lost_sites_are_not_joined():
    points = lattice("grid", 0.0, 0.0, np.random.default_rng(0))
    n = len(points)
    rows, cols = np.tile(points[:, 0], 2), np.tile(points[:, 1], 2)
    rows[5] = np.nan
    edges = site_edges(rows, cols, np.repeat([3, 7], n))
    assert ((edges.pairs[:, 0] < n) == (edges.pairs[:, 1] < n)).all()
    assert not (edges.pairs == 5).any()
    assert sorted(edges.order.tolist()) == list(range(2 * n)) and edges.order[-1] == 5
    assert (edges.order[: n - 1] < n).all()


def test_runs_of_the_order_are_tiles():
    points = lattice("grid", 0.2, 0.0, np.random.default_rng(0))
    order = site_edges(*points.T).order
    far = [np.ptp(points[order[a : a + 25]], axis=0).max() for a in range(0, len(order) - 25, 25)]
    assert np.median(far) < 8  # 25 sites: a square of 5 x 5, or nearly


def test_edges_among_some_sites_are_those_of_the_whole():
    points = lattice("honeycomb", 0.2, 0.0, np.random.default_rng(0))
    edges, rng = site_edges(*points.T), np.random.default_rng(3)
    some = rng.permutation(len(points))[:300]
    pairs, weight = edges.among(some)
    inside = np.isin(edges.pairs, some).all(1)
    assert {tuple(sorted(p)) for p in some[pairs]} == {tuple(p) for p in edges.pairs[inside]}
    assert weight.sum() == pytest.approx(edges.weight[inside].sum())
    assert edges.among(np.zeros(0, np.int64))[0].shape == (0, 2)


def test_what_cannot_be_joined_is_said():
    with pytest.raises(InputError, match="one place"):
        site_edges(np.array([0.0, 0, 1, 2]), np.array([0.0, 0, 1, 0]))
    with pytest.raises(InputError, match="at least three sites"):
        site_edges(np.arange(5.0), np.arange(5.0))
    with pytest.raises(InputError, match="at least three sites"):
        site_edges(np.arange(2.0), np.zeros(2))
    with pytest.raises(InputError, match="names patch 9 of 3"):
        Edges(np.array([[0, 9]]), np.ones(1), np.arange(3))
    with pytest.raises(ShapeError, match="a weight for each"):
        Edges(np.array([[0, 1]]), np.ones(2), np.arange(3))
