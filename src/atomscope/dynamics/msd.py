"""How far tracks get: squared displacements of each track and of all, and the movement that tracks share."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy import fft

from atomscope.dynamics.tracks import Linked
from atomscope.errors import InputError

#: Rows that are looked at together, so that they stay in the processor's cache.
_BLOCK = 1 << 16
#: From so many lags on sums over pairs are convolutions, where tracks have a row in at least this part of their frames.
_MANY, _FULL = 48, 0.25
#: A step is far when its square is so many times the middle one (one in 500 of a walk is); a frame is odd when more
#: than this part of so many tracks step far: most, or nearly all where the middle one rests.
_FAR, _ENOUGH, _MOST, _NEARLY_ALL = 9.0, 10, 0.5, 0.9


def displacement_sums(linked: Linked, points: np.ndarray, lags: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the summed squared displacements of each track at lags 1 to ``lags``, and how many.

    Parameters
    ----------
    linked : Linked
        Frames may be missing: pairs are those whose frames are so far apart, not their rows.
    points : numpy.ndarray, shape (n, 2)
    lags : int

    Returns
    -------
    square, pairs : numpy.ndarray, shape (tracks, lags), float64
    """
    n = len(linked.ids)
    square, pairs = np.zeros((n, lags)), np.zeros((n, lags))
    for low, high in _blocks(linked.starts):
        a, b = linked.starts[low], linked.starts[high]
        lengths = np.diff(linked.starts[low : high + 1])
        spans = linked.frame[linked.starts[low + 1 : high + 1] - 1] - linked.frame[linked.starts[low:high]] + 1
        if lags >= _MANY and len(lengths) * spans.max() * _FULL <= b - a:
            first = np.repeat(linked.frame[linked.starts[low:high]], lengths)
            at = (np.repeat(np.arange(high - low), lengths), linked.frame[a:b] - first)
            square[low:high], pairs[low:high] = _convolved(at, points[a:b], (high - low, int(spans.max())), lags)
            continue
        cell = np.repeat(np.arange(high - low) * lags - 1, lengths)
        frame, part, spare = linked.frame[a:b], points[a:b], (high - low) * lags
        for rows in range(1, min(lags, int(lengths.max()) - 1) + 1):
            lag = frame[rows:] - frame[:-rows]
            good = (cell[rows:] == cell[:-rows]) & (lag <= lags)
            step = part[rows:] - part[:-rows]
            where = np.where(good, cell[rows:] + lag, spare)
            found = np.bincount(where, step[:, 0] ** 2 + step[:, 1] ** 2, spare + 1)[:-1]
            square[low:high] += found.reshape(-1, lags)
            pairs[low:high] += np.bincount(where, minlength=spare + 1)[:-1].reshape(-1, lags)
    return square, pairs


