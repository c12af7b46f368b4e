"""Where the correlation of two frames is highest, to a small part of a pixel, and whether something else fits too."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage

from atomscope.dynamics.drift_spectrum import Band, Window

#: Steps as long as this part of the limit may be longer ones that went round the lattice.
_NEAR_LIMIT = 0.85
#: Another place in reach is as good when it has so much of the height: a lattice has such places one vector on.
_AS_GOOD = 0.9
#: A place out of reach is better when it is higher by this.
_BETTER = 0.02
#: Spacings round the best place in which a better one is looked for.
_ROUND = 2.6


@dataclass(frozen=True)
class Picture:
    """What frames are compared with: waves of the band, and coarse waves of the window that they were seen through."""

    waves: np.ndarray
    windows: np.ndarray


@dataclass(frozen=True)
class Peak:
    """A step: (row, col) in px, how high the correlation is (0 to 1), and whether the step could be another."""

    step: np.ndarray
    height: float
    ambiguous: bool


class Correlator:
    """Compares waves of frames in one band.

    Parameters
    ----------
    window : Window
    band : Band
    limit_px : float
        Longest step.
    """

    def __init__(self, window: Window, band: Band, limit_px: float) -> None:
        self.window, self.band, self.limit = window, band, limit_px
        half = len(band.cols) - 1
        # A grid on which no wave of the band is coarser than two steps, with room for a better peak.
        self.grid = tuple(
            min(n, fft.next_fast_len(max(3 * m, 8), True))
            for n, m in zip(window.padded, (int(max(abs(self._index()))), half), strict=True)
        )
        self.pitch = np.array(window.padded) / np.array(self.grid)
        reach = limit_px + max(self.pitch)
        if band.spacing_px is not None:
            reach = max(reach, _ROUND * band.spacing_px)
        reaches = [
            int(min(reach / p, g // 2 - 1, 0.45 * n / p))
            for p, g, n in zip(self.pitch, self.grid, window.shape, strict=True)
        ]
        self.ticks = [np.arange(-r, r + 1) for r in reaches]
        self.lags = [t * p for t, p in zip(self.ticks, self.pitch, strict=True)]
        self.distance = np.hypot(self.lags[0][:, None], self.lags[1][None])
        self.inside = self.distance <= limit_px

    def _index(self) -> np.ndarray:
        return np.rint(self.band.rows * self.window.padded[0] / (2 * np.pi)).astype(np.int64)

    def seen(self, waves: np.ndarray) -> Picture:
        """Return the picture that is one frame."""
        return Picture(waves, self.window.waves)

    def moved(self, picture: Picture, step: np.ndarray) -> Picture:
        """Return the same picture, moved by a step (row, col)."""

        def turned(waves: np.ndarray, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
            er, ec = (np.exp(-1j * k * s).astype(waves.dtype) for k, s in zip((rows, cols), step, strict=True))
            return np.asarray(waves * er[:, None] * ec)

        return Picture(
            turned(picture.waves, self.band.rows, self.band.cols),
            turned(picture.windows, self.window.rows, self.window.cols),
        )

    def peak(self, waves: np.ndarray, reference: Picture) -> Peak:
        """Find the step from a picture to a frame.

        The pixels behind a window are drawn to where the windows overlap most: the correlation is divided by that.

        Parameters
        ----------
        waves : array of the band
            Of the frame, with a norm of 1.
        reference : Picture
        """
        norm = float(np.sqrt(2 * np.vdot(reference.waves, reference.waves).real))
        cross = waves * reference.waves.conj() / np.float32(norm)
        spread = np.zeros((self.grid[0], self.grid[1] // 2 + 1), np.complex64)
        spread[self._index() % self.grid[0], : cross.shape[1]] = cross
        height = fft.irfft2(spread, s=self.grid, workers=1)[np.ix_(*self.ticks)]
        height = height / self.window.overlap(reference.windows, *self.lags)
        places, tops = self._tops(height)
        inside = np.hypot(*places.T) <= self.limit
        best = max(float(height[self.inside].max()), float(tops[inside].max(initial=0)))
        # Of places that are as good, as on a lattice, the nearest.
        good = np.flatnonzero(inside & (tops >= _AS_GOOD * best))
        if len(good):
            start = places[good[np.argmin(np.hypot(*places[good].T))]]
        else:
            at = np.unravel_index(np.argmax(np.where(self.inside, height, -np.inf)), height.shape)
            start = np.array([lag[i] for lag, i in zip(self.lags, at, strict=True)])
        step, top = self._climb(cross, start, reference.windows)
        far = float(np.hypot(*step))
        rivals = np.hypot(*(places - step).T) > 2.5 * max(self.pitch)
        ambiguous = far > _NEAR_LIMIT * self.limit
        for where, bar in ((rivals & inside, _AS_GOOD), (rivals & ~inside, 1 + _BETTER)):
            ambiguous = ambiguous or self._rival(cross, step, places[where], tops[where], bar, reference.windows)
        return Peak(step, top, ambiguous)

    def _tops(self, height: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the tops on the grid: places (k, 2), px, and heights, by a parabola as they lie between."""
        peak = height == ndimage.maximum_filter(height, size=3, mode="nearest")
        peak[[0, -1]] = peak[:, [0, -1]] = False
        rows, cols = np.nonzero(peak)
        middle = height[rows, cols]
        tops = middle.copy()
        for one, other in (
            (height[rows - 1, cols], height[rows + 1, cols]),
            (height[rows, cols - 1], height[rows, cols + 1]),
        ):
            tops += (one - other) ** 2 / (8 * np.maximum(2 * middle - one - other, 1e-12))
        return np.column_stack([self.lags[0][rows], self.lags[1][cols]]), tops

    def _rival(
        self,
        cross: np.ndarray,
        step: np.ndarray,
        places: np.ndarray,
        tops: np.ndarray,
        bar: float,
        windows: np.ndarray,
    ) -> bool:
        """Say whether one of other places is as good as the bar, and the step is not much the nearer."""
        if not len(places):
            return False
        top = self._fit(cross, step, windows)
        highest = int(np.argmax(tops))
        if tops[highest] < 0.97 * bar * top:
            return False
        place = self._climb(cross, places[highest], windows)[0]
        other = self._fit(cross, place, windows)
        if other > (1 + _BETTER) * top:
            return True
        near = np.hypot(*step) > _NEAR_LIMIT * np.hypot(*(places[tops >= bar * top] - step).T) / 2
        return bool(bar < 1 and near.any())

    def _fit(self, cross: np.ndarray, step: np.ndarray, windows: np.ndarray) -> float:
        """Return the correlation at a place over the overlap of the windows there."""
        er, ec = np.exp(1j * self.band.rows * step[0]), np.exp(1j * self.band.cols * step[1])
        return float(2 * (er @ cross @ ec).real / self.window.overlap(windows, step[:1], step[1:])[0, 0])

    def _climb(self, cross: np.ndarray, start: np.ndarray, windows: np.ndarray) -> tuple[np.ndarray, float]:
        """Climb to the top by Newton's steps on the sum of waves; the fall of the windows' overlap is taken out."""
        kr, kc = self.band.rows, self.band.cols
        step, top = start.copy(), 0.0
        for _ in range(8):
            er, ec = np.exp(1j * kr * step[0]), np.exp(1j * kc * step[1])
            left = np.stack([er, 1j * kr * er, -(kr**2) * er]).astype(np.complex64)
            right = np.stack([ec, 1j * kc * ec, -(kc**2) * ec]).astype(np.complex64)
            d = 2 * (left @ cross @ right.T).real.astype(np.float64)
            top = float(d[0, 0])
            slope = np.array([d[1, 0], d[0, 1]]) - top * self.window.slope(windows, step)
            bend = np.array([[d[2, 0], d[1, 1]], [d[1, 1], d[0, 2]]])
            if not (bend[0, 0] < 0 and np.linalg.det(bend) > 0):
                break
            more = np.linalg.solve(bend, -slope)
            if np.abs(step + more - start).max() > 1.5 * max(self.pitch):
                break
            step = step + more
            if np.abs(more).max() < 1e-4:
                break
        return step, top
