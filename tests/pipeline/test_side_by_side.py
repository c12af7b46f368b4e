"""Runs side by side: what differs and what came of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from atomscope.data import Run
from atomscope.errors import InputError
from atomscope.pipeline import side_by_side


def run(name: str, latent: int, losses: list[float]) -> Run:
    history = pd.DataFrame(
        {"epoch": np.arange(1, len(losses) + 1), "loss": losses, "val_loss": [x + 1 for x in losses], "seconds": 2.0}
    )
    recipe = [
        {"step": "crop", "window_px": (32, 32)},
        {"step": "train", "model": {"kind": "VAE", "latent_dim": latent}, "fit": {"seed": 1}},
    ]
    return Run(name=name, history=history, recipe=recipe)


def test_only_what_differs_and_the_results_are_shown():
    table = side_by_side([run("a", 2, [5.0, 3.0, 4.0]), run("b", 3, [5.0, 2.0]), run("a", 2, [1.0])])
    assert list(table.columns) == ["a", "b", "a (2)"]
    assert table.index[0] == "train.model.latent_dim"
    assert "crop.window_px" not in table.index
    assert list(table.loc["train.model.latent_dim"]) == [2, 3, 2]
    assert list(table.loc["val_loss"]) == [4.0, 3.0, 2.0]
    assert list(table.loc["loss"]) == [4.0, 2.0, 1.0]
    assert list(table.loc["epochs"]) == [3, 2, 1]
    assert list(table.loc["seconds"]) == [6.0, 4.0, 2.0]


def test_a_run_without_training_has_no_losses_and_one_run_is_not_a_comparison():
    table = side_by_side([run("a", 2, [1.0]), Run(name="only sites")])
    assert np.isnan(table.loc["loss", "only sites"])
    assert table.loc["train.model.latent_dim", "only sites"] is None
    with pytest.raises(InputError, match="got 1"):
        side_by_side([run("a", 2, [1.0])])
