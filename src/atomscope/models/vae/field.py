"""The latent image: what all sites together say, where each alone is not sure.

The encoder reads one patch at a time. A prior that wants short walls makes neighbours matter: the most probable latents
of the whole image weigh what each patch says, with its uncertainty, against the length of the walls.

References
----------
C. R. Vogel and M. E. Oman, "Iterative methods for total variation denoising", SIAM J. Sci. Comput. 17 (1996) 227: the
lagged diffusivity used here. Of classes it is the mean field of Potts's model: D. Geiger and F. Girosi, "Parallel and
deterministic algorithms from MRFs", IEEE Trans. PAMI 13 (1991) 401.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import cg

from atomscope.data.edges import Edges
from atomscope.models.vae.boundary import LEAST, ROUND

_ROUNDS = 30


def latent_field(mean: np.ndarray, sd: np.ndarray, edges: Edges, walls: float) -> np.ndarray:
    """Return the most probable latents of an image, shape (n, latent), float64.

    They minimise sum_i |z_i - mean_i|^2 / (2 sd_i^2) + walls * (length of the discontinuities, in spacings): the bound
    that was trained, with each patch's likelihood as its posterior has it.

    Parameters
    ----------
    mean, sd : numpy.ndarray, shape (n, latent)
        What each patch says alone. Rows with NaN say nothing and stay NaN.
    edges : Edges
    walls : float
        Nats a spacing of wall.
    """
    there = np.isfinite(mean).all(1) & np.isfinite(sd).all(1)
    if not (walls and mean.shape[1] and there.any() and len(edges.pairs)):
        return np.array(mean, np.float64)
    n, (i, j) = len(mean), edges.pairs.T
    start = np.where(there[:, None], mean, mean[there].mean(0)).astype(np.float64)
    trust = np.where(there[:, None], 1 / np.maximum(sd, 1e-6) ** 2, 1e-6)  # (n, latent)
    spread = float(mean[there].astype(np.float64).var(0).sum()) + LEAST
    pull = 0.5 * walls * edges.weight / edges.spacing / spread  # (m,)
    z = start
    for _ in range(_ROUNDS):
        tie = pull / np.sqrt(((z[i] - z[j]) ** 2).sum(1) / spread + ROUND**2)  # (m,)
        both = sparse.csr_matrix((np.r_[tie, tie], (np.r_[i, j], np.r_[j, i])), shape=(n, n))
        stiff = sparse.diags(np.asarray(both.sum(1)).ravel()) - both
        parts = [
            cg(stiff + sparse.diags(trust[:, k]), trust[:, k] * start[:, k], x0=z[:, k], rtol=1e-5, maxiter=300)[0]
            for k in range(z.shape[1])
        ]
        moved, z = np.abs(np.stack(parts, 1) - z).max(), np.stack(parts, 1)
        if moved < 1e-3 * np.sqrt(spread):
            break
    return np.where(there[:, None], z, np.nan)


def class_field(probability: np.ndarray, edges: Edges, walls: float) -> np.ndarray:
    """Return the probabilities of classes given those of the neighbours, shape (n, classes): Potts's mean field.

    Parameters
    ----------
    probability : numpy.ndarray, shape (n, classes)
        What each patch says alone; rows with NaN say nothing and stay NaN.
    edges : Edges
    walls : float
        Nats a spacing of wall.
    """
    there = np.isfinite(probability).all(1)
    if not (walls and there.any() and len(edges.pairs)):
        return np.array(probability, np.float64)
    n, (i, j) = len(probability), edges.pairs.T
    own = np.where(there[:, None], np.log(np.maximum(np.nan_to_num(probability), 1e-12)), 0.0)  # (n, classes)
    weight = walls * edges.weight / edges.spacing  # (m,)
    both = sparse.csr_matrix((np.r_[weight, weight], (np.r_[i, j], np.r_[j, i])), shape=(n, n))
    q = _soft(own)
    for _ in range(_ROUNDS):
        new = 0.5 * q + 0.5 * _soft(own + both @ q)  # half steps: whole ones may swing between two answers
        moved, q = np.abs(new - q).max(), new
        if moved < 1e-4:
            break
    return np.where(there[:, None], q, np.nan)


def _soft(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)
