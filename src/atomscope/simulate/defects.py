"""Vacancies, substitutions and adatoms, and how they change from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from atomscope.data.params import SimulateParams
from atomscope.errors import ParameterError
from atomscope.simulate.crystal import Crystal
from atomscope.simulate.lattices import Lattice

ATOM, VACANCY, SUBSTITUTION, ADATOM = 0, 1, 2, 3
KINDS = ("atom", "vacancy", "substitution", "adatom")


@dataclass(frozen=True)
class History:
    """What is where in each frame.

    Attributes
    ----------
    state : numpy.ndarray, shape (frames, n), uint8
        ATOM, VACANCY or SUBSTITUTION of each lattice column.
    adatom : numpy.ndarray, shape (frames, k), int64
        Index into ``Crystal.hollows`` of each adatom.
    """

    state: np.ndarray
    adatom: np.ndarray


def plant(
    params: SimulateParams,
    lattice: Lattice,
    crystal: Crystal,
    in_field: np.ndarray,
    hollow_in_field: np.ndarray,
    rng: np.random.Generator,
    free: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Choose the defects of the first frame.

    The asked-for fraction is met to the nearest whole number among the columns inside the field, and apart from
    them among those outside.

    Parameters
    ----------
    in_field : numpy.ndarray, shape (n,), bool
        Columns inside the first frame.
    hollow_in_field : numpy.ndarray, shape (m,), bool
    free : numpy.ndarray, shape (n,), bool, optional
        Columns that may become a vacancy or a substitution; by default all.

    Returns
    -------
    state : numpy.ndarray, shape (n,), uint8
    adatom : numpy.ndarray, shape (k,), int64
        Hollows that hold an adatom.

    Raises
    ------
    ParameterError
        If the fractions sum to more than 1, or the sublattice is not one of the crystal's.
    """
    if params.vacancies + params.substitutions > 1.0:
        raise ParameterError(
            f"vacancies {params.vacancies} and substitutions {params.substitutions}: wanted at most 1 together"
        )
    names = [c.sublattice for c in lattice.columns]
    if params.defects_on != "any" and params.defects_on not in names:
        raise ParameterError(f"defects_on: {lattice.name} has the sublattices {names}, got {params.defects_on!r}")
    allowed = np.ones(len(crystal.column), dtype=bool)
    free = allowed if free is None else free
    if params.defects_on != "any":
        allowed = np.array([name == params.defects_on for name in names])[crystal.column]
    allowed = allowed & free
    state = np.zeros(len(crystal.column), dtype=np.uint8)
    adatoms = []
    for here, hollow_here in ((in_field, hollow_in_field), (~in_field, ~hollow_in_field)):
        candidates = rng.permutation(np.flatnonzero(here & allowed))
        n_vacant, n_other = (round(f * len(candidates)) for f in (params.vacancies, params.substitutions))
        state[candidates[:n_vacant]] = VACANCY
        state[candidates[n_vacant : n_vacant + n_other]] = SUBSTITUTION
        hollows = rng.permutation(np.flatnonzero(hollow_here))
        adatoms.append(hollows[: round(params.adatoms * int(here.sum()))])
    return state, np.concatenate(adatoms).astype(np.int64)


def evolve(
    params: SimulateParams,
    crystal: Crystal,
    state: np.ndarray,
    adatom: np.ndarray,
    rng: np.random.Generator,
) -> History:
    """Let the defects live: a Markov chain with one step a frame.

    In each step, in this order: each vacancy heals with ``heal_rate``, each atom is lost with ``knock_rate``, and
    each vacancy, substitution and adatom hops with ``hop_rate``. A hop is a swap with one of the nearest columns of
    the same kind of column (chosen evenly among those that hold an atom) or, for an adatom, a move to one of the
    nearest free hollows; with no such place it stays.

    Returns
    -------
    History
    """
    states = np.repeat(state[None], params.frames, axis=0)
    adatoms = np.repeat(adatom[None], params.frames, axis=0)
    if params.frames == 1 or not (params.knock_rate or params.heal_rate or params.hop_rate):
        return History(states, adatoms)
    neighbours = _Neighbours(crystal.positions, crystal.column)
    hollow_neighbours = _Neighbours(crystal.hollows, np.zeros(len(crystal.hollows), dtype=np.int64))
    for t in range(1, params.frames):
        now, where = states[t - 1].copy(), adatoms[t - 1].copy()
        draw = rng.random(len(now))
        heals = (now == VACANCY) & (draw < params.heal_rate)
        lost = (now == ATOM) & (draw < params.knock_rate)
        now[heals], now[lost] = ATOM, VACANCY
        movers = np.flatnonzero((now != ATOM) & (rng.random(len(now)) < params.hop_rate))
        for i in movers:
            free = [j for j in neighbours.of(int(i)) if now[j] == ATOM]
            if free and now[i] != ATOM:
                j = free[int(rng.integers(len(free)))]
                now[i], now[j] = now[j], now[i]
        taken = set(where.tolist())
        for k in np.flatnonzero(rng.random(len(where)) < params.hop_rate):
            free = [j for j in hollow_neighbours.of(int(where[k])) if j not in taken]
            if free:
                j = free[int(rng.integers(len(free)))]
                taken.discard(int(where[k]))
                taken.add(j)
                where[k] = j
        states[t], adatoms[t] = now, where
    return History(states, adatoms)


class _Neighbours:
    """The nearest columns of the same kind, found when first asked for."""

    def __init__(self, positions: np.ndarray, kind: np.ndarray) -> None:
        self._positions = positions
        self._members = {int(k): np.flatnonzero(kind == k) for k in np.unique(kind)}
        self._trees = {k: cKDTree(positions[m]) for k, m in self._members.items()}
        self._kind = kind
        self._known: dict[int, list[int]] = {}

    def of(self, index: int) -> list[int]:
        """Return the indices of the first shell (within 1.2 times the nearest distance)."""
        if index not in self._known:
            kind = int(self._kind[index])
            tree, members = self._trees[kind], self._members[kind]
            nearest = tree.query(self._positions[index], k=2)[0][1] if len(members) > 1 else 0.0
            found = tree.query_ball_point(self._positions[index], 1.2 * nearest) if np.isfinite(nearest) else []
            self._known[index] = sorted(int(members[f]) for f in found if int(members[f]) != index)
        return self._known[index]
