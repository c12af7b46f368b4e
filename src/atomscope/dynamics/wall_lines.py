"""The walls of one frame as smooth lines, and where rays along their normals meet the lines of another frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.interpolate import CubicSpline
from scipy.spatial import cKDTree

#: Lines are drawn through their sites with a point every so many px.
_FINE = 1.0
#: Pairs of rays and pieces that are held at once.
_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class Lines:
    """Walls of a frame.

    Attributes
    ----------
    rows : numpy.ndarray, shape (n,), int64
        Which rows of the table the sites are.
    places, normals : numpy.ndarray, shape (n, 2), float64, px
        Sites and the unit vectors across the wall, all to one side of it.
    wall : numpy.ndarray, shape (n,), int64
        Which wall each site is of, 0 to ``walls`` - 1.
    walls : int
    closed : numpy.ndarray, shape (walls,), bool
    begin, step : numpy.ndarray, shape (m, 2), float64, px
        The pieces of the lines: first point, and from there to the last.
    piece_wall : numpy.ndarray, shape (m,), int64
    """

    rows: np.ndarray
    places: np.ndarray
    normals: np.ndarray
    wall: np.ndarray
    walls: int
    closed: np.ndarray
    begin: np.ndarray
    step: np.ndarray
    piece_wall: np.ndarray

    def turned(self, sign: np.ndarray) -> Lines:
        """Return the same lines with the normals of each wall times its sign, shape (walls,)."""
        return Lines(
            self.rows,
            self.places,
            self.normals * sign[self.wall][:, None],
            self.wall,
            self.walls,
            self.closed,
            self.begin,
            self.step,
            self.piece_wall,
        )


def lines_of(table: pd.DataFrame, places: np.ndarray) -> Lines:
    """Return the walls of a frame.

    Parameters
    ----------
    table : pandas.DataFrame
        The rows of one frame: ``wall``, ``arc_px`` and, where there are, ``angle``, ``length_px``, ``closed``.
    places : numpy.ndarray, shape (n, 2), px
        Where they are; rows that are not finite are left out, and of those at the same place along a wall all but one.
    """
    wall, arc = table["wall"].to_numpy(np.int64), table["arc_px"].to_numpy(np.float64)
    good = np.flatnonzero(np.isfinite(places).all(1) & np.isfinite(arc))
    order = good[np.lexsort((arc[good], wall[good]))]
    again = np.zeros(len(order), bool)
    again[1:] = (np.diff(wall[order]) == 0) & (np.diff(arc[order]) < 1e-6)
    order = order[~again]
    names, number = np.unique(wall[order], return_inverse=True)
    angle = table["angle"].to_numpy(np.float64) if "angle" in table else np.full(len(table), np.nan)
    length = table["length_px"].to_numpy(np.float64) if "length_px" in table else np.full(len(table), np.nan)
    is_closed = table["closed"].fillna(False).to_numpy(bool) if "closed" in table else np.zeros(len(table), bool)
    normals = np.zeros((len(order), 2))
    closed = np.zeros(len(names), bool)
    begins, steps, owners = [np.zeros((0, 2))], [np.zeros((0, 2))], [np.zeros(0, np.int64)]
    for k in range(len(names)):
        mine = np.flatnonzero(number == k)
        some = order[mine]
        closed[k] = bool(is_closed[some].any()) and len(some) > 3
        normals[mine], points = _drawn(places[some], angle[some], length[some], closed[k])
        begins.append(points[:-1])
        steps.append(np.diff(points, axis=0))
        owners.append(np.full(len(points) - 1, k))
    return Lines(
        order,
        places[order],
        normals,
        number.astype(np.int64),
        len(names),
        closed,
        np.concatenate(begins),
        np.concatenate(steps),
        np.concatenate(owners),
    )


def _drawn(places: np.ndarray, angle: np.ndarray, length: np.ndarray, closed: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the normals at the sites of one wall, shape (n, 2), and points along its line, shape (m, 2)."""
    n = len(places)
    if n == 1:
        tangent = np.array([[np.sin(angle[0]), np.cos(angle[0])]]) if np.isfinite(angle[0]) else np.array([[0.0, 1.0]])
        ahead = tangent
    else:
        ring = np.concatenate([places[-1:], places, places[:1]]) if closed else places
        ahead = (ring[2:] - ring[:-2]) if closed else np.gradient(places, axis=0)
        ahead = ahead / np.maximum(np.hypot(*ahead.T), 1e-9)[:, None]
        tangent = np.c_[np.sin(angle), np.cos(angle)]
        tangent *= np.where((tangent * ahead).sum(1) < 0, -1.0, 1.0)[:, None]
        tangent = np.where(np.isfinite(tangent), tangent, ahead)
    if closed:
        knots = np.concatenate([places, places[:1]])
    else:  # sites are the middles of pieces: the line goes on by half a piece
        usual = float(np.median(np.hypot(*np.diff(places, axis=0).T))) if n > 1 else 1.0
        half = 0.5 * np.where(np.isfinite(length), length, usual)
        knots = np.concatenate([[places[0] - half[0] * tangent[0]], places, [places[-1] + half[-1] * tangent[-1]]])
    arc = np.r_[0.0, np.cumsum(np.maximum(np.hypot(*np.diff(knots, axis=0).T), 1e-9))]
    at = np.linspace(0, arc[-1], max(2, int(np.ceil(arc[-1] / _FINE)) + 1))
    if len(knots) > 3:
        points = CubicSpline(arc, knots, bc_type="periodic" if closed else "natural")(at)
    else:
        points = np.c_[np.interp(at, arc, knots[:, 0]), np.interp(at, arc, knots[:, 1])]
    normals = np.c_[tangent[:, 1], -tangent[:, 0]]
    if closed:  # outwards
        area = float(np.sum(points[:-1, 0] * points[1:, 1] - points[1:, 0] * points[:-1, 1]))
        normals = normals if area > 0 else -normals
    else:  # down, or to the right where the wall runs mostly up and down
        mean = np.abs(normals).mean(0)
        side = normals[:, 0 if mean[0] >= mean[1] else 1].sum()
        normals = normals if side >= 0 else -normals
    return normals, points


