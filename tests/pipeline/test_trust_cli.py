from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from atomscope import pipeline
from atomscope.cli import main
from atomscope.simulate import image


@pytest.fixture
def tables(tmp_path):
    truth = image("graphene", size_px=128, snr=10, seed=0)[1]
    found = truth.with_table(truth.table[truth.table["site"] != 30])
    pipeline.save_table(found, tmp_path / "a.parquet")
    pipeline.save_table(truth, tmp_path / "b.csv")
    return tmp_path


def test_two_tables_are_compared_and_the_pairs_written(tables):
    out = tables / "out"
    args = ["compare", str(tables / "a.parquet"), str(tables / "b.csv"), "--json", "-o", str(out)]
    result = CliRunner().invoke(main, args)
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["missed"] == 1
    assert pd.read_csv(out / "missed.csv")["site"].tolist() == [30]
    assert json.loads((out / "summary.json").read_text())["precision"] == 1
    plain = CliRunner().invoke(main, [*args[:3], "--radius-px", "2"])
    assert "missed: 1" in plain.output
    wrong = CliRunner().invoke(main, [*args[:3], "--radius-px", "-2"])
    assert wrong.exit_code == 1
    assert "radius_px" in wrong.output


def test_the_quality_of_a_table_is_told_and_written(tables):
    result = CliRunner().invoke(main, ["quality", str(tables / "a.parquet"), "-o", str(tables / "q.parquet")])
    assert result.exit_code == 0, result.output
    assert "gaps: 1" in result.output
    assert np.isfinite(pipeline.read_sites(tables / "q.parquet").table["nearest_px"]).all()
