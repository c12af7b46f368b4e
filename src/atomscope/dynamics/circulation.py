"""Forward against reverse, without states: whether paths through latent space circulate, and where they go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from atomscope.data.params.latent_path import CirculationParams
from atomscope.dynamics.reversal import FEWEST_TRACKS, bundled, chance, drawn_sets, tails, turned_round
from atomscope.dynamics.tracks import Linked
from atomscope.errors import InputError

#: Parts in which a step is laid over the cells that it crosses.
_PARTS = 8
#: Rows that are looked at together.
_BLOCK = 1 << 18
#: Tracks of the map of currents are put together into at most so many bundles for its errors.
_BUNDLES = 100


@dataclass(frozen=True)
class CurrentMap:
    """Where paths go on average in the plane of two latents: density and current, a cell each.

    Parameters
    ----------
    columns : (str, str)
        Latents along x and y.
    x, y : numpy.ndarray, shape (cells + 1,)
        Edges of the cells, in units of the latents.
    density : numpy.ndarray, shape (cells, cells)
        Share of the time spent in a cell; rows along y, columns along x. Sums to 1 or less (outliers lie outside).
    current_x, current_y : numpy.ndarray, shape (cells, cells)
        Density times mean velocity: latent units per frame (per s where its time is known).
    sd : numpy.ndarray, shape (cells, cells)
        What chance makes of either component were there no direction of time.
    """

    columns: tuple[str, str]
    x: np.ndarray
    y: np.ndarray
    density: np.ndarray
    current_x: np.ndarray
    current_y: np.ndarray
    sd: np.ndarray

    def table(self) -> pd.DataFrame:
        """Return a row a visited cell: its middle, density, current, the current's deviations from chance."""
        rows, cols = np.nonzero(self.density)
        x, y = (self.x[1:] + self.x[:-1]) / 2, (self.y[1:] + self.y[:-1]) / 2
        u, v, sd = (part[rows, cols] for part in (self.current_x, self.current_y, self.sd))
        with np.errstate(invalid="ignore", divide="ignore"):
            sure = np.where(sd > 0, np.hypot(u, v) / sd, np.nan)
        names = {self.columns[0]: x[cols], self.columns[1]: y[rows], "density": self.density[rows, cols]}
        return pd.DataFrame(names | {"current_x": u, "current_y": v, "sd": sd, "deviations": sure})


@dataclass(frozen=True)
class Circulation:
    """How unlike paths through latent space are when time runs backwards.

    Parameters
    ----------
    columns : tuple of str
    lag : int
        Frames.
    p : float
        How often tracks, each turned round at random, give as large differences. Small: time has a direction.
    pairs : pandas.DataFrame
        A row a pair of latents: ``first``, ``second``; ``circulation``, (<first(t) second(t + lag)> less
        <second(t) first(t + lag)>) / 2 over their spreads, positive from ``first`` towards ``second`` (anticlockwise
        where first is along x and second is along y); interval ``low``, ``high`` and ``p``; ``turn_rate``, the mean
        rotation, rad per frame or s, with an interval.
    drifts : pandas.DataFrame
        A row a latent: its mean change in a lag over its spread, interval, p. Not 0 where sites change one way.
    curved : pandas.DataFrame
        With ``curved=True``: the same of squares and products; empty without.
    currents : CurrentMap or None
        Of the plane that was asked for; None with a single latent.
    n_tracks, pairs_of_frames : int
    time_unit : str
    notes : tuple of str
    """

    columns: tuple[str, ...]
    lag: int
    p: float
    pairs: pd.DataFrame
    drifts: pd.DataFrame
    curved: pd.DataFrame
    currents: CurrentMap | None
    n_tracks: int
    pairs_of_frames: int
    time_unit: str
    notes: tuple[str, ...] = ()

    def table(self) -> pd.DataFrame:
        """Return a row a pair of latents: circulation with its interval, p, rotation."""
        return self.pairs.copy()


