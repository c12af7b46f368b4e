"""The structure of one frame, in places and numbers only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from atomscope.data.params import StructureParams
from atomscope.neighbours.consensus import Consensus, Field
from atomscope.neighbours.displacement import from_cage, from_neighbours
from atomscope.neighbours.formula import site_formulas
from atomscope.neighbours.graph import Graph, bond_angles, bond_graph, degree, neighbour_mean
from atomscope.neighbours.groups import Defect, group_defects
from atomscope.neighbours.patterns import name_rings, odd_rings
from atomscope.neighbours.places import UNLIKELY, Places, judge_places
from atomscope.neighbours.rings import Rings, find_rings
from atomscope.neighbours.scale import first_gap, first_peak
from atomscope.neighbours.species import HOST_SHARE, Species, letters
from atomscope.neighbours.strain import measure_strain

ATOM, VACANCY, SUBSTITUTION, ADATOM = "atom", "vacancy", "substitution", "adatom"
_DELAUNAY_CUT = 1.6


@dataclass(frozen=True)
class FrameStructure:
    """What was read from one frame of n sites; v vacancies follow them as nodes n, n + 1, ...

    Attributes
    ----------
    columns : dict of str to numpy.ndarray, shape (n + v,)
        New columns of the site table.
    empty : numpy.ndarray, shape (v, 2)
    bonds : numpy.ndarray, shape (m, 2), int64
    length : numpy.ndarray, shape (m,)
    direction : numpy.ndarray, shape (m,), rad
    angles : tuple of numpy.ndarray
        (site, first, second), shape (k, 3), and the angle, shape (k,), rad.
    rings : Rings
    pattern : numpy.ndarray, shape (r,), object
    defects : list of Defect
    """

    columns: dict[str, np.ndarray]
    empty: np.ndarray
    bonds: np.ndarray
    length: np.ndarray
    direction: np.ndarray
    angles: tuple[np.ndarray, np.ndarray]
    rings: Rings
    pattern: np.ndarray
    defects: list[Defect]


def read_frame(
    points: np.ndarray,
    species: Species,
    elements: list[str],
    field: Field,
    params: StructureParams,
    shortest: float | None = None,
) -> FrameStructure:
    """Read bonds, rings, places, defects and strain of one frame.

    Parameters
    ----------
    points : numpy.ndarray, shape (n, 2)
        (row, col) in square pixels; finite, no two alike, n >= 2.
    species : Species
    elements : list of str
        Names of the species.
    field : Field
    params : StructureParams
    shortest : float, optional
        Shortest translation of the unstrained lattice, in the unit of the points.
    """
    n = len(points)
    label, probability, share = species.label, species.probability, species.share
    spacing = params.spacing_px or first_peak(points)
    cut = params.cut or (_DELAUNAY_CUT if params.bonds == "delaunay" else first_gap(points, spacing))
    graph = bond_graph(points, cut * spacing, params.bonds)
    # Rare species are not what makes places alike.
    hosts = np.append(share >= HOST_SHARE, False) if len(share) else np.zeros(1, bool)
    consensus = Consensus(points, spacing, field, np.where(hosts[label], label, -1))
    places = judge_places(consensus, cut, degree(graph.bonds, n), params.vacancies)
    species = species.at_home(np.where(places.fit < UNLIKELY, -1, places.expected))
    label, probability = species.label, species.probability
    graph = _without(graph, places.off)
    strained = measure_strain(consensus, shortest)
    rings = find_rings(points, graph.bonds[graph.planar & ~places.off[graph.bonds].any(axis=1)], params.largest_ring)
    odd = odd_rings(rings, places.at_edge, places.empty, spacing, points)
    group, pattern = name_rings(rings, odd)
    length, direction = _lines(points, graph.bonds)

    v = len(places.empty)
    nodes = np.concatenate([points, places.empty])
    links = np.concatenate([graph.bonds, _links_to_empty(points, places, cut * spacing)])
    names = np.concatenate([letters(label, elements), np.full(v, "", object)])
    host = letters(np.concatenate([places.expected, places.empty_expected]), elements)
    kind = np.full(n + v, ATOM, dtype=object)
    kind[:n][(label >= 0) & (places.expected >= 0) & (label != places.expected)] = SUBSTITUTION
    # Without a vote, a rare species is still a rare species.
    kind[:n][(places.expected < 0) & (label >= 0) & ~hosts[label]] = SUBSTITUTION
    kind[:n][places.fit < UNLIKELY] = ATOM  # on no place of the lattice: not in the place of another
    kind[:n][places.off] = ADATOM
    kind[n:] = VACANCY
    defects, of_node = group_defects(kind, names, nodes, links, rings, group, pattern)

    net = graph.bonds[~places.off[graph.bonds].any(axis=1)]
    in_net = ~places.off[graph.bonds].any(axis=1)
    # An extra atom counts its neighbours; they do not count it.
    centre, neighbour = _both_ways(links, np.concatenate([places.off, np.ones(v, bool)]))
    formula = site_formulas(np.where(kind == VACANCY, "V", names), centre, neighbour)
    usual = ~(places.at_edge | places.off)
    if params.cage:
        displaced = from_cage(points, names[:n] == params.cage, usual, places.expected)
    else:
        displaced = from_neighbours(points, net, usual, places.expected)
    columns = {
        "kind": kind,
        "species": names,
        "species_probability": _pad(probability, v),
        "host": host,
        "coordination": np.bincount(centre, minlength=n + v).astype(np.float64),
        "formula": formula,
        "bond_length_px": _pad(neighbour_mean(length[in_net], net, n), v),
        "rings": np.concatenate([_ring_words(rings, n), np.full(v, "", object)]),
        "at_edge": np.concatenate([places.at_edge, np.zeros(v, bool)]),
        "lattice_fit": np.concatenate([places.fit, places.empty_share]),
        "strain_rr": _pad(strained.strain[:, 0], v),
        "strain_cc": _pad(strained.strain[:, 1], v),
        "strain_rc": _pad(strained.strain[:, 2], v),
        "lattice_rotation": _pad(strained.rotation, v),
        "displacement_row": _pad(displaced[:, 0], v),
        "displacement_col": _pad(displaced[:, 1], v),
        "defect": of_node,
    }
    angles = bond_angles(points, net)
    return FrameStructure(columns, places.empty, graph.bonds, length, direction, angles, rings, pattern, defects)


def _without(graph: Graph, off: np.ndarray) -> Graph:
    """Drop bonds between two extra atoms: what lies over the lattice has bonds to the lattice."""
    keep = ~off[graph.bonds].all(axis=1)
    return Graph(graph.bonds[keep], graph.planar[keep])


def _lines(points: np.ndarray, bonds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    way = points[bonds[:, 1]] - points[bonds[:, 0]]
    return np.linalg.norm(way, axis=1), np.arctan2(way[:, 0], way[:, 1])


def _links_to_empty(points: np.ndarray, places: Places, radius: float) -> np.ndarray:
    """Return pairs (site, vacancy) and (vacancy, vacancy) of neighbours, as nodes."""
    n = len(points)
    if not len(places.empty):
        return np.zeros((0, 2), np.int64)
    tree = cKDTree(places.empty)
    pairs = [tree.query_pairs(radius, output_type="ndarray").astype(np.int64).reshape(-1, 2) + n]
    for i, near in enumerate(cKDTree(points).query_ball_point(places.empty, radius)):
        lattice = [j for j in near if not places.off[j]]
        pairs.append(np.array([[j, n + i] for j in lattice], np.int64).reshape(-1, 2))
    return np.concatenate(pairs)


def _both_ways(links: np.ndarray, ghost: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return links in both directions, without those towards extra atoms and vacancies."""
    centre, neighbour = np.concatenate([links, links[:, ::-1]]).T.reshape(2, -1)
    keep = ~ghost[neighbour]
    return centre[keep], neighbour[keep]


def _ring_words(rings: Rings, n: int) -> np.ndarray:
    """Return the sizes of the rings round each site, in ascending order: ``5-6-7``."""
    ring, corner = rings.corners()
    out = np.full(n, "", dtype=object)
    if not len(ring):
        return out
    size = rings.size[ring]
    order = np.lexsort((size, corner))
    corner, size = corner[order], size[order]
    starts = np.flatnonzero(np.diff(corner, prepend=-1))
    cache: dict[tuple[int, ...], str] = {}
    for who, sizes in zip(corner[starts], np.split(size, starts[1:]), strict=True):
        key = tuple(sizes.tolist())
        out[who] = cache.setdefault(key, "-".join(map(str, key)))
    return out


def _pad(values: np.ndarray, v: int) -> np.ndarray:
    return np.concatenate([values, np.full(v, np.nan)])
