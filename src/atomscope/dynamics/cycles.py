"""Cycles of states: the test whether any is driven, and a basis of them with flux, affinity and entropy production."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
from scipy.stats import chi2


def reversible(counts: np.ndarray, tolerance: float = 1e-10, most: int = 100_000) -> np.ndarray:
    """Return the reversible matrix under which jumps are the most likely, shape (k, k), from counts (k, k).

    References
    ----------
    J.-H. Prinz et al., J. Chem. Phys. 134 (2011) 174105 (the iteration).
    """
    both, out = counts + counts.T, counts.sum(1).astype(np.float64)
    x = both / both.sum()
    for _ in range(most):
        rows = x.sum(1)
        ratio = out / np.where(rows > 0, rows, 1)
        below = ratio[:, None] + ratio[None]
        new = np.where(both > 0, both / np.where(below > 0, below, 1), 0.0)
        new /= new.sum()
        if np.abs(new - x).max() < tolerance * new.max():
            break
        x = new
    rows = x.sum(1, keepdims=True)
    return np.asarray(np.divide(x, rows, out=np.zeros_like(x), where=rows > 0))


def cycles_test(counts: np.ndarray) -> float:
    """Return p of the likelihood ratio between any matrix and a reversible one; jumps must not overlap."""
    free = free_cycles(counts)
    if free < 1:
        return 1.0
    rows = counts.sum(1, keepdims=True)
    free_matrix = np.divide(counts, rows, out=np.zeros(counts.shape), where=rows > 0)
    bound = reversible(counts)
    seen = counts > 0
    ratio = 2 * (counts[seen] * np.log(free_matrix[seen] / np.maximum(bound[seen], 1e-300))).sum()
    return float(chi2.sf(max(ratio, 0.0), free))


def free_cycles(counts: np.ndarray) -> int:
    """Return how many cycles a basis has: ways round that do not share all their jumps."""
    both = counts + counts.T
    return int(np.triu(both > 0, 1).sum()) - len(_tree(both))


def _tree(traffic: np.ndarray) -> list[tuple[int, int]]:
    """Return the edges of the tree through all states that carries the most traffic (of each group, where several)."""
    k = len(traffic)
    group, edges = np.arange(k), []
    i, j = np.triu_indices(k, 1)
    for at in np.argsort(-traffic[i, j], kind="stable"):
        a, b = int(i[at]), int(j[at])
        if traffic[a, b] > 0 and group[a] != group[b]:
            group[group == group[b]] = group[a]
            edges.append((a, b))
    return edges


def cycles_of(flux: np.ndarray, states: np.ndarray) -> pd.DataFrame:
    """Return the cycles of a basis with their flux, affinity and entropy production.

    Parameters
    ----------
    flux : numpy.ndarray, shape (k, k)
        Of the long run: each state is left as often as it is entered.
    states : numpy.ndarray, shape (k,)
    """
    columns = ["states", "flux", "affinity", "entropy"]
    if not np.isfinite(flux).all():
        return pd.DataFrame(columns=columns)
    both = flux + flux.T
    tree = _tree(both)
    near: dict[int, list[int]] = {}
    for a, b in tree:
        near.setdefault(a, []).append(b)
        near.setdefault(b, []).append(a)
    rows = []
    for i, j in zip(*np.triu_indices(len(flux), 1), strict=True):
        if both[i, j] <= 0 or (int(i), int(j)) in tree:
            continue
        first, second = (int(i), int(j)) if flux[i, j] >= flux[j, i] else (int(j), int(i))
        ring = [first, *_way(near, second, first)]
        steps = list(pairwise(ring))
        affinity = float(sum(np.log(flux[a, b] / flux[b, a]) for a, b in steps))
        net = float(flux[first, second] - flux[second, first])
        rows.append(("-".join(str(states[a]) for a in ring), net, affinity, net * affinity))
    return pd.DataFrame(rows, columns=columns).sort_values("entropy", ascending=False, ignore_index=True)


def _way(near: dict[int, list[int]], start: int, end: int) -> list[int]:
    """Return the way through a tree from one node to another, both included."""
    before, stack = {start: start}, [start]
    while stack:
        here = stack.pop()
        for there in near[here]:
            if there not in before:
                before[there] = here
                stack.append(there)
    way = [end]
    while way[-1] != start:
        way.append(before[way[-1]])
    return way[::-1]
