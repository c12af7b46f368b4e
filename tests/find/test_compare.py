from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

import atomscope as ats
from atomscope.data import Sites
from atomscope.errors import InputError, ParameterError
from atomscope.find.trust.compare import compare
from atomscope.find.trust.match import match
from atomscope.find.trust.reliability import rank_auc, reliability


def lattice(n=12, step=10.0, frames=1, kind="atom"):
    at = np.stack(np.meshgrid(np.arange(n), np.arange(n), indexing="ij"), -1).reshape(-1, 2) * step + 5
    return Sites.from_positions(
        np.tile(at[:, 0], frames),
        np.tile(at[:, 1], frames),
        np.repeat(np.arange(frames), len(at)),
        kind=kind,
        shape=(frames, int(n * step), int(n * step)),
    )


@pytest.mark.parametrize("seed", range(3))
def test_planted_errors_come_back_exactly(seed):
    rng = np.random.default_rng(seed)
    truth = lattice(frames=3)
    table = truth.table.copy()
    table[["row", "col"]] += rng.normal(0, 0.3, (len(table), 2))
    lost = rng.choice(len(table), 17, replace=False)
    table = table.drop(index=lost)
    extra = truth.table.iloc[rng.choice(len(truth), 9, replace=False)].copy()
    extra[["row", "col"]] += 5.0  # the middle of four
    extra["site"] = np.arange(10_000, 10_009)
    found = truth.with_table(pd.concat([table, extra], ignore_index=True))
    result = compare(found, truth)
    assert result.radius_px == pytest.approx(10 / 3)
    assert set(result.missed["site"]) == set(truth.table["site"].iloc[lost])
    assert set(result.false["site"]) == set(range(10_000, 10_009))
    assert (result.pairs["site"] == result.pairs["reference"]).all()
    assert result.recall == pytest.approx(1 - 17 / len(truth))
    assert result.rms_px == pytest.approx(0.3, rel=0.1)
    assert result.frames["missed"].sum() == 17
    assert result.frames["false"].sum() == 9


