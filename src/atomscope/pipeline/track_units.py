"""What the verbs of dynamics read from linked sites: the table, the time of a frame, the size of a pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from atomscope.data import Sites
from atomscope.errors import CalibrationError, InputError

#: By how much times of frames may differ from a steady pace.
_UNEVEN = 0.01


def table_of(sites: Sites | pd.DataFrame, verb: str, wanted: tuple[str, ...]) -> pd.DataFrame:
    """Return the table of sites, its tracks, frames and places held as numbers.

    Parameters
    ----------
    sites : Sites or DataFrame
    verb : str
        Who asks, for errors.
    wanted : tuple of str
        Columns it must have.

    Returns
    -------
    pandas.DataFrame
        The same table where nothing had to be changed. Sites of no track that have no frame are left out when tracks
        are asked for.

    Raises
    ------
    InputError
        If a column is missing, the table is empty, or a track, a frame or a place is no number.
    """
    from atomscope.dynamics.tracks import whole_numbers

    table = sites.table if isinstance(sites, Sites) else sites
    missing = [name for name in wanted if name not in table.columns]
    if missing:
        hint = "link the sites first" if "track" in missing else f"it has {', '.join(map(str, table.columns))}"
        raise InputError(f"{verb}: the table has no column {', '.join(missing)}; {hint}")
    if not len(table):
        raise InputError(f"{verb}: the table is empty")
    if "track" in wanted and not _whole(table["track"]):
        table = table.assign(track=whole_numbers(table, "track", verb, empty=-1))
    if "frame" in wanted and not _whole(table["frame"]):
        if "track" in wanted:
            table = table[(table["track"] >= 0) | table["frame"].notna()]
        table = table.assign(frame=whole_numbers(table, "frame", verb))
    for name in {"row", "col"} & set(wanted):
        if not isinstance(table[name].dtype, np.dtype) or table[name].dtype.kind not in "iuf":
            table = table.assign(**{name: _numbers(table, name, verb)})
    return table


def _whole(column: pd.Series) -> bool:
    return isinstance(column.dtype, np.dtype) and column.dtype.kind in "iu"


def _numbers(table: pd.DataFrame, name: str, verb: str) -> np.ndarray:
    """Return a column as numbers, NaN where it is empty, shape (n,); InputError names the first that is none."""
    column = table[name]
    value = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    bad = np.isnan(value) & column.notna().to_numpy() & ~column.astype(str).str.lower().isin(["", "nan"]).to_numpy()
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        raise InputError(f"{verb}: wanted numbers in column {name!r}, row {first} has {column.iloc[first]!r}")
    return value


def frame_time(sites: Sites | pd.DataFrame, given: float | None, column: str | None) -> float | None:
    """Return the time of a frame in s: as given, of the times in the table, of the time axis; None where unknown.

    Parameters
    ----------
    sites : Sites or DataFrame
    given : float, optional
        s.
    column : str, optional
        Which column holds the times: numbers in s, dates, or durations.

    Raises
    ------
    InputError
        If the column is missing.
    CalibrationError
        If the time is not positive, times are uneven or do not increase, or the axis is in no unit of time.
    """
    if given is not None:
        if not _positive(given, 1):
            raise CalibrationError(f"frame_time_s: wanted a positive time of a frame, got {given}")
        return float(given)
    if column is not None:
        return _pace(table_of(sites, "time of a frame", ("frame", column)), column)
    if not isinstance(sites, Sites) or len(sites.axes) != 3 or not sites.axes[0].calibrated:
        return None
    from atomscope.io.units import normalise_unit

    axis = sites.axes[0]
    unit, factor = normalise_unit(axis.unit) or (axis.unit, 1.0)
    if unit != "s":
        raise CalibrationError(
            f"axis {axis.name!r} is in {axis.unit}, which is no time; give frame_time_s, or the axis a unit of time"
        )
    return axis.scale * factor


def _pace(table: pd.DataFrame, column: str) -> float:
    """Return the time from frame to frame, s, of the times of the sites."""
    values = table[column]
    if isinstance(values.dtype, pd.DatetimeTZDtype) or values.dtype.kind == "M":
        values = values - values.min()
    seconds = values.dt.total_seconds() if values.dtype.kind == "m" else _numbers(table, column, "time of a frame")
    times = pd.Series(np.asarray(seconds, np.float64), table.index).groupby(table["frame"]).median().sort_index()
    frame, time = times.index.to_numpy(), times.to_numpy()
    if not np.isfinite(time).all():
        raise CalibrationError(
            f"frame {frame[~np.isfinite(time)][0]} has no time in column {column!r}; fill it in, or give frame_time_s"
        )
    if len(time) < 2:
        raise CalibrationError(f"column {column!r}: sites of one frame say nothing of its time; give frame_time_s")
    pace = np.diff(time) / np.diff(frame)
    if not (pace > 0).all():
        k = int(np.argmin(pace > 0))
        raise CalibrationError(
            f"times in column {column!r} do not increase from frame to frame: frame {frame[k]} has {time[k]:.6g} s, "
            f"frame {frame[k + 1]} {time[k + 1]:.6g} s; number the frames in the order of time, or give frame_time_s"
        )
    usual = float(np.median(pace))
    if np.ptp(pace) > _UNEVEN * usual:
        k = int(np.argmax(np.abs(pace - usual)))
        raise CalibrationError(
            f"times in column {column!r} are uneven: {pace.min():.4g} to {pace.max():.4g} s a frame, the oddest from "
            f"frame {frame[k]} to {frame[k + 1]}; number the frames so that missing ones are left out, or give "
            "frame_time_s"
        )
    return usual


def _positive(value: Any, most: int) -> bool:
    """Say whether this is a positive number, or as many as allowed."""
    try:
        numbers = np.atleast_1d(np.asarray(value, np.float64))
    except (TypeError, ValueError):
        return False
    return numbers.shape in {(1,), (most,)} and bool((np.isfinite(numbers) & (numbers > 0)).all())


def pixel_size(sites: Sites | pd.DataFrame, given: float | tuple[float, float] | None) -> tuple[float, float] | None:
    """Return the pixel size in nm along rows and columns: as given, of the axes; None where unknown.

    Parameters
    ----------
    sites : Sites or DataFrame
    given : float or (float, float), optional
        nm.

    Raises
    ------
    CalibrationError
        If a size is not positive, or an axis is in a unit that is no length.
    """
    if given is not None:
        if not _positive(given, 2):
            raise CalibrationError(f"pixel_nm: wanted a positive size, or two (along rows, along columns), got {given}")
        size = np.broadcast_to(np.asarray(given, np.float64), 2)
        return float(size[0]), float(size[1])
    if not isinstance(sites, Sites) or not all(axis.calibrated for axis in sites.axes[-2:]):
        return None
    row, col = (axis.to("nm").scale for axis in sites.axes[-2:])
    return row, col
