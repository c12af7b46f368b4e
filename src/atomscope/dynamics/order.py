"""How sites of a frame lie to each other: order of their bonds, distances between them, shares of their classes."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from scipy.spatial import ConvexHull, Delaunay, QhullError, cKDTree

from atomscope.errors import InputError

Neighbours = Literal["delaunay", "nearest"]
#: Triangles whose circle is larger than this many middle ones lie outside the sites or span a bay.
_WIDE = 2.0


def bond_order(points: np.ndarray, fold: int = 6, neighbours: Neighbours = "delaunay") -> np.ndarray:
    """Return ``psi_n = mean exp(i n angle)`` over the bonds of each site.

    Parameters
    ----------
    points : numpy.ndarray, shape (n, 2)
        (row, col) in square units of length.
    fold : int
        6 for a hexagonal lattice, 4 for a square one.
    neighbours : {"delaunay", "nearest"}
        Which sites are bonded: those of a triangulation, or the ``fold`` nearest (which a square lattice needs: its
        squares have no one triangulation).

    Returns
    -------
    numpy.ndarray, shape (n,), complex
        NaN for sites at the edge, whose neighbours may lie outside.
    """
    out = np.full(len(points), np.nan, complex)
    if len(points) < max(4, fold + 1):
        return out
    try:
        mesh = Delaunay(points)
        hull = ConvexHull(points).vertices
    except QhullError:  # all on one line
        return out
    corners = points[mesh.simplices]
    radius = _circles(corners)
    wide = radius > _WIDE * np.median(radius)
    inner = np.ones(len(points), bool)
    inner[mesh.simplices[wide].ravel()] = False
    inner[mesh.convex_hull.ravel()] = False
    inner[hull] = False
    if neighbours == "delaunay":
        starts, others = mesh.vertex_neighbor_vertices
        one = np.repeat(np.arange(len(points)), np.diff(starts))
    else:
        _, near = cKDTree(points).query(points, k=fold + 1)
        one, others = np.repeat(np.arange(len(points)), fold), near[:, 1:].ravel()
    bond = points[others] - points[one]
    turn = np.exp(1j * fold * np.arctan2(bond[:, 0], bond[:, 1]))
    count = np.bincount(one, minlength=len(points))
    total = np.bincount(one, turn.real, len(points)) + 1j * np.bincount(one, turn.imag, len(points))
    good = inner & (count > 0)
    out[good] = total[good] / count[good]
    return out


def bond_order_over_time(
    frames: np.ndarray, points: np.ndarray, folds: tuple[int, ...], neighbours: Neighbours = "delaunay"
) -> pd.DataFrame:
    """Return the bond order of each frame.

    Parameters
    ----------
    frames : numpy.ndarray, shape (n,), int
    points : numpy.ndarray, shape (n, 2)
    folds : tuple of int
    neighbours : {"delaunay", "nearest"}

    Returns
    -------
    pandas.DataFrame
        A row a frame: ``frame``, and of each n ``psi{n}`` (of the whole frame: 1 for one crystal), ``psi{n}_local``
        (mean over sites of how well their own bonds agree: 1 for crystals however they lie), ``psi{n}_sites`` (how
        many counted).
    """
    order = np.argsort(frames, kind="stable")
    values, starts = np.unique(frames[order], return_index=True)
    rows = []
    for frame, which in zip(values, np.split(order, starts[1:]), strict=True):
        row: dict[str, float] = {"frame": int(frame)}
        for fold in folds:
            some = points[which]
            psi = bond_order(some[np.isfinite(some).all(1)], fold, neighbours)
            psi = psi[np.isfinite(psi)]
            row[f"psi{fold}"] = float(np.abs(psi.mean())) if len(psi) else np.nan
            row[f"psi{fold}_local"] = float(np.abs(psi).mean()) if len(psi) else np.nan
            row[f"psi{fold}_sites"] = len(psi)
        rows.append(row)
    return pd.DataFrame(rows)


def without_chance(order: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Return orders without what chance adds: of few sites some direction is always preferred.

    ``<S^2> = S0^2 + (1 - S0^2) / n``, solved for ``S0`` and 0 where that is not possible.
    """
    n = np.maximum(count, 2)
    return np.where(count > 1, np.sqrt(np.clip((n * order**2 - 1) / (n - 1), 0, None)), np.nan)


