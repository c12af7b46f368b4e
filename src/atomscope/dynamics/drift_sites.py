"""Drift from sites: how far the sites of a frame have moved together against those of the frames before."""

from __future__ import annotations

import itertools
from collections import deque

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from atomscope.data import OnProgress, Provenance, ShouldStop, Sites, report
from atomscope.data.params.drift import DriftParams
from atomscope.dynamics.drift import AMBIGUOUS, NEW_START, NO_SIGNAL, WEAK, Drift, completed
from atomscope.dynamics.drift_error import path_variance
from atomscope.errors import ShapeError, Stopped

#: Sites are the same when they lie nearer than this part of the distance between sites.
_SAME = 0.3
#: Fewer partners than this part of the usual are a weak frame; so few sites say nothing of a spacing.
_USUAL, _FEW = 0.5, 3
_NEAR_LIMIT, _AS_GOOD = 0.85, 0.9
#: So many weak frames in a row, and the path goes on from the next.
_NEW_SCENE = 3
#: Standard deviation over the median distance.
_SPREAD = 1.4826
#: Steps of the grid on which the votes of pairs are counted, and how wide they are blurred, in steps.
_GRID, _BLUR = 24, 1.2


def sites_drift(
    sites: Sites,
    params: DriftParams,
    n_frames: int | None = None,
    *,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Drift:
    """Measure the drift from the places of sites.

    The step of a frame is what most pairs of a site and one of the frames before have in common, then the median over
    mutual nearest neighbours. The sites before are kept as means over recent frames, so errors do not add up.

    Parameters
    ----------
    sites : Sites
        Those without a place are passed over.
    params : DriftParams
        Without a spacing, a step is at most half the median distance between neighbouring sites.
    n_frames : int, optional
        Of the movie; from the sites when absent.
    on_progress, should_stop : callables, optional
        Told after, and asked before, each frame.

    Raises
    ------
    ShapeError
        If the sites are not of a movie.
    Stopped
        When asked to; ``partial`` is the Drift of the frames done.
    """
    if len(sites.axes) != 3:
        raise ShapeError(
            f"drift: wanted sites of a movie (frame, row, col), got sites of an array with {len(sites.axes)} axes"
        )
    frame = sites.table["frame"].to_numpy(np.int64)
    if n_frames is None:
        n_frames = sites.shape[0] if len(sites.shape) == 3 else int(frame.max(initial=0)) + 1
    if len(frame) and not (frame.min() >= 0 and frame.max() < n_frames):
        raise ShapeError(f"drift: sites lie in frames {frame.min()} to {frame.max()}, but the movie has {n_frames}")
    good = np.isfinite(sites.positions).all(axis=1)
    order = np.argsort(frame[good], kind="stable")
    points = sites.positions[good][order]
    ends = np.searchsorted(frame[good][order], np.arange(n_frames + 1))
    distance = _distance(points, ends)
    limit = params.max_step_px or (params.spacing_px or distance) / 2
    cloud = Cloud(limit, distance, params)
    path, flag, quality = np.full((n_frames, 2), np.nan), np.full(n_frames, "", dtype=object), np.full(n_frames, np.nan)
    own = np.full((n_frames, 2), np.nan)
    frame_shape = (sites.shape[-2], sites.shape[-1]) if len(sites.shape) >= 2 else tuple(np.ptp(points, axis=0) + 1)

    def drift(frames: int) -> Drift:
        sd = _errors(path[:frames], own[:frames], flag[:frames], frame_shape, params.reference == "first")
        shift, told, fit, error = completed(
            path[:frames], flag[:frames].astype(str), quality[:frames], params.smoothing, sd
        )
        made = Provenance("drift", params.model_dump(mode="json"), sites.provenance.source)
        return Drift(shift, told, fit, sites.axes, limit, made, error)

    for t in range(n_frames):
        if should_stop is not None and should_stop():
            raise Stopped(partial=drift(t))
        path[t], flag[t], quality[t] = cloud.see(points[ends[t] : ends[t + 1]])
        own[t] = cloud.variance
        report(on_progress, t + 1, n_frames, "frames")
    return drift(n_frames)


def _errors(path: np.ndarray, own: np.ndarray, flag: np.ndarray, shape: tuple[int, int], first: bool) -> np.ndarray:
    """Return the standard errors against frame 0, NaN where not known, after a new start for one."""
    sd = np.full(path.shape, np.nan)
    known = np.flatnonzero(np.isfinite(path).all(axis=1) & (np.cumsum(flag == NEW_START) == 0))
    if len(known):
        sd[known] = np.sqrt(path_variance(path[known], own[known], shape, first))
    return sd


def _distance(points: np.ndarray, ends: np.ndarray) -> float:
    """Return the median distance to the nearest neighbour, over the first frames that have some."""
    found: list[np.ndarray] = []
    for a, b in itertools.pairwise(ends):
        if b - a >= _FEW:
            found.append(cKDTree(points[a:b]).query(points[a:b], k=2)[0][:, 1])
        if len(found) == 4:
            break
    distance = float(np.median(np.concatenate(found))) if found else 0.0
    return distance if distance > 0 else 10.0


class Cloud:
    """The sites of the frames so far, each at the mean of its places, the drift taken out.

    Parameters
    ----------
    limit_px : float
        Longest step.
    distance_px : float
        Between neighbouring sites.
    params : DriftParams
    """

    def __init__(self, limit_px: float, distance_px: float, params: DriftParams) -> None:
        self.limit, self.same, self.params = limit_px, _SAME * distance_px, params
        self.at = np.zeros(2)
        self.still, self.times, self.last = np.empty((0, 2)), np.empty(0), np.empty(0, np.int64)
        self.now = 0
        self.usual: deque[float] = deque(maxlen=params.memory)
        self.weak = 0
        #: Of the last step, of its median, px^2, shape (2,); NaN without one.
        self.variance = np.full(2, np.nan)

    def see(self, points: np.ndarray) -> tuple[np.ndarray, str, float]:
        """Return where the next frame lies (NaN when that cannot be said), its flag and its quality."""
        self.now += 1
        self.variance = np.full(2, np.nan)
        nowhere = np.full(2, np.nan)
        if not len(points):
            return nowhere, NO_SIGNAL, float("nan")
        if not len(self.still):
            self._add(points, np.empty(0, np.int64), np.empty(0, np.int64))
            return self.at.copy(), "", 1.0
        start, ambiguous = self._vote(points)
        step, one, other = self._settle(points, start)
        quality = len(one) / len(points)
        if len(one) < _FEW or quality < _USUAL * (float(np.median(self.usual)) if self.usual else 0.0):
            self.weak += 1
            if self.weak <= _NEW_SCENE or len(points) < _FEW:
                return nowhere, WEAK, quality
            self.still, self.times, self.last = np.empty((0, 2)), np.empty(0), np.empty(0, np.int64)
            self.usual.clear()
            self.weak = 0
            self._add(points, np.empty(0, np.int64), np.empty(0, np.int64))
            return self.at.copy(), NEW_START, quality
        self.weak = 0
        self.usual.append(quality)
        off = points[one] - self.still[other] - self.at - step
        self.variance = np.square(_SPREAD * np.median(np.abs(off), axis=0)) * (np.pi / 2) / len(one)
        self.at = self.at + step
        ambiguous |= bool(np.hypot(*step) > _NEAR_LIMIT * self.limit)
        self._add(points, one, other)
        return self.at.copy(), AMBIGUOUS if ambiguous else "", quality

    def _vote(self, points: np.ndarray) -> tuple[np.ndarray, bool]:
        """Return the step that most pairs have in common, and whether another has nearly as many."""
        before = self.still + self.at
        pairs = cKDTree(before).query_ball_point(points, self.limit)
        many = np.repeat(np.arange(len(points)), [len(p) for p in pairs])
        if not len(many):
            return np.zeros(2), False
        steps = points[many] - before[np.concatenate([np.asarray(p, np.int64) for p in pairs if p])]
        edges = np.linspace(-self.limit, self.limit, 2 * _GRID + 1)
        votes = ndimage.gaussian_filter(np.histogram2d(steps[:, 0], steps[:, 1], bins=[edges, edges])[0], _BLUR)
        middle = (edges[:-1] + edges[1:]) / 2
        best = np.unravel_index(np.argmax(votes), votes.shape)
        start = np.array([middle[i] for i in best])
        peak = votes == ndimage.maximum_filter(votes, size=3)
        away = np.hypot(middle[:, None] - start[0], middle[None] - start[1]) > max(self.same, self.limit / 4)
        return start, bool((peak & away & (votes > _AS_GOOD * votes[best])).any())

    def _settle(self, points: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the median step over mutual nearest neighbours, and which sites these are, of the frame and before."""
        step, one, other = start, np.empty(0, np.int64), np.empty(0, np.int64)
        before = self.still + self.at
        tree = cKDTree(before)
        for _ in range(6):
            moved = points - step
            distance, which = tree.query(moved)
            back = cKDTree(moved).query(before)[1]
            one = np.flatnonzero((distance < self.same) & (back[which] == np.arange(len(points))))
            other = which[one]
            if not len(one):
                break
            better = np.median(points[one] - before[other], axis=0)
            done = np.abs(better - step).max() < 1e-6
            step = better
            if done:
                break
        return step, one, other

    def _add(self, points: np.ndarray, one: np.ndarray, other: np.ndarray) -> None:
        """Bring the places of met sites into the means, add new sites, forget those not met for long."""
        if self.params.reference == "first" and len(self.still):
            return
        still = points - self.at
        self.times[other] = np.minimum(self.times[other] + 1, self.params.memory)
        self.still[other] += (still[one] - self.still[other]) / self.times[other, None]
        self.last[other] = self.now
        new = np.ones(len(points), bool)
        new[one] = False
        kept = self.last >= self.now - self.params.memory
        self.still = np.concatenate([self.still[kept], still[new]])
        self.times = np.concatenate([self.times[kept], np.ones(new.sum())])
        self.last = np.concatenate([self.last[kept], np.full(new.sum(), self.now)])
