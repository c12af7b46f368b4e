"""Columns to picture: Gaussians written where they are, without a grid in between."""

from __future__ import annotations

import numpy as np

#: Beyond so many standard deviations a Gaussian is below 3e-7 of its height, the grain of float32.
REACH = 5.5
_PIXELS_AT_ONCE = 4_000_000


def render_columns(
    rows: np.ndarray,
    cols: np.ndarray,
    heights: np.ndarray,
    sigma_px: float,
    shape: tuple[int, int],
    *,
    line_shift: np.ndarray | None = None,
) -> np.ndarray:
    """Sum a round Gaussian for each column, evaluated at the pixel centres.

    Parameters
    ----------
    rows, cols : array, shape (n,), float64, px
        Sub-pixel centres; those outside the picture still add their tails.
    heights : array, shape (n,), float64
        Peak heights.
    sigma_px : float
        Standard deviation, px.
    shape : tuple of int
        (rows, cols) of the picture.
    line_shift : array, shape (rows of the picture,), float64, px, optional
        The picture's line r shows what lies ``line_shift[r]`` to the right: scan-line jitter.

    Returns
    -------
    numpy.ndarray, shape ``shape``, float64
    """
    n_rows, n_cols = shape
    shift = np.zeros(n_rows) if line_shift is None else np.asarray(line_shift, dtype=np.float64)
    slack = float(np.abs(shift).max(initial=0.0))
    half_r = int(np.ceil(REACH * sigma_px))
    half_c = int(np.ceil(REACH * sigma_px + slack))
    near = (rows > -half_r - 1) & (rows < n_rows + half_r) & (cols > -half_c - 1) & (cols < n_cols + half_c)
    rows, cols, heights = rows[near], cols[near], heights[near]
    off_r = np.arange(-half_r, half_r + 1)
    off_c = np.arange(-half_c, half_c + 1)
    # The frame is padded by one window, so that windows never leave it and no mask is needed.
    pad_r, pad_c = 2 * half_r + 2, 2 * half_c + 2
    wide = n_cols + 2 * pad_c
    total = np.zeros((n_rows + 2 * pad_r) * wide)
    batch = max(1, _PIXELS_AT_ONCE // (len(off_r) * len(off_c)))
    for start in range(0, len(rows), batch):
        r, c, h = (a[start : start + batch] for a in (rows, cols, heights))
        whole_r, whole_c = np.rint(r).astype(np.int64), np.rint(c).astype(np.int64)
        at_r = whole_r[:, None] + off_r  # (n, window rows)
        at_c = whole_c[:, None] + off_c  # (n, window cols)
        g_r = h[:, None] * np.exp(-0.5 * ((at_r - r[:, None]) / sigma_px) ** 2)
        if line_shift is None:
            g_c = np.exp(-0.5 * ((at_c - c[:, None]) / sigma_px) ** 2)
            windows = g_r[:, :, None] * g_c[:, None, :]
        else:
            moved = shift[np.clip(at_r, 0, n_rows - 1)]
            g_c3 = np.exp(-0.5 * (((at_c - c[:, None])[:, None, :] + moved[:, :, None]) / sigma_px) ** 2)
            windows = g_r[:, :, None] * g_c3
        index = (at_r + pad_r)[:, :, None] * wide + (at_c + pad_c)[:, None, :]
        total += np.bincount(index.ravel(), windows.ravel(), minlength=len(total))
    return total.reshape(-1, wide)[pad_r : pad_r + n_rows, pad_c : pad_c + n_cols]
