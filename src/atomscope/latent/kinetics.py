"""How long states last: jumps between states, counted over all tracks, and the timescale that they imply."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from atomscope.errors import InputError

#: Resampled sets of tracks from which the standard error of a timescale is taken.
_RESAMPLED = 200


class Jumps:
    """The states of tracked sites, sorted once, of which jumps over any lag are counted.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns ``track``, ``frame`` and the states: numbers or names; negative ones and empty ones are none.
    column : str
        Which column holds the states.

    Raises
    ------
    InputError
        If a column is missing, or a track is twice in a frame.
    """

    def __init__(self, table: pd.DataFrame, column: str = "cluster") -> None:
        missing = [name for name in ("track", "frame", column) if name not in table.columns]
        if missing:
            raise InputError(f"timescale: the table has no column {', '.join(missing)}; link and sort sites")
        values = table[column]
        good = values.notna().to_numpy() & (table["track"].to_numpy(np.float64) >= 0)
        if pd.api.types.is_numeric_dtype(values):
            good &= values.to_numpy(np.float64, na_value=np.nan) >= 0
        else:
            good &= (values.astype(str) != "").to_numpy(bool)
        rows = np.flatnonzero(good)
        state, states = pd.factorize(values.iloc[rows], sort=True)
        self.states = np.asarray(states)
        tracks, frames = (table[name].to_numpy()[rows] for name in ("track", "frame"))
        track, ids = pd.factorize(tracks, sort=True)
        frame = frames.astype(np.int64) - (int(frames.min()) if len(frames) else 0)
        self._span = int(frame.max(initial=0)) + 1
        key = track.astype(np.int64) * self._span + frame
        if (np.diff(key) <= 0).any():
            order = np.argsort(key, kind="stable")
            key, state, track, frame = key[order], state[order], track[order], frame[order]
        twice = np.flatnonzero(np.diff(key) == 0)
        if len(twice):
            where = f"track {ids[track[twice[0]]]} has two sites in frame {frame[twice[0]] + int(frames.min())}"
            raise InputError(f"timescale: {where}; link again")
        self._key, self._state, self._track, self._frame, self._tracks = key, state, track, frame, len(ids)

    def counts(self, lag: int, every: bool = False) -> np.ndarray:
        """Count the jumps from state to state in ``lag`` frames, track by track.

        Parameters
        ----------
        lag : int
            Frames, at least 1. Pairs of one track that are exactly so far apart are counted.
        every : bool
            Only pairs that do not overlap: those a whole number of lags after the first row of their track.

        Returns
        -------
        numpy.ndarray, shape (tracks, states, states), int64
            From the state of the row to that of the column; their sum over tracks is the pooled count.

        Raises
        ------
        InputError
            If the lag is not positive.
        """
        if lag < 1:
            raise InputError(f"timescale: wanted a lag of at least one frame, got {lag}")
        key, n, k = self._key, len(self._key), len(self.states)
        at = np.arange(n)
        if every and n:
            first = self._frame[np.searchsorted(self._track, np.arange(self._tracks))]
            at = at[(self._frame - first[self._track]) % lag == 0]
        at = at[self._frame[at] + lag < self._span]
        later = np.minimum(at + lag, max(n - 1, 0))  # where nothing is missing
        wanted = key[at] + lag
        missed = np.flatnonzero(key[later] != wanted)
        later[missed] = np.minimum(np.searchsorted(key, wanted[missed]), max(n - 1, 0))
        found = key[later] == wanted
        at, later = at[found], later[found]
        cell = (self._track[at] * k + self._state[at]) * k + self._state[later]
        return np.bincount(cell, minlength=self._tracks * k * k).reshape(self._tracks, k, k).astype(np.int64)


def pooled_counts(table: pd.DataFrame, lag: int, column: str = "cluster") -> tuple[np.ndarray, np.ndarray]:
    """Count the jumps from state to state in ``lag`` frames, track by track.

    Parameters
    ----------
    table : pandas.DataFrame
        As :class:`Jumps` wants it.
    lag : int
        Frames, at least 1. Pairs of one track that are exactly so far apart are counted, all of them (sliding).
    column : str
        Which column holds the states.

    Returns
    -------
    counts : numpy.ndarray, shape (tracks, states, states), int64
        From the state of the row to that of the column; their sum over tracks is the pooled count.
    states : numpy.ndarray, shape (states,)
        What the rows and columns are, sorted.

    Raises
    ------
    InputError
        If a column is missing, the lag is not positive, or a track is twice in a frame.
    """
    jumps = Jumps(table, column)
    return jumps.counts(lag), jumps.states


def implied_timescales(
    table: pd.DataFrame | Jumps,
    lags: int | Sequence[int] = 1,
    column: str = "cluster",
    frame_time_s: float | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Return the slowest timescale of the jumps between states, for each lag.

    ``t = -lag / ln(lambda_2)``, with ``lambda_2`` the second eigenvalue of the transition matrix: pooled counts over
    their row sums. (The mean of the matrices of single tracks would be biased: short tracks have seen little.) Where
    jumps have no memory t is the same for every lag; where a state was sometimes read wrongly it rises with the lag
    towards the true one.

    Parameters
    ----------
    table : pandas.DataFrame or Jumps
        As :class:`Jumps` wants it.
    lags : int or sequence of int
        Frames.
    column : str
        Not asked for of :class:`Jumps`.
    frame_time_s : float, optional
        Time of a frame; then ``lag_s`` and ``timescale_s`` are there.
    seed : int
        Of the resampling of tracks for the standard error.

    Returns
    -------
    pandas.DataFrame
        A row a lag: ``lag``, ``timescale``, ``timescale_sd`` (frames; NaN where jumps are faster than the lag can show
        or none was seen), ``eigenvalue``, ``jumps`` (how many pairs were counted).

    References
    ----------
    W. C. Swope, J. W. Pitera and F. Suits, "Describing protein folding kinetics by molecular dynamics simulations. 1.
    Theory", J. Phys. Chem. B 108 (2004) 6571. J.-H. Prinz et al., "Markov models of molecular kinetics: generation and
    validation", J. Chem. Phys. 134 (2011) 174105.
    """
    rows, jumps = [], table if isinstance(table, Jumps) else Jumps(table, column)
    rng = np.random.default_rng(seed)
    for lag in [lags] if isinstance(lags, int | np.integer) else list(lags):
        counts = jumps.counts(int(lag))
        value = _second(counts.sum(0))
        n = max(len(counts), 1)
        weights = rng.multinomial(n, np.full(n, 1 / n), _RESAMPLED)[:, : len(counts)]  # (resampled, tracks)
        resampled = np.einsum("rt,tij->rij", weights, counts, optimize=True)
        spread = [_timescale(_second(one), lag) for one in resampled]
        seen = np.array([t for t in spread if np.isfinite(t)])
        row = {
            "lag": int(lag),
            "timescale": _timescale(value, lag),
            "timescale_sd": float(seen.std(ddof=1)) if len(counts) > 1 and len(seen) > _RESAMPLED // 2 else np.nan,
            "eigenvalue": value,
            "jumps": int(counts.sum()),
        }
        rows.append(row)
    out = pd.DataFrame(rows)
    if frame_time_s is not None:
        for name in ("lag", "timescale", "timescale_sd"):
            out[f"{name}_s"] = out[name] * frame_time_s
    return out


def _second(counts: np.ndarray) -> float:
    """Return the second eigenvalue of pooled counts; states that were never left or never seen are left out."""
    seen = counts.sum(1) > 0
    counts = counts[np.ix_(seen, seen)].astype(np.float64)
    if len(counts) < 2:
        return float("nan")
    values = np.linalg.eigvals(counts / np.maximum(counts.sum(1, keepdims=True), 1e-300))
    return float(np.sort(values.real)[-2])


def _timescale(eigenvalue: float, lag: int) -> float:
    return float(-lag / np.log(eigenvalue)) if 0 < eigenvalue < 1 else float("nan")
