"""The frames of a movie laid on each other, as small pictures on one canvas, and where one frame lies against it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import fft, ndimage

from atomscope.dynamics.drift_spectrum import Band, Window

#: The finest wave of the band is this many points of a small picture long, so that products of two are summed exactly.
_POINTS = 2.1
#: Weights of a derivative: of the difference between the points one, two and three ahead and behind.
_SLOPE = np.array([45, -9, 1], np.float32) / 60
_REACH = 3
#: Pictures fade over so many spacings of the lattice, or so much of the side of the frame.
_RIM, _WIDEST = 2.0, 0.2
#: There is room for a rim of so many spacings at least; the band ends at this part of its finest wave.
_ROOM, _FINE = 1.25, 0.9
#: Waves, an axis, over which the spectrum of the noise is averaged.
_SMOOTHED = 7
#: Where fewer frames than this lie below a point, nothing is compared.
_THIN = 0.2


class Found(NamedTuple):
    """Where a frame lies against the canvas: what it has to move by (px), and the covariance of that (px^2)."""

    more: np.ndarray
    covariance: np.ndarray


class Small:
    """Makes small pictures of frames: without background and noise outside the band, faded only at the rim.

    Parameters
    ----------
    window : Window
    band : Band

    Attributes
    ----------
    grid : tuple of int
        Shape of a small picture.
    pitch : array, shape (2,)
        Pixels from point to point.
    """

    def __init__(self, window: Window, band: Band) -> None:
        self.window, self.band = window, band
        rows = np.rint(band.rows * window.padded[0] / (2 * np.pi)).astype(np.int64)
        most = int(max(abs(rows))), len(band.cols) - 1
        self.grid = tuple(
            min(n, fft.next_fast_len(max(int(np.ceil(_POINTS * m)), 8), True))
            for n, m in zip(window.padded, most, strict=True)
        )
        self.pitch = np.array(window.padded) / np.array(self.grid)
        self._rows = rows % self.grid[0]
        widest, spacing = _WIDEST * min(window.shape), band.spacing_px
        rim = widest if spacing is None else min(_RIM * spacing, widest)
        sides = [_rim(n, max(rim, 2.0)) for n in window.shape]
        self._fade = np.outer(*sides).astype(np.float32)
        both = band.weights.copy()
        both[:, 0] *= np.sqrt(2)  # the root of one half was for sums over half of the plane
        # Waves that are cut off behind a rim not much wider than they are leave shapes that stand still. So where there
        # is no room for a wide one all coarse waves stay, and of the background a plane is taken off.
        self._level = spacing is None or rim < _ROOM * spacing
        if self._level:
            k = np.hypot(band.rows[:, None], band.cols[None])
            both = np.exp(-((k / (_FINE * band.cols.max())) ** 8)).astype(np.float32)
        self._weights = both
        self._sides = [fft.fft(w, size) for w, size in zip(sides, window.padded, strict=True)]
        self._turns = [2 * np.pi * fft.fftfreq(self.grid[0]), 2 * np.pi * fft.rfftfreq(self.grid[1])]

    def of(self, lifted: np.ndarray) -> np.ndarray:
        """Return the waves of a frame that make its small picture: complex64, shape of the band, of one size."""
        if self._level:
            lifted = _level(lifted)
        spectrum = fft.rfft2(lifted * self._fade, s=self.window.padded, workers=1)
        waves = spectrum[self.band.take] * self._weights
        norm = float(np.sqrt(np.vdot(waves, waves).real))
        return np.asarray(waves / np.float32(norm) if norm > 0 else waves, np.complex64)

    def picture(self, waves: np.ndarray, by: np.ndarray) -> np.ndarray:
        """Return the small picture, moved by a part of a point (row, col): float32, shape ``grid``."""
        spread = np.zeros((self.grid[0], self.grid[1] // 2 + 1), np.complex64)
        spread[self._rows, : waves.shape[1]] = waves
        er, ec = (np.exp(-1j * k * s).astype(np.complex64) for k, s in zip(self._turns, by, strict=True))
        spread *= er[:, None]
        spread *= ec
        picture = fft.irfft2(spread, s=self.grid, workers=1, overwrite_x=True)
        return np.asarray(picture * np.float32(np.prod(self.grid)), np.float32)

    def weight(self, by: np.ndarray) -> np.ndarray:
        """Return how much each point of a picture moved so counts, 0 to 1: float32, shape ``grid``."""
        sides = []
        for waves, n, size, s in zip(self._sides, self.grid, self.window.padded, by, strict=True):
            k = fft.fftfreq(n)
            kept = waves[np.rint(k * n).astype(np.int64) % size] * np.exp(-2j * np.pi * k * s)
            sides.append(np.clip(fft.ifft(kept).real * n / size, 0, 1))
        return np.outer(*sides).astype(np.float32)


def _level(lifted: np.ndarray) -> np.ndarray:
    """Return a frame without its plane of least squares."""
    levelled = lifted - lifted.mean()
    for axis, n in enumerate(lifted.shape):
        at = np.arange(n) - (n - 1) / 2
        slope = at @ levelled.mean(axis=1 - axis) / np.maximum(at @ at, 1)
        plane = (slope * at).astype(np.float32)
        levelled = levelled - (plane[:, None] if axis == 0 else plane)
    return np.asarray(levelled, np.float32)


def _rim(n: int, width: float) -> np.ndarray:
    from_edge = np.minimum(np.arange(n), np.arange(n)[::-1]) + 0.5
    return np.asarray(np.sin(0.5 * np.pi * np.minimum(from_edge / width, 1)) ** 2)


@dataclass(frozen=True)
class Layout:
    """Where the small picture of each frame lies: whole points (frames, 2), parts of a point, and the canvas' shape."""

    whole: np.ndarray
    part: np.ndarray
    shape: tuple[int, int]


