from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import atomscope as ats
from atomscope.errors import ParameterError, Stopped
from atomscope.find.trust.match import match
from atomscope.simulate import image, movie


def planted(lattice, seed, **fields):
    _, truth = image(lattice, size_px=384, snr=10, seed=seed, **fields)
    there = truth.table["present"].to_numpy(bool)
    return truth.with_table(truth.table[there].reset_index(drop=True)), truth.table[~there]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("lattice", ["graphene", "perovskite", "fcc"])
def test_planted_vacancies_are_gaps_and_nothing_else_is(lattice, seed):
    sites, vacant = planted(lattice, seed, vacancies=0.015, displacement_nm=0.005)
    found = ats.quality(sites)
    gaps, spacing = found.gaps[["row", "col"]].to_numpy(), found.frames["spacing_px"][0]
    hit, _ = match(gaps, vacant[["row", "col"]].to_numpy(), spacing / 3)
    assert len(hit) == len(gaps)
    inner = vacant[vacant[["row", "col"]].apply(lambda x: x.between(1.5 * spacing, 383 - 1.5 * spacing)).all(axis=1)]
    hit, _ = match(gaps, inner[["row", "col"]].to_numpy(), spacing / 3)
    assert len(hit) >= 0.85 * len(inner)


@pytest.mark.parametrize("seed", range(3))
def test_a_perfect_lattice_of_grains_with_a_hole_has_few_gaps(seed):
    sites, _ = planted("MoS2", seed, grains=3, holes=0.15)
    assert len(ats.quality(sites).gaps) <= 0.005 * len(sites) + 1


def test_no_gaps_where_there_is_no_lattice():
    rng = np.random.default_rng(0)
    sites = ats.Sites.from_positions(*rng.uniform(0, 300, (2, 400)), shape=(300, 300))
    assert len(ats.quality(sites).gaps) == 0


def test_planted_pairs_and_doubles_are_found_and_flagged():
    sites, _ = planted("graphene", 0)
    table, spacing = sites.table, ats.quality(sites).frames["spacing_px"][0]
    near, twice = table.iloc[[40]].copy(), table.iloc[[80]].copy()
    near["row"], near["site"] = near["row"] + 0.45 * spacing, 90_001
    twice["row"], twice["site"] = twice["row"] + 0.1 * spacing, 90_002
    more = sites.with_table(pd.concat([table, near, twice], ignore_index=True))
    result = ats.quality(more)
    assert result.summary()["doubles"] == 1
    told = more.join(result.columns).table.set_index("site")
    assert told.loc[[90_002, table["site"][80]], "flag"].tolist() == ["double", "double"]
    assert told.loc[90_001, "flag"] == "short pair"
    assert told.loc[90_001, "nearest_px"] <= 0.45 * spacing + 1e-9
    assert len(told) == len(more)


def test_a_movie_is_looked_at_frame_by_frame_and_can_be_stopped():
    _, truth = movie("graphene", frames=3, size_px=128, snr=10, seed=0)
    told = []
    result = ats.quality(truth, on_progress=told.append)
    assert result.frames["frame"].tolist() == [0, 1, 2]
    assert [p.done for p in told] == [1, 2, 3]
    assert result.score_counts.sum() == len(truth)
    assert (result.frames["largest_gap_px"] >= result.frames["typical_gap_px"]).all()
    with pytest.raises(Stopped) as stop:
        ats.quality(truth, should_stop=lambda: len(told) > 2)
    assert len(stop.value.partial.frames) == 0


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5])
def test_few_sites_have_a_quality_too(n):
    sites = ats.Sites.from_positions(np.arange(n) * 10.0, np.arange(n) * 10.0, shape=(60, 60))
    result = ats.quality(sites)
    assert result.summary()["sites"] == n
    assert len(result.columns) == n
    assert len(result.gaps) == len(result.pairs) == 0


def test_sites_on_one_place_and_without_a_place():
    sites = ats.Sites.from_positions(np.array([5.0, 5.0, np.nan, 20.0]), np.array([5.0, 5.0, 3.0, 20.0]))
    result = ats.quality(sites)
    assert len(result.columns) == 4
    assert np.isnan(result.columns["nearest_px"].iloc[2])
    with pytest.raises(ParameterError):
        ats.quality(sites, short=2)
