"""The normal equations of round columns on a slow background, none of which needs the pixels again and again."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

_BLOCK = 20_000  # columns at once: bounds the memory


class Normal:
    """Sums over the measured pixels of products of columns and knots: what every step of a fit asks for.

    A column is a product of a line along rows and one along columns, and so is a knot: what the two share is the
    product of two sums over lines. Pixels that were not measured are taken off afterwards.

    Parameters
    ----------
    shapes : scipy.sparse matrix, shape (pixels, n)
        The picture of every column of height 1.
    lines : list of (numpy.ndarray, numpy.ndarray)
        Of rows and of columns: the pixels of every column's window, shape (n, w), int, and its values there, 0 beyond
        the image.
    sides : list of numpy.ndarray, shape (pixels of a side, knots of a side)
        Each line as weights of its knots.
    good : numpy.ndarray or None, shape (rows, cols), bool
        Pixels that were measured.
    """

    def __init__(
        self,
        shapes: csr_matrix,
        lines: list[tuple[np.ndarray, np.ndarray]],
        sides: list[np.ndarray],
        good: np.ndarray | None,
    ) -> None:
        measured = shapes if good is None else csr_matrix(shapes.multiply(good.reshape(-1, 1)))
        self._columns = measured.T @ shapes  # (n, n)
        self._mixed = _mixed(lines, sides)  # (n, knots)
        self._knots = [side.T @ side for side in sides]
        self._unmeasured = csr_matrix((0, self._mixed.shape[1]))
        if good is not None:
            row, col = np.nonzero(~good)
            # Each of these pixels as a window of its own.
            self._unmeasured = _mixed([(at[:, None], np.ones((len(at), 1))) for at in (row, col)], sides)
            self._mixed = self._mixed - shapes.tocsr()[row * good.shape[1] + col].T @ self._unmeasured

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return the sums' product with heights of columns and of knots, shape (n + knots,)."""
        heights, knots = np.split(x.ravel(), [self._columns.shape[0]])
        background = self._knots[0] @ knots.reshape([len(k) for k in self._knots]) @ self._knots[1]
        of_knots = self._mixed.T @ heights + background.ravel() - self._unmeasured.T @ (self._unmeasured @ knots)
        return np.concatenate([self._columns @ heights + self._mixed @ knots, of_knots])


def _mixed(lines: list[tuple[np.ndarray, np.ndarray]], sides: list[np.ndarray]) -> csr_matrix:
    """Return what each column shares with each knot, shape (n, knots); few are near it."""
    along = [_along(at, value, side) for (at, value), side in zip(lines, sides, strict=True)]
    (row, by_row), (col, by_col) = along
    shared = by_row[:, :, None] * by_col[:, None, :]  # (n, few, few)
    knot = row[:, :, None] * sides[1].shape[1] + col[:, None, :]
    n, each = len(knot), knot[0].size if len(knot) else 0
    starts = np.arange(0, n * each + 1, max(each, 1))[: n + 1]
    return csr_matrix((shared.ravel(), knot.ravel(), starts), shape=(n, sides[0].shape[1] * sides[1].shape[1]))


def _along(at: np.ndarray, value: np.ndarray, side: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the few knots near every line, shape (n, few), and the sums of line times knot, same shape."""
    last = len(side) - 1
    at = np.clip(at, 0, last)
    first = (side > 0).argmax(axis=1)[at[:, 0]]  # the knot before the window
    until = (side > 0)[:, ::-1].argmax(axis=1)[at[:, -1]]
    few = int((side.shape[1] - until - first).max(initial=1))
    first = np.minimum(first, side.shape[1] - few)
    knots = first[:, None] + np.arange(few)
    sums = np.empty(knots.shape)
    for start in range(0, len(at), _BLOCK):
        part = slice(start, start + _BLOCK)
        sums[part] = np.einsum("nw,nwk->nk", value[part], side[at[part][:, :, None], knots[part][:, None, :]])
    return knots, sums
