"""Linear components of patches: the baselines that a network has to beat. Read in blocks, in bounded memory.

References
----------
K. Pearson, "On lines and planes of closest fit to systems of points in space", Phil. Mag. 2 (1901) 559.
D. D. Lee and H. S. Seung, "Learning the parts of objects by non-negative matrix factorization", Nature 401 (1999) 788.
A. Hyvarinen and E. Oja, "Independent component analysis: algorithms and applications", Neural Netw. 13 (2000) 411.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.decomposition import FastICA, IncrementalPCA, MiniBatchNMF
from sklearn.exceptions import ConvergenceWarning

from atomscope.data import OnProgress, ShouldStop, check_stop, report
from atomscope.data.params import ComponentParams
from atomscope.errors import InputError, ShapeError

log = logging.getLogger(__name__)

_BLOCK_BYTES = 32 * 2**20
#: Passes over the patches (nmf) and rows that directions are learnt from (ica).
_PASSES = 8
_FIT_ROWS = 50_000
#: Patches a step of the fits.
_BATCH = 1024
#: Column names by method.
PREFIX = {"pca": "pc", "nmf": "nmf", "ica": "ica"}


class Components(NamedTuple):
    """What patches are made of: ``patch = mean + sum_k score_k picture_k``.

    Attributes
    ----------
    table : pandas.DataFrame
        Indexed by site: ``pc1`` ..., ``nmf1`` ... or ``ica1`` ... (float32; NaN for patches that are not finite).
    pictures : numpy.ndarray, shape (k, rows, cols) or (k, channels, rows, cols), float32
    mean : numpy.ndarray, shape (rows, cols) or (channels, rows, cols), float32
        For nmf the constant that makes all values non-negative.
    explained : float
        Part of the variance of the patches that the components draw, 0 to 1; the rest is noise or left over.
    """

    table: pd.DataFrame
    pictures: np.ndarray
    mean: np.ndarray
    explained: float


def components(
    values: Any,
    params: ComponentParams | None = None,
    site: np.ndarray | None = None,
    *,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Components:
    """Split patches into linear components.

    Parameters
    ----------
    values : array, shape (n, rows, cols) or (n, channels, rows, cols)
        numpy, memmap or zarr, read in blocks of 32 MB.
    params : ComponentParams, optional
    site : numpy.ndarray, shape (n,), int64, optional
        Ids; 0, 1, ... when absent.
    on_progress, should_stop : callable, optional

    Raises
    ------
    InputError
        If there are fewer complete patches, or pixels, than components.
    ShapeError
        If the numbers of patches and ids differ.
    Stopped
        When asked to stop.
    """
    params = params or ComponentParams()
    read = _Reader(values, params, on_progress, should_stop)
    n = len(read)
    site = np.arange(n, dtype=np.int64) if site is None else np.asarray(site, np.int64)
    if len(site) != n:
        raise ShapeError(f"components: {n} patches but {len(site)} site ids")
    pictures, mean = {"pca": _pca, "nmf": _nmf, "ica": _ica}[params.method](read, params)
    scores, left = np.full((n, params.n_components), np.nan, np.float32), 0.0
    solve = _NonNegative(pictures) if params.method == "nmf" else np.linalg.pinv(pictures).__rmatmul__
    for rows, x in read.blocks("scores"):
        score = np.asarray(solve(x - mean))
        scores[rows] = score
        left += float(((x - mean - score @ pictures) ** 2).sum())
    names = [f"{PREFIX[params.method]}{i + 1}" for i in range(params.n_components)]
    return Components(
        pd.DataFrame(scores, columns=names, index=pd.Index(site, name="site")),
        pictures.reshape(-1, *read.shape).astype(np.float32),
        np.broadcast_to(mean, (read.pixels,)).reshape(read.shape).astype(np.float32),
        float(1 - left / read.scatter) if read.scatter > 0 else 0.0,
    )


class _NonNegative:
    """Non-negative scores of given pictures, by multiplicative steps: all rows at once."""

    def __init__(self, pictures: np.ndarray) -> None:
        self._pictures, self._gram = pictures, pictures @ pictures.T

    def __call__(self, x: np.ndarray) -> np.ndarray:
        wanted = np.maximum(x @ self._pictures.T, 0)
        w = np.maximum(np.linalg.lstsq(self._gram + 1e-9 * np.eye(len(self._gram)), wanted.T, rcond=None)[0].T, 1e-6)
        for _ in range(200):
            w *= wanted / np.maximum(w @ self._gram, 1e-12)
        return np.asarray(w)


class _Reader:
    """The complete patches as rows of pixels, a block at a time, and what a first pass tells of them."""

    def __init__(
        self, values: Any, params: ComponentParams, on_progress: OnProgress | None, should_stop: ShouldStop | None
    ) -> None:
        self.values, self.shape = values, tuple(int(k) for k in values.shape[1:])
        self.pixels = int(np.prod(self.shape))
        self._tell, self._stop = on_progress, should_stop
        k = params.n_components
        self.step = max(k, 1, _BLOCK_BYTES // (8 * self.pixels))
        self.complete, self.low = 0, np.inf
        self.mean, square = np.zeros(self.pixels), 0.0
        for _, x in self.blocks("statistics"):
            self.complete += len(x)
            gap = x.mean(0) - self.mean
            self.mean += gap * (len(x) / self.complete)
            square += float(((x - x.mean(0)) ** 2).sum())
            square += float((gap**2).sum()) * len(x) * (self.complete - len(x)) / self.complete
            self.low = min(self.low, float(x.min()))
        self.scatter = square
        if self.complete < k or self.pixels < k:
            raise InputError(
                f"{params.method}: {k} components wanted of {self.complete} complete patches of {self.pixels} pixels; "
                "lower n_components"
            )

    def __len__(self) -> int:
        return int(self.values.shape[0])

    def blocks(self, what: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield row numbers and complete patches (m, pixels), float64."""
        for start in range(0, len(self), self.step):
            check_stop(self._stop)
            x = np.asarray(self.values[start : start + self.step], np.float64).reshape(-1, self.pixels)
            good = np.flatnonzero(np.isfinite(x).all(1))
            if len(good):
                yield start + good, x if len(good) == len(x) else x[good]
            report(self._tell, min(start + self.step, len(self)), len(self), what)

    def batches(self, least: int, what: str) -> Iterator[np.ndarray]:
        """Yield patches some at a time, never fewer than ``least`` together."""
        rest = np.empty((0, self.pixels))
        for _, x in self.blocks(what):
            x = np.concatenate((rest, x)) if len(rest) else x
            size = max(_BATCH, least)
            whole = max(0, len(x) - least) // size * size
            for at in range(0, whole, size):
                yield x[at : at + size]
            rest = x[whole:]
        if len(rest) >= least:
            yield rest


