"""The geometry of phases: which phase a point lies in, and the exact lines between phases.

Every phase has a smooth height above the plane, a formula of the place; the phase of a point is the highest there, and
walls are where the two highest are level. So walls of two phases are closed or end at the edge of the field, and those
of three also meet at junctions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from skimage.measure import find_contours

from atomscope.simulate.wall_shapes import even, inside_runs

Heights = Callable[[np.ndarray, np.ndarray], np.ndarray]
_WAVES = 24
_FINE = 0.5  # px: grid on which level lines are sought


@dataclass(frozen=True)
class PhaseShapes:
    """Phases of a field.

    Attributes
    ----------
    heights : callable
        Takes rows and cols (arrays of one shape, px); returns the height of each phase, shape (phases, ...).
    shape : tuple of int
        (rows, cols) of the field.
    """

    heights: Heights
    shape: tuple[int, int]

    def phase(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """Return the phase at each place, int64."""
        return np.argmax(self.heights(rows, cols), axis=0).astype(np.int64)

    def lines(self) -> list[np.ndarray]:
        """Return the walls in the field, (row, col) every quarter of a pixel, each of shape (n, 2), px."""
        at = [np.arange(-1, n + 1 + _FINE, _FINE) for n in self.shape]
        h = self.heights(*np.meshgrid(*at, indexing="ij"))  # (phases, ...)
        out = []
        for a in range(len(h)):
            for b in range(a + 1, len(h)):
                for contour in find_contours(h[a] - h[b], 0.0):
                    out += self._highest(even(contour * _FINE - 1.0), a, b)
        return out

    def _highest(self, line: np.ndarray, a: int, b: int) -> list[np.ndarray]:
        """Cut a line on which phases a and b are level to its parts where no other is higher, inside the field."""
        h = self.heights(line[:, 0], line[:, 1])
        others = [k for k in range(len(h)) if k not in (a, b)]
        top = (h[others] <= np.minimum(h[a], h[b])).all(0) if others else np.ones(len(line), bool)
        ends = np.flatnonzero(np.diff(np.r_[False, top, False].astype(np.int8)))
        parts = [line[i:j] for i, j in zip(ends[::2], ends[1::2], strict=True) if j - i > 1]
        return [even(run) for part in parts for run in inside_runs(part, self.shape)]


def patches_of_phases(shape: tuple[int, int], phases: int, domain_px: float, rng: np.random.Generator) -> PhaseShapes:
    """Return phases in domains of all shapes, about ``domain_px`` across; every phase has an equal chance."""
    shape_of = (phases, _WAVES)
    turn, start = rng.uniform(0, 2 * math.pi, shape_of), rng.uniform(0, 2 * math.pi, shape_of)
    k = math.pi / domain_px * rng.uniform(0.6, 1.1, shape_of)

    def heights(rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        total = np.zeros((phases, *np.shape(rows)))
        for p in range(phases):
            for w in range(_WAVES):
                total[p] += np.cos(k[p, w] * (rows * math.sin(turn[p, w]) + cols * math.cos(turn[p, w])) + start[p, w])
        return total

    return PhaseShapes(heights, shape)


def layers_of_phases(shape: tuple[int, int], phases: int, waviness_px: float, rng: np.random.Generator) -> PhaseShapes:
    """Return phases in layers whose interfaces are wavy, in a random direction."""
    turn = rng.uniform(0, 2 * math.pi)
    along, across = (math.sin(turn), math.cos(turn)), (math.cos(turn), -math.sin(turn))
    middle = ((shape[0] - 1) / 2, (shape[1] - 1) / 2)
    room = 0.6 * min(shape)
    at = (np.arange(1, phases) / phases - 0.5) * room * phases / max(phases - 1, 1)
    at = at + rng.uniform(-0.05, 0.05, len(at)) * room
    wave = rng.uniform(0.25, 0.5, (len(at), 3)) * min(shape)
    start = rng.uniform(0, 2 * math.pi, (len(at), 3))
    swing = waviness_px * rng.uniform(0.5, 1.0, (len(at), 3)) / math.sqrt(3)

    def heights(rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        r, c = rows - middle[0], cols - middle[1]
        u, v = r * along[0] + c * along[1], r * across[0] + c * across[1]
        beyond = [
            v - at[i] - sum(swing[i, w] * np.sin(2 * math.pi * u / wave[i, w] + start[i, w]) for w in range(3))
            for i in range(len(at))
        ]
        return np.cumsum(np.stack([np.zeros_like(v), *beyond]), axis=0)

    return PhaseShapes(heights, shape)
