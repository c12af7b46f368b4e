"""Strain and rotation of the lattice round each site, from the translations to its equivalents."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter

from atomscope.neighbours.consensus import Consensus

_REACH = 1.8  # translations used, over the shortest
_NEAREST = 10
_MET = 0.25  # of the spacing: how well translations must meet those of the reference
_TIE = 0.3  # of the spacing a half turn: of like fits the smaller rotation


@dataclass(frozen=True)
class Strain:
    """Strain of n sites against a reference lattice; NaN where too little repeats.

    Attributes
    ----------
    strain : numpy.ndarray, shape (n, 3)
        Along rows, along columns, shear (tensor, not engineering), in laboratory axes: left stretch less one.
    rotation : numpy.ndarray, shape (n,), rad
        Clockwise on screen, the smallest that the symmetry of the lattice allows.
    reference : numpy.ndarray, shape (2, 2)
        Two (row, col) translations of the reference; NaN when there is none.
    """

    strain: np.ndarray
    rotation: np.ndarray
    reference: np.ndarray


def measure_strain(consensus: Consensus, shortest: float | None = None) -> Strain:
    """Measure strain and rotation at every site.

    Parameters
    ----------
    consensus : Consensus
    shortest : float, optional
        Length of the shortest translation of the unstrained lattice; by default as the median of the frame.

    References
    ----------
    Polar decomposition F = V R of the local deformation: Galindo et al., Ultramicroscopy 107, 1186 (2007)
    (real-space strain by peak pairs).
    """
    n = len(consensus.points)
    nothing = Strain(np.full((n, 3), np.nan), np.full(n, np.nan), np.full((2, 2), np.nan))
    way = consensus.points[consensus.near] - consensus.points[:, None]  # (n, k, 2)
    length = np.where(consensus.equivalent, consensus.distance, np.nan)
    if not np.isfinite(length).any():
        return nothing
    cell = reference_cell(way[consensus.equivalent], consensus, way)
    if cell is None:
        return nothing
    if shortest is not None:
        cell = cell * (shortest / np.linalg.norm(cell, axis=1).min())
    span = _REACH * np.linalg.norm(cell, axis=1).max() / math.sqrt(1.5)
    use = consensus.equivalent & (consensus.distance <= span)
    use &= np.cumsum(use, axis=1) <= _NEAREST
    turn, misfit = _orient(way, use, cell, consensus.spacing)
    turned = _turned(cell, turn)  # (n, 2, 2)
    inverse = np.linalg.inv(turned)
    steps = np.rint(way @ inverse)
    regular = steps @ turned
    use &= np.linalg.norm(regular - way, axis=2) <= 2 * _MET * consensus.spacing
    weight = use.astype(float)[..., None]
    gram = np.swapaxes(regular * weight, 1, 2) @ regular
    mixed = np.swapaxes(regular * weight, 1, 2) @ way
    good = (misfit <= _MET * consensus.spacing) & (use.sum(1) >= 3)
    good &= np.linalg.det(gram) > 1e-3 * np.trace(gram, axis1=1, axis2=2) ** 2
    gram[~good] = np.eye(2)
    f = np.swapaxes(np.linalg.solve(gram, mixed), 1, 2)
    alpha = np.arctan2(f[:, 0, 1] - f[:, 1, 0], f[:, 0, 0] + f[:, 1, 1])
    c, s = np.cos(alpha), np.sin(alpha)
    back = np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], -2)
    v = f @ back
    strain = np.stack([v[:, 0, 0] - 1, v[:, 1, 1] - 1, (v[:, 0, 1] + v[:, 1, 0]) / 2], axis=1)
    rotation = np.angle(np.exp(1j * (turn + alpha)))
    strain[~good] = np.nan
    rotation[~good] = np.nan
    return Strain(strain, rotation, cell)


def reference_cell(all_ways: np.ndarray, consensus: Consensus, way: np.ndarray) -> np.ndarray | None:
    """Return the two shortest translations that most sites share, shape (2, 2), or None.

    In a frame of several grains they are those of the grain with the sharpest pair; the others are turned onto it.
    """
    unit = consensus.spacing
    first = _commonest(all_ways, unit, np.zeros(2))
    if first is None:
        return None
    # Only sites that have the first one: a second from another grain would make no cell.
    has = (consensus.equivalent & (np.linalg.norm(way - first, axis=2) <= _MET * unit)).any(axis=1)
    second = _commonest(way[has][consensus.equivalent[has]], unit, first)
    if second is None:
        return None
    a, b = first, second
    for _ in range(8):  # Gauss: the shortest pair
        if a @ a > b @ b:
            a, b = b, a
        m = round(float(a @ b / (a @ a)))
        if m == 0:
            break
        b = b - m * a
    return np.array([a, b])


def _commonest(ways: np.ndarray, unit: float, along: np.ndarray) -> np.ndarray | None:
    """Return the shortest of the frequent translations that are not along a given one, as a median."""
    if along.any():
        side = np.abs(ways[:, 0] * along[1] - ways[:, 1] * along[0]) / np.linalg.norm(along)
        ways = ways[side > 0.4 * unit]
    if len(ways) < 8:
        return None
    half = 4.0
    bins = np.arange(-half, half + 0.05, 0.08)
    row, col = (ways / unit).astype(np.float64).T
    counts = np.histogram2d(row, col, bins=[bins, bins])[0]
    smooth = gaussian_filter(counts, 1.2)
    tops = np.argwhere((smooth == maximum_filter(smooth, 5)) & (smooth >= 0.5 * smooth.max()))
    place = (bins[tops] + 0.04) * unit
    length = np.linalg.norm(place, axis=1)
    near = np.flatnonzero(length <= 1.15 * length.min())
    best = place[near[np.argmax(smooth[tuple(tops[near].T)])]]
    for _ in range(2):
        best = np.median(ways[np.linalg.norm(ways - best, axis=1) <= _MET * unit], axis=0)
    return np.asarray(best) if np.isfinite(best).all() else None


def _orient(way: np.ndarray, use: np.ndarray, cell: np.ndarray, unit: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the rotation of the reference that fits best at each site, and its mean misfit."""
    n = len(way)
    a, b = cell
    short = np.array([a, b, a - b, a + b])
    short = np.concatenate([short, -short])
    nearest = np.argmax(use, axis=1)
    one = way[np.arange(n), nearest]
    length, angle = np.linalg.norm(one, axis=1), np.arctan2(one[:, 0], one[:, 1])
    turn, best, misfit = np.zeros(n), np.full(n, np.inf), np.full(n, np.inf)
    count = np.maximum(use.sum(1), 1)
    able = use.any(axis=1)
    for r in short:
        theta = np.angle(np.exp(1j * (angle - math.atan2(r[0], r[1]))))
        fits = able & (np.abs(length - np.linalg.norm(r)) <= 0.25 * np.linalg.norm(r))
        if not fits.any():
            continue
        turned = _turned(cell, theta[fits])
        coordinates = way[fits] @ np.linalg.inv(turned)
        rest = np.linalg.norm((coordinates - np.rint(coordinates)) @ turned, axis=2)
        mean = np.where(use[fits], rest, 0.0).sum(1) / count[fits]
        cost = mean + _TIE * unit * np.abs(theta[fits]) / math.pi
        who = np.flatnonzero(fits)
        better = cost < best[who]
        who = who[better]
        best[who], misfit[who], turn[who] = cost[better], mean[better], theta[who]
    return turn, misfit


def _turned(cell: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Return the cell turned clockwise on screen by each angle, shape (n, 2, 2)."""
    c, s = np.cos(turn)[:, None], np.sin(turn)[:, None]
    row, col = cell[:, 0], cell[:, 1]
    return np.stack([c * row + s * col, c * col - s * row], axis=2)
