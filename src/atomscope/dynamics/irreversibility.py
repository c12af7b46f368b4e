"""Forward against reverse, by states: net flux, a test of detailed balance, the entropy that cycles produce."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import chi2, ncx2

from atomscope.data.params.latent_path import IrreversibilityParams
from atomscope.dynamics.cycles import cycles_of, cycles_test, free_cycles
from atomscope.dynamics.reversal import FEWEST_TRACKS, bundled, chance, drawn_sets, tails, turned_round

#: Jumps each way that are taken as seen beforehand, between states between which any was seen.
_PRIOR = 0.5
#: A net flux below this part of the fluxes themselves is rounding.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Irreversibility:
    """How unlike jumps between states are when time runs backwards.

    Parameters
    ----------
    states : numpy.ndarray, shape (k,)
    lag : int
        Frames.
    counts : numpy.ndarray, shape (k, k)
        Jumps of all tracks, from the row's state to the column's.
    p : float
        How often tracks, each turned round at random, give as large a difference between jumps there and back. Small:
        time has a direction. It is so for cycles, and for changes that go one way.
    p_cycles : float
        The same for cycles alone: a likelihood ratio against the reversible matrix that fits best. It does not mind
        that states are not in their long run. 1 where there is no way round (two states).
    entropy : float
        What the cycles produce in the long run, kB a lag; less its bias. NaN where the long run is not known.
    entropy_ci : tuple of float
        95 % interval, from sets of tracks.
    entropy_per_s : float
        The same in kB/s; NaN where the time of a frame is unknown.
    pairs : pandas.DataFrame
        A row a pair of states: ``from``, ``to``, jumps ``there`` and ``back``, ``net`` (share of all pairs of frames,
        there less back) with its interval ``low``, ``high`` and ``p``; ``cycling``: the net flux of the long run.
    cycles : pandas.DataFrame
        A row a cycle of a basis: the ``states`` it goes through, ``flux`` (rounds a lag), ``affinity`` (kB a round) and
        ``entropy``, their product; it sums to what the cycles produce, with its bias.
    n_tracks : int
    notes : tuple of str
        What a reader should know before trusting the numbers.
    """

    states: np.ndarray
    lag: int
    counts: np.ndarray
    p: float
    p_cycles: float
    entropy: float
    entropy_ci: tuple[float, float]
    entropy_per_s: float
    pairs: pd.DataFrame
    cycles: pd.DataFrame
    n_tracks: int
    notes: tuple[str, ...] = ()

    def table(self) -> pd.DataFrame:
        """Return a row a pair of states: jumps there and back, net flux with its interval, p."""
        return self.pairs.copy()


def measure_irreversibility(
    counts: np.ndarray,
    states: np.ndarray,
    params: IrreversibilityParams,
    apart: np.ndarray | None = None,
    time: float | None = None,
) -> Irreversibility:
    """Compare jumps there and back.

    Parameters
    ----------
    counts : numpy.ndarray, shape (tracks, k, k)
        Jumps of each track over the lag.
    states : numpy.ndarray, shape (k,)
    params : IrreversibilityParams
    apart : numpy.ndarray, shape (k, k), optional
        Jumps that do not overlap, for the test of cycles; the same as ``counts`` when absent.
    time : float, optional
        Of a frame, s.

    References
    ----------
    J. Schnakenberg, Rev. Mod. Phys. 48 (1976) 571 (cycles, entropy production).
    """
    k, notes = len(states), []
    tracks = counts[counts.any((1, 2))].astype(np.float64)
    n_tracks, total = len(tracks), counts.sum(0)
    sums = bundled(tracks, params.seed)
    up = np.triu_indices(k, 1)
    there, back = total[up], total.T[up]
    odd = (sums - sums.transpose(0, 2, 1))[:, up[0], up[1]]
    net, size = odd.sum(0), total.sum()
    drawn = turned_round(odd, params.resamples, params.seed)
    p = float(chance(_difference(net, there + back), _difference(drawn, there + back)))
    each = chance(np.abs(net), np.abs(drawn)) if len(net) else np.zeros(0)
    if n_tracks < FEWEST_TRACKS:
        notes.append(
            f"{n_tracks} tracks: p cannot be below {2.0 ** (1 - n_tracks):.2g}, and there are no intervals; with piece "
            "long tracks are cut into several"
        )
    cycles_p = cycles_test(total if apart is None else apart)
    low = high = np.full(len(net), np.nan)
    ends = (np.nan, np.nan)
    value = float(entropy_of(total[None])[0])
    if n_tracks >= FEWEST_TRACKS:
        sets = drawn_sets(sums, params.resamples, params.seed)
        share = (sets - sets.transpose(0, 2, 1))[:, up[0], up[1]] / np.maximum(sets.sum((1, 2)), 1)[:, None]
        low, high = np.quantile(share, tails(len(sums)), axis=0)
        value, ends = _without_bias(value, entropy_of(sets), tails(len(sums)), free_cycles(total))
    one_way = ((there == 0) != (back == 0)) & (there + back > 0)
    for i in np.flatnonzero(one_way)[:3]:
        a, b = (states[up[0][i]], states[up[1][i]]) if there[i] else (states[up[1][i]], states[up[0][i]])
        notes.append(f"from {a} to {b} jumps were seen, back none: what cycles through them produce is a lower bound")
    if np.isnan(value):
        notes.append("no entropy production: states fall into groups between which no jump was seen")
    if cycles_p >= 0.05 and np.isfinite(ends[0]):
        ends = (0.0, ends[1])  # none at all is not ruled out
    if p < 0.05 <= cycles_p:
        notes.append(
            "time has a direction, but no cycle is seen: states change one way (their shares are not those of the long "
            "run), or tracks begin and end in particular states"
        )
    matrix, shares = long_run(total[None])
    flux = shares[0][:, None] * matrix[0]
    pairs = pd.DataFrame(
        {
            "from": states[up[0]],
            "to": states[up[1]],
            "there": there,
            "back": back,
            "net": net / max(size, 1),
            "low": low,
            "high": high,
            "p": each,
            "cycling": net_flux(flux, flux.T)[up],
        }
    )
    if time is not None:
        pairs["net_per_s"] = pairs["net"] / (params.lag * time)
    return Irreversibility(
        states=states,
        lag=params.lag,
        counts=total,
        p=p,
        p_cycles=cycles_p,
        entropy=value,
        entropy_ci=ends,
        entropy_per_s=np.nan if time is None else value / (params.lag * time),
        pairs=pairs,
        cycles=cycles_of(flux, states),
        n_tracks=n_tracks,
        notes=tuple(notes),
    )


def _difference(net: np.ndarray, both: np.ndarray) -> np.ndarray:
    """Return the G statistic of jumps there against back; ``net`` (..., pairs), ``both`` (pairs,)."""
    half = both / 2
    a, b = half + net / 2, half - net / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(x > 1e-9, x * np.log(np.maximum(x, 1e-300) / np.maximum(half, 1e-300)), 0.0) for x in (a, b)]
    return np.asarray(2 * (parts[0] + parts[1]).sum(-1))


def long_run(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return matrices of probabilities and the shares of states in their long run.

    Where jumps between two states were seen in any direction, half a jump more is counted each way: what was not seen
    is rare, not impossible.

    Parameters
    ----------
    counts : numpy.ndarray, shape (b, k, k)

    Returns
    -------
    matrix : numpy.ndarray, shape (b, k, k)
    shares : numpy.ndarray, shape (b, k)
        NaN where states fall into groups without jumps between them.
    """
    k = counts.shape[-1]
    eye = np.eye(k, dtype=bool)
    linked = (counts + counts.transpose(0, 2, 1) > 0) & ~eye
    full = counts + _PRIOR * linked
    out = full.sum(2)
    there = out > 0
    matrix = np.where(there[..., None], full / np.where(there, out, 1)[..., None], eye)
    # States that a set of tracks does not visit have no share; all others must hang together.
    reach = np.linalg.matrix_power((linked | eye).astype(np.float64), k) > 0
    whole = (reach | ~(there[:, :, None] & there[:, None, :])).all((1, 2)) & there.any(1)
    away = ~there[..., None] & eye
    system = matrix.transpose(0, 2, 1) - eye + away
    system[:, 0] = np.where(whole[:, None], 1.0, eye[0])
    first = there.argmax(1)
    if (first > 0).any():  # an unvisited first state keeps its own equation; the sum takes another's place
        for i in np.flatnonzero((first > 0) & whole):
            system[i] = matrix[i].T - eye + away[i]
            system[i, first[i]] = 1.0
    right = np.zeros(counts.shape[:2])
    right[np.arange(len(counts)), first] = 1.0
    system[~whole] = eye
    shares = np.linalg.solve(system, right[..., None])[..., 0]
    shares[~whole] = np.nan
    return matrix, shares


