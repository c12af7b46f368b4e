"""The verbs of latent paths: where tracked sites go in latent space, and whether time has a direction there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from atomscope.data import Sites
from atomscope.data.columns import angle_order
from atomscope.data.params.latent_path import CirculationParams, IrreversibilityParams, LatentPathParams
from atomscope.display.latent_path import PathLines, TrackIndex, path_lines, time_colours
from atomscope.errors import InputError
from atomscope.pipeline.fields import with_fields
from atomscope.pipeline.track_units import frame_time, table_of

if TYPE_CHECKING:
    from atomscope.dynamics.circulation import Circulation
    from atomscope.dynamics.irreversibility import Irreversibility
    from atomscope.dynamics.latent_path import LatentPaths
    from atomscope.dynamics.tracks import Linked

__all__ = [
    "PathLines",
    "TrackIndex",
    "circulation",
    "irreversibility",
    "latent_paths",
    "path_lines",
    "period_of",
    "time_colours",
]


def latent_paths(
    sites: Sites | pd.DataFrame,
    params: LatentPathParams | None = None,
    *,
    frame_time_s: float | None = None,
    time_column: str | None = None,
    **fields: Any,
) -> LatentPaths:
    """Return the path of each track through latent space: steps, length, net displacement, speed.

    Parameters
    ----------
    sites : Sites or DataFrame
        With ``track`` (-1: none), ``frame`` and latents: ``z1``, ..., ``theta1``, ... (which come round after a full
        turn). Sites without a latent count as missing frames.
    params : LatentPathParams, optional
    frame_time_s : float, optional
        Time of a frame; from a calibrated time axis of the sites when absent. Without either, times are in frames.
    time_column : str, optional
        Column with the times of the frames in s, instead of ``frame_time_s``.
    **fields
        Fields of :class:`~atomscope.data.params.latent_path.LatentPathParams`.

    Returns
    -------
    LatentPaths
        ``steps`` (a row a site), ``tracks`` (a row a track), ``msd`` (a row a lag), ``noise_share``, ``notes``;
        ``table()`` has a row a track.

    Raises
    ------
    InputError
        If there are no tracks or latents, a track is twice in a frame, or no track has two sites.
    """
    from atomscope.dynamics.latent_path import follow_paths

    chosen = with_fields(LatentPathParams, params, fields)
    table = table_of(sites, "latent paths", ("track", "frame"))
    names = list(chosen.columns) or [*_numbered(table, "z"), *_numbered(table, "theta")]
    names += ["angle"] if chosen.angle and "angle" not in names else []
    linked, points = _linked(table, names, "latent paths")
    periods = np.array([period_of(table, name) for name in names])
    known = [f"{name}_sd" for name in names]
    errors = table[known].to_numpy(np.float64)[linked.rows] if set(known) <= set(table.columns) else None
    if errors is not None and not np.isfinite(errors).all():
        errors = None
    site = table["site"].to_numpy()[linked.rows] if "site" in table.columns else table.index.to_numpy()[linked.rows]
    time = frame_time(sites, frame_time_s, time_column)
    return follow_paths(linked, points, names, periods, chosen, site, errors, time)


def irreversibility(
    sites: Sites | pd.DataFrame,
    params: IrreversibilityParams | None = None,
    *,
    frame_time_s: float | None = None,
    time_column: str | None = None,
    **fields: Any,
) -> Irreversibility:
    """Return whether jumps between the states of linked sites would look the same backwards in time.

    Parameters
    ----------
    sites : Sites or DataFrame
        With ``track``, ``frame`` and a column of states.
    params : IrreversibilityParams, optional
    frame_time_s, time_column
        As for :func:`latent_paths`; without a time, nothing is per second.
    **fields
        Fields of :class:`~atomscope.data.params.latent_path.IrreversibilityParams` (``column``, ``lag``, ...).

    Returns
    -------
    Irreversibility
        ``p``, ``p_cycles``, ``entropy`` with ``entropy_ci``, ``pairs``, ``cycles``, ``notes``; ``table()`` has a row a
        pair of states.

    Raises
    ------
    InputError
        If a column is missing, there are fewer than two states, no jump can be counted, or a track is twice in a frame.
    """
    from atomscope.dynamics.irreversibility import measure_irreversibility
    from atomscope.latent.kinetics import Jumps

    chosen = with_fields(IrreversibilityParams, params, fields)
    table = table_of(sites, "irreversibility", ("track", "frame", chosen.column))
    table = _in_pieces(table[["track", "frame", chosen.column]], chosen.piece, chosen.lag, "irreversibility")
    jumps = Jumps(table, chosen.column)
    counts, states = jumps.counts(chosen.lag), jumps.states
    if len(states) < 2:
        raise InputError(
            f"irreversibility: wanted two states or more of tracked sites in column {chosen.column!r},"
            f" got {len(states)}"
        )
    if not counts.any():
        raise InputError(f"irreversibility: no track has states {chosen.lag} frames apart; take a shorter lag")
    apart = jumps.counts(chosen.lag, every=True).sum(0) if chosen.lag > 1 else None
    return measure_irreversibility(counts, states, chosen, apart, frame_time(sites, frame_time_s, time_column))


def circulation(
    sites: Sites | pd.DataFrame,
    params: CirculationParams | None = None,
    *,
    frame_time_s: float | None = None,
    time_column: str | None = None,
    **fields: Any,
) -> Circulation:
    """Return whether paths through latent space would look the same backwards in time; no states are needed.

    Parameters
    ----------
    sites : Sites or DataFrame
        With ``track``, ``frame`` and latents ``z1``, ``z2``, ... Sites without a latent count as missing frames.
    params : CirculationParams, optional
    frame_time_s, time_column
        As for :func:`latent_paths`; without a time, rates are per frame.
    **fields
        Fields of :class:`~atomscope.data.params.latent_path.CirculationParams` (``columns``, ``lag``, ``plane``, ...).

    Returns
    -------
    Circulation
        ``p``, ``pairs`` (of latents), ``drifts``, ``currents`` (a map of the plane of two latents), ``notes``;
        ``table()`` has a row a pair of latents.

    Raises
    ------
    InputError
        If there are no tracks or latents, a column comes round, a track is twice in a frame, or no track has two sites
        so far apart.
    """
    from atomscope.dynamics.circulation import measure_circulation

    chosen = with_fields(CirculationParams, params, fields)
    table = table_of(sites, "circulation", ("track", "frame"))
    names = list(chosen.columns) or _numbered(table, "z")
    names += [name for name in chosen.plane or () if name not in names]
    table = _in_pieces(table, chosen.piece, chosen.lag, "circulation")
    linked, points = _linked(table, names, "circulation")
    turning = [name for name in names if np.isfinite(period_of(table, name))]
    if turning:
        raise InputError(
            f"circulation: {', '.join(turning)} comes round, which products of latents do not know; sort it into "
            "states and use irreversibility, or add columns with its cosine and sine"
        )
    return measure_circulation(linked, points, names, chosen, frame_time(sites, frame_time_s, time_column))


def _numbered(table: pd.DataFrame, prefix: str) -> list[str]:
    from atomscope.latent.features import latent_columns

    return latent_columns(table, prefix)


def period_of(table: pd.DataFrame, name: str) -> float:
    """Return after how many rad a column of a table is the same again; inf: never."""
    if name == "angle":
        return 2 * np.pi / angle_order(table)
    return 2 * np.pi if name.startswith("theta") and name[5:].isdigit() else np.inf


def _linked(table: pd.DataFrame, names: list[str], verb: str) -> tuple[Linked, np.ndarray]:
    """Return the rows of tracks that have all these columns, sorted, and the columns' values in their order."""
    from atomscope.dynamics.tracks import sort_tracks

    if not names:
        raise InputError(f"{verb}: the table has no latents z1, z2, ...; encode the patches first, or name columns")
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise InputError(f"{verb}: the table has no column {', '.join(missing)}; it has {', '.join(map(str, table))}")
    words = [name for name in names if not pd.api.types.is_numeric_dtype(table[name])]
    if words:
        raise InputError(f"{verb}: wanted numbers in column {', '.join(words)}")
    values = table[names].to_numpy(np.float64, na_value=np.nan)
    linked = sort_tracks(table, np.isfinite(values).all(1), verb)
    return linked, values[linked.rows]


def _in_pieces(table: pd.DataFrame, piece: int | None, lag: int, verb: str) -> pd.DataFrame:
    """Return the table with each track cut into pieces of so many frames, which are tracks of their own."""
    if piece is None:
        return table
    if piece <= lag:
        raise InputError(f"{verb}: wanted pieces longer than the lag of {lag} frames, got {piece}")
    track = pd.to_numeric(table["track"], errors="coerce").fillna(-1).to_numpy(np.float64).astype(np.int64)
    frame = table["frame"].to_numpy(np.int64)
    first = pd.Series(frame).groupby(track).transform("min").to_numpy()
    number = (frame - first) // piece
    cut = track * (int(number.max()) + 1) + number
    return table.assign(track=np.where(track >= 0, cut, -1))