@pytest.mark.parametrize("seed", range(3))
def test_the_pairing_is_the_best_of_all(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(0, 10, (6, 2)), rng.uniform(0, 10, (7, 2))
    radius = 4.0
    i, j = match(a, b, radius)
    distance = np.hypot(*(a[:, None] - b).transpose(2, 0, 1))
    best = (0, 0.0)
    for order in itertools.permutations(range(7), 6):
        d = distance[range(6), order]
        d = d[d <= radius]
        best = min(best, (-len(d), float((d**2).sum())))
    assert len(i) == -best[0]
    assert (distance[i, j] ** 2).sum() == pytest.approx(best[1])


def test_a_large_clump_is_solved_as_a_small_one_is(monkeypatch):
    import importlib

    module = importlib.import_module("atomscope.find.trust.match")
    rng = np.random.default_rng(0)
    a, b = rng.uniform(0, 60, (150, 2)), rng.uniform(0, 60, (140, 2))
    dense = match(a, b, 8.0)
    monkeypatch.setattr(module, "_DENSE", 0)
    for one, other in zip(dense, match(a, b, 8.0), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_hundred_thousand_sites_are_matched():
    truth = lattice(316)
    moved = truth.with_table(truth.table.assign(row=truth.table["row"] + 1.0))
    result = compare(moved, truth)
    assert result.f1 == 1
    assert result.bias_px == pytest.approx((1.0, 0.0))


def test_kinds_are_counted_apart_and_can_be_asked_for():
    truth = lattice(4)
    names = np.where(np.arange(16) < 4, "dopant", "atom")
    truth = truth.with_table(truth.table.assign(kind=names))
    said = names.copy()
    said[0] = "atom"
    found = truth.with_table(truth.table.assign(kind=said))
    kinds = compare(found, truth).kinds.set_index("kind")
    assert kinds.loc["dopant", "recall"] == 1
    assert kinds.loc["dopant", "same_kind"] == 3
    assert kinds.loc["dopant", "f1"] == pytest.approx(6 / 7)
    strict = compare(found, truth, ats.CompareParams(by_kind=True))
    assert len(strict.missed) == len(strict.false) == 1


def test_vacancies_of_the_truth_and_the_margin_do_not_count():
    truth = lattice(6)
    truth = truth.with_table(truth.table.assign(present=np.arange(36) != 14))
    seen = truth.table[np.arange(36) > 5].drop(columns="present")  # the vacancy is seen, the first line is not
    result = ats.compare(truth.with_table(seen), truth, margin_px=8)
    assert len(result.missed) == 0
    assert result.false["site"].tolist() == [14]
    assert len(ats.compare(truth, truth, by_kind=True).pairs) == 36


def test_frames_that_only_one_side_has_are_left_out_and_said():
    truth = lattice(4, frames=4)
    some = truth.with_table(truth.table[truth.table["frame"].isin([1, 2])])
    result = ats.compare(truth, some)
    assert result.frames["frame"].tolist() == [1, 2]
    assert result.left_out == (0, 3)
    assert result.f1 == 1
    assert len(ats.compare(truth, some, frames=[0, 1]).false) == 16
    other = truth.with_table(truth.table.assign(frame=truth.table["frame"] + 10))
    with pytest.raises(InputError, match=r"frames 0 to 3, the reference of frames 10 to 13"):
        ats.compare(truth, other)


def test_nothing_one_site_and_an_empty_reference():
    truth = lattice(4)
    empty, one = truth.with_table(truth.table.iloc[:0]), truth.with_table(truth.table.iloc[:1])
    nothing = ats.compare(empty, truth)
    assert nothing.recall == 0
    assert nothing.f1 == 0
    assert np.isnan(nothing.precision)
    assert np.isnan(nothing.rms_px)
    with pytest.raises(InputError, match="nothing to compare with"):
        ats.compare(truth, empty)
    assert ats.compare(truth, empty, frames=[0], radius_px=1).precision == 0
    with pytest.raises(ParameterError, match="give radius_px"):
        ats.compare(truth, one)
    assert len(ats.compare(one, one, radius_px=2).pairs) == 1
    with pytest.raises(ParameterError, match="radius_px"):
        ats.compare(truth, truth, radius_px=-1)
    with pytest.raises(ParameterError, match="empty list"):
        ats.compare(truth, truth, frames=[])


@pytest.mark.parametrize("seed", range(3))
def test_honest_probabilities_are_reliable_and_boasting_ones_are_not(seed):
    rng = np.random.default_rng(seed)
    p = rng.uniform(0, 1, 20_000)
    right = rng.random(20_000) < p
    curve = reliability(p, right)
    assert curve.error < 0.015
    assert curve.count == 20_000
    inside = (curve.table["fraction_low"] <= curve.table["probability"]) & (
        curve.table["probability"] <= curve.table["fraction_high"]
    )
    assert inside.sum() >= 8
    assert reliability(np.sqrt(p), right).error == pytest.approx(2 / 3 - 1 / 2, abs=0.02)


def test_no_probabilities_and_what_is_none():
    assert np.isnan(reliability(np.zeros(0), np.zeros(0, bool)).error)
    assert reliability(np.array([np.nan, 0.9]), np.array([True, True])).count == 1
    with pytest.raises(InputError, match="wanted probabilities"):
        reliability(np.array([3.0]), np.array([True]))
    truth = lattice(4)
    with pytest.raises(InputError, match="no column 'trust'"):
        ats.reliability(truth, truth, column="trust")
    assert ats.reliability(truth, truth).error == 0


def test_ranking_is_one_for_perfect_half_for_none():
    wrong = np.array([True, False, True, False])
    assert rank_auc(np.array([4, 1, 3, 2]), wrong) == 1
    assert rank_auc(np.ones(4), wrong) == 0.5
    assert np.isnan(rank_auc(np.ones(4), np.zeros(4, bool)))
