"""Sites of a movie become tracks: who is who from frame to frame, one-to-one, with gaps, births and deaths."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from atomscope.data import OnProgress, ShouldStop, check_stop, report
from atomscope.dynamics.link_assign import pair_up
from atomscope.dynamics.link_shift import shift_between

#: How much of the velocity is the last displacement; the rest is what it was before.
_FRESH = 0.5
#: Frames are told of at most so often.
_REPORTS = 500


class Frames:
    """The rows of a table frame by frame, in an order that does not depend on that of the table.

    Parameters
    ----------
    frame : array of int, shape (n,)
    points : array, shape (n, 2)
    site : array of int, shape (n,)
        Tells apart points that coincide.
    wanted : array of bool, shape (n,)
        Rows that take part.
    """

    def __init__(self, frame: np.ndarray, points: np.ndarray, site: np.ndarray, wanted: np.ndarray) -> None:
        rows = np.flatnonzero(wanted)
        order = np.argsort(frame[rows], kind="stable")
        self._rows = rows[order]
        self.numbers, starts = np.unique(frame[self._rows], return_index=True)
        self._bounds = np.append(starts, len(rows))
        self._points, self._site = points, site

    def __len__(self) -> int:
        return len(self.numbers)

    def rows(self, k: int) -> np.ndarray:
        """Return the rows of the k-th frame, by position."""
        rows = self._rows[self._bounds[k] : self._bounds[k + 1]]
        row, col = self._points[rows].T
        return rows[np.lexsort((self._site[rows], col, row))]

    def told(self, on_progress: OnProgress | None, should_stop: ShouldStop | None, partial: Any) -> Iterator[int]:
        """Yield 0, 1, ... for each frame, asking before and telling after it."""
        every = max(1, len(self) // _REPORTS)
        for k in range(len(self)):
            check_stop(should_stop, partial)
            yield k
            if (k + 1) % every == 0 or k + 1 == len(self):
                report(on_progress, k + 1, len(self), "frames")


class Linker:
    """Tracks that grow by a frame at a time.

    Parameters
    ----------
    radius : float
        How far a site may be from where its track expects it.
    memory : int
        Frames that a track may be missing.
    predict : {"none", "drift", "velocity"}
    labels : int
        How many labels each site has.
    disagree_cost : float or None
        As :func:`~atomscope.dynamics.link_assign.pair_up` wants it.
    """

    def __init__(
        self, radius: float, memory: int, predict: str = "none", labels: int = 0, disagree_cost: float | None = None
    ) -> None:
        self._radius, self._memory, self._predict, self._cost = radius, memory, predict, disagree_cost
        self._point, self._velocity = np.zeros((0, 2)), np.zeros((0, 2))
        self._known = np.zeros(0, bool)
        self._age = np.zeros(0, np.int64)
        self._track = np.zeros(0, np.int64)
        self._label = np.zeros((0, labels), np.int64)
        self._shift = np.zeros(2)
        self.n_tracks = 0

    def add(self, points: np.ndarray, labels: np.ndarray, elapsed: int = 1) -> np.ndarray:
        """Take the sites of the next frame, ``elapsed`` frames after the last one; return the track of each.

        Parameters
        ----------
        points : array, shape (m, 2)
            In an order that says nothing (by position).
        labels : array of int, shape (m, labels)
        elapsed : int

        Returns
        -------
        numpy.ndarray, shape (m,), int64
        """
        self._keep(self._age + elapsed <= self._memory + 1)
        self._age += elapsed
        where = self._expected(points, elapsed)
        partner = pair_up(where, points, self._radius, self._label, labels, self._cost)
        met = np.flatnonzero(partner >= 0)
        of = partner[met]
        track = np.full(len(points), -1, np.int64)
        track[of] = self._track[met]
        self._remember(where, met, points[of])
        agreed = labels[of]
        self._label[met] = np.where(agreed >= 0, agreed, self._label[met])
        self._born(points, labels, track)
        return track

    def _expected(self, points: np.ndarray, elapsed: int) -> np.ndarray:
        if self._predict == "velocity":
            return self._point + self._velocity * elapsed
        if self._predict == "drift" and len(self._point) and len(points):
            starts = [np.zeros(2)]
            if np.hypot(*self._shift) > 0.1 * self._radius:
                starts.append(self._shift)
            self._shift = shift_between(self._point, points, self._radius, starts)
            return self._point + self._shift
        return self._point

    def _remember(self, where: np.ndarray, met: np.ndarray, now: np.ndarray) -> None:
        if self._predict == "velocity":
            # What was missed stands where it was expected, so what is new is the last step and the surprise.
            step = self._velocity[met] + (now - where[met]) / self._age[met, None]
            share = np.where(self._known[met], _FRESH, 1.0)[:, None]
            self._velocity[met] += share * (step - self._velocity[met])
            self._known[met] = True
        self._point = where.copy()
        self._point[met] = now
        self._age[met] = 0

    def _born(self, points: np.ndarray, labels: np.ndarray, track: np.ndarray) -> None:
        new = np.flatnonzero(track < 0)
        track[new] = self.n_tracks + np.arange(len(new))
        self.n_tracks += len(new)
        usual = np.median(self._velocity[self._known], axis=0) if self._known.any() else np.zeros(2)
        self._point = np.concatenate([self._point, points[new]])
        self._velocity = np.concatenate([self._velocity, np.tile(usual, (len(new), 1))])
        self._known = np.append(self._known, np.zeros(len(new), bool))
        self._age = np.append(self._age, np.zeros(len(new), np.int64))
        self._track = np.append(self._track, track[new])
        self._label = np.concatenate([self._label, labels[new]])

    def _keep(self, which: np.ndarray) -> None:
        if which.all():
            return
        for name in ("_point", "_velocity", "_known", "_age", "_track", "_label"):
            setattr(self, name, getattr(self, name)[which])


def link_points(
    frames: Frames,
    points: np.ndarray,
    labels: np.ndarray,
    linker: Linker,
    track: np.ndarray,
    step: int = 1,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    partial: Any = None,
) -> None:
    """Write the track of each row into ``track``, frame by frame.

    Parameters
    ----------
    frames : Frames
    points : array, shape (n, 2)
    labels : array of int, shape (n, k)
    linker : Linker
    track : array of int64, shape (n,)
        Changed in place; rows that take no part keep what they have.
    step : int
        From one frame that was looked at to the next.
    """
    last: int | None = None
    for k in frames.told(on_progress, should_stop, partial):
        number, rows = int(frames.numbers[k]), frames.rows(k)
        elapsed = 1 if last is None else max(1, round((number - last) / step))
        track[rows] = linker.add(points[rows], labels[rows], elapsed)
        last = number
