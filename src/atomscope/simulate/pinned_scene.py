"""What happens in a movie of driven walls: where defects lie, where each wall is in each frame."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from atomscope.data.params.pinning import SimulatePinsParams
from atomscope.simulate.elastic_line import Wells, run
from atomscope.simulate.wall_shapes import STEP_PX, Pattern, even, inside_runs

#: Defects lie at least so far from each other and from the edge of the field, px.
_APART, _EDGE = 18.0, 10.0


@dataclass(frozen=True)
class Scene:
    """All that happens.

    Attributes
    ----------
    params : SimulatePinsParams
    shape : tuple of int
        (rows, cols) of a frame.
    along, across : numpy.ndarray, shape (2,)
        Unit vectors of u and v, which are counted from the middle of the field.
    u : numpy.ndarray, shape (points,), px
    h : numpy.ndarray, shape (frames, walls, points), px
        Where the walls lie: v = h(u).
    drift : numpy.ndarray, shape (frames, 2), px
    driven : numpy.ndarray, shape (frames,), bool
    defects : pandas.DataFrame
    hangs : numpy.ndarray, shape (frames, walls, pins), bool
    """

    params: SimulatePinsParams
    shape: tuple[int, int]
    along: np.ndarray
    across: np.ndarray
    u: np.ndarray
    h: np.ndarray
    drift: np.ndarray
    driven: np.ndarray
    defects: pd.DataFrame
    hangs: np.ndarray

    @property
    def middle(self) -> np.ndarray:
        """The middle of the field, (row, col), px."""
        return (np.array(self.shape) - 1) / 2

    def turned(self, places: np.ndarray, frame: int) -> tuple[np.ndarray, np.ndarray]:
        """Return u and v of places, shape (..., 2), px."""
        off = places - self.middle - self.drift[frame]
        return off @ self.along, off @ self.across

    def places(self, u: np.ndarray, v: np.ndarray, frame: int) -> np.ndarray:
        """Return (row, col) of u and v, shape (n, 2), px."""
        return self.middle + self.drift[frame] + u[:, None] * self.along + v[:, None] * self.across

    def pattern(self, frame: int) -> Pattern:
        """Return the domains of a frame."""

        def domain(rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
            u, v = self.turned(np.stack([rows, cols], -1), frame)
            number = np.zeros(u.shape, np.int64)
            for line in self.h[frame]:
                number += v > np.interp(u, self.u, line)
            return number

        runs = [part for line in self.h[frame] for part in self.runs(line, frame)]
        return Pattern(domain, lambda d: (d % 2).astype(np.float64), [even(part) for part in runs])

    def runs(self, line: np.ndarray, frame: int) -> list[np.ndarray]:
        """Return the parts of a wall that lie in the field, each of shape (n, 2), px."""
        u = np.arange(self.u[0], self.u[-1], STEP_PX)
        return inside_runs(self.places(u, np.interp(u, self.u, line), frame), self.shape)


@lru_cache(maxsize=4)
def make_scene(params: SimulatePinsParams) -> Scene:
    """Let the walls of a movie move."""
    size = params.size_px
    shape = (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))
    rng = np.random.default_rng([params.seed, 1])
    free = rng.uniform(0, 180)
    a = math.radians(free if params.angle_deg is None else params.angle_deg)
    along, across = np.array([math.sin(a), math.cos(a)]), np.array([math.cos(a), -math.sin(a)])
    drift = np.cumsum(rng.normal(0, params.drift_px, (params.frames, 2)), axis=0) if params.drift_px else None
    drift = np.zeros((params.frames, 2)) if drift is None else drift - drift[0]
    half = math.hypot(*shape) / 2 + float(np.abs(drift).max())
    driven = _driven(params, rng)
    ahead = params.drive_px * float(driven.sum())
    u = np.arange(-math.ceil(half) - 30, math.ceil(half) + 31, dtype=np.float64)
    low = -half - (half if params.opposed else ahead)
    count = math.ceil((half - low) / params.domain_px)
    offsets = low + (np.arange(count) + 0.5 + rng.uniform(-0.2, 0.2, count)) * params.domain_px
    swing = params.waviness_px if params.pattern == "curved" else 0.0
    period, phase = params.domain_px * rng.uniform(2.5, 4.0), rng.uniform(0, 2 * math.pi)
    start = offsets[:, None] + swing * np.sin(2 * math.pi * u / period + phase)
    way = np.where(np.arange(count) % 2, -1.0, 1.0) if params.opposed else np.ones(count)
    drive = params.drive_px * driven[:, None] * way
    defects = _defects(params, shape, rng)
    off = defects[["row", "col"]].to_numpy(np.float64) - (np.array(shape) - 1) / 2
    pins = (defects["kind"] == "pin").to_numpy()
    wells = Wells(
        (off @ along)[pins],
        (off @ across)[pins],
        defects["strength"].to_numpy(np.float64)[pins],
        defects["hold_frames"].to_numpy(np.float64)[pins],
        params.pin_width_px,
    )
    h, hangs = run(start, float(u[0]), drive, params.tension_px2, wells, params.disorder_px, rng)
    return Scene(params, shape, along, across, u, h, drift, driven, defects, hangs)


def _driven(params: SimulatePinsParams, rng: np.random.Generator) -> np.ndarray:
    """Return in which frames the field is on, shape (frames,): off in rests spread over the movie."""
    on = np.ones(params.frames, bool)
    part = params.frames / max(params.rests, 1)
    for k in range(params.rests):
        first = int(k * part + rng.uniform(0, part - params.rest_frames))
        on[first : first + params.rest_frames] = False
    return on


def _defects(params: SimulatePinsParams, shape: tuple[int, int], rng: np.random.Generator) -> pd.DataFrame:
    places: list[np.ndarray] = []
    wanted = params.pins + params.decoys
    for place in rng.uniform(_EDGE, np.array(shape) - 1 - _EDGE, (200 * max(wanted, 1), 2)):
        if len(places) < wanted and all(np.hypot(*(place - other)) >= _APART for other in places):
            places.append(place)
    n = len(places)
    pin = np.arange(n) < round(n * params.pins / max(wanted, 1))
    low, high = params.hold_frames
    return pd.DataFrame(
        {
            "row": [p[0] for p in places],
            "col": [p[1] for p in places],
            "kind": np.where(pin, "pin", "decoy"),
            "strength": np.where(pin, params.strength_px * rng.uniform(0.6, 1.4, n), 0.0),
            "hold_frames": np.where(pin, rng.uniform(low, high, n), 0.0),
            "visible": ~pin | (rng.uniform(size=n) < params.visible),
        }
    )
