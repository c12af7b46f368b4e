"""Empty lattice places and sites off the lattice of one frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from atomscope.neighbours.consensus import Consensus, widest_gap

#: All lengths in spacings.
_ENCLOSED = np.deg2rad(150.0)
_MARGIN = 0.25  # a finder sees columns that lie this far inside the field
_CLEAR = 0.75  # no site of the lattice is nearer to an empty place
_MOVED = 0.8  # a site off the lattice that lies so near an empty place has come from there
_SURE = 0.6
UNLIKELY = 0.35
_FEWEST_VOTES = 6
_CROWDED = 1.4


@dataclass(frozen=True)
class Places:
    """What the lattice says of one frame's sites, and the places where it misses one.

    Attributes
    ----------
    fit : numpy.ndarray, shape (n,)
        Share of votes for a site at the place of each site; NaN without votes.
    expected : numpy.ndarray, shape (n,), int64
        Species that the place calls for; -1 unknown.
    off : numpy.ndarray, shape (n,), bool
        Extra sites off the lattice.
    rim : numpy.ndarray, shape (n,), bool
        Sites at the end of the material: not surrounded.
    at_edge : numpy.ndarray, shape (n,), bool
        These, and sites so near the end of the field that neighbours may lie outside.
    empty : numpy.ndarray, shape (v, 2)
        Places of vacancies.
    empty_share : numpy.ndarray, shape (v,)
    empty_expected : numpy.ndarray, shape (v,), int64
    """

    fit: np.ndarray
    expected: np.ndarray
    off: np.ndarray
    rim: np.ndarray
    at_edge: np.ndarray
    empty: np.ndarray
    empty_share: np.ndarray
    empty_expected: np.ndarray


def judge_places(consensus: Consensus, cut: float, coordination: np.ndarray, vacancies: bool = True) -> Places:
    """Judge every site, and look for places without one.

    Parameters
    ----------
    consensus : Consensus
    cut : float
        Longest bond, in spacings.
    coordination : numpy.ndarray, shape (n,), int64
        Number of bonds of each site.
    vacancies : bool
        Whether empty places are looked for.
    """
    points, spacing, field = consensus.points, consensus.spacing, consensus.field
    fit, votes, expected = consensus.share(points, np.arange(len(points)))
    gap = widest_gap(points, points, spacing, field)
    rim = gap > _ENCLOSED
    at_edge = rim | (field.depth(points) < cut * spacing)
    strange = (fit < UNLIKELY) & (votes >= _FEWEST_VOTES) & (gap <= _ENCLOSED)

    places = consensus.candidates()
    places = places[field.depth(places) >= _MARGIN * spacing] if len(places) else places
    share, count, empty_expected = consensus.share(places)
    regular = points[~strange]
    away = cKDTree(regular).query(places)[0] if len(regular) and len(places) else np.zeros(len(places))
    good = (share >= _SURE) & (count >= _FEWEST_VOTES) & (away >= _CLEAR * spacing)
    good &= consensus.enclosed(places, strange, _ENCLOSED)
    empty, share, empty_expected = places[good], share[good], empty_expected[good]

    # An atom that has moved leaves an empty place nearby: neither a vacancy nor an extra atom.
    odd = np.flatnonzero(strange)
    moved, left = _pairs(points[odd], empty, _MOVED * spacing)
    strange[odd[moved]] = False
    keep = np.ones(len(empty), bool)
    keep[left] = False
    off = strange & _crowded(points, strange, spacing, cut, coordination)
    if not vacancies:
        keep[:] = False
    return Places(fit, expected, off, rim, at_edge, empty[keep], share[keep], empty_expected[keep])


def _crowded(
    points: np.ndarray, strange: np.ndarray, spacing: float, cut: float, coordination: np.ndarray
) -> np.ndarray:
    """Say which sites have more lattice sites round them than a lattice site has: extra ones."""
    regular = points[~strange]
    out = np.zeros(len(points), bool)
    odd = np.flatnonzero(strange)
    if not len(regular) or not len(odd):
        return out
    tree = cKDTree(regular)
    nearest = tree.query(points[odd])[0]
    round_ = np.array([len(near) for near in tree.query_ball_point(points[odd], cut * spacing)])
    usual = float(np.median(coordination[~strange]))
    out[odd] = (nearest < _CLEAR * spacing) | (round_ >= _CROWDED * usual)
    return out


def _pairs(a: np.ndarray, b: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Match one to one within ``radius``, the closest first; return the matched indices of both."""
    first: list[int] = []
    second: list[int] = []
    if len(a) and len(b):
        near = cKDTree(a).sparse_distance_matrix(cKDTree(b), radius, output_type="ndarray")
        used_a, used_b = np.zeros(len(a), bool), np.zeros(len(b), bool)
        for k in np.lexsort((near["j"], near["i"], near["v"])):
            i, j = int(near["i"][k]), int(near["j"][k])
            if not (used_a[i] or used_b[j]):
                used_a[i] = used_b[j] = True
                first.append(i)
                second.append(j)
    return np.array(first, np.int64), np.array(second, np.int64)
