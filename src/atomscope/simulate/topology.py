"""Turned bonds of a honeycomb (Stone-Wales) and shifted sublattices (polarisation)."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from scipy.optimize import minimize
from scipy.spatial import cKDTree

from atomscope.data.params import SimulateParams
from atomscope.errors import ParameterError
from atomscope.simulate.crystal import Crystal
from atomscope.simulate.lattices import Lattice

#: Lengths in nearest distances: from one group to the next, to the end of the field, and what moves freely round one.
_APART, _INSIDE, _SOFT = 9.0, 4.5, 6.0
#: Stiffness of second-neighbour springs over that of bonds: they hold the angles.
_ANGLES = 0.2
_BOND = 1.2


def turn_bonds(
    params: SimulateParams, lattice: Lattice, crystal: Crystal, field_nm: np.ndarray, rng: np.random.Generator
) -> tuple[Crystal, np.ndarray]:
    """Turn single bonds by a quarter: four hexagons become two pentagons and two heptagons.

    The surroundings relax as a net of springs along bonds and between second neighbours.

    Parameters
    ----------
    params : SimulateParams
        ``stone_wales`` says how many.
    lattice : Lattice
    crystal : Crystal
    field_nm : numpy.ndarray, shape (2,), nm
    rng : numpy.random.Generator

    Returns
    -------
    crystal : Crystal
    group : numpy.ndarray, shape (n,), int64
        The number of the group on the two atoms of each turned bond; -1 elsewhere.

    Raises
    ------
    ParameterError
        If the lattice is no honeycomb, or so many groups do not fit.

    References
    ----------
    Stone and Wales, Chem. Phys. Lett. 128, 501 (1986).
    """
    group = np.full(len(crystal.positions), -1, np.int64)
    if not params.stone_wales:
        return crystal, group
    if lattice.name not in ("graphene", "HOPG"):
        raise ParameterError(f"stone_wales: only a honeycomb of one element has them, got {lattice.name}")
    d = lattice.nearest_nm
    at = crystal.positions.copy()
    tree = cKDTree(at)
    pairs = tree.query_pairs(_BOND * d, output_type="ndarray").astype(np.int64)
    degree = np.bincount(pairs.ravel(), minlength=len(at))
    middle = at[pairs].mean(axis=1)
    inside = (np.abs(middle) <= field_nm / 2 - _INSIDE * d).all(axis=1)
    centres: list[np.ndarray] = []
    for k in rng.permutation(np.flatnonzero(inside)):
        if len(centres) == params.stone_wales:
            break
        if centres and np.linalg.norm(np.array(centres) - middle[k], axis=1).min() < _APART * d:
            continue
        near = tree.query_ball_point(middle[k], _INSIDE * d)
        if (degree[near] != 3).any() or len(np.unique(crystal.grain[near])) > 1:
            continue  # whole lattice of one grain round it
        at = _turn_one(at, tree, pairs, pairs[k], d)
        group[pairs[k]] = len(centres)
        centres.append(middle[k])
    if len(centres) < params.stone_wales:
        raise ParameterError(
            f"stone_wales: {params.stone_wales} groups that do not touch were wanted, {len(centres)} fit; "
            "ask for fewer, or a larger field"
        )
    return replace(crystal, positions=at), group


def _turn_one(at: np.ndarray, tree: cKDTree, pairs: np.ndarray, bond: np.ndarray, d: float) -> np.ndarray:
    """Turn a bond and relax its surroundings; return all places, shape (n, 2)."""
    u, v = (int(i) for i in bond)
    centre = (at[u] + at[v]) / 2
    soft = np.array(sorted(tree.query_ball_point(centre, _SOFT * d)))
    touched = pairs[np.isin(pairs, soft).any(axis=1)]
    ends = {u: [], v: []}  # type: dict[int, list[int]]
    keep = []
    for k, (i, j) in enumerate(touched.tolist()):
        if {i, j} == {u, v} or not {i, j} & {u, v}:
            keep.append(k)
            continue
        own, other = (i, j) if i in (u, v) else (j, i)
        ends[own].append(other)
    half = (at[v] - at[u]) / 2
    new_u = centre + np.array([half[1], -half[0]])
    side = new_u - centre
    free = [*ends[u], *ends[v]]
    mine = [k for k in free if (at[k] - centre) @ side > 0]
    bonds = np.concatenate(
        [touched[keep], [[u, k] for k in mine], [[v, k] for k in free if k not in mine]],
    ).astype(np.int64)
    start = at.copy()
    start[u], start[v] = new_u, 2 * centre - new_u
    return _relaxed(start, bonds, soft, d)


def _relaxed(at: np.ndarray, bonds: np.ndarray, soft: np.ndarray, d: float) -> np.ndarray:
    """Minimise the energy of the springs; only ``soft`` atoms move."""
    round_: dict[int, list[int]] = {}
    for i, j in bonds.tolist():
        round_.setdefault(i, []).append(j)
        round_.setdefault(j, []).append(i)
    second = [(a, b) for near in round_.values() for n, a in enumerate(near) for b in near[n + 1 :]]
    springs = np.concatenate([bonds, np.array(second, np.int64)])
    rest = np.concatenate([np.full(len(bonds), d), np.full(len(second), math.sqrt(3) * d)])
    stiff = np.concatenate([np.ones(len(bonds)), np.full(len(second), _ANGLES)])

    def energy(flat: np.ndarray) -> tuple[float, np.ndarray]:
        now = at.copy()
        now[soft] = flat.reshape(-1, 2) * d
        way = now[springs[:, 1]] - now[springs[:, 0]]
        length = np.linalg.norm(way, axis=1)
        stretch = (length - rest) / d
        pull = (2 * stiff * stretch / length)[:, None] * way
        gradient = np.zeros_like(at)
        np.add.at(gradient, springs[:, 1], pull)
        np.add.at(gradient, springs[:, 0], -pull)
        return float((stiff * stretch**2).sum()), gradient[soft].ravel()

    found = minimize(energy, (at[soft] / d).ravel(), jac=True, method="L-BFGS-B")
    out = at.copy()
    out[soft] = found.x.reshape(-1, 2) * d
    return out


def polarise(params: SimulateParams, lattice: Lattice, crystal: Crystal) -> Crystal:
    """Shift the columns of sublattice B against the others.

    Raises
    ------
    ParameterError
        If the lattice has no sublattice B.
    """
    if not params.polarisation_nm:
        return crystal
    is_b = np.array([c.sublattice == "B" for c in lattice.columns])
    if not is_b.any():
        raise ParameterError(f"polarisation_nm: {lattice.name} has no sublattice B to shift")
    angle = math.radians(params.polarisation_deg)
    shift = params.polarisation_nm * np.array([math.sin(angle), math.cos(angle)])
    return replace(crystal, positions=crystal.positions + np.where(is_b[crystal.column][:, None], shift, 0.0))


def clear_of(crystal: Crystal, group: np.ndarray, distance_nm: float) -> np.ndarray:
    """Say which columns are further than a distance from every turned bond, shape (n,), bool."""
    if not (group >= 0).any():
        return np.ones(len(group), bool)
    return np.asarray(cKDTree(crystal.positions[group >= 0]).query(crystal.positions)[0] > distance_nm)