def lay_out(small: Small, path: np.ndarray) -> Layout:
    """Lay small pictures out so that what moves along a path (frames, 2), px, lies still."""
    at = -path / small.pitch
    at = at - at.min(0) + _REACH
    whole = np.floor(at).astype(np.int64)
    shape = whole.max(0) + np.array(small.grid) + _REACH
    return Layout(whole, at - whole, (int(shape[0]), int(shape[1])))


class Canvas:
    """The sum of small pictures laid on each other.

    Parameters
    ----------
    small : Small
    layout : Layout
    """

    def __init__(self, small: Small, layout: Layout) -> None:
        self.small, self.layout = small, layout
        self.total, self.count = np.zeros(layout.shape, np.float32), np.zeros(layout.shape, np.float32)

    def _cut(self, i: int, reach: int = 0) -> tuple[slice, slice]:
        row, col = self.layout.whole[i]
        return (
            slice(row - reach, row + self.small.grid[0] + reach),
            slice(col - reach, col + self.small.grid[1] + reach),
        )

    def add(self, i: int, waves: np.ndarray) -> None:
        """Lay a frame down."""
        self.total[self._cut(i)] += self.small.picture(waves, self.layout.part[i])
        self.count[self._cut(i)] += self.small.weight(self.layout.part[i])

    def find(self, i: int, waves: np.ndarray, laid: bool, exact: bool = True) -> Found | None:
        """Say by how much a frame lies off the others; None where too little of it is seen in them.

        Gauss-Newton on the squares between the frame and the mean of the others, each point weighted by how many
        others are there. The covariance is taken from the spectrum of what is left over, so that errors that hang
        together count (lines that jitter).

        Parameters
        ----------
        i : int
        waves : array of the band
        laid : bool
            Whether the frame is on the canvas; it is then taken off for this.
        exact : bool
            Whether the covariance is wanted; else it is zero.
        """
        picture, weight = (self.small.picture(waves, self.layout.part[i]), self.small.weight(self.layout.part[i]))
        around = self._cut(i, _REACH)
        total, count = self.total[around].copy(), self.count[around].copy()
        inner = (slice(_REACH, -_REACH),) * 2
        if laid:
            total[inner] -= picture
            count[inner] -= weight
        total /= np.maximum(count, np.float32(_THIN))
        below, mean = count[inner], total[inner]
        share = np.where(below > _THIN, below / (below + 1), 0).astype(np.float32)
        pulls = np.stack([(share * _slope(total, axis)).ravel() for axis in (0, 1)])
        # The slope of the frame itself times that of the others: their noise has no part in the product.
        alone = np.pad(picture, _REACH)
        own = np.stack([_slope(alone, axis).ravel() for axis in (0, 1)])
        stiff = pulls @ own.T
        stiff = (stiff + stiff.T) / 2
        height = _height(picture, weight, mean, below, share)
        if not (height > 0 and stiff[0, 0] > 0 and np.linalg.det(stiff) > 1e-6 * stiff[0, 0] * stiff[1, 1]):
            return None
        left = picture - np.float32(height) * weight * mean
        inverse = np.linalg.inv(stiff)
        more = -inverse @ (pulls @ left.ravel())
        pitch = self.small.pitch
        covariance = np.zeros((2, 2))
        if exact:
            covariance = inverse @ self._scatter(left, pulls) @ inverse.T * np.outer(pitch, pitch)
        return Found(more * pitch, covariance)

    def _scatter(self, left: np.ndarray, pulls: np.ndarray) -> np.ndarray:
        """Return the covariance of the pulls of noise that has the spectrum of what is left over, shape (2, 2)."""
        power = np.abs(fft.rfft2(left, workers=1)) ** 2
        # Smoothed: of the few waves that tell the place of a lattice, the fit has taken what the noise did to it.
        power = ndimage.uniform_filter(power, _SMOOTHED, mode=("wrap", "reflect"))
        power[:, 1:] *= 2
        waves = np.stack([fft.rfft2(p.reshape(left.shape), workers=1).ravel() for p in pulls])
        return np.asarray(((waves * power.ravel()) @ waves.conj().T).real / left.size**2, np.float64)


