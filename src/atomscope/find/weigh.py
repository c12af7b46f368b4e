"""How much of a column there is at given places of a frame, and where there is more that nobody gave.

Finding asks where something is; here the places are known, and all columns are weighed together: one width, one height
each, on a slow background. Places at which nothing has to be found are weighed far more surely than maxima are found:
a faint column beside bright ones, or the nothing in a vacancy between them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import LinearOperator, cg
from scipy.spatial import cKDTree

from atomscope.find.normal import Normal
from atomscope.find.peaks import drop_close, local_maxima, subpixel
from atomscope.find.prepare import Frame
from atomscope.find.spectrum import spectrum_of

#: In column widths: the window of a column, the knots of the background, and how far off neighbours matter.
_WINDOW, _KNOTS, _NEAR = 3.5, 10.0, 6.0
_NEIGHBOURS = 12
_BLOCK = 20_000  # columns at once: bounds the memory
#: What nobody gave: so many noises high, no nearer to a given column or to another than so many widths.
_SEEN, _APART = 4.0, 2.5
#: Widths that are tried, over the spacing, when nobody knows one.
_WIDTHS = (0.1, 0.42)


@dataclass(frozen=True)
class Weighed:
    """The columns of one frame.

    Attributes
    ----------
    height : numpy.ndarray, shape (n,), counts
    error : numpy.ndarray, shape (n,), counts
        Standard error, overlap with neighbours counted in.
    rest : numpy.ndarray, shape (rows, cols), counts
        The frame without its columns and background.
    noise : float, counts
        Of a lone column's height.
    """

    height: np.ndarray
    error: np.ndarray
    rest: np.ndarray
    noise: float


def weigh(frame: Frame, place: np.ndarray, sigma: float) -> Weighed:
    """Fit the heights of round columns of one width at fixed places, all together.

    Parameters
    ----------
    frame : Frame
    place : numpy.ndarray, shape (n, 2), px
        Finite, n >= 1.
    sigma : float, px
    """
    height, rest = fit_heights(frame, place, sigma)
    noise = _noise(rest, sigma)
    return Weighed(height, noise * _inflation(place, sigma), rest, noise)


def fit_heights(frame: Frame, place: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Return what :func:`weigh` does without its errors: heights, shape (n,), and the rest, shape (rows, cols)."""
    image = frame.image.astype(np.float64)
    lines = _lines(place, sigma, image.shape)
    shapes = _shapes(lines, image.shape)  # (pixels, n)
    sides = [_triangles(n, _KNOTS * sigma) for n in image.shape]
    size = tuple(side.shape[1] for side in sides)
    n, knots = len(place), size[0] * size[1]
    weight = np.ones(image.shape) if frame.good is None else frame.good.astype(np.float64)

    measured = weight * image
    target = np.concatenate([shapes.T @ measured.ravel(), (sides[0].T @ measured @ sides[1]).ravel()])
    diagonal, normal = onto_squares(shapes, sides, weight), Normal(shapes, lines, sides, frame.good)
    equations = LinearOperator((n + knots, n + knots), lambda x: normal(x) + 1e-6 * diagonal * x)
    scale = LinearOperator(equations.shape, lambda x: x / diagonal)
    x, _ = cg(equations, target, rtol=1e-4, maxiter=100, M=scale)
    model = np.asarray(shapes @ x[:n]).reshape(image.shape) + sides[0] @ x[n:].reshape(size) @ sides[1].T
    return x[:n], (image - model) * weight


def measure_width(frame: Frame, place: np.ndarray, spacing: float) -> float:
    """Return the width of round columns that leaves least of a frame, px."""

    def left(log_width: float) -> float:
        return float((fit_heights(frame, place, float(np.exp(log_width)))[1] ** 2).sum())

    low, high = (float(np.log(max(0.6, f * spacing))) for f in _WIDTHS)
    if high <= low:
        return float(np.exp(low))
    found = minimize_scalar(left, bounds=(low, high), method="bounded", options={"xatol": 0.05, "maxiter": 12})
    return float(np.exp(found.x))


def unseen(frame: Frame, weighed: Weighed, place: np.ndarray, sigma: float) -> np.ndarray:
    """Return places of columns that nobody gave, shape (k, 2), px: maxima of what is left.

    They must be tops of the frame too: what is left between columns that are no perfect Gaussians is no column.
    """
    left = 2 * ndimage.gaussian_filter(weighed.rest, sigma, mode="nearest")
    row, col = local_maxima(left)
    keep = left[row, col] > _SEEN * weighed.noise
    top = ndimage.gaussian_filter(frame.image.astype(np.float64), 0.7 * sigma, mode="nearest")
    top -= ndimage.gaussian_filter(frame.image.astype(np.float64), 1.6 * sigma, mode="nearest")
    keep &= top[row, col] > 0
    if frame.good is not None:
        size = 2 * round(2 * sigma) + 1
        keep &= ndimage.uniform_filter(frame.good.astype(np.float32), size, mode="nearest")[row, col] > 0.7
    row, col = row[keep], col[keep]
    found = np.stack(subpixel(left, row, col), axis=1)
    far = cKDTree(place).query(found)[0] >= _APART * sigma if len(found) else np.zeros(0, bool)
    found, height = found[far], left[row, col][far]
    return found[drop_close(found, height, _APART * sigma)]


