"""Motif formulas: a centre and its neighbours, such as Si1C3."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

#: A centre without an atom, and a species that nothing is known of.
VACANCY, UNKNOWN = "V", "X"


def written(counts: dict[str, int]) -> str:
    """Write counts with the most frequent first (equal ones by name): ``C3Si1``."""
    return "".join(f"{name}{n}" for name, n in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if n)


def motif(centres: Iterable[str], around: Iterable[str]) -> str:
    """Return the formula of a group: its own atoms, then those bonded to it."""
    return written(Counter(centres)) + written(Counter(around))


def site_formulas(names: np.ndarray, centre: np.ndarray, neighbour: np.ndarray) -> np.ndarray:
    """Return the formula of every site.

    Parameters
    ----------
    names : numpy.ndarray, shape (n,), str
        Species of the sites; empty is unknown.
    centre, neighbour : numpy.ndarray, shape (m,), int64
        Each bond in both directions.

    Returns
    -------
    numpy.ndarray, shape (n,), object
    """
    n = len(names)
    known, code = np.unique(np.where(names == "", UNKNOWN, names).astype(str), return_inverse=True)
    counts = np.zeros((n, len(known)), np.int64)
    np.add.at(counts, (centre, code[neighbour]), 1)
    rows, which = np.unique(np.column_stack([code, counts]), axis=0, return_inverse=True)
    texts = [f"{known[row[0]]}1" + written(dict(zip(known.tolist(), row[1:].tolist(), strict=True))) for row in rows]
    return np.array(texts, dtype=object)[which.ravel()] if n else np.zeros(0, object)
