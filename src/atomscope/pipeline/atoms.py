"""The verbs that lay sites: on the atom columns of every frame, or on a grid."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from atomscope.data import OnProgress, ShouldStop, Sites
from atomscope.data.params import FindParams, GridParams
from atomscope.pipeline.fields import with_fields
from atomscope.pipeline.finders import load_finder
from atomscope.pipeline.records import as_stack

if TYPE_CHECKING:
    import numpy as np


def find_atoms(
    source: Any,
    params: FindParams | None = None,
    *,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    **fields: Any,
) -> Sites:
    """Find atom columns in every frame.

    Parameters
    ----------
    source : Stack, array or path
    params : FindParams, optional
    on_progress, should_stop : callables, optional
        See :mod:`atomscope.data.progress`; a stop raises :class:`~atomscope.errors.Stopped` with the Sites so far.
    **fields
        Fields of :class:`~atomscope.data.params.FindParams`; ``model`` may also be a Finder.

    Returns
    -------
    Sites

    Raises
    ------
    ParameterError
        If a field is unknown or out of bounds.
    """
    from atomscope import find

    stack = as_stack(source)
    params, network = _network(params, fields)
    return find.find_atoms(stack, params, network=network, on_progress=on_progress, should_stop=should_stop)


def find_in_frame(frame: np.ndarray, params: FindParams | None = None, **fields: Any) -> pd.DataFrame:
    """Find atom columns in one frame, shape (rows, cols): what a live preview shows."""
    from atomscope import find

    params, network = _network(params, fields)
    return find.find_in_frame(frame, params, network=network)


def _network(params: FindParams | None, fields: dict[str, Any]) -> tuple[FindParams, Any]:
    """Return the parameters, and the finder that they name or that was given in the place of a name."""
    from atomscope.data.taught import is_finder

    given = fields.get("model")
    if is_finder(given):
        fields = {**fields, "model": None, "method": "network"}
        return with_fields(FindParams, params, fields), given
    if isinstance(given, Path):
        fields = {**fields, "model": str(given)}
    params = with_fields(FindParams, params, fields)
    return params, load_finder(params)


def grid(source: Any, params: GridParams | None = None, **fields: Any) -> Sites:
    """Lay sites on a regular grid over every frame (a sliding window).

    ``**fields`` are those of :class:`~atomscope.data.params.GridParams`.
    """
    from atomscope import find

    return find.grid_sites(as_stack(source), with_fields(GridParams, params, fields))
