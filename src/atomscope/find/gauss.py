"""Batched 2-D Gaussian least squares with overlapping neighbours fitted together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Parameters of one column, in this order: amplitude, row, col, precision (rr, cc, rc), background.
N_PARAMS = 7


@dataclass(frozen=True)
class Fit:
    """What the fit of n columns gave.

    Attributes
    ----------
    row, col, row_sd, col_sd : numpy.ndarray, shape (n,), px
    amplitude, amplitude_sd, background, residual : numpy.ndarray, shape (n,), counts
    sigma : numpy.ndarray, shape (n,), px
        Geometric mean of the two standard deviations.
    ellipticity : numpy.ndarray, shape (n,)
        Major over minor standard deviation.
    failed, edge : numpy.ndarray, shape (n,), bool
        The fit ran away; the window left the image (or touched unmeasured pixels).
    """

    row: np.ndarray
    col: np.ndarray
    row_sd: np.ndarray
    col_sd: np.ndarray
    amplitude: np.ndarray
    amplitude_sd: np.ndarray
    background: np.ndarray
    residual: np.ndarray
    sigma: np.ndarray
    ellipticity: np.ndarray
    failed: np.ndarray
    edge: np.ndarray


def fit_columns(
    image: np.ndarray,
    good: np.ndarray | None,
    row: np.ndarray,
    col: np.ndarray,
    sigma: float,
    iterations: int = 8,
) -> Fit:
    """Fit ``A exp(-u^T P u / 2) + b`` to all columns of a frame at once.

    Every step is Gauss-Newton (Levenberg-damped) on each column's own window, against the image minus
    the present model of all the other columns, so that overlapping columns are fitted together.

    Parameters
    ----------
    image : numpy.ndarray, shape (rows, cols), float32, counts
    good : numpy.ndarray or None, bool
    row, col : numpy.ndarray, shape (n,), float64, px
        Starting places.
    sigma : float, px
        Starting width; the window is a disc of three times this.
    iterations : int
    """
    n = len(row)
    rows, cols = image.shape
    radius = max(2.6, 3.0 * sigma)
    reach = int(radius)
    dr, dc = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = dr**2 + dc**2 <= radius**2
    dr, dc = dr[disc].astype(np.float32), dc[disc].astype(np.float32)
    pad = reach + 1
    width = cols + 2 * pad
    flat = np.pad(image, pad).ravel()
    weight = np.pad(np.ones(image.shape, np.float32) if good is None else good.astype(np.float32), pad).ravel()
    base_row, base_col = np.rint(row), np.rint(col)
    offset = (dr * width + dc).astype(np.int64)
    index = ((base_row + pad) * width + base_col + pad).astype(np.int64)[:, None] + offset
    w = weight[index]
    data = flat[index]
    edge = (w == 0).any(axis=1)

    p = np.empty((n, N_PARAMS))
    here = image[np.clip(base_row, 0, rows - 1).astype(int), np.clip(base_col, 0, cols - 1).astype(int)]
    ring = np.where(w > 0, data, np.inf)
    p[:, 6] = np.quantile(ring, 0.2, axis=1)
    p[:, 0] = np.maximum(here - p[:, 6], 1e-6)
    p[:, 1], p[:, 2] = row - base_row, col - base_col
    p[:, 3] = p[:, 4] = 1 / sigma**2
    p[:, 5] = 0.0
    start = p.copy()
    eye = np.arange(N_PARAMS)
    J = np.empty((n, N_PARAMS, len(dr)), np.float32)
    cov = np.zeros((n, N_PARAMS, N_PARAMS))
    s2 = np.ones(n)
    for step in range(iterations + 1):
        q = p.astype(np.float32)[:, :, None]
        y, x = dr - q[:, 1], dc - q[:, 2]
        py, px = q[:, 3] * y + q[:, 5] * x, q[:, 4] * x + q[:, 5] * y
        g = np.exp(np.minimum(-0.5 * (y * py + x * px), 0))
        ag = q[:, 0] * g
        model = np.bincount(index.ravel(), weights=(ag * w).ravel(), minlength=flat.size).astype(np.float32)
        r = (data - model[index] - q[:, 6]) * w
        J[:, 0], J[:, 1], J[:, 2] = g, ag * py, ag * px
        J[:, 3], J[:, 4], J[:, 5] = -0.5 * ag * y * y, -0.5 * ag * x * x, -ag * y * x
        J[:, 6] = 1
        J *= w[:, None]
        jj = (J @ J.transpose(0, 2, 1)).astype(np.float64)
        scale = 1 / np.sqrt(np.maximum(jj[:, eye, eye], 1e-30))
        jj *= scale[:, :, None] * scale[:, None, :]
        jj[:, eye, eye] += 1e-3 if step < 3 else 1e-6
        if step == iterations:
            dof = np.maximum(w.sum(axis=1) - N_PARAMS, 1)
            s2 = (r.astype(np.float64) ** 2).sum(axis=1) / dof
            cov = np.linalg.inv(jj) * scale[:, :, None] * scale[:, None, :]
            break
        jr = (J @ r[:, :, None]).astype(np.float64)[:, :, 0]
        delta = np.linalg.solve(jj, (jr * scale)[:, :, None])[:, :, 0] * scale
        delta[:, 1:3] = np.clip(delta[:, 1:3], -0.5 * sigma, 0.5 * sigma)
        p += delta * (0.9 if step < iterations - 1 else 1.0)
        p[:, 0] = np.maximum(p[:, 0], 1e-3 * start[:, 0])
        p[:, 3:5] = np.clip(p[:, 3:5], 1 / (2.5 * sigma) ** 2, 1 / (0.35 * sigma) ** 2)
        limit = 0.9 * np.sqrt(p[:, 3] * p[:, 4])
        p[:, 5] = np.clip(p[:, 5], -limit, limit)
    sd = np.sqrt(np.maximum(cov[:, eye, eye], 0) * s2[:, None])
    moved = np.hypot(p[:, 1] - start[:, 1], p[:, 2] - start[:, 2])
    det = p[:, 3] * p[:, 4] - p[:, 5] ** 2
    half = np.sqrt((p[:, 3] - p[:, 4]) ** 2 / 4 + p[:, 5] ** 2)
    mean = (p[:, 3] + p[:, 4]) / 2
    failed = ~np.isfinite(p).all(axis=1) | (moved > max(1.5, sigma)) | (p[:, 0] <= 2e-3 * start[:, 0])
    return Fit(
        row=np.where(failed, row, base_row + p[:, 1]),
        col=np.where(failed, col, base_col + p[:, 2]),
        row_sd=np.where(failed, np.nan, sd[:, 1]),
        col_sd=np.where(failed, np.nan, sd[:, 2]),
        amplitude=p[:, 0],
        amplitude_sd=sd[:, 0],
        background=p[:, 6],
        residual=np.sqrt(s2),
        sigma=det**-0.25,
        ellipticity=np.sqrt((mean + half) / np.maximum(mean - half, 1e-12)),
        failed=failed,
        edge=edge,
    )
