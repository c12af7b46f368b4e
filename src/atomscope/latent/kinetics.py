"""How long states last: jumps between states, counted over all tracks, and the timescale that they imply."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from atomscope.errors import InputError

#: Resampled sets of tracks from which the standard error of a timescale is taken.
_RESAMPLED = 200


def pooled_counts(table: pd.DataFrame, lag: int, column: str = "cluster") -> tuple[np.ndarray, np.ndarray]:
    """Count the jumps from state to state in ``lag`` frames, track by track.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns ``track``, ``frame`` and the states: numbers or names; negative ones and empty ones are none.
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
    missing = [name for name in ("track", "frame", column) if name not in table.columns]
    if missing:
        raise InputError(f"timescale: the table has no column {', '.join(missing)}; sites must be linked and sorted")
    if lag < 1:
        raise InputError(f"timescale: wanted a lag of at least one frame, got {lag}")
    good = table[column].notna().to_numpy() & (table["track"].to_numpy(np.float64) >= 0)
    if pd.api.types.is_numeric_dtype(table[column]):
        good &= table[column].to_numpy(np.float64) >= 0
    some = table[good]
    states, state = np.unique(some[column].to_numpy(), return_inverse=True)
    where = pd.MultiIndex.from_frame(some[["track", "frame"]])
    if not where.is_unique:
        twice = some[where.duplicated()].iloc[0]
        raise InputError(f"timescale: track {twice['track']} has two sites in frame {twice['frame']}; link again")
    frames = some["frame"].to_numpy(np.int64)
    later = where.get_indexer(pd.MultiIndex.from_arrays([some["track"].to_numpy(), frames + lag]))
    pairs = later >= 0
    tracks, track = np.unique(some["track"].to_numpy(), return_inverse=True)
    counts = np.zeros((len(tracks), len(states), len(states)), np.int64)
    np.add.at(counts, (track[pairs], state[pairs], state[later[pairs]]), 1)
    return counts, states


def implied_timescales(
    table: pd.DataFrame,
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
    table : pandas.DataFrame
        As :func:`pooled_counts` wants it.
    lags : int or sequence of int
        Frames.
    column : str
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
    rows = []
    rng = np.random.default_rng(seed)
    for lag in [lags] if isinstance(lags, int | np.integer) else list(lags):
        counts, _ = pooled_counts(table, int(lag), column)
        value = _second(counts.sum(0))
        n = max(len(counts), 1)
        weights = rng.multinomial(n, np.full(n, 1 / n), _RESAMPLED)[:, : len(counts)]  # (resampled, tracks)
        spread = [_timescale(_second(np.tensordot(w, counts, 1)), lag) for w in weights]
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
