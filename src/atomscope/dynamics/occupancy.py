"""Whether places of a lattice are occupied, frame by frame, from how bright they are through the whole movie.

A single frame often cannot tell a faint column from none. What was there before and is there after can: a place is
followed through two states, occupied and empty, that last for a while (a hidden Markov model).

References
----------
L. R. Rabiner, "A tutorial on hidden Markov models", Proc. IEEE 77 (1989) 257: the forward-backward procedure and the
re-estimation of its parameters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atomscope.errors import InputError, ShapeError

#: Rounds of re-estimation, and the change of the rates that ends them.
_ROUNDS, _STILL = 60, 1e-5
#: Least and largest chance that a state changes from frame to frame.
_BOUNDS = (1e-6, 0.5)


@dataclass(frozen=True)
class Occupancy:
    """What brightness says of the places of one kind.

    Attributes
    ----------
    probability : array, shape (frames, places), float64
        That a place is occupied; NaN never.
    loss, gain : float
        Chance a frame that an occupied place is empty in the next, and that an empty one is occupied.
    level, sd : float
        Brightness of an occupied place, and its standard deviation.
    """

    probability: np.ndarray
    loss: float
    gain: float
    level: float
    sd: float


def follow_occupancy(brightness: np.ndarray, rest: float = 0.0) -> Occupancy:
    """Follow places that look alike when they are occupied.

    Parameters
    ----------
    brightness : array, shape (frames, places), float64
        NaN where it was not measured: then only the neighbouring frames count.
    rest : float
        Brightness of an empty place, as a part of that of an occupied one: .5 when one of two atoms stays.

    Returns
    -------
    Occupancy

    Raises
    ------
    InputError
        If no brightness is known, or ``rest`` is not below 1.
    """
    values = np.asarray(brightness, np.float64)
    if values.ndim != 2:
        raise ShapeError(f"occupancy: wanted brightness of shape (frames, places), got {values.shape}")
    check_rest(rest)
    known = np.isfinite(values)
    if not known.any():
        raise InputError("occupancy: no brightness is known at any place")
    level = float(np.nanmedian(values))
    if not level > 0:
        raise InputError(f"occupancy: the places are not bright ({level:.3g} in the middle); look for them anew")
    sd = max(1.4826 * float(np.nanmedian(np.abs(values - level))), 1e-9 * level)
    loss, gain = 0.02, 0.1
    share, pairs = _pass(values, known, level, rest * level, sd, loss, gain)
    for _ in range(_ROUNDS):
        weight = share[known]
        if weight.sum() > 0:
            level = float((weight * values[known]).sum() / weight.sum())
        centre = np.where(known, values, 0.0)
        spread = share * (centre - level) ** 2 + (1 - share) * (centre - rest * level) ** 2
        sd = max(float(np.sqrt(spread[known].mean())), 1e-9 * abs(level))
        left, came = pairs[1] / max(pairs[:2].sum(), 1e-12), pairs[2] / max(pairs[2:].sum(), 1e-12)
        new = float(np.clip(left, *_BOUNDS)), float(np.clip(came, *_BOUNDS))
        still = max(abs(new[0] - loss), abs(new[1] - gain)) < _STILL
        loss, gain = new
        share, pairs = _pass(values, known, level, rest * level, sd, loss, gain)
        if still:
            break
    return Occupancy(share, loss, gain, level, sd)


def check_rest(rest: float) -> None:
    """Raise InputError unless what remains of an empty place is less than an occupied one."""
    if not 0 <= rest < 1:
        raise InputError(f"occupancy: wanted what remains of an empty place as a part, from 0 to below 1, got {rest}")


def _pass(
    values: np.ndarray, known: np.ndarray, high: float, low: float, sd: float, loss: float, gain: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return how probable each place is occupied, and the expected jumps: stays, lost, gained, stays empty."""
    frames, places = values.shape
    # Gaussian log likelihood of occupied over empty; far out both are improbable, and neither should be certain.
    odds = np.where(known, ((values - low) ** 2 - (values - high) ** 2) / (2 * sd**2), 0.0)
    seen = np.exp(np.stack([np.minimum(odds, 0), np.minimum(-odds, 0)]))  # (2, frames, places): occupied, empty
    step = np.array([[1 - loss, loss], [gain, 1 - gain]])
    start = np.array([gain, loss]) / max(gain + loss, 1e-12)
    forward = np.empty((frames, 2, places))
    now = start[:, None] * seen[:, 0]
    forward[0] = now / now.sum(0)
    for t in range(1, frames):
        now = (step.T @ forward[t - 1]) * seen[:, t]
        forward[t] = now / np.maximum(now.sum(0), 1e-300)
    share, jumps = np.empty((frames, places)), np.zeros((2, 2))
    back = np.ones((2, places))
    share[-1] = forward[-1, 0]
    for t in range(frames - 2, -1, -1):
        ahead = seen[:, t + 1] * back  # (2, places)
        joint = forward[t][:, None] * step[:, :, None] * ahead[None]
        joint /= np.maximum(joint.sum((0, 1)), 1e-300)
        jumps += joint.sum(2)
        share[t] = joint[0].sum(0)
        back = step @ ahead
        back /= np.maximum(back.sum(0), 1e-300)
    return np.clip(share, 0, 1), jumps.ravel()
