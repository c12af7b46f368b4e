"""What overlapping neighbours cost: the loss of information on a column's place through its neighbours."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

#: Neighbours farther than this many column widths share no information worth counting.
_REACH = 5.0
#: At most this part of a column's information is taken away, so that its variance stays finite.
_MOST = 0.9


def widen(position: np.ndarray, amplitude: np.ndarray, sigma: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Covariance of (amplitude, row, col) of each column when its neighbours are fitted with it.

    A column's own normal matrix knows nothing of its neighbours. Eliminating them gives
    ``(M_i - sum_j H_ij C_j H_ji)**-1``, with overlaps ``H_ij`` of round Gaussians in closed form; neighbours of
    neighbours are left out.

    Parameters
    ----------
    position : numpy.ndarray, shape (n, 2), px
    amplitude, sigma : numpy.ndarray, shape (n,)
    covariance : numpy.ndarray, shape (n, 3, 3)
        Of (amplitude, row, col) of each column alone, over the noise variance.

    Returns
    -------
    numpy.ndarray, shape (n, 3, 3)
    """
    n = len(position)
    if n < 2:
        return covariance
    typical = float(np.median(sigma))
    pairs = cKDTree(position).query_pairs(_REACH * typical, output_type="ndarray")
    if not len(pairs):
        return covariance
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    i, j = np.r_[pairs[:, 0], pairs[:, 1]], np.r_[pairs[:, 1], pairs[:, 0]]
    d = position[i] - position[j]
    q = sigma[i] ** 2 + sigma[j] ** 2
    k = 2 * np.pi * (sigma[i] * sigma[j]) ** 2 / q * np.exp(-0.5 * (d**2).sum(axis=1) / q)
    h = np.empty((len(i), 3, 3))
    h[:, 0, 0] = k
    h[:, 0, 1:] = amplitude[j, None] * d / q[:, None] * k[:, None]
    h[:, 1:, 0] = -amplitude[i, None] * d / q[:, None] * k[:, None]
    curve = np.eye(2) / q[:, None, None] - d[:, :, None] * d[:, None, :] / (q**2)[:, None, None]
    h[:, 1:, 1:] = (amplitude[i] * amplitude[j] * k)[:, None, None] * curve
    taken = (h @ covariance[j] @ h.transpose(0, 2, 1)).reshape(-1, 9)
    loss = np.stack([np.bincount(i, taken[:, k], n) for k in range(9)], axis=1).reshape(n, 3, 3)
    # In units of the column's own information the loss is a matrix with eigenvalues in [0, 1).
    root = np.linalg.cholesky(covariance)
    values, vectors = np.linalg.eigh(root.transpose(0, 2, 1) @ loss @ root)
    left = 1 - np.minimum(values, _MOST)
    side = root @ vectors
    return (side / left[:, None, :]) @ side.transpose(0, 2, 1)
