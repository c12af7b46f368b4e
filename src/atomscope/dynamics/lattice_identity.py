"""Places of a lattice that persists through a movie, and which of them each site is at."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from atomscope.data import OnProgress, ShouldStop
from atomscope.dynamics.link import Frames
from atomscope.dynamics.link_assign import pair_up
from atomscope.dynamics.link_shift import shift_between

#: A site is at a place when it is nearer than this part of the spacing; else it is a place of its own.
_SAME = 1 / 3
#: The weaker of two places nearer than this part of the spacing is none.
_APART = 0.45
#: A place is seen in at least this share of the frames that show where it is; what is not is noise.
_SEEN = 0.05
#: Frames whose sites say what the spacing is.
_ASKED = 64


def spacing_of(frames: Frames, points: np.ndarray) -> float:
    """Return the median distance between nearest sites, px; NaN where no frame has two."""
    if not len(frames):
        return float("nan")
    asked = np.unique(np.linspace(0, len(frames) - 1, min(len(frames), _ASKED)).round().astype(int))
    found = []
    for k in asked:
        here = points[frames.rows(k)]
        if len(here) > 1:
            found.append(cKDTree(here).query(here, k=2)[0][:, 1])
    apart = np.concatenate(found) if found else np.zeros(0)
    apart = apart[apart > 0]
    return float(np.median(apart)) if len(apart) else float("nan")


def find_places(
    frames: Frames,
    points: np.ndarray,
    spacing: float,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of the lattice, and by how much each frame is shifted against them.

    Frame by frame, sites that lie at a place known already move it to their mean; the others are new places. How far
    a frame is shifted is found against all places so far, so that small errors do not add up. Then places that few
    frames show, and the weaker one of two that lie too near, are dropped and the rest refined.

    Parameters
    ----------
    frames : Frames
    points : array, shape (n, 2), px
        With the drift taken out, or a drift slow enough to be found.
    spacing : float
        Between places, px.

    Returns
    -------
    places : numpy.ndarray, shape (places, 2)
        In the order in which they were first seen.
    shifts : numpy.ndarray, shape (frames, 2)
    """
    growing = _Growing(_SAME * spacing)
    shifts, boxes = np.zeros((len(frames), 2)), np.zeros((len(frames), 4))
    shift = np.zeros(2)
    for k in frames.told(on_progress, should_stop, None):
        here = points[frames.rows(k)]
        if k:
            shift = _shift(growing.tree(), here, spacing, shift)
        growing.add(here - shift)
        shifts[k], boxes[k] = shift, np.r_[(here - shift).min(0), (here - shift).max(0)]
    places, seen = growing.places, growing.counts
    enough = np.maximum(_SEEN * _frames_over(places, boxes), min(2, len(frames)))
    places, seen = places[seen >= enough], seen[seen >= enough]
    places = places[_apart(places, seen, _APART * spacing)]
    if not len(places):
        return places, shifts
    tree = cKDTree(places)
    refined = _Growing(_SAME * spacing, places)
    for k in frames.told(None, should_stop, None):
        here = points[frames.rows(k)]
        shifts[k] = _shift(tree, here, spacing, shifts[k])
        refined.add(here - shifts[k])
    return refined.places, shifts


def at_places(
    frames: Frames,
    points: np.ndarray,
    places: np.ndarray,
    shifts: np.ndarray,
    radius: float,
    into: np.ndarray,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    partial: Any = None,
) -> None:
    """Write the place of each site into ``into``, one site a place in each frame; -1: none within the radius."""
    if not len(places):
        return
    for k in frames.told(on_progress, should_stop, partial):
        rows = frames.rows(k)
        # Sites look for places: as many ask as there are sites, however large the lattice is.
        into[rows] = pair_up(points[rows] - shifts[k], places, radius)


def spacing_among(places: np.ndarray, like: np.ndarray) -> float:
    """Return the median distance from a place to the nearest one that is like it, px; NaN with fewer than two."""
    found = []
    for value in np.unique(like):
        some = places[like == value]
        if len(some) > 1:
            found.append(cKDTree(some).query(some, k=2)[0][:, 1])
    return float(np.median(np.concatenate(found))) if found else float("nan")


def usual_value(place: np.ndarray, code: np.ndarray, n: int) -> np.ndarray:
    """Return the code >= 0 that most sites of each place have, shape (n,); -1 where none is known."""
    known = (place >= 0) & (code >= 0)
    if not known.any():
        return np.full(n, -1, np.int64)
    width = int(code.max()) + 1
    counts = np.bincount(place[known] * width + code[known], minlength=n * width).reshape(n, width)
    return np.where(counts.any(1), counts.argmax(1), -1)


class _Growing:
    """Places as means of the sites at them; sites at none become places, unless the places were given."""

    def __init__(self, reach: float, places: np.ndarray | None = None) -> None:
        self._reach, self._given = reach, places is not None
        self._start = np.zeros((0, 2)) if places is None else places
        self._sums, self.counts = np.zeros_like(self._start), np.zeros(len(self._start), np.int64)
        self._tree: cKDTree | None = cKDTree(self._start) if self._given else None

    @property
    def places(self) -> np.ndarray:
        seen = self.counts > 0
        return np.where(seen[:, None], self._sums / np.maximum(self.counts, 1)[:, None], self._start)

    def tree(self) -> cKDTree:
        """Return the tree of the places; it is as old as the places are many, for means hardly move."""
        if self._tree is None:
            self._tree = cKDTree(self.places)
        return self._tree

    def add(self, here: np.ndarray) -> None:
        distance, which = self.tree().query(here, distance_upper_bound=self._reach)
        order = np.lexsort((distance, which))
        order = order[np.isfinite(distance[order])]
        one = order[np.unique(which[order], return_index=True)[1]]
        self._sums[which[one]] += here[one]
        self.counts[which[one]] += 1
        if self._given:
            return
        new = here[~np.isfinite(distance)]
        self._start = np.concatenate([self._start, new])
        self._sums = np.concatenate([self._sums, new])
        self.counts = np.append(self.counts, np.ones(len(new), np.int64))
        self._tree = None


def _shift(tree: cKDTree, here: np.ndarray, spacing: float, before: np.ndarray) -> np.ndarray:
    return shift_between(tree.data, here, spacing, [before], tree)


def _frames_over(places: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return how many frames show where each place is."""
    over = np.zeros(len(places), np.int64)
    for box in boxes:
        over += (places >= box[:2]).all(1) & (places <= box[2:]).all(1)
    return over


def _apart(places: np.ndarray, seen: np.ndarray, least: float) -> np.ndarray:
    """Return which places stay when, of two that lie too near, the one that was seen less goes."""
    kept = np.ones(len(places), bool)
    if len(places) < 2:
        return kept
    pairs = cKDTree(places).query_pairs(least, output_type="ndarray")
    rank = np.empty(len(places), np.int64)
    rank[np.argsort(-seen, kind="stable")] = np.arange(len(places))
    better = np.where(rank[pairs[:, 0]] < rank[pairs[:, 1]], pairs[:, 0], pairs[:, 1])
    worse = pairs.sum(1) - better
    for k in np.argsort(rank[better], kind="stable"):
        if kept[better[k]]:
            kept[worse[k]] = False
    return kept
