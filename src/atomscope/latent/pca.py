"""Principal components of patches: the baseline that a network has to beat."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from atomscope.errors import InputError, ShapeError

_BLOCK_BYTES = 32 * 2**20


def pca_patches(values: Any, n: int = 2, site: np.ndarray | None = None) -> pd.DataFrame:
    """Return the first principal components of patches, read in blocks.

    Parameters
    ----------
    values : array, shape (n_patches, ...), float
        numpy, memmap or zarr; patches with NaN get NaN.
    n : int
        Number of components.
    site : numpy.ndarray, shape (n_patches,), int64, optional
        Ids; 0, 1, ... when absent.

    Returns
    -------
    pandas.DataFrame
        Indexed by site: ``pc1`` ... ``pcn`` (float32), by falling variance. The sign is such that the pixel with the
        largest weight has a positive one.

    Raises
    ------
    InputError
        If there are fewer complete patches, or pixels, than components.
    ShapeError
        If the numbers of patches and ids differ.
    """
    count = int(values.shape[0])
    pixels = int(np.prod(values.shape[1:]))
    site = np.arange(count, dtype=np.int64) if site is None else np.asarray(site, np.int64)
    if len(site) != count:
        raise ShapeError(f"pca: {count} patches but {len(site)} site ids")
    step = max(1, _BLOCK_BYTES // (8 * max(pixels, 1)))
    blocks = [slice(i, min(i + step, count)) for i in range(0, count, step)]

    def read(block: slice) -> tuple[np.ndarray, np.ndarray]:
        x = np.asarray(values[block], dtype=np.float64).reshape(block.stop - block.start, pixels)
        good = np.asarray(np.isfinite(x).all(axis=1))
        return x[good], good

    total, complete = np.zeros(pixels), 0
    for block in blocks:
        x, _ = read(block)
        total += x.sum(axis=0)
        complete += len(x)
    if complete < n or pixels < n or n < 1:
        raise InputError(f"pca: {n} components wanted of {complete} complete patches of {pixels} pixels")
    mean = total / complete
    scatter = np.zeros((pixels, pixels))
    for block in blocks:
        x = read(block)[0] - mean
        scatter += x.T @ x
    _, vectors = np.linalg.eigh(scatter)
    vectors = vectors[:, ::-1][:, :n]  # eigh sorts upwards
    vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(n)])
    scores = np.full((count, n), np.nan, np.float32)
    for block in blocks:
        x, good = read(block)
        scores[block][good] = (x - mean) @ vectors
    return pd.DataFrame(scores, index=pd.Index(site, name="site"), columns=[f"pc{i + 1}" for i in range(n)])
