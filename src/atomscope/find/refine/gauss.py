"""The algebra of many small 2-D Gaussian fits: normal equations from moments, batched Cholesky.

One column is ``A exp(-(a y**2 + c x**2 + 2 m y x) / 2) + b + b_u u + b_v v`` with ``y = u - y0``, ``x = v - x0``
and (u, v) the pixel's place in the window. All windows share their pixel grid, so that every derivative is a
combination of the Gaussian times a monomial of (u, v): the normal equations of all columns follow from a few
moments, which are products of one (sites, pixels) matrix with one fixed (pixels, monomials) matrix.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

#: Parameters of a column, in order: amplitude, y0, x0, precisions a, c, m, background b, slopes b_u, b_v.
N_PARAMS = 9
AMP, Y0, X0, PA, PC, PM, BG, BU, BV = range(N_PARAMS)

_POWERS = [(i, n - i) for n in range(5) for i in range(n, -1, -1)]  # (power of u, power of v), degree 0 to 4
_ORDER = {power: k for k, power in enumerate(_POWERS)}
N_QUADRATIC, N_CUBIC, N_QUARTIC = 6, 10, 15
# The basis functions: Gaussian times the first six monomials, then 1, u, v.
_BASIS = [(True, p) for p in _POWERS[:6]] + [(False, p) for p in _POWERS[:3]]
# Where the product of two basis functions is found among the moments: of the pixels, of the Gaussian, of its square.
_GRAM = np.array(
    [
        (0, N_QUADRATIC, N_QUADRATIC + N_CUBIC)[gauss_i + gauss_j] + _ORDER[a + c, b + d]
        for gauss_i, (a, b) in _BASIS
        for gauss_j, (c, d) in _BASIS
    ]
)


def monomials(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Monomials of (u, v) up to degree 4. Shape (pixels, 15), float32."""
    return np.stack([u**i * v**j for i, j in _POWERS], axis=1).astype(np.float32)


def exponents(p: np.ndarray) -> np.ndarray:
    """Coefficients of the Gaussian's exponent in the first six monomials. Shape (n, 6), float32."""
    y, x, a, c, m = p[:, Y0], p[:, X0], p[:, PA], p[:, PC], p[:, PM]
    const = -0.5 * (a * y * y + c * x * x + 2 * m * y * x)
    # order of the monomials: 1, u, v, u2, uv, v2
    return np.stack([const, a * y + m * x, c * x + m * y, -0.5 * a, -m, -0.5 * c], axis=1).astype(np.float32)


def normal_matrix(turn: np.ndarray, g: np.ndarray, mono: np.ndarray, plain: np.ndarray) -> np.ndarray:
    """Return the normal matrix of every column's least squares.

    Parameters
    ----------
    turn : numpy.ndarray, shape (n, 9, 9)
        From :func:`derivatives`.
    g : numpy.ndarray, shape (n, pixels), float32
        The Gaussian without its amplitude; zero at pixels that do not count.
    mono : numpy.ndarray, shape (pixels, 15)
    plain : numpy.ndarray, shape (n or 1, 6)
        Sums of the first six monomials over the pixels that count.

    Returns
    -------
    numpy.ndarray, shape (n, 9, 9), float64
    """
    moments = np.concatenate(
        [np.broadcast_to(plain, (len(turn), N_QUADRATIC)), g @ mono[:, :N_CUBIC], (g * g) @ mono],
        axis=1,
        dtype=np.float64,
    )
    gram = moments[:, _GRAM].reshape(len(turn), N_PARAMS, N_PARAMS)
    return turn @ gram @ turn.transpose(0, 2, 1)


def gradient(turn: np.ndarray, g: np.ndarray, residual: np.ndarray, mono: np.ndarray) -> np.ndarray:
    """Return the right-hand side of every column's normal equations: derivatives times residual. Shape (n, 9).

    ``residual``, shape (n, pixels), float32, is data minus model, zero at pixels that do not count.
    """
    project = np.concatenate([(g * residual) @ mono[:, :N_QUADRATIC], residual @ mono[:, :3]], axis=1, dtype=np.float64)
    return (turn @ project[:, :, None])[:, :, 0]


def derivatives(p: np.ndarray) -> np.ndarray:
    """Return the derivatives by the nine parameters, as combinations of the nine basis functions. Shape (n, 9, 9)."""
    A, y, x, a, c, m = (p[:, k] for k in range(6))
    t = np.zeros((len(p), N_PARAMS, N_PARAMS))
    t[:, AMP, 0] = 1
    t[:, Y0, 0], t[:, Y0, 1], t[:, Y0, 2] = -A * (a * y + m * x), A * a, A * m
    t[:, X0, 0], t[:, X0, 1], t[:, X0, 2] = -A * (m * y + c * x), A * m, A * c
    t[:, PA, 0], t[:, PA, 1], t[:, PA, 3] = -0.5 * A * y * y, A * y, -0.5 * A
    t[:, PC, 0], t[:, PC, 2], t[:, PC, 5] = -0.5 * A * x * x, A * x, -0.5 * A
    t[:, PM, 0], t[:, PM, 1], t[:, PM, 2], t[:, PM, 4] = -A * x * y, A * x, A * y, -A
    t[:, BG, 6] = t[:, BU, 7] = t[:, BV, 8] = 1
    return t


def cholesky(matrix: np.ndarray) -> np.ndarray:
    """Lower Cholesky factors of n small matrices at once, site axis last. Shape (k, k, n) in and out.

    A pivot that is not positive is replaced by a tiny one instead of raising: one bad site must not stop a frame.
    """
    k = len(matrix)
    out = np.zeros_like(matrix)
    for j in range(k):
        rest = matrix[j, j] - (out[j, :j] ** 2).sum(axis=0) if j else matrix[j, j]
        out[j, j] = np.sqrt(np.maximum(rest, 1e-9))
        for i in range(j + 1, k):
            dot = (out[i, :j] * out[j, :j]).sum(axis=0) if j else 0.0
            out[i, j] = (matrix[i, j] - dot) / out[j, j]
    return out


def solve(lower: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve with factors of :func:`cholesky`; ``right`` has shape (k, n)."""
    k = len(right)
    x = right.copy()
    for i in range(k):
        for j in range(i):
            x[i] -= lower[i, j] * x[j]
        x[i] /= lower[i, i]
    for i in reversed(range(k)):
        for j in range(i + 1, k):
            x[i] -= lower[j, i] * x[j]
        x[i] /= lower[i, i]
    return x


def inverse(lower: np.ndarray, which: Sequence[int] | None = None) -> np.ndarray:
    """Return columns ``which`` of the inverses (all when absent), from Cholesky factors. Shape (k, columns, n)."""
    k, _, n = lower.shape
    columns = range(k) if which is None else which
    out = np.empty((k, len(columns), n))
    for at, i in enumerate(columns):
        unit = np.zeros((k, n))
        unit[i] = 1
        out[:, at] = solve(lower, unit)
    return out
