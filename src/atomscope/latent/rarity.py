"""How rare a site is among all: its distance to others in the space of the latents."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from atomscope.errors import InputError
from atomscope.latent.features import latent_columns

#: A latent that spreads less than this part of the widest one says nothing.
_IDLE = 1e-3


def rarity(table: pd.DataFrame, neighbours: int = 10) -> pd.DataFrame:
    """Return how far each site lies from others in its latents: distance to a near neighbour, over the median of all.

    Latents are taken in units of their standard deviation. More than ``neighbours`` sites that are alike are not rare.

    Parameters
    ----------
    table : pandas.DataFrame
        Indexed by site, with z1, z2, ...
    neighbours : int
        To the how manyeth nearest site.

    Returns
    -------
    pandas.DataFrame
        Indexed by site: ``rarity``, float64, NaN where a latent is not finite; 1 is usual.

    Raises
    ------
    InputError
        If there are no latents, or no more sites than neighbours.

    References
    ----------
    S. Ramaswamy, R. Rastogi and K. Shim, "Efficient algorithms for mining outliers from large data sets", SIGMOD 2000.
    """
    names = latent_columns(table)
    if not names:
        raise InputError("rarity: the table has no latents z1, z2, ...; encode first")
    values = table[names].to_numpy(np.float64)
    good = np.isfinite(values).all(1)
    if neighbours < 1 or good.sum() <= neighbours:
        raise InputError(f"rarity: wanted more sites with latents than {neighbours} neighbours, got {int(good.sum())}")
    known = values[good]
    spread = known.std(0)
    used = spread > _IDLE * max(float(spread.max()), 1e-300)
    out = np.full(len(values), np.nan)
    if used.any():
        known = known[:, used] / spread[used]
        far = cKDTree(known).query(known, neighbours + 1)[0][:, -1]
        out[good] = far / max(float(np.median(far)), 1e-300)
    else:
        out[good] = 1.0
    return pd.DataFrame({"rarity": out}, index=table.index)
