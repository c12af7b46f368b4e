"""Recipes and the command line train on pairs of times."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner

import atomscope as ats
from atomscope import pipeline, simulate
from atomscope.cli import main
from atomscope.data.params import CropParams, DelayParams, FitParams


@pytest.fixture(scope="module")
def movie():
    return simulate.switching(sites=9, frames=12, seed=4)[:2]


@pytest.mark.parametrize("pairs", ["predict", "stack"])
def test_a_recipe_trains_on_pairs_and_is_applied_to_another_movie(movie, pairs, tmp_path):
    stack, truth = movie
    recipe = pipeline.Recipe.of(
        delay=DelayParams(lag=2, pairs=pairs),
        crop=CropParams(window_px=16),
        train=pipeline.TrainParams(model=ats.RVAE(hidden=8), fit=FitParams(epochs=1)),
    )
    run = pipeline.run_recipe(recipe, stack, sites=truth, folder=tmp_path / "run")
    table = pipeline.load(tmp_path / "run").sites.table
    last = table["frame"] >= 10
    assert len(table) == len(truth) and (table.loc[last, "flag"] == "no later frame").all()
    assert table.loc[~last, "z1"].notna().all()
    assert table.loc[last, "z1"].notna().all() == (pairs == "predict")  # what comes later is not needed to read
    assert run.model.spec["predicts"] == (pairs == "predict")
    assert run.model.channels == (1 if pairs == "predict" else 2)
    again = pipeline.apply_run(run, stack, sites=truth)
    np.testing.assert_allclose(again.table["z1"].astype(float), table["z1"].astype(float), atol=1e-5)


def test_the_command_line_takes_a_lag(movie, tmp_path):
    stack, truth = movie
    pipeline.save_stack(stack, tmp_path / "movie.zarr")
    pipeline.save_table(truth, tmp_path / "sites.parquet")
    words = f"train {tmp_path / 'movie.zarr'} --sites {tmp_path / 'sites.parquet'} -o {tmp_path / 'run'} "
    words += "--window-px 16 --hidden 8 --epochs 1 --lag 3"
    out = CliRunner().invoke(main, words.split(), catch_exceptions=False)
    assert out.exit_code == 0, out.output
    run = pipeline.load(tmp_path / "run")
    assert run.model.spec["predicts"]
    assert {k: v for k, v in run.recipe[1].items() if k in ("step", "lag")} == {"step": "delay", "lag": 3}


def test_the_command_line_says_how_long_states_last(tmp_path):
    stack, truth, _ = simulate.switching(sites=100, frames=100, frame_time_s=0.5, seed=0)
    pipeline.save_table(truth, tmp_path / "sites.parquet")
    words = f"timescale {tmp_path / 'sites.parquet'} --column state --lag 1 --lag 3"
    out = CliRunner().invoke(main, words.split(), catch_exceptions=False)
    assert out.exit_code == 0, out.output
    head, *rows = [line.split() for line in out.output.splitlines()]
    assert [row[0] for row in rows] == ["1", "3"] and "timescale_s" in head
    assert float(rows[0][head.index("timescale")]) == pytest.approx(stack.metadata["timescale_frames"], rel=0.15)
