"""Runs side by side: what they were asked for that differs, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from atomscope.data import Run
from atomscope.errors import InputError

#: What is told of a run whatever differs, from its last epoch.
_LAST = ("val_loss", "loss", "reconstruction", "noise")


def side_by_side(runs: Sequence[Run]) -> pd.DataFrame:
    """Compare runs.

    Parameters
    ----------
    runs : sequence of Run
        Two or more.

    Returns
    -------
    pandas.DataFrame
        A column for each run, named as the run (and numbered where two have one name). Rows: every field of a step
        (``step.field``) in which they differ, then ``sites``, ``epochs``, ``seconds``, ``val_loss`` (the best),
        ``loss``, ``reconstruction`` and ``noise`` (the last); NaN or empty where a run has none.

    Raises
    ------
    InputError
        If there are fewer than two.
    """
    if len(runs) < 2:
        raise InputError(f"wanted two runs or more to compare, got {len(runs)}")
    names = _distinct([run.name for run in runs])
    asked = [_flat(run.recipe) for run in runs]
    every = list(dict.fromkeys(key for fields in asked for key in fields))
    rows: dict[str, list[Any]] = {}
    for key in every:
        values = [fields.get(key) for fields in asked]
        if any(value != values[0] for value in values):
            rows[key] = values
    rows["sites"] = [0 if run.sites is None else len(run.sites) for run in runs]
    rows.update(_results(runs))
    return pd.DataFrame.from_dict(rows, orient="index", columns=names, dtype=object)


def _results(runs: Sequence[Run]) -> dict[str, list[float]]:
    out: dict[str, list[float]] = {"epochs": [], "seconds": [], **{name: [] for name in _LAST}}
    for run in runs:
        table = run.history
        out["epochs"].append(len(table))
        out["seconds"].append(float(table["seconds"].sum()) if "seconds" in table else np.nan)
        for name in _LAST:
            values = table[name].dropna() if name in table else pd.Series(dtype=float)
            best = values.min() if name == "val_loss" else values.iloc[-1] if len(values) else np.nan
            out[name].append(float(best))
    return out


def _flat(steps: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return ``step.field`` -> value of a recipe."""
    out: dict[str, Any] = {}

    def add(name: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                add(f"{name}.{key}", inner)
        else:
            out[name] = list(value) if isinstance(value, tuple) else value

    for step in steps:
        name = str(step.get("step", "step"))
        for key, value in step.items():
            if key != "step":
                add(f"{name}.{key}", value)
    return out


def _distinct(names: Sequence[str]) -> list[str]:
    seen: dict[str, int] = {}
    out = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        out.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return out
