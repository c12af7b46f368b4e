"""A frame as the part of its spectrum that tells where it lies, and the lattice spacing that the spectrum shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage

#: A side peak of the autocorrelation that is as high as this shows a lattice; the nearest that has so much of the
#: best one's height is its spacing.
_LATTICE, _LIKE_BEST = 0.25, 0.5
#: And twice and three times as far there are others, of this part of its height.
_AGAIN = 0.45
#: Waves finer than the lattice spacing by this are left out, unless they hold signal.
_FINEST = 3.3
#: The waves below this frequency times the spacing are background.
_COARSEST = 0.5
#: This part of the power over the noise is signal that is kept.
_KEPT = 0.95
#: Share of the height of the window's autocorrelation below which nothing is divided by it.
_LEAST = 0.05
#: Part of the frame at each edge in which the window falls, and how many of its waves are kept, an axis.
_FADE, _WINDOW_WAVES = 0.2, 20


def filled(frame: np.ndarray) -> np.ndarray | None:
    """Return a frame as float32 about 0, NaN as its median; None when there is nothing in it."""
    if frame.dtype.kind == "f":
        good = np.isfinite(frame)
        if not good.all():
            if not good.any():
                return None
            frame = np.where(good, frame, np.median(frame[good]))
    wide: type = np.float32 if frame.dtype.itemsize <= 2 or frame.dtype == np.float32 else np.float64
    lifted: np.ndarray = frame.astype(wide)
    lifted = lifted - lifted.mean(dtype=np.float64).astype(wide)
    largest = max(float(lifted.max()), -float(lifted.min()))
    if not largest > 0:
        return None
    return np.asarray(lifted / wide(largest), np.float32)


class Window:
    """What fades a frame out towards its edges, and how much of it overlaps with windows that have moved.

    Parameters
    ----------
    shape : tuple of int
        (rows, cols) of a frame.

    Attributes
    ----------
    padded : tuple of int
        Shape that is transformed: the edges are next to nothing, so the picture may go round.
    waves : array, shape (2 n + 1, n + 1)
        The coarse waves of the window; ``rows`` and ``cols`` are their frequencies, rad a px.
    share : float
        Part of the pixels of a frame that count.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.shape = shape
        self.padded = (fft.next_fast_len(shape[0], True), fft.next_fast_len(shape[1], True))
        sides = [_faded(n) for n in shape]
        self.weights = np.outer(*sides).astype(np.float32)
        self.share = float(np.prod([(w**2).mean() ** 2 / (w**4).mean() for w in sides]))
        n = [min(_WINDOW_WAVES, size // 2 - 1) for size in self.padded]
        index = np.arange(-n[0], n[0] + 1), np.arange(n[1] + 1)
        self.rows, self.cols = (2 * np.pi * i / size for i, size in zip(index, self.padded, strict=True))
        waves = [fft.fft(w, size)[i] for w, size, i in zip(sides, self.padded, index, strict=True)]
        self.waves = np.outer(*waves) / np.abs(waves[0][n[0]] * waves[1][0])
        self.waves[:, 0] *= np.sqrt(0.5)

    def spectrum(self, lifted: np.ndarray) -> np.ndarray:
        """Return the spectrum of a frame behind the window: complex64, shape (rows, cols // 2 + 1), padded."""
        return np.asarray(fft.rfft2(lifted * self.weights, s=self.padded, workers=1))

    def overlap(self, others: np.ndarray, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """Return how much overlaps with other windows at lags (rows[:, None], cols[None]): 1 is the window and itself.

        Parameters
        ----------
        others : array like ``waves``
            Of a moved window, or of the mean of several.
        rows, cols : arrays, px
        """
        er, ec = np.exp(1j * np.outer(rows, self.rows)), np.exp(1j * np.outer(self.cols, cols))
        height = (er @ (self.waves * others.conj()) @ ec).real
        return np.asarray(np.maximum(height / np.vdot(self.waves, self.waves).real, _LEAST))

    def slope(self, others: np.ndarray, lag: np.ndarray) -> np.ndarray:
        """Return the derivative of the logarithm of the overlap at one lag (row, col), shape (2,), 1/px."""
        near = lag[:, None] + np.array([-0.5, 0.5])
        rows = self.overlap(others, near[0], lag[1:])[:, 0]
        cols = self.overlap(others, lag[:1], near[1])[0]
        return np.array([np.log(rows[1] / rows[0]), np.log(cols[1] / cols[0])])


def _faded(n: int) -> np.ndarray:
    """Return a window along one axis: 1, with a smooth fall at each end."""
    from_edge = np.minimum(np.arange(n), np.arange(n)[::-1]) + 0.5
    return np.asarray(np.sin(0.5 * np.pi * np.minimum(from_edge / (_FADE * n), 1)) ** 2)


@dataclass(frozen=True)
class Band:
    """Which waves are compared.

    Attributes
    ----------
    rows, cols : arrays
        Frequencies along the two axes, rad a px; those along columns not negative.
    take : tuple of arrays
        Where they are in a spectrum.
    weights : array, shape (rows, cols), float32
    spacing_px : float or None
        Shortest repeat of the lattice; None without one.
    freedom : float
        How many independent numbers the waves of noise are.
    """

    rows: np.ndarray
    cols: np.ndarray
    take: tuple[np.ndarray, np.ndarray]
    weights: np.ndarray
    spacing_px: float | None
    freedom: float

    def of(self, spectrum: np.ndarray) -> np.ndarray:
        """Return the weighted waves of a spectrum that are in the band, with a norm of 1; zeros if there are none."""
        waves = spectrum[self.take] * self.weights
        norm = float(np.sqrt(2 * np.vdot(waves, waves).real))
        return np.asarray(waves / np.float32(norm) if norm > 0 else waves)


def make_band(window: Window, power: np.ndarray, spacing_px: float | None = None) -> Band:
    """Choose the waves, from the mean power of a few frames.

    Parameters
    ----------
    window : Window
    power : array, shape (rows, cols // 2 + 1)
        Mean squared spectrum of frames behind the window.
    spacing_px : float, optional
        Of the lattice; read off the autocorrelation when absent.
    """
    rows = fft.fftfreq(window.padded[0])
    cols = fft.rfftfreq(window.padded[1])
    k = np.hypot(rows[:, None], cols[None])
    coarse = 3.0 / min(window.shape)
    fine = _finest(power, k, coarse)
    spacing = spacing_px if spacing_px is not None else _spacing(window, power, k, coarse, fine)
    if spacing is not None:
        coarse = max(coarse, _COARSEST / spacing)
        fine = max(fine, _FINEST / spacing)
    fine = min(max(fine, 3 * coarse, 0.05), 0.5)
    weights = -np.expm1(-0.5 * (k / coarse) ** 4) * np.exp(-((k / fine) ** 8))
    take_rows = np.flatnonzero((np.abs(rows) <= 1.1 * fine) & (np.abs(rows) < 0.5))
    take_cols = np.flatnonzero((cols <= 1.1 * fine) & (cols < 0.5))
    take = take_rows[:, None], take_cols[None]
    weights = weights[take]
    freedom = 2 * window.share * np.square(weights).sum() ** 2 / (weights**4).sum()
    weights[:, 0] *= np.sqrt(0.5)  # the waves of the other half of the plane are counted by a factor of 2
    turn = 2 * np.pi
    return Band(turn * rows[take_rows], turn * cols[take_cols], take, weights.astype(np.float32), spacing, freedom)


def _finest(power: np.ndarray, k: np.ndarray, coarse: float) -> float:
    """Return the frequency below which the most of what stands over the noise lies."""
    ring = np.minimum((k * 128).astype(np.int64), 63)
    modes = np.bincount(ring.ravel(), minlength=64)
    mean = np.bincount(ring.ravel(), weights=power.ravel(), minlength=64) / np.maximum(modes, 1)
    floor = np.median(power[k > 0.4]) / np.log(2) if (k > 0.4).any() else 0.0
    inside = (np.arange(64) + 0.5) / 128 > coarse
    excess = np.where(inside & (mean > 1.2 * floor), (mean - floor) * modes, 0)
    total = np.cumsum(excess)
    return float((np.searchsorted(total, _KEPT * total[-1]) + 1) / 128) if total[-1] > 0 else 0.25


def _spacing(window: Window, power: np.ndarray, k: np.ndarray, coarse: float, fine: float) -> float | None:
    """Return the shortest strong repeat of the autocorrelation, px."""
    floor = np.median(power[k > 0.4]) / np.log(2) if (k > 0.4).any() else 0.0
    pass_band = -np.expm1(-0.5 * (k / (2 * coarse)) ** 4) * np.exp(-((k / fine) ** 8))
    signal = np.where(power > 3 * floor, power - floor, 0) * pass_band
    repeat = fft.irfft2(signal.astype(np.float32), s=window.padded, workers=1)
    if not repeat[0, 0] > 0:
        return None
    reach = [int(0.6 * n) for n in window.shape]
    lags = [np.arange(-r, r + 1) for r in reach]
    repeat = repeat[np.ix_(*lags)] / repeat[0, 0] / window.overlap(window.waves, *lags)
    distance = np.hypot(lags[0][:, None], lags[1][None])
    peak = repeat == ndimage.maximum_filter(repeat, size=5)
    peak &= (distance > 2) & (distance < 0.3 * min(window.shape)) & (repeat > _LATTICE)
    # What lies at random has a like neighbour somewhere, but not others beyond it in a line.
    for row, col in zip(*np.nonzero(peak), strict=True):
        near = max(1, int(0.1 * distance[row, col]))
        for times in (2, 3):
            at = times * lags[0][row] + reach[0], times * lags[1][col] + reach[1]
            there = repeat[tuple(slice(max(0, x - near), max(0, x + near + 1)) for x in at)]
            peak[row, col] &= (times == 3 and not there.size) or there.max(initial=0) > _AGAIN * repeat[row, col]
    if not peak.any():
        return None
    return float(distance[peak & (repeat >= _LIKE_BEST * repeat[peak].max())].min())
