"""Walls between the phases of a map of sites: how long they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from atomscope.data.edges import Edges
from atomscope.errors import ShapeError


def phase_walls(phase: Any, edges: Edges, frame: Any = 0) -> pd.DataFrame:
    """Return the length of wall between each two phases of each frame.

    Parameters
    ----------
    phase : array, shape (n,)
        A number or a name for each site; -1 and empty (NaN) are no phase, and have no walls.
    edges : Edges
        Of these sites. A wall crosses the edges whose ends differ; their weights are its length.
    frame : array, shape (n,), or int

    Returns
    -------
    pandas.DataFrame
        Columns ``frame``, ``first``, ``second`` (the two phases) and ``length`` (in the unit of the edges); a row for
        each two phases that meet, by frame, the longest wall first.

    Raises
    ------
    ShapeError
        If there is not a phase for each site of the edges.
    """
    given = pd.Series(np.asarray(phase))
    if given.shape != (len(edges),):
        raise ShapeError(f"walls: wanted a phase for each of {len(edges)} sites, got shape {np.shape(phase)}")
    code, names = pd.factorize(given.where(given != -1), sort=True)
    i, j = edges.pairs.T
    cut = (code[i] >= 0) & (code[j] >= 0) & (code[i] != code[j])
    ends = np.sort(np.stack((code[i[cut]], code[j[cut]]), 1), axis=1)
    frames = np.broadcast_to(np.asarray(frame, np.int64), len(edges))
    table = pd.DataFrame(
        {"frame": frames[i[cut]], "first": ends[:, 0], "second": ends[:, 1], "length": edges.weight[cut]}
    )
    found = table.groupby(["frame", "first", "second"])["length"].sum().reset_index()
    found = found.sort_values(["frame", "length"], ascending=[True, False], ignore_index=True)
    kind = given.dtype
    for name in ("first", "second"):
        found[name] = pd.Series(names.to_numpy()[found[name].to_numpy(np.int64)], dtype=kind, index=found.index)
    return found