def settle(rest: np.ndarray, place: np.ndarray, height: np.ndarray, sigma: float) -> np.ndarray:
    """Move columns to where the rest of a frame draws them, by one column width at most; shape (n, 2), px."""
    filtered = [ndimage.gaussian_filter(rest, sigma, order=order, mode="nearest") for order in ((1, 0), (0, 1))]
    # What a shift d of a column leaves is -d times the slope of its Gaussian, whose own filtered slope is known.
    at = (place[:, 0], place[:, 1])
    step = [ndimage.map_coordinates(f, at, order=1, mode="nearest") for f in filtered]
    shift = np.stack(step, axis=1) * (4 * sigma**2 / np.maximum(np.abs(height), 1e-30) * np.sign(height))[:, None]
    length = np.linalg.norm(shift, axis=1, keepdims=True)
    return np.asarray(place + shift * np.minimum(1.0, sigma / np.maximum(length, 1e-30)))


def _lines(place: np.ndarray, sigma: float, shape: tuple[int, ...]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return of rows and of columns the pixels of every window, shape (n, w), and the Gaussian there, 0 outside."""
    reach = max(2, int(np.ceil(_WINDOW * sigma)))
    lines = []
    for k in (0, 1):
        at = np.rint(place[:, k]).astype(np.int64)[:, None] + np.arange(-reach, reach + 1)
        value = np.exp(-0.5 * ((at - place[:, k : k + 1]) / sigma) ** 2)
        lines.append((at, np.where((at >= 0) & (at < shape[k]), value, 0.0)))
    return lines


def _shapes(lines: list[tuple[np.ndarray, np.ndarray]], shape: tuple[int, ...]) -> csr_matrix:
    """Return the picture of every column of height 1 as a sparse matrix, shape (pixels, n)."""
    (row, by_row), (col, by_col) = lines
    inside = [(a >= 0) & (a < shape[k]) for k, a in ((0, row), (1, col))]
    index, value, count = [], [], []
    for start in range(0, len(row), _BLOCK):
        part = slice(start, start + _BLOCK)
        both = inside[0][part][:, :, None] & inside[1][part][:, None, :]
        value.append((by_row[part][:, :, None] * by_col[part][:, None, :])[both].astype(np.float32))
        index.append((row[part][:, :, None] * shape[1] + col[part][:, None, :])[both].astype(np.int32))
        count.append(both.sum((1, 2)))
    starts = np.concatenate([[0], np.cumsum(np.concatenate(count))])
    pixels = int(np.prod(shape))
    return csr_matrix((np.concatenate(value), np.concatenate(index), starts), shape=(len(row), pixels)).T


def onto_squares(shapes: csr_matrix, sides: list[np.ndarray], weight: np.ndarray) -> np.ndarray:
    """Return the diagonal of the normal equations."""
    columns = shapes.power(2).T @ weight.ravel()
    knots = (sides[0] ** 2).T @ weight @ (sides[1] ** 2)
    diagonal = np.concatenate([columns, knots.ravel()])
    return np.asarray(np.maximum(diagonal, 1e-6 * float(diagonal.max(initial=1e-30))))


def _triangles(n: int, step: float) -> np.ndarray:
    """Return a line of n pixels as weights of knots about ``step`` apart, shape (n, m)."""
    m = max(2, int(np.ceil((n - 1) / step)) + 1)
    at = np.linspace(0, max(n - 1, 1), m)
    return np.clip(1 - np.abs(np.arange(n)[:, None] - at) / (at[1] - at[0]), 0, None)


def _noise(rest: np.ndarray, sigma: float) -> float:
    """Return the standard deviation of the heights that a lone column would be given where there is none."""
    spectrum = spectrum_of(rest.astype(np.float32))
    line, local = spectrum.noise(4 * np.exp(-(sigma**2) * spectrum.k2))
    left = 2 * ndimage.gaussian_filter(rest, sigma, mode="nearest")
    spread = 1.4826 * float(np.median(np.abs(left - np.median(left))))
    return max(line, min(local, spread), 1e-6 * float(np.abs(left).max()), 1e-30)


def _inflation(place: np.ndarray, sigma: float) -> np.ndarray:
    """Return how much overlap with neighbours and the background raise the error of each height."""
    n = len(place)
    k = min(_NEIGHBOURS, n - 1)
    distance, near = cKDTree(place).query(place, k=k + 1)
    distance, near = distance.reshape(n, k + 1), near.reshape(n, k + 1)
    out = np.empty(n)
    own = np.arange(k + 1)
    for start in range(0, n, _BLOCK):
        part = slice(start, min(start + _BLOCK, n))
        spot = place[near[part]]
        away = ((spot[:, :, None] - spot[:, None]) ** 2).sum(-1)
        gram = np.ones((len(spot), k + 2, k + 2))
        gram[:, : k + 1, : k + 1] = np.exp(-away / (4 * sigma**2))
        far = distance[part] > _NEAR * sigma
        gram[:, : k + 1, : k + 1][far[:, :, None] | far[:, None, :]] = 0.0
        gram[:, own, own] = 1.0 + 1e-3
        gram[:, : k + 1, -1] = gram[:, -1, : k + 1] = np.where(far, 0.0, 2.0)
        gram[:, -1, -1] = _NEAR**2
        out[part] = np.sqrt(np.maximum(np.linalg.inv(gram)[:, 0, 0], 1.0))
    return out
