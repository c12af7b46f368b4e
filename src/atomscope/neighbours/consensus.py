"""What the lattice says of a place: sites with like surroundings vote on what is where.

Two sites are equivalent when moving one onto the other brings its neighbours onto the other's. A place is then
judged by asking, for each site near it, whether the equivalents of that site have a site at the same relative place.
This knows no cell and no lattice: it works for any number of sublattices, in every grain, and under strain that
changes little over a few spacings; where nothing repeats (a boundary, an amorphous part) nothing is said.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from atomscope.neighbours.lookup import Lookup

#: All lengths in spacings. A place is met within TOLERANCE; a site is known by its neighbours within PATTERN.
TOLERANCE = 0.3
PATTERN = 1.9
_PATTERN_MOST = 10
_EQUIVALENTS = 24  # nearest sites that may be equivalent
_FIRST = 1.35
#: Shares of a site's own neighbours, and of its like's, that must meet: of all, and of the nearest (the two kinds of
#: sites of a honeycomb have the others in common).
_OURS, _THEIRS, _OURS_FIRST, _THEIRS_FIRST = 0.75, 0.5, 0.6, 0.3
_SPEAKERS = 9
_AGREE = 0.6  # share of the sites round a place that must agree
_FEWEST = 3  # neighbours of a site that can be compared
_ROUND = 2.2  # sites within this surround a place
_FEWEST_CALLS = 4
_BLOCK = 4096  # sites at once: bounds the memory


@dataclass(frozen=True)
class Field:
    """The measured rectangle; outside it nothing is known. ``low`` and ``high``: (row, col)."""

    low: np.ndarray
    high: np.ndarray

    def holds(self, row: np.ndarray, col: np.ndarray) -> np.ndarray:
        """Say which places lie inside."""
        inside = (row >= self.low[0]) & (row <= self.high[0])
        inside &= col >= self.low[1]
        inside &= col <= self.high[1]
        return np.asarray(inside)

    def depth(self, places: np.ndarray) -> np.ndarray:
        """Return the distance of each place to the nearest side; negative outside."""
        return np.minimum(places - self.low, self.high - places).min(axis=-1)


class Consensus:
    """The votes of one frame.

    Parameters
    ----------
    points : numpy.ndarray, shape (n, 2)
        Finite, no two alike, n >= 2.
    spacing : float
        Nearest-neighbour distance, in the unit of the points.
    field : Field
    label : numpy.ndarray, shape (n,), int64
        Species; neighbours meet only when theirs are alike. -1 meets all.
    """

    def __init__(self, points: np.ndarray, spacing: float, field: Field, label: np.ndarray) -> None:
        self.points, self.spacing, self.field, self.label = points, spacing, field, label
        self._kinds = int(label.max(initial=-1)) + 1
        self.lookup = Lookup(points, TOLERANCE * spacing)
        self.tree = cKDTree(points)
        n = len(points)
        k = min(_EQUIVALENTS, n - 1)
        distance, index = self.tree.query(points, k=k + 1)
        self.near = index[:, 1:]
        self.distance = distance[:, 1:]
        m = min(_PATTERN_MOST, k)
        self._pattern = self.near[:, :m]
        self._in_pattern = self.distance[:, :m] <= PATTERN * spacing
        self._first = self.distance[:, :m] <= _FIRST * spacing
        way = points[self._pattern] - points[:, None]
        self._way = np.where(self._in_pattern[..., None], way, 0.0).astype(np.float32)  # (n, m, 2)
        self.equivalent = np.zeros((n, k), bool)
        missing = [self._compare(np.arange(start, min(start + _BLOCK, n))) for start in range(0, n, _BLOCK)]
        self._missing = np.concatenate(missing)
        # The nearest equivalents speak for all; -1 where there are fewer.
        first = np.argsort(~self.equivalent, axis=1, kind="stable")[:, :_SPEAKERS]
        speaks = np.take_along_axis(self.equivalent, first, axis=1)
        self._speakers = np.where(speaks, np.take_along_axis(self.near, first, axis=1), -1)

    def _compare(self, who: np.ndarray) -> np.ndarray:
        """Mark the equivalents of some sites; return the places (p, 2) where equivalents have a site and they not."""
        pattern, there = self._pattern, self._in_pattern
        other = self.near[who]  # (b, k)
        row = self.points[who, 0][:, None, None] + self._way[other, :, 0]  # (b, k, m)
        col = self.points[who, 1][:, None, None] + self._way[other, :, 1]
        asked = there[other]
        close = np.flatnonzero(self.field.depth(self.points[who]) < PATTERN * self.spacing)
        asked[close] &= self.field.holds(row[close], col[close])
        found = self.lookup(row, col)
        met = asked & (found >= 0)
        if self._kinds:
            ours, theirs = self.label[found], self.label[pattern[other]]
            met &= (ours == theirs) | (ours < 0) | (theirs < 0)
        first = self._first[other]
        # A site that has lost neighbours is still known by those that it has.
        many, close_by = met.sum(-1), (met & first).sum(-1)
        alike = (many >= _OURS * there[who].sum(-1)[:, None]) & (many >= _THEIRS * asked.sum(-1))
        alike &= close_by >= _OURS_FIRST * self._first[who].sum(-1)[:, None]
        alike &= (close_by >= _THEIRS_FIRST * (first & asked).sum(-1)) & (many >= _FEWEST)
        self.equivalent[who] = alike
        lost = alike[:, :, None] & asked & (found < 0)
        return np.stack([row[lost], col[lost]], axis=1)

    def votes(self) -> np.ndarray:
        """Return the number of equivalents of each site, shape (n,)."""
        return self.equivalent.sum(axis=1)

    def candidates(self) -> np.ndarray:
        """Return places, shape (p, 2), where equivalents of several sites miss one."""
        places = self._missing
        if len(places) < _FEWEST_CALLS:
            return places[:0]
        cell = np.floor(places / (0.2 * self.spacing)).astype(np.int64)
        cell -= cell.min(axis=0) - 2
        width = int(cell[:, 1].max()) + 3
        key, which, count = np.unique(cell[:, 0] * width + cell[:, 1], return_inverse=True, return_counts=True)
        total = np.stack([count, *(np.bincount(which, places[:, i]) for i in (0, 1))], axis=1)
        # Calls for one place are spread over neighbouring cells: the fullest three by three gather them.
        window = np.zeros_like(total, dtype=np.float64)
        for shift in _window(1, width):
            at = np.minimum(np.searchsorted(key, key + shift), len(key) - 1)
            window += np.where((key[at] == key + shift)[:, None], total[at], 0.0)
        top = window[:, 0] >= _FEWEST_CALLS
        for shift in _window(2, width):
            at = np.minimum(np.searchsorted(key, key + shift), len(key) - 1)
            other = np.where(key[at] == key + shift, window[at, 0], 0.0)
            top &= (window[:, 0] > other) | ((window[:, 0] == other) & (shift >= 0))
        return window[top, 1:] / window[top, :1]

    def share(self, places: np.ndarray, own: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Ask the lattice for each place.

        Parameters
        ----------
        places : numpy.ndarray, shape (p, 2)
        own : numpy.ndarray, shape (p,), optional
            The site that is at the place: it has no vote.

        Returns
        -------
        share : numpy.ndarray, shape (p,)
            Share of the votes that say that there is a site; NaN without votes.
        votes : numpy.ndarray, shape (p,), int64
        label : numpy.ndarray, shape (p,), int64
            Species that most votes call for; -1 when unknown.
        """
        p = len(places)
        share, count, label = np.full(p, np.nan), np.zeros(p, np.int64), np.full(p, -1, np.int64)
        for start in range(0, p, _BLOCK):
            rows = np.arange(start, min(start + _BLOCK, p))
            _, _, asked, found = self._ask(places[rows], None if own is None else own[rows])
            yes = asked & (found >= 0)
            count[rows] = asked.sum((1, 2))
            share[rows] = yes.sum((1, 2)) / np.where(count[rows] > 0, count[rows], np.nan)
            if self._kinds:
                kind = np.where(yes, self.label[found], -1).reshape(len(rows), -1)
                sums = np.stack([(kind == s).sum(1) for s in range(self._kinds)], axis=1)
                known = sums.max(axis=1) > 0
                label[rows[known]] = sums[known].argmax(axis=1)
        return share, count, label

    def enclosed(self, places: np.ndarray, strange: np.ndarray, widest: float) -> np.ndarray:
        """Say which places are surrounded by sites whose like have a site there.

        Half of a grain that ends at a place does not surround it: beyond a boundary or an edge nothing is missing.

        Parameters
        ----------
        places : numpy.ndarray, shape (p, 2)
        strange : numpy.ndarray, shape (n,), bool
            Sites that are no part of the lattice: neither for nor against.
        widest : float, rad
            Widest angle without such a site.
        """
        if not len(places):
            return np.zeros(0, bool)
        here, voter, asked, found = self._ask(places, None)
        here &= ~strange[voter]
        many = asked.sum(-1)
        agrees = here & (many > 0) & ((asked & (found >= 0)).sum(-1) >= 0.5 * many)
        way = self.points[voter] - places[:, None]
        angle = np.where(agrees, np.arctan2(way[..., 0], way[..., 1]), np.nan)
        gap = _gap(places, angle, self.spacing, self.field)
        return np.asarray((gap <= widest) & (agrees.sum(1) >= _AGREE * here.sum(1)))

    def _ask(self, places: np.ndarray, own: np.ndarray | None) -> tuple[np.ndarray, ...]:
        """Ask the like of the sites round each place.

        Returns
        -------
        here, voter : numpy.ndarray, shape (p, k)
            Whether there is a k-th site near the place, and which.
        asked, found : numpy.ndarray, shape (p, k, e)
            Whether its e-th equivalent can be asked, and the site that is there for it (-1: none).
        """
        k = min(_PATTERN_MOST + 1, len(self.points))
        distance, voter = self.tree.query(places, k=k, distance_upper_bound=PATTERN * self.spacing)
        distance, voter = distance.reshape(len(places), k), voter.reshape(len(places), k)
        here = np.isfinite(distance)
        if own is not None:
            here &= voter != own[:, None]
        voter = np.where(here, voter, 0)
        way = np.where(here[..., None], places[:, None] - self.points[voter], 0.0)  # (p, k, 2)
        speaker = self._speakers[voter]
        row = self.points[speaker, 0] + way[..., :1]
        col = self.points[speaker, 1] + way[..., 1:]
        asked = here[..., None] & (speaker >= 0)
        asked &= self.field.holds(row, col)
        found = self.lookup(row, col)
        if own is not None:
            asked &= found != own[:, None, None]
        return here, voter, asked, found