def net_flux(there: np.ndarray, back: np.ndarray) -> np.ndarray:
    """Return the difference of fluxes, exactly 0 where it is but the rounding of equal ones."""
    net = there - back
    return np.where(np.abs(net) < _ROUNDING * (there + back), 0.0, net)


def entropy_of(counts: np.ndarray) -> np.ndarray:
    """Return what cycles produce in the long run, kB a jump's time: sum of net flux times the logarithm of the ratio.

    Parameters
    ----------
    counts : numpy.ndarray, shape (b, k, k)
    """
    matrix, shares = long_run(counts)
    flux = shares[..., None] * matrix
    other = flux.transpose(0, 2, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        each = np.where((flux > 0) & (other > 0), net_flux(flux, other) * np.log(flux / other), 0.0)
    out = np.asarray(each.sum((1, 2)) / 2)
    return np.where(np.isnan(shares).any(1), np.nan, out)


def _without_bias(
    value: float, drawn: np.ndarray, ends: tuple[float, float], cycles: int
) -> tuple[float, tuple[float, float]]:
    """Return the value less the bias that drawn sets show, and its interval.

    Entropy production is about the sum of the squares of how strongly the cycles are driven, so an estimate scatters
    like ``c`` times a noncentral chi-square with as many degrees of freedom as cycles; its variance among drawn sets,
    ``2 cycles c^2 + 4 c value``, says ``c``. The ends are the values for which the estimate would be as high, or as
    low, in one of 40 cases.
    """
    drawn = drawn[np.isfinite(drawn)]
    if np.isnan(value) or len(drawn) < 2:
        return value, (np.nan, np.nan)
    less = max(2 * value - float(drawn.mean()), 0.0)
    if cycles < 1 or value <= 0 or drawn.var() == 0:
        return less, (less, less)
    c = (np.sqrt(value**2 + cycles * drawn.var() / 2) - value) / cycles
    x = value / c
    usual = max(x, float(chi2.median(cycles)))

    def solve(at: float, share: float) -> float:
        most = at + 20 * np.sqrt(at + cycles) + 20
        if chi2.cdf(at, cycles) <= share:
            return 0.0
        return float(c * brentq(lambda strength: ncx2.cdf(at, cycles, strength) - share, 1e-12, most))

    return less, (solve(x, ends[1]), solve(usual, ends[0]))
