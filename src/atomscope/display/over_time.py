"""What can be plotted of a movie's sites against time: a value a frame, by name."""

from __future__ import annotations

import numpy as np
import pandas as pd

#: Columns whose mean in a frame says something, besides latents.
_MEANS = ("scale", "coordination", "strain_rr", "strain_cc", "lattice_rotation", "amplitude", "probability")
#: Columns of kinds, and how many kinds are still worth a curve each.
_KINDS, _MOST = ("kind", "state", "class_name", "cluster", "formula"), 12


def over_time(table: pd.DataFrame, frames: int) -> dict[str, pd.Series]:
    """Return a value for each frame of whatever the sites have, by what it is called.

    Parameters
    ----------
    table : pandas.DataFrame
        With ``frame`` and any other columns of sites.
    frames : int
        Number of frames of the movie; those without sites have 0 sites and no mean.

    Returns
    -------
    dict of pandas.Series, each of ``frames`` values
        ``sites``; ``kind vacancy`` and so on (the part of the sites that are of that kind); ``z1, mean``; ``S`` (order
        of the angles: mean cos 2(angle - director)).
    """
    every = pd.RangeIndex(frames)
    sites = table["frame"].value_counts().reindex(every, fill_value=0).astype(np.float64)
    out, count = {"sites": sites}, sites.where(sites > 0)
    for name in (n for n in _KINDS if n in table):
        words = table[name].astype(str)
        kinds = [k for k in sorted(words.unique()) if k not in ("", "nan", "-1", "<NA>")]
        if not 1 < len(kinds) <= _MOST:
            continue
        for kind in kinds:
            found = table["frame"][words == kind].value_counts().reindex(every, fill_value=0)
            out[f"{name} {kind}"] = (found / count).astype(np.float64)
    for name in map(str, table.columns):
        if name in _MEANS or (name.startswith("z") and name[1:].isdigit()):
            mean = pd.to_numeric(table[name], errors="coerce").groupby(table["frame"]).mean()
            out[f"{name}, mean"] = mean.reindex(every).astype(np.float64)
    if "angle" in table:
        angle = pd.to_numeric(table["angle"], errors="coerce")
        parts = [f(2 * angle).groupby(table["frame"]).mean() for f in (np.cos, np.sin)]
        out["S"] = np.hypot(*parts).reindex(every).astype(np.float64)
    return out
