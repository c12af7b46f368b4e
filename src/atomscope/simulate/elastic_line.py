"""Walls as elastic lines: a field drives them, tension straightens them, pins hold them for a while.

A wall is v = h(u), u along all walls and v across, px. It moves as an overdamped line does,

    dh/dt = drive(t) + tension h'' - sum of the pulls of the pins + random force(u, h),

times in frames. A pin pulls the wall towards itself within its width, and lets go of a wall that has hung in it for the
pin's time, while the field is on; a wall that is bent so far that tension and drive are stronger than the pull tears
off earlier.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

#: Steps of the integration in a frame, at least.
_STEPS = 40
#: Walls stay so far apart, px.
_GAP = 8.0


@dataclass(frozen=True)
class Wells:
    """Places that hold walls.

    Attributes
    ----------
    u, v : numpy.ndarray, shape (pins,), px
    strength : numpy.ndarray, shape (pins,), px a frame
    hold : numpy.ndarray, shape (pins,), frames
    width : float, px
    """

    u: np.ndarray
    v: np.ndarray
    strength: np.ndarray
    hold: np.ndarray
    width: float


def run(
    start: np.ndarray,
    first_u: float,
    drive: np.ndarray,
    tension: float,
    wells: Wells,
    disorder: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Let walls move.

    Parameters
    ----------
    start : numpy.ndarray, shape (walls, points), px
        h at u = first_u, first_u + 1, ...; in order, each wall above the one before.
    first_u : float, px
    drive : numpy.ndarray, shape (frames, walls), px a frame
    tension : float, px^2 a frame
    wells : Wells
    disorder : float
        Standard deviation of the random force, px a frame.
    rng : numpy.random.Generator

    Returns
    -------
    h : numpy.ndarray, shape (frames, walls, points), px
    hangs : numpy.ndarray, shape (frames, walls, pins), bool
        Whether a wall hangs in a pin: it lies within its width and has not been let go.
    """
    frames, walls = drive.shape
    points = start.shape[1]
    steps = max(_STEPS, int(np.ceil(5 * tension)), int(np.ceil(4 * wells.strength.max(initial=0.0))))
    dt = 1.0 / steps
    force = _random_force(rng, points, start.min() - 300, start.max() + 300, disorder)
    u = first_u + np.arange(points)
    low = np.clip(np.searchsorted(u, wells.u - 5 * wells.width), 0, points)
    span = int(np.ceil(10 * wells.width)) + 2
    at = np.clip(low[:, None] + np.arange(span), 0, points - 1)  # (pins, span): the pieces of wall a pin can feel
    near = np.exp(-0.5 * ((u[at] - wells.u[:, None]) / wells.width) ** 2)
    middle = np.clip(np.rint(wells.u - first_u).astype(int), 0, points - 1)
    h, hung = start.copy(), np.zeros((walls, len(wells.u)))
    out, hangs = np.empty((frames, *h.shape)), np.zeros((frames, walls, len(wells.u)), bool)
    columns = np.arange(points)
    for t in range(frames):
        out[t] = h
        inside = np.abs(h[:, middle] - wells.v) < 2 * wells.width
        hangs[t] = inside & (hung < wells.hold) & (hung > 0)
        for _ in range(steps):
            bend = np.empty_like(h)
            bend[:, 1:-1] = h[:, 2:] - 2 * h[:, 1:-1] + h[:, :-2]
            bend[:, 0], bend[:, -1] = h[:, 1] - h[:, 0], h[:, -2] - h[:, -1]
            moving = drive[t][:, None] + tension * bend
            if disorder:
                row = np.clip(np.rint(h - force[1]).astype(int), 0, len(force[0]) - 1)
                moving += force[0][row, columns] * (drive[t] != 0)[:, None]
            holds = hung < wells.hold
            away = h[:, at] - wells.v[:, None]  # (walls, pins, span)
            pull = (away / wells.width) * np.exp(0.5 - 0.5 * (away / wells.width) ** 2) * near
            pull *= (wells.strength * holds)[..., None]
            for k in range(walls):
                np.subtract.at(moving[k], at, pull[k])
            push = 2 * np.exp(np.clip(_GAP - np.diff(h, axis=0), -30, 2))  # walls do not pass through each other
            moving[:-1] -= push
            moving[1:] += push
            h = h + dt * moving
            inside = np.abs(h[:, middle] - wells.v) < 2 * wells.width
            hung = np.where(inside | ~holds, hung + dt * (drive[t] != 0)[:, None], 0.0)
    return out, hangs


def _random_force(
    rng: np.random.Generator, points: int, low: float, high: float, sd: float
) -> tuple[np.ndarray, float]:
    """Return smooth noise on a grid of 1 px, shape (v, u), and the v of its first row."""
    if not sd:
        return np.zeros((1, points)), low
    noise = ndimage.gaussian_filter(rng.normal(size=(int(high - low) + 1, points)), 2.0)
    return sd * noise / noise.std(), low
