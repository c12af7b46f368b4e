"""Numbers with their nouns: one of a thing is not called several."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from atomscope import pipeline
from atomscope.cli import main
from atomscope.data import Sites, Stack, counted


@pytest.mark.parametrize(
    ("n", "words", "said"),
    [
        (1, ("class",), "1 class"),
        (0, ("class",), "0 classes"),
        (2, ("patch",), "2 patches"),
        (2, ("epoch",), "2 epochs"),
        (np.int64(1), ("site",), "1 site"),
        (1200, ("site",), "1,200 sites"),
        (1, ("row is", "rows are"), "1 row is"),
        (3, ("row is", "rows are"), "3 rows are"),
    ],
)
def test_a_number_has_the_noun_that_fits_it(n, words, said):
    assert counted(n, *words) == said


def test_a_program_can_read_the_number():
    assert counted(1200, "site", separator="") == "1200 sites"


def test_the_command_line_says_one_class_and_one_frame(tmp_path):
    rng = np.random.default_rng(0)
    sites = Sites.from_positions(rng.random(20) * 30, rng.random(20) * 30)
    latents = pd.DataFrame({"z1": rng.normal(size=20), "z2": rng.normal(size=20)}, sites.table["site"])
    pipeline.save_table(sites.join(latents), tmp_path / "sites.parquet")
    words = ["cluster", str(tmp_path / "sites.parquet"), "--n-clusters", "1", "-o", str(tmp_path / "c.parquet")]
    out = CliRunner().invoke(main, words, catch_exceptions=False)
    assert out.output.startswith("1 class of 20 sites -> "), out.output
    pipeline.save_stack(Stack.from_array(rng.random((40, 40)).astype(np.float32)), tmp_path / "image.zarr")
    words = ["find", str(tmp_path / "image.zarr"), "--method", "peaks", "-o", str(tmp_path / "f.parquet")]
    out = CliRunner().invoke(main, words, catch_exceptions=False)
    assert " in 1 frame -> " in out.output
