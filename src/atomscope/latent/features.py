"""What classes are looked for in: scaled latents, and angles as points on a circle."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from atomscope.data.columns import angle_order
from atomscope.data.params import ClusterParams
from atomscope.errors import InputError

_WAYS = {
    "z": "encode the patches first (or set use_angle=True for a model with latent_dim=0)",
    "umap": "make them with embed(...) first",
    **dict.fromkeys(("pc", "nmf", "ica"), "make them with components(patches, method=...) first"),
}


def latent_columns(table: pd.DataFrame, prefix: str = "z") -> list[str]:
    """Return the names z1, z2, ... that a table has, in numeric order; or those of another prefix (pc, theta, ...)."""
    pattern = re.compile(re.escape(prefix) + r"\d+\Z")
    names = [str(c) for c in table.columns if pattern.match(str(c))]
    return sorted(names, key=lambda name: int(name[len(prefix) :]))


def latent_features(table: pd.DataFrame, params: ClusterParams) -> np.ndarray:
    """Return one feature vector a row.

    Latents are centred and divided by one common spread: the root of the mean variance of their aggregate posterior
    (of the means over the sites and, where the columns ``z*_sd`` are there, of the posteriors themselves). Divided each
    by its own, a latent that tells nothing (all means alike) would be blown up into noise as large as the rest.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns z1, z2, ... (or those of ``params.by``), theta1, ... where there are; ``angle``
        (rad) when it is used; ``row``, ``col`` (and ``frame``) for smoothing.
    params : ClusterParams

    Returns
    -------
    numpy.ndarray, shape (n, features), float64
        NaN in rows with a missing value.

    Raises
    ------
    InputError
        If there is nothing to sort by, or a column that was asked for is missing.
    """
    names = latent_columns(table, params.by)[: params.first]
    parts = []
    if names:
        z = table[names].to_numpy(np.float64)
        complete = np.isfinite(z).all(axis=1)
        z = z[complete]
        variance = float(z.var(axis=0).mean()) if len(z) else 0.0
        spreads = [f"{name}_sd" for name in names if f"{name}_sd" in table.columns]
        if spreads and len(z):
            own = table[spreads].to_numpy(np.float64)[complete]
            variance += float(np.nan_to_num(own**2).mean(axis=0).sum()) / len(names)
        scale = np.sqrt(variance) if variance > 0 else 1.0
        centre = z.mean(axis=0) if len(z) else np.zeros(len(names))
        parts = list(((table[names].to_numpy(np.float64) - centre) / scale).T)
    if params.by == "z":  # periodic latents: points on circles
        for name in latent_columns(table, "theta"):
            around = table[name].to_numpy(np.float64)
            parts += [np.sqrt(2) * np.cos(around), np.sqrt(2) * np.sin(around)]
    if params.use_angle:
        if "angle" not in table.columns:
            raise InputError(
                f"cluster: use_angle needs a column 'angle', the table has {list(map(str, table.columns))}; "
                "encode with a model that has rotation=True, or set use_angle=False"
            )
        turned = angle_order(table, params.symmetry_order) * table["angle"].to_numpy(np.float64)
        # The factor gives uniform angles variance 1 in each coordinate, as the latents have.
        parts += [np.sqrt(2) * np.cos(turned), np.sqrt(2) * np.sin(turned)]
    if not parts:
        raise InputError(
            f"cluster: wanted {'latent ' * (params.by == 'z')}columns {params.by}1, {params.by}2, ..., the table has "
            f"{list(map(str, table.columns))}; {_WAYS[params.by]}"
        )
    features = np.stack(parts, axis=1)
    features[~np.isfinite(features).all(axis=1)] = np.nan
    return smooth_features(features, table, params.smooth) if params.smooth else features


def smooth_features(features: np.ndarray, table: pd.DataFrame, neighbours: int) -> np.ndarray:
    """Average each row with its nearest sites of the same frame.

    Parameters
    ----------
    features : numpy.ndarray, shape (n, d)
        Rows with NaN stay NaN and are nobody's neighbour.
    table : pandas.DataFrame
        Columns ``row``, ``col`` (px) and, if there are several, ``frame``.
    neighbours : int
        Number of sites beside itself.

    Raises
    ------
    InputError
        If ``row`` or ``col`` is missing.
    """
    missing = [name for name in ("row", "col") if name not in table.columns]
    if missing:
        raise InputError(
            f"cluster: smooth={neighbours} needs the positions, missing {missing}; "
            "give the site table joined with the latents (sites.join(latents).table)"
        )
    where = table[["row", "col"]].to_numpy(np.float64)
    frame = table["frame"].to_numpy(np.int64) if "frame" in table.columns else np.zeros(len(table), np.int64)
    good = np.isfinite(features).all(axis=1) & np.isfinite(where).all(axis=1)
    out = features.copy()
    order = np.flatnonzero(good)
    order = order[np.argsort(frame[order], kind="stable")]
    for members in np.split(order, np.flatnonzero(np.diff(frame[order])) + 1):
        if len(members) < 2:
            continue
        k = min(neighbours + 1, len(members))
        _, near = cKDTree(where[members]).query(where[members], k=k)
        out[members] = features[members][near].mean(axis=1)
    return out