def measure_circulation(
    linked: Linked, points: np.ndarray, names: Sequence[str], params: CirculationParams, time: float | None = None
) -> Circulation:
    """Compare paths with themselves backwards.

    Parameters
    ----------
    linked : Linked
    points : numpy.ndarray, shape (n, k), float64
        Latents of the rows of ``linked``, all finite.
    names : sequence of str, k
    params : CirculationParams
    time : float, optional
        Of a frame, s.

    Raises
    ------
    InputError
        If no track has two sites a lag apart.
    """
    k, names = len(names), tuple(names)
    dt, unit = time or 1.0, "frame" if time is None else "s"
    spread = points.std(0)
    unit_points = (points - points.mean(0)) / np.where(spread > 0, spread, 1.0)
    now, later, of = pairs_apart(linked, params.lag)
    if not len(now):
        raise InputError(
            f"circulation: no track has sites {params.lag} frames apart; take a shorter lag, or link with gaps"
        )
    i, j = np.triu_indices(k, 1)
    odd, even = _sums(unit_points, now, later, of, len(linked.ids), (i, j), params.curved)
    used = np.bincount(of, minlength=len(linked.ids)) > 0
    n_tracks, total = int(used.sum()), len(now)
    sums = bundled(np.hstack([odd, even])[used], params.seed)
    m = odd.shape[1]
    net = sums[:, :m].sum(0)
    turned = turned_round(sums[:, :m], params.resamples, params.seed)
    variance = (sums[:, :m] ** 2).sum(0)
    safe = np.where(variance > 0, variance, 1.0)
    p = float(chance(float((net**2 / safe).sum()), (turned**2 / safe).sum(1)))
    each = chance(np.abs(net), np.abs(turned))
    notes, low, high = [], np.full(m, np.nan), np.full(m, np.nan)
    rate, rate_low, rate_high = _rates(net, sums[:, m:].sum(0), k, params.lag * dt), np.nan, np.nan
    if n_tracks >= FEWEST_TRACKS:
        sets = drawn_sets(sums, params.resamples, params.seed)
        ends = tails(len(sums))
        low, high = np.quantile(sets[:, :m] / sets[:, -1:], ends, axis=0)
        rate_low, rate_high = np.quantile(_rates(sets[:, :m], sets[:, m:], k, params.lag * dt), ends, axis=0)
    else:
        notes.append(
            f"{n_tracks} tracks: p cannot be below {2.0 ** (1 - n_tracks):.2g}, and there are no intervals; with piece "
            "long tracks are cut into several"
        )
    moving = each[:k] < 0.05 / max(m, 1)
    if moving.any():
        which = ", ".join(n for n, yes in zip(names, moving, strict=True) if yes)
        notes.append(f"{which}: sites change one way on the whole; circulation beside that need not be a steady cycle")
    head = {"value": net / total, "low": low, "high": high, "p": each}
    rows = pd.DataFrame(head)
    drifts = rows[:k].rename(columns={"value": "drift"}).reset_index(drop=True)
    drifts.insert(0, "latent", names)
    two = slice(k, k + len(i))
    pairs = rows[two].rename(columns={"value": "circulation"}).reset_index(drop=True)
    pairs.insert(0, "first", np.array(names)[i] if len(i) else [])
    pairs.insert(1, "second", np.array(names)[j] if len(i) else [])
    pairs[f"turn_rate_rad_per_{unit}"], pairs["turn_low"], pairs["turn_high"] = rate, rate_low, rate_high
    more = rows[k + len(i) :].rename(columns={"value": "difference"}).reset_index(drop=True)
    more.insert(0, "of", _curved_names(names) if params.curved else [])
    currents = None
    if k > 1:
        plane = params.plane or (names[0], names[1])
        at = [names.index(name) for name in plane]
        currents = current_map(linked, points[:, at], plane, params.cells, dt, params.seed)
    return Circulation(names, params.lag, p, pairs, drifts, more, currents, n_tracks, total, unit, tuple(notes))


