"""Drift from pixels: each frame against the mean of those before, laid on each other."""

from __future__ import annotations

from collections import deque

import numpy as np

from atomscope.data import OnProgress, Provenance, ShouldStop, Stack, report
from atomscope.data.params import Params
from atomscope.data.params.drift import DriftParams
from atomscope.dynamics.drift import AMBIGUOUS, NEW_START, NO_SIGNAL, WEAK, Drift, check_movie, completed
from atomscope.dynamics.drift_canvas import Small
from atomscope.dynamics.drift_peak import Correlator, Picture
from atomscope.dynamics.drift_refine import Kept, refined
from atomscope.dynamics.drift_spectrum import Band, Window, filled, make_band
from atomscope.errors import ShapeError, Stopped

#: Frames whose spectra say what the lattice is.
_ASKED = 4
#: Without a lattice a step is shorter than this part of the frame.
_GENEROUS = 0.25
#: A frame that fits less than this part of the usual is weak.
_USUAL = 0.4
#: As is one whose height chance would make: so many standard deviations.
_CHANCE = 4.5
#: So many weak frames in a row that fit each other are a new scene.
_NEW_SCENE = 3
#: What has moved by this part of the frame is forgotten, as much as what is ``memory`` frames ago.
_MOVED = 0.0625
_SMALLEST = 16


