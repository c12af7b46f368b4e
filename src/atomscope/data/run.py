"""A run: everything that one pass through the house made, ready to be saved and reopened."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from atomscope.data.model import ModelState
from atomscope.data.sites import Sites


@dataclass(frozen=True)
class Run:
    """What a run folder holds.

    Attributes
    ----------
    name : str
    sites : Sites or None
        The site table with every column that was learnt.
    model : ModelState or None
        Of several window sizes that of the largest.
    finer : tuple of ModelState
        Those of the smaller windows, largest first, where there are several window sizes.
    history : pandas.DataFrame
        Losses, a row an epoch.
    recipe : list of dict
        The steps, as a recipe file lists them.
    source : str
        Path of the data; empty when made in memory.
    created : str
        ISO 8601 time.
    meta : dict
        JSON-able remarks.
    """

    name: str = "run"
    sites: Sites | None = None
    model: ModelState | None = None
    finer: tuple[ModelState, ...] = ()
    history: pd.DataFrame = field(default_factory=pd.DataFrame)
    recipe: list[dict[str, Any]] = field(default_factory=list)
    source: str = ""
    created: str = ""
    meta: dict[str, Any] = field(default_factory=dict)