def pairs_apart(linked: Linked, lag: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows of ``linked`` that are exactly ``lag`` frames apart on a track: the first, the later, the track."""
    track = np.repeat(np.arange(len(linked.ids)), np.diff(linked.starts))
    span = int(linked.frame.max() - linked.frame.min()) + lag + 1
    key = track * span + (linked.frame - linked.frame.min())
    at = np.searchsorted(key, key + lag)
    good = (at < len(key)) & (key[np.minimum(at, len(key) - 1)] == key + lag)
    now = np.flatnonzero(good)
    return now, at[good], track[now]


def _sums(
    x: np.ndarray,
    now: np.ndarray,
    later: np.ndarray,
    of: np.ndarray,
    n: int,
    two: tuple[np.ndarray, np.ndarray],
    curved: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Return sums over the pairs of each track: of what turning round changes the sign of, and of what it does not.

    Odd: the change of each latent; of each two latents half of what circulates; with ``curved`` of each latent and each
    square or product. Even: of each two latents the mean of their products with themselves; last, the number of pairs.
    """
    i, j = two
    k = x.shape[1]
    a, b = np.triu_indices(k)
    m = k + len(i) + (k * len(a) if curved else 0)
    odd, even = np.zeros((n, m)), np.zeros((n, len(i) + 1))
    for start in range(0, len(now), _BLOCK):
        cut = slice(start, start + _BLOCK)
        p, q, track = x[now[cut]], x[later[cut]], of[cut]
        low, size = int(track[0]), int(track[-1] - track[0]) + 1
        parts = [q[:, c] - p[:, c] for c in range(k)]
        parts += [(p[:, c] * q[:, d] - p[:, d] * q[:, c]) / 2 for c, d in zip(i, j, strict=True)]
        if curved:
            squares = [(p[:, c] * p[:, d], q[:, c] * q[:, d]) for c, d in zip(a, b, strict=True)]
            parts += [(p[:, c] * q2 - p2 * q[:, c]) / 2 for c in range(k) for p2, q2 in squares]
        for column, part in enumerate(parts):
            odd[low : low + size, column] += np.bincount(track - low, part, size)
        for column, (c, d) in enumerate(zip(i, j, strict=True)):
            like = (p[:, c] * q[:, c] + p[:, d] * q[:, d]) / 2
            even[low : low + size, column] += np.bincount(track - low, like, size)
        even[low : low + size, -1] += np.bincount(track - low, minlength=size)
    return odd, even


def _curved_names(names: Sequence[str]) -> list[str]:
    a, b = np.triu_indices(len(names))
    return [f"{one}, {names[int(c)]} {names[int(d)]}" for one in names for c, d in zip(a, b, strict=True)]


def _rates(odd: np.ndarray, even: np.ndarray, k: int, time: float) -> np.ndarray:
    """Return the mean rotation of each two latents, rad per time: the angle by which they follow themselves."""
    n = even.shape[-1] - 1
    return np.arctan2(odd[..., k : k + n], even[..., :n]) / time


def current_map(
    linked: Linked, points: np.ndarray, names: tuple[str, str], cells: int, time: float = 1.0, seed: int = 0
) -> CurrentMap:
    """Return density and current in the plane of two latents.

    A step from a frame to the next is a straight line, laid over the cells that it crosses: steps
    there and back along the same way cancel.

    Parameters
    ----------
    linked : Linked
    points : numpy.ndarray, shape (n, 2)
        Along x, along y.
    names : (str, str)
    cells : int
    time : float
        Of a frame.
    seed : int
        Of the bundles of tracks from which errors are known.

    References
    ----------
    C. Battle et al., Science 352 (2016) 604 (fluxes between cells of a plane as a sign of broken detailed balance).
    """
    ends = np.percentile(points, (0.5, 99.5), axis=0)
    wide = np.where(ends[1] > ends[0], ends[1] - ends[0], 1.0)
    x, y = (np.linspace(ends[0, c] - 0.02 * wide[c], ends[1, c] + 0.02 * wide[c], cells + 1) for c in (0, 1))
    at = [np.searchsorted(edges, points[:, c], "right") - 1 for c, edges in enumerate((x, y))]
    inside = (at[0] >= 0) & (at[0] < cells) & (at[1] >= 0) & (at[1] < cells)
    density = np.bincount(at[1][inside] * cells + at[0][inside], minlength=cells**2) / len(points)
    now, later, of = pairs_apart(linked, 1)
    n = len(linked.ids)
    bundle = np.random.default_rng([seed, 3]).permutation(n) % min(n, _BUNDLES)
    size, many = cells**2, min(n, _BUNDLES)
    flow = np.zeros((2, many * size))
    for start in range(0, len(now), _BLOCK):
        cut = slice(start, start + _BLOCK)
        p, q, base = points[now[cut]], points[later[cut]], bundle[of[cut]] * size
        for part in range(_PARTS):
            middle = p + (q - p) * ((part + 0.5) / _PARTS)
            c, r = (np.searchsorted(edges, middle[:, d], "right") - 1 for d, edges in enumerate((x, y)))
            good = (c >= 0) & (c < cells) & (r >= 0) & (r < cells)
            where = base[good] + r[good] * cells + c[good]
            for d in (0, 1):
                flow[d] += np.bincount(where, (q - p)[good, d] / _PARTS, many * size)
    each = flow.reshape(2, many, cells, cells) / (max(len(now), 1) * time)
    total, sd = each.sum(1), np.sqrt((each**2).sum(1).mean(0))
    return CurrentMap(names, x, y, density.reshape(cells, cells), total[0], total[1], sd)
