"""How long states last: the runs of a state in each track, some of them cut off by the end of what was seen."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import beta

from atomscope.dynamics.tracks import sort_tracks
from atomscope.errors import InputError


def runs_of_states(table: pd.DataFrame, column: str = "cluster", max_gap: int = 0) -> pd.DataFrame:
    """Return how long each track stayed in a state each time.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns ``track``, ``frame`` and the states: numbers or names; negative ones and empty ones are none.
    column : str
        Which column holds the states.
    max_gap : int
        Missing frames that do not end a run when the state is the same on both sides. Longer gaps cut it off.

    Returns
    -------
    pandas.DataFrame
        A row a run: ``track``, ``state``, ``frame`` (its first), ``frames`` (from first to last), ``began`` and
        ``ended``: whether the change from and to another state was seen.

    Raises
    ------
    InputError
        If a column is missing, or no site of a track has a state.
    """
    if column not in table.columns:
        raise InputError(f"dwell times: the table has no column {column!r} of states; it has {list(table.columns)}")
    known = known_states(table[column])
    if len(table) and not known.any():
        raise InputError(f"dwell times: no site has a state in column {column!r} (negative and empty ones are none)")
    linked = sort_tracks(table, known, "dwell times")
    state, names = pd.factorize(table[column].iloc[linked.rows], sort=True)
    states = np.asarray(names)
    same_track = np.ones(len(state) - 1, bool)
    same_track[linked.starts[1:-1] - 1] = False
    gap, same = np.diff(linked.frame) - 1, np.diff(state) == 0
    goes_on = same_track & same & (gap <= max_gap)
    changes = same_track & ~same & (gap == 0)
    first = np.flatnonzero(np.r_[True, ~goes_on])
    last = np.r_[first[1:] - 1, len(state) - 1]
    track = np.repeat(linked.ids, np.diff(linked.starts))
    return pd.DataFrame(
        {
            "track": track[first],
            "state": states[state[first]],
            "frame": linked.frame[first],
            "frames": linked.frame[last] - linked.frame[first] + 1,
            "began": np.r_[False, changes][first],
            "ended": np.r_[changes, False][last],
        }
    )


def known_states(states: pd.Series) -> np.ndarray:
    """Whether each value is a state: not empty and, of numbers, not negative."""
    good = states.notna().to_numpy().copy()
    if pd.api.types.is_numeric_dtype(states) and not pd.api.types.is_bool_dtype(states):
        good &= states.to_numpy(np.float64, na_value=np.nan) >= 0
    elif not pd.api.types.is_bool_dtype(states):
        good &= (states.astype(str) != "").to_numpy(bool)
    return good


def survival(frames: np.ndarray, ended: np.ndarray) -> pd.DataFrame:
    """Return the share of runs that last longer than so many frames (Kaplan and Meier), with its standard error.

    Parameters
    ----------
    frames : numpy.ndarray, shape (n,), int
    ended : numpy.ndarray, shape (n,), bool
        False: the run goes on after what was seen, for an unknown time.

    Returns
    -------
    pandas.DataFrame
        ``frames`` (1, 2, ...), ``at_risk`` (runs that were seen a frame later, too), ``left``, ``survival``,
        ``survival_sd`` (Greenwood).
    """
    longest = int(frames.max()) if len(frames) else 0
    left = np.bincount(frames[ended], minlength=longest + 1)[1:]
    cut = np.bincount(frames[~ended], minlength=longest + 1)[1:]
    # Of a run that is cut off after n frames nobody saw whether it ended with the n-th.
    risk = np.cumsum((left + cut)[::-1])[::-1] - cut
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.cumprod(np.where(risk > 0, 1 - left / risk, 1.0))
        greenwood = np.cumsum(np.where(risk > left, left / (risk * (risk - left)), 0.0))
    return pd.DataFrame(
        {
            "frames": np.arange(1, longest + 1),
            "at_risk": risk,
            "left": left,
            "survival": np.where(np.maximum.accumulate(risk[::-1])[::-1] > 0, share, np.nan),
            "survival_sd": share * np.sqrt(greenwood),
        }
    )


def dwell_table(runs: pd.DataFrame, frame_time: float | None = None, step: int = 1) -> pd.DataFrame:
    """Return how long each state lasts, from the runs whose beginning was seen.

    A state is left with the same chance p in each frame: ``p = runs that ended / frames after which the state was
    seen again or left``. Runs that are cut off count with the frames that were seen of them; leaving them out would
    make states short, for long runs are those that are cut off. The first run of a track began nobody knows when.

    Parameters
    ----------
    runs : pandas.DataFrame
        Of :func:`runs_of_states`.
    frame_time : float, optional
        s; then times are in s, else in frames, as the names of the columns say.
    step : int
        How many frames one of the runs' frames is: 2 where every other frame was looked at.

    Returns
    -------
    pandas.DataFrame
        A row a state: ``runs``, ``ended``, ``cut_off``, ``left_out`` (beginning not seen), the ``mean`` dwell (1 / p
        frames) with its 95 % interval, the ``median`` after Kaplan and Meier (NaN where fewer than half of the runs
        are seen to end), and the ``rate`` of leaving, -ln(1 - p) a frame, with its interval.
    """
    unit, dt = ("frames", float(step)) if frame_time is None else ("s", frame_time * step)
    per = "per_frame" if frame_time is None else "per_s"
    rows = []
    for state, some in runs.groupby("state", sort=True, observed=True):
        whole = some[some["began"]]
        frames, ended = whole["frames"].to_numpy(np.int64), whole["ended"].to_numpy(bool)
        left, tried = int(ended.sum()), int(frames.sum() - (~ended).sum())
        low, high = beta.ppf([0.025, 0.975], left + 0.5, tried - left + 0.5)
        # Nothing left: no upper end; never stayed: no lower one but a frame.
        low, high = (low if left else 0.0), (high if left < tried else 1.0)
        p = left / tried if tried else np.nan
        curve = survival(frames, ended)
        below = curve["frames"][curve["survival"] <= 0.5]
        with np.errstate(divide="ignore"):
            mean, shortest, longest = (dt / np.array([p, high, low])).tolist()
            rate, slowest, fastest = (np.abs(np.log1p(-np.array([p, low, high]))) / dt).tolist()
        rows.append(
            {
                "state": state,
                "runs": len(whole),
                "ended": left,
                "cut_off": len(whole) - left,
                "left_out": len(some) - len(whole),
                f"mean_{unit}": mean,
                f"mean_low_{unit}": shortest if tried else np.nan,
                f"mean_high_{unit}": longest if tried else np.nan,
                f"median_{unit}": float(below.iloc[0]) * dt if len(below) else np.nan,
                f"rate_{per}": rate,
                f"rate_low_{per}": slowest if tried else np.nan,
                f"rate_high_{per}": fastest if tried else np.nan,
            }
        )
    return pd.DataFrame(rows)
