"""A run that was stopped goes on where it was, and ends as if it had not been."""

import pandas as pd
import pytest

from atomscope import pipeline
from atomscope.data.params import RVAE, CropParams, FindParams, FitParams
from atomscope.errors import Stopped


@pytest.fixture
def recipe(small_file):
    fit = FitParams(epochs=4, batch_size=64, seed=1, checkpoint_every=1)
    return pipeline.Recipe.of(
        find=FindParams(), crop=CropParams(window_px=20), train=pipeline.TrainParams(model=RVAE(), fit=fit)
    ).with_source(small_file[0])


def test_a_stopped_run_resumes_and_ends_equal(recipe, tmp_path):
    whole = pipeline.run_recipe(recipe, folder=tmp_path / "whole")
    seen = []

    def stop_after_two_epochs():
        return len([p for p in seen if p.what == "train"]) >= 2

    with pytest.raises(Stopped):
        pipeline.run_recipe(recipe, folder=tmp_path / "run", on_progress=seen.append, should_stop=stop_after_two_epochs)
    assert not (tmp_path / "run").exists(), "an unfinished run is not shown as a run"
    later = []
    run = pipeline.run_recipe(recipe, folder=tmp_path / "run", on_progress=later.append)
    assert not [p for p in later if p.what == "find"], "finding was finished and is not done again"
    assert len(run.history) == 4
    pd.testing.assert_frame_equal(run.sites.table, whole.sites.table, atol=1e-4, rtol=1e-4)


def test_another_recipe_does_not_pick_up_old_work(recipe, tmp_path):
    with pytest.raises(Stopped):
        seen = []
        pipeline.run_recipe(recipe, folder=tmp_path / "run", on_progress=seen.append, should_stop=lambda: len(seen) > 3)
    other = pipeline.Recipe(
        tuple(pipeline.Step(s.name, s.params.replace(threshold=6.0) if s.name == "find" else s.params) for s in recipe)
    )
    later = []
    pipeline.run_recipe(other, folder=tmp_path / "run", on_progress=later.append)
    assert [p for p in later if p.what == "find"]
