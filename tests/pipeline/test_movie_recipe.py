"""A recipe with drift and links does what the verbs do, and says so as a script."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import atomscope as ats
from atomscope import pipeline
from atomscope.data.params import DriftParams, FindParams, LinkParams
from atomscope.errors import InputError
from atomscope.pipeline import Recipe, run_recipe
from atomscope.widgets.script import as_python


@pytest.fixture(scope="module")
def movie(tmp_path_factory):
    stack, _ = ats.simulate.movie("WS2", size_px=96, frames=6, snr=15, vacancies=0.04, drift_nm=0.05, seed=3)
    path = tmp_path_factory.mktemp("movie") / "movie.zarr"
    pipeline.save_stack(stack, path)
    return path


@pytest.fixture(scope="module")
def by_verbs(movie):
    stack = ats.open(movie)
    sites = ats.find_atoms(stack, threshold=6.0)
    drift = ats.drift(stack, smoothing=1.0)
    return ats.link(drift.applied_to(sites), drift=drift, memory=2, radius_px=4.0)


def recipe():
    return Recipe.of(
        find=FindParams(threshold=6.0),
        drift=DriftParams(smoothing=1.0),
        link=LinkParams(memory=2, radius_px=4.0),
    )


def same(one, other):
    pd.testing.assert_frame_equal(one, other, check_dtype=False, check_categorical=False)


def test_a_recipe_gives_the_table_of_the_verbs(movie, by_verbs, tmp_path):
    run = run_recipe(recipe().with_source(movie), folder=tmp_path / "run")
    same(run.sites.table, by_verbs.table)
    assert {"row_still", "col_still", "track"} <= set(run.sites.table)
    same(pipeline.read_sites(tmp_path / "run" / "sites.parquet").table, by_verbs.table)


def test_it_survives_a_file(movie, by_verbs, tmp_path):
    recipe().with_source(movie).to_yaml(tmp_path / "r.yaml")
    assert Recipe.from_yaml(tmp_path / "r.yaml") == recipe().with_source(movie)
    same(run_recipe(tmp_path / "r.yaml").sites.table, by_verbs.table)


def test_links_without_a_drift_are_those_of_the_sites_as_they_are(movie):
    stack = ats.open(movie)
    run = run_recipe(Recipe.of(find=FindParams(), link=LinkParams()), stack)
    assert "row_still" not in run.sites.table
    assert np.array_equal(run.sites.table["track"], ats.link(ats.find_atoms(stack)).table["track"])


def test_drift_can_be_that_of_the_sites(movie):
    stack = ats.open(movie)
    run = run_recipe(Recipe.of(find=FindParams(), drift=DriftParams(method="sites"), link=LinkParams()), stack)
    sites = ats.find_atoms(stack)
    drift = ats.drift(stack, method="sites", sites=sites)
    same(run.sites.table, ats.link(drift.applied_to(sites), drift=drift).table)
    with pytest.raises(InputError, match="'drift' needs a step 'find' before it"):
        run_recipe(Recipe.of(drift=DriftParams(method="sites"), find=FindParams()), stack)
    with pytest.raises(InputError, match="'link' needs a step 'find' before it"):
        run_recipe(Recipe.of(link=LinkParams()), stack)


def test_the_script_of_a_recipe_runs_and_gives_its_table(movie, by_verbs, tmp_path, monkeypatch):
    script = as_python(recipe().with_source(movie))
    assert "ats.drift(stack, smoothing=1.0)" in script
    assert "ats.link(drift.applied_to(sites), drift=drift, radius_px=4.0, memory=2)" in script
    monkeypatch.chdir(tmp_path)
    exec(compile(script, "script", "exec"), {})
    same(pipeline.read_sites(tmp_path / "sites.parquet").table, by_verbs.table)


@pytest.mark.parametrize("method", ["image", "sites"])
def test_a_script_runs_whatever_drift_is_measured_on(movie, tmp_path, monkeypatch, method):
    steps = Recipe.of(find=FindParams(), drift=DriftParams(method=method), link=LinkParams()).with_source(movie)
    monkeypatch.chdir(tmp_path)
    exec(compile(as_python(steps), "script", "exec"), {})
    same(pipeline.read_sites(tmp_path / "sites.parquet").table, run_recipe(steps).sites.table)