def meetings(
    places: np.ndarray, normals: np.ndarray, to: Lines, reach: float, min_cos: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return all meetings of rays, in both directions, with lines.

    Parameters
    ----------
    places, normals : numpy.ndarray, shape (n, 2), px
    to : Lines
    reach : float, px
        How far along a ray is looked.
    min_cos : float
        Cosine of the largest angle between a ray and the normal of a line.

    Returns
    -------
    ray : numpy.ndarray, shape (k,), int64
    far : numpy.ndarray, shape (k,), float64, px
        How far along the ray, with sign.
    piece : numpy.ndarray, shape (k,), int64
        Which piece of the lines.
    """
    rays, fars, pieces = [np.zeros(0, np.int64)], [np.zeros(0)], [np.zeros(0, np.int64)]
    if len(to.begin) and len(places):
        long = np.hypot(*to.step.T)
        tree = cKDTree(to.begin + 0.5 * to.step)
        most = reach + 0.5 * float(long.max())
        block = max(1, _AT_ONCE // max(1, int(4 * most)))
        for a in range(0, len(places), block):
            lists = tree.query_ball_point(places[a : a + block], most)
            count = np.array([len(one) for one in lists])
            if not count.sum():
                continue
            ray = a + np.repeat(np.arange(len(lists)), count)
            piece = np.concatenate([np.asarray(one, np.int64) for one in lists if one])
            n, d, off = normals[ray], to.step[piece], to.begin[piece] - places[ray]
            cross = n[:, 0] * d[:, 1] - n[:, 1] * d[:, 0]
            with np.errstate(divide="ignore", invalid="ignore"):
                far = (off[:, 0] * d[:, 1] - off[:, 1] * d[:, 0]) / cross
                part = (off[:, 0] * n[:, 1] - off[:, 1] * n[:, 0]) / cross
            meets = (part >= -1e-9) & (part <= 1 + 1e-9) & (np.abs(far) <= reach)
            meets &= np.abs(cross) >= min_cos * long[piece]
            rays.append(ray[meets])
            fars.append(far[meets])
            pieces.append(piece[meets])
    return np.concatenate(rays), np.concatenate(fars), np.concatenate(pieces)


def nearest(
    n: int, ray: np.ndarray, far: np.ndarray, piece: np.ndarray, use: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest meeting of each of n rays: how far (NaN: none) and with which piece (-1: none).

    ``use``, shape (k,), bool: which meetings count.
    """
    keep = np.arange(len(ray)) if use is None else np.flatnonzero(use)
    order = keep[np.lexsort((np.abs(far[keep]), ray[keep]))]
    which, first = np.unique(ray[order], return_index=True)
    best_far, best_piece = np.full(n, np.nan), np.full(n, -1, np.int64)
    best_far[which], best_piece[which] = far[order[first]], piece[order[first]]
    return best_far, best_piece