def _window(reach: int, width: int) -> list[int]:
    """Return the steps from a cell to those round it, and to itself, in a map so wide."""
    side = range(-reach, reach + 1)
    return [i * width + j for i in side for j in side]


def widest_gap(places: np.ndarray, points: np.ndarray, spacing: float, field: Field) -> np.ndarray:
    """Return the widest angle without a point round each place, shape (p,), rad; a full turn when there is none.

    Points within ``2.2 spacing`` count. What lies outside the field is unknown, not empty: it closes a gap.
    """
    out = np.full(len(places), 2 * np.pi)
    if not len(points):
        return out
    tree = cKDTree(points)
    k = min(_EQUIVALENTS + 1, len(points))
    for start in range(0, len(places), _BLOCK):
        here = places[start : start + _BLOCK]
        distance, index = tree.query(here, k=k)
        distance, index = distance.reshape(len(here), k), index.reshape(len(here), k)
        way = points[index] - here[:, None]
        near = (distance > 1e-9) & (distance <= _ROUND * spacing)
        angle = np.where(near, np.arctan2(way[..., 0], way[..., 1]), np.nan)
        out[start : start + _BLOCK] = _gap(here, angle, spacing, field)
    return out


def _gap(places: np.ndarray, angle: np.ndarray, spacing: float, field: Field) -> np.ndarray:
    """Return the widest gap between directions, shape (p, k), NaN for none; what lies outside the field closes it."""
    turn = np.linspace(-np.pi, np.pi, 16, endpoint=False)
    circle = 1.5 * spacing * np.stack([np.sin(turn), np.cos(turn)], axis=1)
    beyond = np.where(field.holds(*np.moveaxis(places[:, None] + circle, 2, 0)), np.nan, turn)
    angle = np.sort(np.concatenate([angle, beyond], axis=1), axis=1)  # NaN last
    many = np.isfinite(angle).sum(axis=1)
    last = np.take_along_axis(angle, np.maximum(many - 1, 0)[:, None], axis=1)[:, 0]
    inner = np.nan_to_num(np.diff(angle, axis=1), nan=0.0).max(axis=1, initial=0.0)
    return np.where(many > 0, np.maximum(inner, angle[:, 0] + 2 * np.pi - last), 2 * np.pi)
