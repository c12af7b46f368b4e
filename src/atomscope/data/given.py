"""What is known of patches beside their pixels: conditions, labels, and what to draw instead of the patch itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from atomscope.data.edges import Edges
from atomscope.data.patches import Patches
from atomscope.errors import InputError, ShapeError


@dataclass(frozen=True)
class Given:
    """Known of n patches; parts that are not known are None.

    Parameters
    ----------
    condition : numpy.ndarray, shape (n, k), float32, optional
        What the model need not say of a patch: a number each, finite.
    label : numpy.ndarray, shape (n,), int64, optional
        Class of each patch, -1 where it is not known.
    target : Patches or array, shape (n, rows, cols) or (n, channels, rows, cols), optional
        What to draw instead of the patch: the same place at another time, in the order of the patches.
    edges : Edges, optional
        Which patches are neighbours in the image, for a model that asks for short walls.

    Raises
    ------
    ShapeError
        If the lengths differ.
    InputError
        If a condition is not finite.
    """

    condition: np.ndarray | None = None
    label: np.ndarray | None = None
    target: Any = None
    edges: Edges | None = None

    def __post_init__(self) -> None:
        if isinstance(self.target, Patches):
            object.__setattr__(self, "target", self.target.values)
        lengths = {int(np.shape(part)[0]) for part in (self.condition, self.label, self.target) if part is not None}
        if self.edges is not None:
            lengths.add(len(self.edges))
        if len(lengths) > 1:
            raise ShapeError(f"given: the parts are of different numbers of patches: {sorted(lengths)}")
        if self.condition is not None:
            if np.ndim(self.condition) != 2:
                raise ShapeError(f"given: wanted conditions of shape (n, k), got {np.shape(self.condition)}")
            bad = np.flatnonzero(~np.isfinite(self.condition).all(1))
            if len(bad):
                raise InputError(
                    f"given: the conditions of {len(bad)} patches are empty or not finite, the first of patch {bad[0]}"
                )

    def rows(self, index: np.ndarray) -> Given:
        """Return the condition and the label of some of the patches."""
        parts = (None if part is None else part[index] for part in (self.condition, self.label))
        return Given(*parts)

    def check(self, n: int) -> Given:
        """Return it, or raise ShapeError unless it is of n patches."""
        for name in ("condition", "label", "target", "edges"):
            part = getattr(self, name)
            if part is not None and (came := len(part) if name == "edges" else np.shape(part)[0]) != n:
                raise ShapeError(f"given: {name} of {came} patches for {n} patches")
        return self
