"""Where sites go in latent space: the steps of each track, how long they are, how far they lead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from atomscope.data.params.latent_path import LatentPathParams
from atomscope.dynamics.tracks import Linked
from atomscope.errors import InputError

_LONGEST = 20
#: Rows that are looked at together.
_BLOCK = 1 << 18
#: Share of the squared steps that errors of reading make, from which a note says so.
_MOSTLY_NOISE = 0.5


@dataclass(frozen=True)
class LatentPaths:
    """The paths of tracked sites through latent space, in spreads of the latents (``scales``).

    Parameters
    ----------
    columns : tuple of str
        The coordinates.
    scales : dict of str to float
        What a coordinate was divided by.
    steps : pandas.DataFrame
        A row a site of a track, sorted by track and frame: ``track``, ``frame``, ``site``, ``step`` (from the frame
        before; NaN where that is missing) and the speed.
    tracks : pandas.DataFrame
        A row a track: ``sites``, ``first``, ``last``, ``missing`` (frames), ``steps``, ``path`` (sum of the steps that
        were seen), ``net`` (from the first place to the last; NaN where a gap hides how often something came round),
        ``straightness`` (net over path; NaN where frames are missing), and the mean speed.
    msd : pandas.DataFrame
        A row a lag: mean squared displacement over all pairs of all tracks, its standard error between tracks, and
        how many pairs and tracks.
    noise_share : float
        Part of the mean squared step that the errors of reading (``z1_sd``, ...) would make by themselves; NaN where
        the table does not hold them.
    time_unit : str
        ``s`` or ``frame``.
    notes : tuple of str
        What a reader should know before trusting the numbers.
    """

    columns: tuple[str, ...]
    scales: dict[str, float]
    steps: pd.DataFrame
    tracks: pd.DataFrame
    msd: pd.DataFrame
    noise_share: float
    time_unit: str
    notes: tuple[str, ...] = ()

    def table(self) -> pd.DataFrame:
        """Return a row a track: its frames, path length, net displacement, straightness, speed."""
        return self.tracks.copy()


def scales_of(points: np.ndarray, periods: np.ndarray, how: str) -> np.ndarray:
    """Return what to divide each coordinate by.

    Parameters
    ----------
    points : numpy.ndarray, shape (n, k)
    periods : numpy.ndarray, shape (k,)
        rad; inf: does not come round.
    how : {"common", "each", "none"}
        A coordinate that comes round is divided by the spread of angles anywhere on the circle, period / sqrt(12).

    Returns
    -------
    numpy.ndarray, shape (k,)
        1 where a latent is the same everywhere.
    """
    if how == "none":
        return np.ones(len(periods))
    plain, spread = ~np.isfinite(periods), points.std(0)
    if how == "common" and plain.any():
        spread[plain] = np.sqrt((spread[plain] ** 2).mean())
    spread[~plain] = periods[~plain] / np.sqrt(12)
    return np.where(spread > 0, spread, 1.0)


def shortest(step: np.ndarray, periods: np.ndarray) -> np.ndarray:
    """Return steps (..., k) with those of coordinates that come round taken the short way."""
    round_ = np.isfinite(periods)
    if round_.any():
        step = step.copy()
        part = step[..., round_]
        step[..., round_] = part - periods[round_] * np.round(part / periods[round_])
    return step


def follow_paths(
    linked: Linked,
    points: np.ndarray,
    names: Sequence[str],
    periods: np.ndarray,
    params: LatentPathParams,
    site: np.ndarray,
    errors: np.ndarray | None = None,
    time: float | None = None,
) -> LatentPaths:
    """Return the paths of tracks.

    Parameters
    ----------
    linked : Linked
    points : numpy.ndarray, shape (n, k), float64
        Coordinates of the rows of ``linked``, in their order, all finite.
    names : sequence of str, k
    periods : numpy.ndarray, shape (k,)
        After how many rad a coordinate is the same again; inf: never.
    params : LatentPathParams
    site : numpy.ndarray, shape (n,)
        Ids of the rows.
    errors : numpy.ndarray, shape (n, k), optional
        Standard deviations of the coordinates.
    time : float, optional
        Of a frame, s.

    Raises
    ------
    InputError
        If no track has two sites.
    """
    lengths = np.diff(linked.starts)
    if lengths.max() < 2:
        raise InputError("latent paths: every track has a single site; link with a larger distance, or more frames")
    scales = scales_of(points, periods, params.scale)
    points, periods = points / scales, periods / scales
    track = np.repeat(np.arange(len(lengths)), lengths)
    apart, same = np.diff(linked.frame), np.diff(track) == 0
    seen, gap = same & (apart == 1), same & (apart > 1)
    step = shortest(np.diff(points, axis=0), periods)
    if np.isfinite(periods).any():  # laid out along each run, so that turns add up
        points = _unrolled(points, step, seen, periods)
    length = np.sqrt((step**2).sum(1))
    length[~seen] = np.nan
    dt, unit = time or 1.0, "frame" if time is None else "s"
    every = np.r_[np.nan, length]
    steps = {"track": np.repeat(linked.ids, lengths), "frame": linked.frame, "site": site, "step": every}
    n = len(lengths)
    count = np.bincount(track[1:][seen], minlength=n)
    missing = np.bincount(track[1:][gap], apart[gap] - 1, n).astype(np.int64)
    path = np.bincount(track[1:][seen], length[seen], n)
    first, last = linked.starts[:-1], linked.starts[1:] - 1
    net = np.sqrt(((points[last] - points[first]) ** 2).sum(1))
    if np.isfinite(periods).any():
        net[missing > 0] = np.nan
    path[count == 0] = np.nan
    with np.errstate(invalid="ignore", divide="ignore"):
        straight = np.where((missing == 0) & (path > 0), net / path, np.nan)
        speed = path / (count * dt)
    tracks = {"track": linked.ids, "sites": lengths, "first": linked.frame[first], "last": linked.frame[last]}
    tracks |= {"missing": missing, "steps": count, "path": path, "net": net, "straightness": straight}
    share, notes = np.nan, []
    if errors is not None and seen.any():
        made = ((errors / scales) ** 2).sum(1)
        share = float((made[1:] + made[:-1])[seen].sum() / max((length[seen] ** 2).sum(), 1e-300))
        if share > _MOSTLY_NOISE:
            notes.append(
                f"errors of reading alone would make {min(share, 1):.0%} of the squared steps: path lengths and speeds "
                "are mostly noise; trust net displacements and long lags"
            )
    if (missing > 0).any():
        notes.append(
            f"{int((missing > 0).sum())} of {n} tracks have gaps: steps over them are left out, so path is that of the "
            "frames that were seen"
        )
    if not seen.any():
        notes.append("no track has two successive frames: there are no steps and speeds")
    return LatentPaths(
        tuple(names),
        dict(zip(names, map(float, scales), strict=True)),
        pd.DataFrame(steps | {f"speed_per_{unit}": every / dt}),
        pd.DataFrame(tracks | {f"speed_per_{unit}": speed}),
        _msd(linked, points, track, gap, np.isfinite(periods).any(), _lags(params, lengths), dt, unit),
        share,
        unit,
        tuple(notes),
    )


def _lags(params: LatentPathParams, lengths: np.ndarray) -> int:
    usual = int(np.clip(np.median(lengths[lengths > 1]) // 4, 4, _LONGEST))
    return min(params.max_lag or usual, int(lengths.max()) * 2)


def _unrolled(points: np.ndarray, step: np.ndarray, seen: np.ndarray, periods: np.ndarray) -> np.ndarray:
    """Return points with the turns of coordinates that come round added up along each run of successive frames."""
    out = points.copy()
    begins = np.flatnonzero(np.r_[True, ~seen])
    run = np.repeat(np.arange(len(begins)), np.diff(np.r_[begins, len(points)]))
    for k in np.flatnonzero(np.isfinite(periods)):
        total = np.r_[0.0, np.cumsum(np.where(seen, step[:, k], 0.0))]
        out[:, k] = points[begins, k][run] + total - total[begins][run]
    return out


def _msd(
    linked: Linked, points: np.ndarray, track: np.ndarray, gap: np.ndarray, whole: bool, lags: int, dt: float, unit: str
) -> pd.DataFrame:
    """Return mean squared displacements; with ``whole`` only of pairs without a gap between them."""
    n, run = len(linked.ids), np.r_[0, np.cumsum(gap)]
    total, pairs, tracks = np.zeros(lags), np.zeros(lags), np.zeros(lags, np.int64)
    spread = np.full(lags, np.nan)
    key = track if not whole else track * (int(run[-1]) + 1) + run
    square, count = np.zeros((lags, n)), np.zeros((lags, n))
    longest = int(np.diff(linked.starts).max())
    for start in range(0, len(track), _BLOCK):
        for rows in range(1, min(lags, longest - 1) + 1):
            a, b = slice(start, min(start + _BLOCK, len(track) - rows)), None
            if a.stop <= a.start:
                break
            b = slice(a.start + rows, a.stop + rows)
            lag = linked.frame[b] - linked.frame[a]
            good = (key[b] == key[a]) & (lag <= lags)
            if not good.any():
                continue
            at, of = lag[good] - 1, track[a][good]
            low, high = int(of[0]), int(of[-1]) + 1
            where = at * (high - low) + of - low
            far = ((points[b][good] - points[a][good]) ** 2).sum(1)
            size = lags * (high - low)
            square[:, low:high] += np.bincount(where, far, size).reshape(lags, -1)
            count[:, low:high] += np.bincount(where, minlength=size).reshape(lags, -1)
    total, pairs, tracks = square.sum(1), count.sum(1), (count > 0).sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        msd = total / pairs
        spread = np.sqrt(tracks / (tracks - 1) * ((square - msd[:, None] * count) ** 2).sum(1)) / pairs
    lag = np.arange(1, lags + 1)
    table = {"lag": lag, f"lag_{unit}": lag * dt, "msd": msd, "msd_se": np.where(tracks > 1, spread, np.nan)}
    if unit == "frame":
        table.pop("lag_frame")
    return pd.DataFrame(table | {"pairs": pairs.astype(np.int64), "tracks": tracks})
