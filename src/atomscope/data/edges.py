"""Edges: which patches are neighbours in the image, and how much wall lies between two that differ."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from atomscope.errors import InputError, ShapeError


@dataclass(frozen=True)
class Edges:
    """Pairs of neighbours among n patches (or sites), by their numbers.

    A wall's length is the sum of ``weight`` over the pairs whose ends lie in different phases (Cauchy and Crofton: a
    curve's length is the number of its crossings with lines of all directions).

    Parameters
    ----------
    pairs : numpy.ndarray, shape (m, 2), int64
        Numbers of patches, the smaller first, sorted.
    weight : numpy.ndarray, shape (m,), float64
        Length of wall that a pair stands for, in ``unit``.
    order : numpy.ndarray, shape (n,), int64
        All patch numbers along a curve that fills the image: runs of it are contiguous tiles.
    spacing : float
        Distance of the nearest neighbours, in ``unit``.
    unit : str
        "nm"; "px" where the image is not calibrated.

    Raises
    ------
    ShapeError, InputError
        If the parts do not fit each other.
    """

    pairs: np.ndarray
    weight: np.ndarray
    order: np.ndarray
    spacing: float = 1.0
    unit: str = "nm"
    starts: np.ndarray = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        m, n = len(self.pairs), len(self.order)
        if np.shape(self.pairs) != (m, 2) or np.shape(self.weight) != (m,):
            raise ShapeError(
                f"edges: wanted pairs of shape (m, 2) and a weight for each, got {np.shape(self.pairs)} and "
                f"{np.shape(self.weight)}"
            )
        if m and not (int(self.pairs.min()) >= 0 and int(self.pairs.max()) < n):
            raise InputError(f"edges: a pair names patch {int(self.pairs.max())} of {n}")
        if not (np.isfinite(self.weight).all() and (np.asarray(self.weight) >= 0).all()):
            raise InputError("edges: weights must be finite and not negative")
        first = np.ascontiguousarray(self.pairs[:, 0])
        if (np.diff(first) < 0).any() or (self.pairs[:, 0] >= self.pairs[:, 1]).any():
            raise InputError("edges: wanted pairs (i, j) with i < j, sorted by i")
        object.__setattr__(self, "starts", np.searchsorted(first, np.arange(n + 1)))

    def __len__(self) -> int:
        """Return the number of patches (or sites) that the edges are among."""
        return len(self.order)

    @property
    def total(self) -> float:
        """Sum of the weights."""
        return float(np.sum(self.weight))

    def among(self, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the edges with both ends among some patches, as places in ``index``, and their weights.

        Parameters
        ----------
        index : numpy.ndarray, shape (k,), int64
            Numbers of patches, each once, in any order.

        Returns
        -------
        pairs : numpy.ndarray, shape (e, 2), int64
        weight : numpy.ndarray, shape (e,), float64
        """
        count = self.starts[index + 1] - self.starts[index]  # (k,)
        own = np.repeat(np.arange(len(index)), count)  # (candidates,)
        at = np.arange(len(own)) - np.repeat(np.cumsum(count) - count, count) + self.starts[index][own]
        sort = np.argsort(index)
        other = self.pairs[at, 1]
        place = np.minimum(np.searchsorted(index, other, sorter=sort), len(index) - 1)
        found = sort[place] if len(index) else place
        here = index[found] == other if len(other) else np.zeros(0, bool)
        return np.stack((own, found), 1)[here], self.weight[at][here]