def _signed(pictures: np.ndarray) -> np.ndarray:
    """Turn pictures (k, pixels) so that the pixel with the largest weight has a positive one."""
    top = pictures[np.arange(len(pictures)), np.abs(pictures).argmax(1)]
    return np.asarray(pictures * np.where(top < 0, -1.0, 1.0)[:, None])


def _pca(read: _Reader, params: ComponentParams) -> tuple[np.ndarray, np.ndarray]:
    k = params.n_components
    if read.pixels <= 4096:  # exact: the scatter matrix takes at most 134 MB
        scatter = np.zeros((read.pixels, read.pixels))
        for _, x in read.blocks("pca"):
            x = x - read.mean
            scatter += x.T @ x
        return _signed(np.linalg.eigh(scatter)[1][:, ::-1][:, :k].T), read.mean
    model = IncrementalPCA(k)
    for x in read.batches(k, "pca"):
        model.partial_fit(x)
    return _signed(model.components_), read.mean


def _nmf(read: _Reader, params: ComponentParams) -> tuple[np.ndarray, np.ndarray]:
    low = min(read.low, 0.0)
    if low < 0:
        log.info("nmf wants values of 0 or more: %g is taken off", low)
    model = MiniBatchNMF(params.n_components, init=None, random_state=params.seed, batch_size=_BATCH, max_iter=200)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for _ in range(_PASSES):
            for x in read.batches(params.n_components, "nmf"):
                model.partial_fit(x - low)
    length = np.linalg.norm(model.components_, axis=1)
    pictures = model.components_ / np.maximum(length, 1e-300)[:, None]
    return pictures[np.argsort(-length, kind="stable")], np.full(1, low)


def _ica(read: _Reader, params: ComponentParams) -> tuple[np.ndarray, np.ndarray]:
    axes, mean = _pca(read, params)
    stride = max(1, -(-read.complete // _FIT_ROWS))
    some = np.concatenate([((x - mean) @ axes.T)[rows % stride == 0] for rows, x in read.blocks("ica")])
    model = FastICA(params.n_components, whiten="unit-variance", random_state=params.seed, max_iter=1000, tol=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        source = model.fit_transform(some)
    mixing = (model.mixing_.T) @ axes  # (k, pixels), of sources of variance 1
    order = np.argsort(-np.abs(_kurtosis(source)), kind="stable")
    return _signed(mixing[order]), mean


def _kurtosis(source: np.ndarray) -> np.ndarray:
    """Return the kurtosis of each source: how far from a normal it is."""
    return np.asarray((source**4).mean(0) / np.maximum((source**2).mean(0) ** 2, 1e-300) - 3)
