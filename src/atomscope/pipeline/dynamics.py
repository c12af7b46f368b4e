"""The verbs of dynamics: how tracked sites wander, jump between states, and stay in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from atomscope.data import Sites
from atomscope.data.params.dynamics import DiffusionParams, TransitionParams
from atomscope.errors import InputError
from atomscope.pipeline.fields import with_fields
from atomscope.pipeline.track_units import frame_time, pixel_size, table_of

#: More values than this are no states.
_MOST_STATES = 200
#: Sites nearer than this to each other, px, were put there.
_SAME_PX = 1e-3
#: So many rows are looked at first: most often they tell.
_AT_FIRST = 20_000

if TYPE_CHECKING:
    from atomscope.dynamics.diffusion import Diffusion
    from atomscope.dynamics.markov import Transitions


def diffusion(
    sites: Sites | pd.DataFrame,
    params: DiffusionParams | None = None,
    *,
    frame_time_s: float | None = None,
    pixel_nm: float | tuple[float, float] | None = None,
    time_column: str | None = None,
    **fields: Any,
) -> Diffusion:
    """Return the diffusion coefficient of linked sites, with its 95 % interval, and mean squared displacements.

    Parameters
    ----------
    sites : Sites or DataFrame
        With ``track`` (-1: none), ``frame``, ``row``, ``col``; where there are ``row_still`` and ``col_still`` (the
        drift taken out), those count. Tracks may have gaps.
    params : DiffusionParams, optional
    frame_time_s : float, optional
        Time of a frame; from a calibrated time axis of the sites when absent. Without either, times are in frames.
    pixel_nm : float or (float, float), optional
        Pixel size (along rows, along columns); from the axes when absent. Without either, lengths are in px.
    time_column : str, optional
        Column with the times of the frames in s, instead of ``frame_time_s``.
    **fields
        Fields of :class:`~atomscope.data.params.dynamics.DiffusionParams`.

    Returns
    -------
    Diffusion
        ``D``, ``ci``, ``unit``, ``sigma``, ``n_tracks``, ``msd``, ``tracks``, ``notes``; ``table()`` has a row an
        estimator.

    Raises
    ------
    InputError
        If the table has no tracks, a track is twice in a frame, or tracks are too short.
    CalibrationError
        If a unit cannot be used.
    """
    from atomscope.dynamics.diffusion import measure_diffusion
    from atomscope.dynamics.tracks import sort_tracks

    chosen = with_fields(DiffusionParams, params, fields)
    table = table_of(sites, "diffusion", ("track", "frame", "row", "col"))
    names = ["row_still", "col_still"] if {"row_still", "col_still"} <= set(table.columns) else ["row", "col"]
    places = table[names].to_numpy(np.float64)
    linked = sort_tracks(table, np.isfinite(places).all(1), "diffusion")
    if chosen.localisation == "auto":
        exact = _of_places(table, places, linked.rows)
        chosen = chosen.replace(localisation="none" if exact else "fit")
    time, pixel = frame_time(sites, frame_time_s, time_column), pixel_size(sites, pixel_nm)
    points = places[linked.rows] * np.asarray(pixel or (1.0, 1.0))
    units = ("px" if pixel is None else "nm", "frame" if time is None else "s")
    return measure_diffusion(linked, points, chosen, time or 1.0, units)


def _of_places(table: pd.DataFrame, places: np.ndarray, rows: np.ndarray) -> bool:
    """Say whether sites lie at places of a lattice, and not where each of them was measured."""
    if "lattice_site" not in table:
        return False
    known = table["lattice_site"].to_numpy(np.float64, na_value=-1)[rows]
    if not (known >= 0).all():
        return False
    return all(_same(known[few], places[rows[few]]) for few in (slice(_AT_FIRST), slice(None)))


def _same(known: np.ndarray, at: np.ndarray) -> bool:
    of = pd.factorize(known)[0]
    first = np.full((of.max() + 1, 2), np.nan)
    first[of[::-1]] = at[::-1]
    return bool(len(first) < len(of) and (np.abs(at - first[of]) < _SAME_PX).all())


def transitions(
    sites: Sites | pd.DataFrame,
    params: TransitionParams | None = None,
    *,
    frame_time_s: float | None = None,
    time_column: str | None = None,
    **fields: Any,
) -> Transitions:
    """Return how probable jumps between the states of linked sites are, from the jumps of all tracks together.

    Parameters
    ----------
    sites : Sites or DataFrame
        With ``track``, ``frame`` and a column of states.
    params : TransitionParams, optional
    frame_time_s, time_column
        As for :func:`diffusion`; without a time, rates are per frame.
    **fields
        Fields of :class:`~atomscope.data.params.dynamics.TransitionParams` (``column``, ``lag``, ...).

    Returns
    -------
    Transitions
        ``states``, ``matrix`` with ``low`` and ``high``, ``stationary``, ``rates``, ``timescales``,
        ``chapman_kolmogorov``, ``notes``; ``table()`` has a row a pair of states.

    Raises
    ------
    InputError
        If a column is missing, no jump can be counted, or a track is twice in a frame.

    References
    ----------
    J.-H. Prinz et al., J. Chem. Phys. 134 (2011) 174105 (pooled counts, tests); W. Perks, J. Inst. Actuaries 73 (1947)
    285 (the prior).
    """
    from atomscope.dynamics import markov
    from atomscope.dynamics.tracks import frame_step
    from atomscope.latent.kinetics import Jumps, implied_timescales

    chosen = with_fields(TransitionParams, params, fields)
    table = table_of(sites, "transitions", ("track", "frame", chosen.column))
    time = frame_time(sites, frame_time_s, time_column)
    strided, lag, notes = chosen.counting == "strided", chosen.lag, []
    jumps = Jumps(table, chosen.column)
    states = jumps.states
    if not len(states):
        raise InputError(f"transitions: no site of a track has a state in column {chosen.column!r} (negative is none)")
    if len(states) > _MOST_STATES:
        raise InputError(
            f"transitions: column {chosen.column!r} has {len(states)} different values; states are few, cluster it"
        )
    steps = markov.row_shares(jumps.counts(1).sum(0))
    known = steps if np.isfinite(steps).all() else None

    def counted(lag: int) -> tuple[np.ndarray, np.ndarray]:
        full = jumps.counts(lag, every=strided).sum(0)
        less = 1.0 if strided else markov.overlap(known, lag)
        return full, np.broadcast_to(full.sum(1, keepdims=True) / less, full.shape)

    counts, effective = counted(lag)
    if not counts.any():
        step = frame_step(table["frame"].to_numpy()[table["track"] >= 0])
        hint = "a shorter lag" if lag > 1 else "tracks that are longer: link with a larger distance, or with gaps"
        hint = f"lag={step} or a multiple: only one frame in {step} has tracks" if lag % step else hint
        raise InputError(f"transitions: no track has states {lag} frames apart; take {hint}")
    matrix = markov.row_shares(counts)
    never = [str(s) for s, n in zip(states, counts.sum(1), strict=True) if n == 0]
    if never:
        notes.append(f"from {', '.join(never)} no jump was seen: its probabilities are not known")
    low, high = markov.intervals(counts, effective, chosen.prior)
    rates, exact = markov.rates_of(matrix, lag * (time or 1.0))
    if not exact:
        notes.append("rates are of first order: no rates make this matrix; a shorter lag may help")
    stationary = markov.stationary_shares(matrix)
    if np.isnan(stationary).any():
        notes.append("no shares in the long run: not every state was seen to be reached from every other")
    longest = int(table["frame"].max() - table["frame"].min())
    later = {k: counted(k * lag) for k in chosen.steps if k * lag <= longest}
    tested = markov.compare_powers(states, counts, effective, later, chosen.seed)
    if len(tested) and not tested["agrees"].all():
        notes.append("jumps remember what was before (Chapman-Kolmogorov): take a longer lag, or states were misread")
    return markov.Transitions(
        states=states,
        matrix=matrix,
        low=low,
        high=high,
        counts=counts,
        effective=effective,
        lag=lag,
        stationary=stationary,
        rates=rates,
        rate_unit="1/frame" if time is None else "1/s",
        timescales=implied_timescales(jumps, chosen.lags, frame_time_s=time, seed=chosen.seed),
        chapman_kolmogorov=tested,
        notes=tuple(notes),
    )


def dwell_times(
    sites: Sites | pd.DataFrame,
    column: str = "cluster",
    *,
    max_gap: int = 0,
    frame_time_s: float | None = None,
    time_column: str | None = None,
) -> pd.DataFrame:
    """Return how long each state lasts and how fast it is left, with 95 % intervals.

    Runs that a track's end or a gap cuts off count for what was seen of them; those whose beginning was not seen are
    left out. Where only every other frame has tracks (a movie that was found in with a stride), those count as
    consecutive.

    Parameters
    ----------
    sites : Sites or DataFrame
        With ``track``, ``frame`` and the states.
    column : str
        Which column holds the states; negative numbers and empty ones are none.
    max_gap : int
        Missing frames that do not end a run when the state is the same on both sides (of those that have tracks).
    frame_time_s, time_column
        As for :func:`diffusion`; without a time, columns are in frames.

    Returns
    -------
    pandas.DataFrame
        As :func:`atomscope.dynamics.dwell.dwell_table` says.

    Raises
    ------
    InputError
        If a column is missing, no site of a track has a state, or a track is twice in a frame.
    """
    from atomscope.dynamics.dwell import dwell_table, runs_of_states
    from atomscope.dynamics.tracks import frame_step

    table = table_of(sites, "dwell times", ("track", "frame", column))
    if max_gap < 0:
        raise InputError(f"dwell times: wanted a max_gap of 0 frames or more, got {max_gap}")
    time = frame_time(sites, frame_time_s, time_column)
    step = frame_step(table["frame"].to_numpy()[table["track"] >= 0])
    if step > 1:
        table = table[table["track"] >= 0]
        table = table.assign(frame=(table["frame"] - table["frame"].min()) // step)
    return dwell_table(runs_of_states(table, column, max_gap), time, step)
