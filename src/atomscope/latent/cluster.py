"""Sort sites into classes by their latents.

References
----------
G. Schwarz, "Estimating the dimension of a model", Ann. Statist. 6 (1978) 461: the BIC that chooses the number.
R. Tibshirani, G. Walther and T. Hastie, "Estimating the number of clusters in a data set via the gap statistic",
J. R. Stat. Soc. B 63 (2001) 411: the same for k-means.
L. McInnes, J. Healy and S. Astels, "hdbscan: Hierarchical density based clustering", JOSS 2 (2017) 205.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from atomscope.data.params import ClusterParams
from atomscope.errors import InputError, ParameterError
from atomscope.latent.features import latent_features

log = logging.getLogger(__name__)

#: More rows than these do not change where the classes are: the rest is assigned afterwards.
_FIT_ROWS = 20_000
#: The number of classes is chosen on fewer.
_SCAN_ROWS = 5_000
_GAP_ROWS = 2_000
_GAP_BOXES = 8
_STARTS = 10


def cluster(table: pd.DataFrame, params: ClusterParams | None = None) -> pd.DataFrame:
    """Sort sites into classes, numbered from 0 by falling size.

    Parameters
    ----------
    table : pandas.DataFrame
        A row per site, indexed by site or with a column ``site``; columns z1, z2, ... and those that ``params`` needs
        (``angle`` for ``use_angle``; ``row``, ``col``, ``frame`` for ``smooth``).
    params : ClusterParams, optional

    Returns
    -------
    pandas.DataFrame
        Indexed by site: ``cluster`` (int64; -1 where a latent is missing and for HDBSCAN's noise) and
        ``cluster_probability`` (float32, of the class that was given; NaN where there is none).

    Raises
    ------
    InputError
        If a column is missing, or there are fewer complete rows than classes.
    ParameterError
        If a number of classes is given to HDBSCAN, which finds its own.
    """
    params = params or ClusterParams()
    if params.method == "hdbscan" and params.n_clusters is not None:
        raise ParameterError(
            f"ClusterParams: n_clusters={params.n_clusters} cannot be had with hdbscan, which finds the number; "
            "leave it empty, or use method='gmm'"
        )
    site = pd.Index(table["site"].to_numpy(np.int64) if "site" in table.columns else table.index, name="site")
    features = latent_features(table, params)
    good = np.isfinite(features).all(axis=1)
    x = features[good]
    needed = params.n_clusters or 1
    if len(x) < max(needed, 1):
        raise InputError(
            f"cluster: {needed} classes wanted, but only {len(x)} of {len(table)} sites have all of their latents"
        )
    if params.method == "gmm":
        label, probability = _mixture(x, params)
    elif params.method == "kmeans":
        label, probability = _kmeans(x, params)
    else:
        label, probability = _density(x, params)
    labels = np.full(len(table), -1, np.int64)
    probabilities = np.full(len(table), np.nan, np.float32)
    labels[good] = _by_size(label)
    probabilities[good] = np.where(label >= 0, probability, np.nan)
    log.info("%s: %d classes of %d sites", params.method, labels.max() + 1, len(x))
    return pd.DataFrame({"cluster": labels, "cluster_probability": probabilities}, index=site)


def _by_size(label: np.ndarray) -> np.ndarray:
    """Give classes numbers by falling size (ties: by first row); negative labels stay -1."""
    out = np.full(len(label), -1, np.int64)
    names, first, count = np.unique(label[label >= 0], return_index=True, return_counts=True)
    for new, i in enumerate(np.lexsort((first, -count))):
        out[label == names[i]] = new
    return out


def _sample(x: np.ndarray, seed: int, rows: int = _FIT_ROWS) -> np.ndarray:
    if len(x) <= rows:
        return x
    return x[np.sort(np.random.default_rng(seed).choice(len(x), rows, replace=False))]


def _counts(params: ClusterParams, n: int) -> list[int]:
    if params.n_clusters is not None:
        return [params.n_clusters]
    return list(range(1, min(params.max_clusters, max(1, n // 5)) + 1))


def _core(x: np.ndarray) -> np.ndarray:
    """Return the rows that are not far outside, so that a class is never a handful of strays.

    Beyond six robust standard deviations (of the 10th to 90th percentile) nothing is learnt about classes.
    """
    low, middle, high = np.percentile(x, (10, 50, 90), axis=0)
    reach = 6 * np.maximum((high - low) / 2.563, 1e-2)  # 2.563 = distance of the two percentiles of a normal
    inner = (np.abs(x - middle) <= reach).all(axis=1)
    return x[inner] if inner.mean() > 0.8 else x


def _mixture(x: np.ndarray, params: ClusterParams) -> tuple[np.ndarray, np.ndarray]:
    core = _core(x)
    if len(core) < (params.n_clusters or 1):
        core = x
    chosen = params.n_clusters or _mixture_count(_sample(core, params.seed, _SCAN_ROWS), params)
    best = min(_mixtures(_sample(core, params.seed), chosen, _STARTS, params.seed), key=lambda found: found[0])
    share = best[1].predict_proba(x)
    return share.argmax(axis=1), share.max(axis=1)


def _mixtures(x: np.ndarray, k: int, starts: int, seed: int) -> Iterator[tuple[float, GaussianMixture]]:
    """Yield (BIC, model) of k classes.

    Classes of equal shape ("tied") win where there are few sites, or where a wide class would only gather strays.
    """
    for shape in ("full", "tied") if k > 1 else ("full",):
        model = GaussianMixture(
            k, covariance_type=shape, n_init=starts, reg_covar=1e-3, max_iter=200, random_state=seed
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(x)
        yield float(model.bic(x)), model


def _mixture_count(x: np.ndarray, params: ClusterParams) -> int:
    """Return the number of classes with the least BIC; the search ends when three more did not help."""
    best, chosen = math.inf, 1
    for k in _counts(params, len(x)):
        score = min(found[0] for found in _mixtures(x, k, 3, params.seed))
        if score < best:
            best, chosen = score, k
        elif k >= chosen + 3:
            break
    return chosen


def _kmeans(x: np.ndarray, params: ClusterParams) -> tuple[np.ndarray, np.ndarray]:
    k = params.n_clusters or _gap_count(_sample(x, params.seed, _GAP_ROWS), params)
    model = KMeans(k, n_init=_STARTS, random_state=params.seed).fit(_sample(x, params.seed))
    square = model.transform(x) ** 2
    variance = max(float(square.min(axis=1).mean()) / x.shape[1], 1e-12)
    weight = np.exp(-(square - square.min(axis=1, keepdims=True)) / (2 * variance))
    return square.argmin(axis=1), 1 / weight.sum(axis=1)


def _gap_count(x: np.ndarray, params: ClusterParams) -> int:
    """Return the first number of classes whose scatter is as far below that of a uniform box as the next one's."""
    rng = np.random.default_rng(params.seed)
    middle = x.mean(axis=0)
    _, _, axes = np.linalg.svd(x - middle, full_matrices=False)
    along = (x - middle) @ axes.T
    boxes = [rng.uniform(along.min(axis=0), along.max(axis=0), along.shape) for _ in range(_GAP_BOXES)]

    def scatter(points: np.ndarray, k: int) -> float:
        return math.log(max(KMeans(k, n_init=3, random_state=params.seed).fit(points).inertia_, 1e-300))

    last = -math.inf
    counts = _counts(params, len(x))
    for k in counts:
        reference = np.array([scatter(box, k) for box in boxes])
        gap = float(reference.mean()) - scatter(along, k)
        error = float(reference.std()) * math.sqrt(1 + 1 / _GAP_BOXES)
        if last >= gap - error:
            return k - 1
        last = gap
    return counts[-1]


def _density(x: np.ndarray, params: ClusterParams) -> tuple[np.ndarray, np.ndarray]:
    size = params.min_size or max(5, len(x) // 50)
    if len(x) < size:
        raise InputError(f"cluster: {len(x)} sites cannot hold a class of {size}; lower min_size")
    model = HDBSCAN(min_cluster_size=size, min_samples=min(10, size), copy=True).fit(x)
    return model.labels_, model.probabilities_
