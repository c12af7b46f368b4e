"""The path once more, each frame against all others that show the same place."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from atomscope.data import OnProgress, ShouldStop, Stack, check_stop, report
from atomscope.data.params.drift import DriftParams
from atomscope.dynamics.drift import NEW_START
from atomscope.dynamics.drift_canvas import Canvas, Found, Small, lay_out
from atomscope.dynamics.drift_error import path_variance
from atomscope.dynamics.drift_spectrum import filled

#: The waves of frames are kept up to so many bytes; of those beyond, the frame is read again.
_KEPT_BYTES = 256 * 2**20
#: A canvas of more points than this is not made (two of float32 are held): the path stays as it was.
_MOST_POINTS = 2**24
#: Rounds at most, and the part of its standard error that the path still moves by when it is done.
_ROUNDS, _STILL = 6, 0.05
#: So many rounds before are put together to one long step.
_BACK = 3
#: Frames that would move by more than this part of the spacing (or of the side, without a lattice) are left.
_FAR, _FAR_SIDE = 0.25, 0.02


class Kept:
    """The waves of the frames, kept or made again.

    Parameters
    ----------
    stack : Stack
    small : Small
    """

    def __init__(self, stack: Stack, small: Small) -> None:
        self.stack, self.small = stack, small
        self._held: dict[int, np.ndarray] = {}
        self._left = _KEPT_BYTES

    def put(self, frame: int, lifted: np.ndarray) -> None:
        """Keep the waves of a frame while there is room."""
        each = self.small.band.weights.size * 8
        if self._left >= each:
            self._held[frame] = self.small.of(lifted)
            self._left -= each

    def get(self, frame: int) -> np.ndarray:
        """Return the waves of a frame that has some."""
        if frame in self._held:
            return self._held[frame]
        lifted = filled(self.stack.frame(frame))
        assert lifted is not None
        return self.small.of(lifted)


def refined(
    kept: Kept,
    path: np.ndarray,
    flag: np.ndarray,
    params: DriftParams,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the path and its standard errors against frame 0, from laying all frames on each other.

    Parameters
    ----------
    kept : Kept
    path : array, shape (frames, 2), px
        As found one frame after the other; NaN where it is not known.
    flag : array of str, shape (frames,)
        Frames after a new start are laid on each other apart from those before.
    params : DriftParams
    on_progress, should_stop : callables, optional
        Told and asked after each frame of each round.

    Returns
    -------
    path : array, shape (frames, 2)
    sd : array, shape (frames, 2)
        NaN where it is not known: after a new start, or where nothing else shows the place.
    """
    path, sd = path.copy(), np.full(path.shape, np.nan)
    known = np.flatnonzero(np.isfinite(path).all(axis=1))
    scene = np.cumsum(flag == NEW_START)
    for number in np.unique(scene[known]):
        frames = known[scene[known] == number]
        if len(frames) < 2:
            sd[frames] = 0.0 if number == 0 else np.nan
            continue
        better, error = _scene(kept, frames, path[frames], params, on_progress, should_stop)
        path[frames] = better
        if number == 0:
            sd[frames] = error
    return path, sd


def _scene(
    kept: Kept,
    frames: np.ndarray,
    path: np.ndarray,
    params: DriftParams,
    on_progress: OnProgress | None,
    should_stop: ShouldStop | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the path of frames that show the same sample, counted as it was, and its standard errors."""
    small, first = kept.small, params.reference == "first"
    spacing = small.band.spacing_px
    far = _FAR * spacing if spacing is not None else max(1.0, _FAR_SIDE * min(small.window.shape))
    if np.prod(lay_out(small, path).shape, dtype=np.float64) > _MOST_POINTS:
        return path, np.full(path.shape, np.nan)

    def around(at: np.ndarray, exact: bool) -> Iterator[Found | None]:
        canvas = Canvas(small, lay_out(small, at))
        for i in range(1 if first else len(frames)):
            canvas.add(i, kept.get(int(frames[i])))
        for i, frame in enumerate(frames):
            yield canvas.find(i, kept.get(int(frame)), laid=not first or i == 0, exact=exact)

    def step(at: np.ndarray, turn: int) -> tuple[np.ndarray, np.ndarray]:
        new, variance = at.copy(), np.full(at.shape, np.nan)
        for i, found in enumerate(around(at, turn > 0)):
            if found is not None and np.hypot(*(at[i] + found.more - path[i])) <= far:
                new[i] = at[i] + found.more
                variance[i] = np.diag(found.covariance)
            check_stop(should_stop)
            report(on_progress, i + 1, len(frames), f"round {turn + 1}")
        return new, variance

    at, best = path, Settling()
    for turn in range(_ROUNDS):
        new, variance = step(at, turn)
        moved = new - at
        known = np.isfinite(variance).all(axis=1)
        if not known.any() or turn == _ROUNDS - 1:
            break
        if turn and np.std(moved[known], axis=0).max() < _STILL * np.sqrt(np.median(variance[known])):
            break
        at = best.next(at, moved)
    error = np.sqrt(path_variance(new, variance, small.window.shape, first))
    return new - new[0] + path[0], error


class Settling:
    """Steps of a slow approach, put together to a long one (Anderson's method)."""

    def __init__(self) -> None:
        self.at: list[np.ndarray] = []
        self.moved: list[np.ndarray] = []

    def next(self, at: np.ndarray, moved: np.ndarray) -> np.ndarray:
        """Return where to go on, from a path and the step that is wanted there, both (frames, 2)."""
        moved = moved - moved.mean(axis=0)  # where the whole lies says nothing
        self.at, self.moved = [*self.at[-_BACK:], at], [*self.moved[-_BACK:], moved]
        new = at + moved
        if len(self.at) < 2:
            return new
        for axis in (0, 1):
            turns = np.diff([m[:, axis] for m in self.moved], axis=0).T
            ways = np.diff([a[:, axis] for a in self.at], axis=0).T
            part = np.linalg.lstsq(turns, moved[:, axis], rcond=1e-3)[0]
            new[:, axis] -= (ways + turns) @ part
        return new