def image_drift(
    stack: Stack,
    params: DriftParams,
    *,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Drift:
    """Measure the drift from the pixels.

    Each frame, behind a window and without its background, is correlated with the mean of the frames before it, each
    where it was found to lie. So errors do not add up from frame to frame. The top of the correlation is found to
    a small part of a pixel, within a step that the lattice allows. Then all frames are laid on each other, and each is
    moved to where it fits the others best, until the path rests. What that needs of the frames is kept up to 256 MiB;
    those beyond are read again in each round.

    Parameters
    ----------
    stack : Stack
        A movie. NaN are replaced by the median of their frame.
    params : DriftParams
    on_progress, should_stop : callables, optional
        Told after, and asked before, each frame; then told and asked in each ``round``.

    Raises
    ------
    ShapeError
        If the stack is no movie, or frames are smaller than 16 px.
    Stopped
        When asked to; ``partial`` is the Drift of the frames done, as it was found on the way.
    """
    check_movie(stack)
    if min(stack.frame_shape) < _SMALLEST:
        raise ShapeError(
            f"drift: wanted frames of at least {_SMALLEST} x {_SMALLEST} px, got {stack.frame_shape}; "
            "use method='sites'"
        )
    n = stack.n_frames
    window = Window(stack.frame_shape)
    band = _band(stack, window, params)
    limit = step_limit(params, band.spacing_px if band else None, min(stack.frame_shape))
    follower = None if band is None else Follower(Correlator(window, band, limit), params)
    kept = None if band is None else Kept(stack, Small(window, band))
    path, flag, quality = np.full((n, 2), np.nan), np.full(n, "", dtype=object), np.full(n, np.nan)
    sd = np.full((n, 2), np.nan)

    def drift(frames: int) -> Drift:
        shift, said, fit, error = completed(
            path[:frames], flag[:frames].astype(str), quality[:frames], params.smoothing, sd[:frames]
        )
        told: Params = params if band is None else params.replace(spacing_px=band.spacing_px)
        made = Provenance("drift", told.model_dump(mode="json"), stack.source)
        return Drift(shift, said, fit, stack.axes, limit, made, error)

    for t in range(n):
        if should_stop is not None and should_stop():
            raise Stopped(partial=drift(t))
        lifted = filled(stack.frame(t))
        if lifted is None or follower is None or kept is None:
            flag[t] = NO_SIGNAL
        else:
            path[t], flag[t], quality[t] = follower.see(follower.band.of(window.spectrum(lifted)))
            kept.put(t, lifted)
        report(on_progress, t + 1, n, "frames")
    if kept is not None:
        try:
            path, sd = refined(kept, path, flag, params, on_progress, should_stop)
        except Stopped:
            raise Stopped(partial=drift(n)) from None
    return drift(n)


def step_limit(params: DriftParams, spacing: float | None, side: float) -> float:
    """Return the longest step, px: as told, half the lattice spacing, or a part of the side of a frame."""
    if params.max_step_px is not None:
        return params.max_step_px
    return spacing / 2 if spacing is not None else _GENEROUS * side


def _band(stack: Stack, window: Window, params: DriftParams) -> Band | None:
    """Choose the waves by the first frames that have any; None when no frame has."""
    power, count = np.zeros((window.padded[0], window.padded[1] // 2 + 1)), 0
    for t in range(stack.n_frames):
        lifted = filled(stack.frame(t))
        if lifted is None:
            continue
        spectrum = window.spectrum(lifted)
        power += (spectrum.real**2 + spectrum.imag**2) / np.square(lifted, dtype=np.float64).mean()
        count += 1
        if count == _ASKED:
            break
    return make_band(window, power / count, params.spacing_px) if count else None


class Follower:
    """Where the content is, frame by frame.

    Parameters
    ----------
    correlator : Correlator
    params : DriftParams
    """

    def __init__(self, correlator: Correlator, params: DriftParams) -> None:
        self.correlator, self.band, self.params = correlator, correlator.band, params
        self.at = np.zeros(2)
        self.forget = _MOVED * min(correlator.window.shape)
        self.chance = _CHANCE / np.sqrt(self.band.freedom)
        self.sum: Picture | None = None
        self.usual: deque[float] = deque(maxlen=params.memory)
        self.strange: Picture | None = None
        self.like_strange = 0

    def _start(self, waves: np.ndarray) -> None:
        """Let this frame be all that there was so far."""
        self.sum, self.strange, self.like_strange = self.correlator.seen(waves), None, 0
        self.usual.clear()

    def see(self, waves: np.ndarray) -> tuple[np.ndarray, str, float]:
        """Return where the content of the next frame is (NaN when that cannot be said), its flag and its quality."""
        nowhere = np.full(2, np.nan)
        if not waves.any():
            return nowhere, NO_SIGNAL, float("nan")
        if self.sum is None:
            self._start(waves)
            return self.at.copy(), "", 1.0
        peak = self.correlator.peak(waves, self.sum)
        quality = float(np.clip(peak.height, 0, 1))
        usual = float(np.median(self.usual)) if self.usual else 0.0
        if quality < max(self.chance, _USUAL * usual):
            if not self._new_scene(waves):
                return nowhere, WEAK, quality
            self._start(waves)
            return self.at.copy(), NEW_START, quality
        self.strange, self.like_strange = None, 0
        self.usual.append(quality)
        self.at = self.at + peak.step
        self.sum = self._with(waves, self.correlator.moved(self.sum, peak.step), peak.step)
        return self.at.copy(), AMBIGUOUS if peak.ambiguous else "", quality

    def _with(self, waves: np.ndarray, moved: Picture, step: np.ndarray) -> Picture:
        """Return the sum, moved to where the frame is, with the frame; what was long ago or far away fades."""
        if self.params.reference == "first":
            return moved
        kept = (1 - 1 / self.params.memory) * float(np.exp(-np.hypot(*step) / self.forget))
        return Picture(moved.waves * np.float32(kept) + waves, moved.windows * kept + self.correlator.window.waves)

    def _new_scene(self, waves: np.ndarray) -> bool:
        """Say whether the last frames, that fit nothing before, fit each other."""
        alike = self.strange is not None and self.correlator.peak(waves, self.strange).height > self.chance
        self.like_strange = self.like_strange + 1 if alike else 0
        self.strange = self.correlator.seen(waves)
        return self.like_strange >= _NEW_SCENE