def _convolved(
    at: tuple[np.ndarray, np.ndarray], points: np.ndarray, shape: tuple[int, int], lags: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return what :func:`displacement_sums` does for some tracks, all lags at once.

    With m one where there is a row, the sum of ``m m' |r - r'|^2`` is that of
    ``m |r|^2 m' + m m' |r'|^2 - 2 m r m' r'``: three convolutions of each track with itself.
    """
    tracks, frames = shape
    count = np.bincount(at[0], minlength=tracks)
    middle = np.stack([np.bincount(at[0], points[:, i], tracks) for i in (0, 1)], 1) / count[:, None]
    place = points - middle[at[0]]  # large numbers would drown small steps
    size = fft.next_fast_len(frames + min(lags, frames), real=True)
    parts = []
    for what in (np.ones(len(place)), (place**2).sum(1), place[:, 0], place[:, 1]):
        laid = np.zeros((tracks, frames))
        laid[at] = what
        parts.append(fft.rfft(laid, size, axis=1))
    seen, squares, row, col = parts
    both = 2 * (seen.conj() * squares).real - 2 * (np.abs(row) ** 2 + np.abs(col) ** 2)
    square, pairs = np.zeros((tracks, lags)), np.zeros((tracks, lags))
    n = min(lags, frames - 1)
    pairs[:, :n] = np.rint(fft.irfft(np.abs(seen) ** 2, size, axis=1)[:, 1 : n + 1])
    square[:, :n] = np.where(pairs[:, :n] > 0, fft.irfft(both, size, axis=1)[:, 1 : n + 1], 0.0)
    return np.maximum(square, 0.0), pairs


def step_sums(linked: Linked, points: np.ndarray, hop: float | None) -> np.ndarray:
    """Return the sums of each track over its steps from a frame to the next.

    Parameters
    ----------
    linked : Linked
    points : numpy.ndarray, shape (n, 2)
    hop : float, optional
        Length of a hop; steps longer than half of it are hops.

    Returns
    -------
    numpy.ndarray, shape (tracks, 7)
        Squared steps (row, col), products of neighbouring steps (row, col), how many of either, hops.
    """
    out = np.zeros((len(linked.ids), 7))
    for low, high in _blocks(linked.starts):
        a, b = linked.starts[low], linked.starts[high]
        track = np.repeat(np.arange(high - low), np.diff(linked.starts[low : high + 1]))
        good = (np.diff(linked.frame[a:b]) == 1) & (track[1:] == track[:-1])
        step = np.diff(points[a:b], axis=0) * good[:, None]
        turn, both = step[1:] * step[:-1], good[1:] & good[:-1]
        hops = np.zeros(len(step)) if hop is None else (step**2).sum(1) > (hop / 2) ** 2
        for i, (where, what) in enumerate(
            [
                (1, step[:, 0] ** 2),
                (1, step[:, 1] ** 2),
                (2, turn[:, 0]),
                (2, turn[:, 1]),
                (1, good),
                (2, both),
                (1, hops),
            ]
        ):
            out[low:high, i] = np.bincount(track[where:], what, high - low)
    return out


def common_movement(linked: Linked, points: np.ndarray, remove: bool) -> tuple[np.ndarray, float, float]:
    """Return the places (without the common movement), by how much that shrinks squares, and how sure there is one.

    Parameters
    ----------
    linked : Linked
    points : numpy.ndarray, shape (n, 2)
    remove : bool
        Whether to take the common movement off.

    Returns
    -------
    points : numpy.ndarray, shape (n, 2)
    shrunk : float
        Squared steps of what is left over those without the removal, by chance; 1 where nothing is removed.
    sure : float
        Standard deviations of chance by which the tracks move together.

    Raises
    ------
    InputError
        If it is to be removed and no frame has two tracks.
    """
    numbers, frame = _numbered(linked.frame)
    ends = np.zeros(len(frame), bool)
    ends[linked.starts[1:-1]] = True
    good = (np.diff(linked.frame) == 1) & ~ends[1:]
    at, step, n = frame[1:][good], np.diff(points, axis=0)[good], len(numbers)
    count = np.bincount(at, minlength=n)
    mean = np.stack([np.bincount(at, step[:, i], n) for i in (0, 1)], 1) / np.maximum(count, 1)[:, None]
    seen = count > 0
    spread = (step**2).mean() if len(step) else 0.0
    sure = 0.0 if spread == 0 else float(((count[:, None] * mean**2)[seen].mean() / spread - 1) * np.sqrt(seen.sum()))
    if not remove:
        return points, 1.0, sure
    if count.max() < 2:
        raise InputError("diffusion: drift='remove' wants two or more tracks in a frame; there is one at a time")
    return points - mean.cumsum(0)[frame], float(1 - seen.sum() / count.sum()), sure


def odd_step(linked: Linked, points: np.ndarray) -> int | None:
    """Return the frame into which nearly all tracks move far more than usual, the worst one; None without one.

    No wandering does that. A lattice that turns, stretches or is another does, and so do frames that are missing.

    Parameters
    ----------
    linked : Linked
    points : numpy.ndarray, shape (n, 2)
    """
    numbers, frame = _numbered(linked.frame)
    ends = np.zeros(len(frame), bool)
    ends[linked.starts[1:-1]] = True
    good = (np.diff(linked.frame) == 1) & ~ends[1:]
    square = (np.diff(points, axis=0)[good] ** 2).sum(1)
    if not len(square):
        return None
    usual = float(np.median(square))
    far, at = square > _FAR * usual, frame[1:][good]
    count = np.bincount(at, minlength=len(numbers))
    share = np.bincount(at, far, len(numbers)) / np.maximum(count, 1)
    # Where most rest, those that hop may now and then be the greater part.
    odd = (count >= _ENOUGH) & (share > (_MOST if usual > 0 else _NEARLY_ALL))
    return int(numbers[np.argmax(np.where(odd, share, -1.0))]) if odd.any() else None


def _numbered(frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the frames that there are, and which of them each row has: frames may be few and far between."""
    low, high = int(frame.min()), int(frame.max())
    if high - low < 2 * len(frame) + 1000:
        return np.arange(low, high + 1), frame - low
    numbers, at = np.unique(frame, return_inverse=True)
    return numbers, at


def msd_table(
    linked: Linked, points: np.ndarray, square: np.ndarray, pairs: np.ndarray, dt: float, units: tuple[str, str]
) -> pd.DataFrame:
    """Return the mean squared displacements, a row a lag, with their standard errors between tracks.

    Parameters
    ----------
    linked : Linked
    points : numpy.ndarray, shape (n, 2)
        Places in units of length.
    square, pairs : numpy.ndarray, shape (tracks, lags)
        Of :func:`displacement_sums`.
    dt : float
        Time of a frame.
    units : (str, str)
        Of length and time.

    Returns
    -------
    pandas.DataFrame
        ``lag``, its time, the mean over all pairs of all tracks, its standard error, the mean from each track's first
        place only, ``pairs``, ``tracks``.
    """
    length, time = units
    lags, n = square.shape[1], (pairs > 0).sum(0)
    lengths = np.diff(linked.starts)
    first = np.repeat(linked.starts[:-1], lengths)
    lag = linked.frame - linked.frame[first]
    near = (lag > 0) & (lag <= lags)
    away = ((points[near] - points[first[near]]) ** 2).sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        msd = square.sum(0) / pairs.sum(0)
        error = np.sqrt(n / (n - 1) * ((square - msd * pairs) ** 2).sum(0)) / pairs.sum(0)
        start = np.bincount(lag[near], away, lags + 1)[1:] / np.bincount(lag[near], minlength=lags + 1)[1:]
    table = {"lag": np.arange(1, lags + 1), f"lag_{time}": np.arange(1, lags + 1) * dt, f"msd_{length}2": msd}
    table |= {f"msd_se_{length}2": np.where(n > 1, error, np.nan), f"msd_from_start_{length}2": start}
    table |= {"pairs": pairs.sum(0).astype(np.int64), "tracks": n}
    return pd.DataFrame(table)


def _blocks(starts: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield runs of whole tracks of about ``_BLOCK`` rows."""
    low = 0
    while low < len(starts) - 1:
        high = max(low + 1, int(np.searchsorted(starts, starts[low] + _BLOCK, "right")) - 1)
        yield low, high
        low = high
