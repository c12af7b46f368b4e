"""Defects: groups of neighbouring odd sites, vacancies and odd rings, with their formula."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from atomscope.neighbours.formula import UNKNOWN, VACANCY, motif
from atomscope.neighbours.patterns import STONE_WALES
from atomscope.neighbours.rings import Rings


@dataclass(frozen=True)
class Defect:
    """One group.

    Attributes
    ----------
    name, formula : str
    place : numpy.ndarray, shape (2,)
    sites, around, rings : list of int
        Nodes (sites, then vacancies), nodes bonded to them, rings.
    """

    name: str
    formula: str
    place: np.ndarray
    sites: list[int]
    around: list[int]
    rings: list[int]


def group_defects(
    kind: np.ndarray,
    names: np.ndarray,
    nodes: np.ndarray,
    links: np.ndarray,
    rings: Rings,
    ring_group: np.ndarray,
    pattern: np.ndarray,
) -> tuple[list[Defect], np.ndarray]:
    """Join neighbouring odd things to defects.

    Parameters
    ----------
    kind : numpy.ndarray, shape (n,), str
        Of sites and vacancies; everything but ``atom`` is odd.
    names : numpy.ndarray, shape (n,), str
        Species.
    nodes : numpy.ndarray, shape (n, 2)
        Places.
    links : numpy.ndarray, shape (m, 2)
        Bonds, those to vacancies too.
    rings, ring_group, pattern
        What :func:`~atomscope.neighbours.patterns.name_rings` made.

    Returns
    -------
    defects : list of Defect
        In reading order.
    of_node : numpy.ndarray, shape (n,), int64
        The defect of each odd node; -1 for the others.
    """
    n, r = len(kind), len(ring_group)
    odd = kind != "atom"
    odd_ring = np.flatnonzero(ring_group >= 0)
    of_node = np.full(n, -1, np.int64)
    if not odd.any() and not len(odd_ring):
        return [], of_node
    pairs = [links[odd[links].all(axis=1)]]
    ring, corner = rings.corners()
    touched = (ring_group[ring] >= 0) & odd[corner] if len(ring) else np.zeros(0, bool)
    pairs.append(np.stack([ring[touched] + n, corner[touched]], axis=1).reshape(-1, 2))
    first = {int(ring_group[k]): int(k) for k in odd_ring[::-1]}
    pairs.append(np.array([[k + n, first[int(ring_group[k])] + n] for k in odd_ring], np.int64).reshape(-1, 2))
    i, j = np.concatenate(pairs).T
    label = connected_components(coo_matrix((np.ones(len(i)), (i, j)), shape=(n + r, n + r)), directed=False)[1]
    members = np.concatenate([np.flatnonzero(odd), odd_ring + n])
    members = members[np.argsort(label[members], kind="stable")]
    neighbours: dict[int, list[int]] = {}
    for a, b in links[odd[links].any(axis=1)].tolist():
        neighbours.setdefault(a, []).append(b)
        neighbours.setdefault(b, []).append(a)
    out = []
    for group in np.split(members, np.flatnonzero(np.diff(label[members])) + 1):
        sites = [int(k) for k in group if k < n]
        cells = [int(k) - n for k in group if k >= n]
        out.append(_defect(sites, cells, kind, names, nodes, neighbours, rings, pattern))
    out.sort(key=lambda d: (float(d.place[0]), float(d.place[1])))
    for number, defect in enumerate(out):
        of_node[defect.sites] = number
    return out, of_node


def _defect(
    sites: list[int],
    cells: list[int],
    kind: np.ndarray,
    names: np.ndarray,
    nodes: np.ndarray,
    neighbours: dict[int, list[int]],
    rings: Rings,
    pattern: np.ndarray,
) -> Defect:
    around = sorted({b for a in sites for b in neighbours.get(a, [])} - set(sites))
    words = sorted({str(kind[s]) for s in sites}) + sorted({str(pattern[c]) for c in cells})
    if sites:
        centres = [VACANCY if kind[s] == "vacancy" else str(names[s]) or UNKNOWN for s in sites]
        formula = motif(centres, [str(names[b]) or UNKNOWN for b in around])
        place = nodes[sites].mean(axis=0)
    else:
        formula = "-".join(str(size) for size in sorted(rings.size[cells].tolist()))
        place = np.average(rings.centre[cells], axis=0)
    if not sites and words == [STONE_WALES] and len(cells) > 4:
        words = [f"{len(cells) // 4} {STONE_WALES}"]
    return Defect("+".join(words), formula, place, sites, around, cells)
