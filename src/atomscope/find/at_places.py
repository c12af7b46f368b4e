"""How bright columns are at known places: all of a frame fitted together, with their places and width held."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import cg

from atomscope.errors import InputError

#: Pixels farther than this many widths from a place are not asked.
_REACH = 3.5
#: Part of a spot, by weight, that has to be seen.
_SEEN = 0.1
#: Columns that share less than this part of their light do not blur each other's errors.
_SHARED = 0.01


def amplitudes_at(frame: np.ndarray, places: np.ndarray, sigma_px: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the heights of round Gaussians at places, over a background that is a plane.

    Parameters
    ----------
    frame : array, shape (rows, cols)
        Pixels that are no numbers are left out.
    places : array, shape (n, 2), float64
        (row, col), px.
    sigma_px : float
        Their standard deviation, px.

    Returns
    -------
    height, sd : arrays, shape (n,), float64
        In the units of the frame, with standard errors; NaN for places outside of the frame, and for those of which
        hardly a pixel is a number.

    Raises
    ------
    InputError
        If the width is not positive.
    """
    if not sigma_px > 0:
        raise InputError(f"amplitudes: wanted a positive width, got {sigma_px} px")
    image = np.asarray(frame, np.float64)
    places = np.asarray(places, np.float64).reshape(-1, 2)
    height, error = np.full((2, len(places)), np.nan)
    inside = np.isfinite(places).all(1) & (places > -0.5).all(1) & (places < np.array(image.shape) - 0.5).all(1)
    if not inside.any():
        return height, error
    design = _design(image.shape, places[inside], sigma_px)
    used = np.flatnonzero((np.diff(design[:, :-3].indptr) > 0) & np.isfinite(image.ravel()))
    if not len(used):
        return height, error
    design, values = design[used], image.ravel()[used]
    normal = (design.T @ design).tocsr()
    scale = 1 / np.sqrt(np.maximum(normal.diagonal(), 1e-12))  # a column of ones is far longer than a spot
    scaled = sparse.diags(scale) @ normal @ sparse.diags(scale)
    found, _ = cg(scaled, scale * (design.T @ values), rtol=1e-8, maxiter=500)
    found = found * scale
    left = values - design @ found
    noise = float(np.sqrt((left**2).sum() / max(1, len(left) - len(found))))
    seen = normal.diagonal()[:-3] > _SEEN * np.pi * sigma_px**2
    blur = np.sqrt(_inverse_diagonal(scaled[:-3, :-3].tocsr()))
    height[inside] = np.where(seen, found[:-3], np.nan)
    error[inside] = np.where(seen, noise * scale[:-3] * blur, np.nan)
    return height, error


def _inverse_diagonal(near: sparse.csr_matrix) -> np.ndarray:
    """Return the diagonal of the inverse of a matrix with ones on its own, each row with its neighbours alone."""
    every = near.tocoo()
    strong = every.data > _SHARED
    order = np.lexsort((every.col[strong], every.row[strong]))
    rows, cols = every.row[strong][order], every.col[strong][order]
    many = np.bincount(rows, minlength=near.shape[0])
    start = np.concatenate([[0], np.cumsum(many)])
    out = np.ones(near.shape[0])
    for k in np.unique(many[many > 1]):
        which = np.flatnonzero(many == k)
        block = cols[start[which][:, None] + np.arange(k)]  # (m, k): a place and its neighbours
        left, right = np.broadcast_arrays(block[:, :, None], block[:, None, :])
        part = np.asarray(near[left.ravel(), right.ravel()]).reshape(left.shape)
        own = np.argmax(block == which[:, None], 1)
        whole = np.linalg.inv(part + 1e-9 * np.eye(k))
        out[which] = np.maximum(whole[np.arange(len(which)), own, own], 1)
    return out


def _design(shape: tuple[int, ...], places: np.ndarray, sigma: float) -> sparse.csr_matrix:
    """Return what each place, and a plane, give to each pixel, shape (pixels, places + 3)."""
    reach = int(np.ceil(_REACH * sigma))
    span = np.arange(-reach, reach + 1)
    near = np.rint(places).astype(np.int64)
    rows = near[:, :1, None] + span[None, :, None]  # (n, r, 1)
    cols = near[:, 1:, None] + span[None, None, :]  # (n, 1, r)
    away = (rows - places[:, :1, None]) ** 2 + (cols - places[:, 1:, None]) ** 2
    good = (rows >= 0) & (rows < shape[0]) & (cols >= 0) & (cols < shape[1]) & (away < (_REACH * sigma) ** 2)
    pixel = np.broadcast_to(rows * shape[1] + cols, good.shape)[good]
    which = np.broadcast_to(np.arange(len(places))[:, None, None], good.shape)[good]
    spots = sparse.csr_matrix(
        (np.exp(-0.5 * away[good] / sigma**2), (pixel, which)), (shape[0] * shape[1], len(places))
    )
    row, col = np.indices(shape).reshape(2, -1)
    plane = np.stack([np.ones(row.size), row / shape[0] - 0.5, col / shape[1] - 0.5], 1)
    return sparse.hstack([spots, sparse.csr_matrix(plane)]).tocsr()
