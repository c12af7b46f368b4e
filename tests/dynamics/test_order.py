"""Order of angles and bonds, distances and shares of classes of planted frames."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from atomscope.data import Axis, Sites
from atomscope.dynamics.order import bond_order
from atomscope.errors import InputError
from atomscope.pipeline.order import order_over_time, pair_correlation


def hexagonal(n=24, jitter=0.0, turn=0.0, seed=0):
    row, col = np.mgrid[:n, :n].reshape(2, -1).astype(float)
    points = np.c_[row * np.sqrt(3) / 2, col + 0.5 * (row % 2)] * 10
    points += np.random.default_rng(seed).normal(0, jitter, points.shape)
    c, s = np.cos(turn), np.sin(turn)
    return points @ np.array([[c, -s], [s, c]])


def frame_of(points, frame=0, **columns):
    return pd.DataFrame({"frame": frame, "row": points[:, 0], "col": points[:, 1], **columns})


@pytest.mark.parametrize("S", [0.2, 0.5, 0.9])
def test_planted_order_of_angles_is_found_in_every_frame(S):
    worst = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        n = 30_000
        along = (rng.random(n) < S) & True
        angle = np.where(along, 0.7, rng.uniform(-np.pi, np.pi, n)) + np.pi * rng.integers(0, 2, n)
        table = frame_of(rng.random((n, 2)), np.arange(n) % 3, angle=angle)
        found = order_over_time(table, folds=())
        worst.append(np.abs(found["order"] - S).max())
        assert found["director"].to_numpy() == pytest.approx(0.7, abs=0.05)
    assert max(worst) < 0.02


def test_chance_makes_no_order():
    rng = np.random.default_rng(0)
    angle = rng.uniform(-np.pi, np.pi, 50 * 200)
    found = order_over_time(frame_of(rng.random((10_000, 2)), np.arange(10_000) % 200, angle=angle), folds=())
    assert found["order"].mean() > 0.1
    assert found["order_unbiased"].mean() < 0.08
    assert (found["order_unbiased"] <= found["order"]).all()


def test_a_crystal_has_bond_order_one_and_its_angle():
    psi = bond_order(hexagonal(turn=0.2))
    inner = psi[np.isfinite(psi)]
    assert len(inner) > 350 and np.abs(inner) == pytest.approx(1)
    assert np.isnan(psi).sum() >= 60  # the edge does not count
    assert np.abs(bond_order(hexagonal(jitter=0.5))[np.isfinite(psi)].mean()) > 0.9


def test_two_grains_are_ordered_each_but_not_together():
    one, other = hexagonal(), hexagonal(turn=np.pi / 6) + np.array([0, 2000])
    found = order_over_time(frame_of(np.r_[one, other])).iloc[0]
    assert found["psi6_local"] > 0.95 and found["psi6"] < 0.15
    gas = order_over_time(frame_of(np.random.default_rng(0).random((2000, 2)))).iloc[0]
    assert gas["psi6"] < 0.1 and gas["psi6_local"] < 0.5


def test_a_square_lattice_is_seen_by_its_four_nearest():
    row, col = np.mgrid[:20, :20].reshape(2, -1)
    table = frame_of(np.c_[row, col] + np.random.default_rng(0).normal(0, 0.01, (400, 2)))
    found = order_over_time(table, folds=(4, 6), neighbours="nearest").iloc[0]
    assert found["psi4"] > 0.99 and found["psi6"] < 0.6


def test_pixels_need_not_be_square():
    table = frame_of(hexagonal() * [1.0, 1.5])
    assert order_over_time(table, pixel_nm=(0.3, 0.2)).iloc[0]["psi6"] > 0.99
    assert order_over_time(table).iloc[0]["psi6"] < 0.9


def test_classes_are_counted_in_every_frame():
    table = frame_of(np.zeros((6, 2)), [0, 0, 0, 0, 1, 1], cluster=[0, 0, 1, -1, 1, 1])
    found = order_over_time(table, folds=(), column="cluster", frame_time_s=0.5)
    assert found["time_s"].tolist() == [0, 0.5] and found["sites"].tolist() == [4, 2]
    assert found["count_0"].tolist() == [2, 0] and found["count_1"].tolist() == [1, 2]
    assert found["fraction_1"].to_numpy() == pytest.approx([1 / 3, 1])


def test_few_sites_and_sites_on_a_line_have_no_bond_order():
    assert np.isnan(bond_order(np.random.default_rng(0).random((5, 2)))).all()
    assert np.isnan(bond_order(np.c_[np.arange(30.0), np.arange(30.0)])).all()


def test_sites_at_random_have_a_flat_pair_correlation_up_to_long_distances():
    g = []
    for seed in range(10):
        points = np.random.default_rng(seed).random((1000, 2)) * [100, 300]
        axes = (Axis("frame"), Axis("row", 0.1, "nm"), Axis("col", 0.1, "nm"))
        sites = Sites.from_positions(points[:, 0] - 0.5, points[:, 1] - 0.5, axes=axes, shape=(1, 100, 300))
        found = pair_correlation(sites, r_max=8.0, bins=20)
        g.append(found["g"].to_numpy())
    assert np.abs(np.mean(g, axis=0)[1:] - 1).max() < 0.05
    assert found["r_nm"].max() < 8 and found["pairs"].sum() > 0


def test_shells_of_a_crystal_stand_where_they_are():
    found = pair_correlation(frame_of(hexagonal(40, jitter=0.3)), r_max=30, bins=150)
    near = found[found["r_px"] < 14]
    assert near.loc[near["g"].idxmax(), "r_px"] == pytest.approx(10, abs=0.4)
    ring = found[(found["r_px"] > 8) & (found["r_px"] < 13)]
    density = 1 / (100 * np.sqrt(3) / 2)
    neighbours = (ring["g"] * 2 * np.pi * ring["r_px"] * 0.2).sum() * density
    assert neighbours == pytest.approx(6, rel=0.05)


@pytest.mark.parametrize(
    ("do", "words"),
    [
        (lambda t: order_over_time(t.drop(columns="row")), "no column row"),
        (lambda t: order_over_time(t, column="phase"), "no column phase"),
        (lambda t: order_over_time(t, folds=(1,)), "symmetries"),
        (lambda t: pair_correlation(t, frame=7), "three sites"),
        (lambda t: pair_correlation(t, r_max=1e6), "shorter side"),
    ],
)
def test_what_cannot_be_measured_is_said(do, words):
    with pytest.raises(InputError, match=words):
        do(frame_of(hexagonal(8)))