def _height(picture: np.ndarray, weight: np.ndarray, mean: np.ndarray, below: np.ndarray, share: np.ndarray) -> float:
    """Return how bright a frame is over the mean of the others, whose noise does not make it fainter; 0: unlike."""
    both = float(np.vdot(share * picture, mean))
    if not both > 0:
        return 0.0
    shared = share * weight
    squares = float(np.vdot(shared, weight))
    of_mean = float((shared / np.maximum(below, _THIN)).sum()) / squares  # its noise, in units of the frame's
    # The power of the mean is signal and noise, that of the frame too; the product of both is signal alone.
    a = of_mean * squares / float(shared.sum()) * both
    b = float(np.vdot(shared * mean, mean)) - of_mean * float(np.vdot(share * picture, picture))
    return float(2 * both / (b + np.sqrt(b**2 + 4 * a * both)))


def _slope(padded: np.ndarray, axis: int) -> np.ndarray:
    """Return the derivative along an axis, of all but ``_REACH`` points at each edge."""
    inner = padded[:, _REACH:-_REACH] if axis == 0 else padded[_REACH:-_REACH]
    n = inner.shape[axis] - 2 * _REACH
    slope = np.zeros((n, inner.shape[1]) if axis == 0 else (inner.shape[0], n), np.float32)
    for by, part in enumerate(_SLOPE, start=1):
        ahead, behind = slice(_REACH + by, _REACH + by + n), slice(_REACH - by, _REACH - by + n)
        slope += part * ((inner[ahead] - inner[behind]) if axis == 0 else (inner[:, ahead] - inner[:, behind]))
    return slope
