"""UMAP: neighbours in many dimensions laid out in two. An optional extra, imported when it is asked for.

References
----------
L. McInnes, J. Healy and J. Melville, "UMAP: uniform manifold approximation and projection for dimension reduction",
arXiv:1802.03426.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd

from atomscope.data.params import EmbedParams
from atomscope.errors import InputError, MissingExtraError


def embed(features: np.ndarray, params: EmbedParams | None = None, site: np.ndarray | None = None) -> pd.DataFrame:
    """Lay rows of numbers out in few dimensions, so that neighbours stay neighbours.

    Distances between groups mean little, and neither do the axes: to look at, not to measure. The seed decides the
    result (which costs UMAP its threads).

    Parameters
    ----------
    features : numpy.ndarray, shape (n, d)
        Rows with NaN get NaN.
    params : EmbedParams, optional
    site : numpy.ndarray, shape (n,), int64, optional

    Returns
    -------
    pandas.DataFrame
        Indexed by site: ``umap1``, ``umap2``, ... (float32).

    Raises
    ------
    MissingExtraError
        If umap-learn is not installed.
    InputError
        If there are fewer complete rows than neighbours that are asked for.
    """
    params = params or EmbedParams()
    umap = _package()
    features = np.asarray(features, np.float32)
    good = np.isfinite(features).all(1)
    if good.sum() < max(params.neighbours + 1, 4):
        raise InputError(
            f"umap: {params.neighbours} neighbours wanted, but only {int(good.sum())} of {len(features)} sites have "
            "all of their numbers; lower neighbours"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a seed means one thread; that its libraries will change
        model = umap.UMAP(
            n_components=params.dimensions,
            n_neighbors=params.neighbours,
            min_dist=params.least_distance,
            random_state=params.seed,
            n_jobs=1,
        )
        found = model.fit_transform(features[good])
    out = np.full((len(features), params.dimensions), np.nan, np.float32)
    out[good] = found
    site = np.arange(len(features), dtype=np.int64) if site is None else np.asarray(site, np.int64)
    names = [f"umap{i + 1}" for i in range(params.dimensions)]
    return pd.DataFrame(out, columns=names, index=pd.Index(site, name="site"))


def _package() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import umap
    except ImportError as error:
        raise MissingExtraError(
            "UMAP needs the package umap-learn, which is not installed: pip install 'napari-atomscope[umap]'"
        ) from error
    return umap