def class_shares(frames: np.ndarray, classes: pd.Series, known: np.ndarray) -> pd.DataFrame:
    """Return how many sites of each class are in each frame, and which part of those that have a class.

    Parameters
    ----------
    frames : numpy.ndarray, shape (n,), int
    classes : pandas.Series, shape (n,)
    known : numpy.ndarray of bool, shape (n,)

    Returns
    -------
    pandas.DataFrame
        A row a frame: ``frame``, then ``count_{class}`` and ``fraction_{class}`` of every class.
    """
    values, at = np.unique(frames, return_inverse=True)
    kind, named = pd.factorize(classes[known], sort=True)  # words and numbers may be mixed
    names = np.asarray(named)
    counts = np.bincount(at[known] * len(names) + kind, minlength=len(values) * len(names))
    counts = counts.reshape(len(values), len(names))
    total = counts.sum(1)
    table: dict[str, np.ndarray] = {"frame": values}
    called = [int(n) if isinstance(n, float | np.floating) and float(n).is_integer() else n for n in names]
    for i, name in enumerate(called):
        table[f"count_{name}"] = counts[:, i]
    for i, name in enumerate(called):
        table[f"fraction_{name}"] = np.where(total > 0, counts[:, i] / np.maximum(total, 1), np.nan)
    return pd.DataFrame(table)


def pair_correlation(
    points: np.ndarray, field: tuple[float, float] | None = None, r_max: float | None = None, bins: int = 100
) -> pd.DataFrame:
    """Return g(r): how many more pairs are a distance apart than if sites lay at random.

    Pairs are weighted by one over the area in which both of them can lie within the field (Ohser and Stoyan), so that
    what lies outside does not thin out long distances.

    Parameters
    ----------
    points : numpy.ndarray, shape (n, 2)
        (row, col).
    field : (float, float), optional
        Height and width of the field; from the outermost sites when absent.
    r_max : float, optional
        A quarter of the shorter side when absent.
    bins : int

    Returns
    -------
    pandas.DataFrame
        ``r`` (middle of the bin), ``g``, ``g_sd`` (as if pairs were independent), ``pairs``.

    Raises
    ------
    InputError
        If there are fewer than three sites, they lie on a line, or distances are longer than the field.
    """
    points = points[np.isfinite(points).all(1)]
    n = len(points)
    if bins < 1:
        raise InputError(f"pair correlation: wanted at least one bin, got {bins}")
    if n < 3:
        raise InputError(f"pair correlation: wanted three sites or more in the frame, there are {n}")
    extent = np.ptp(points, axis=0)
    sides = extent * (n + 1) / (n - 1) if field is None else np.asarray(field, np.float64)
    if (extent == 0).any():
        raise InputError("pair correlation: the sites of the frame lie on a line")
    far = float(sides.min() / 4) if r_max is None else float(r_max)
    if not 0 < far < sides.min():
        raise InputError(f"pair correlation: wanted distances below the shorter side, {sides.min():.4g}, got {far:.4g}")
    pairs = cKDTree(points).query_pairs(far, output_type="ndarray")
    apart = np.abs(points[pairs[:, 0]] - points[pairs[:, 1]])
    edges = np.linspace(0, far, bins + 1)
    distance = np.hypot(apart[:, 0], apart[:, 1])
    weight = 2 / np.maximum(sides[0] - apart[:, 0], 1e-12) / np.maximum(sides[1] - apart[:, 1], 1e-12)
    seen, _ = np.histogram(distance, edges)
    total, _ = np.histogram(distance, edges, weights=weight)
    squares, _ = np.histogram(distance, edges, weights=weight**2)
    scale = np.prod(sides) ** 2 / (n * (n - 1)) / (np.pi * np.diff(edges**2))
    return pd.DataFrame(
        {"r": (edges[1:] + edges[:-1]) / 2, "g": total * scale, "g_sd": np.sqrt(squares) * scale, "pairs": seen}
    )


def _circles(corners: np.ndarray) -> np.ndarray:
    """Return the radius of the circle through the corners of each triangle, shape (n, 3, 2)."""
    a, b, c = (np.linalg.norm(corners[:, i] - corners[:, (i + 1) % 3], axis=1) for i in range(3))
    one, two = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = np.abs(one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0]) / 2
    return a * b * c / np.maximum(4 * area, 1e-300)
