"""What the verbs of dynamics read from linked sites: the table, the time of a frame, the size of a pixel."""

from __future__ import annotations

import numpy as np
import pandas as pd

from atomscope.data import Sites
from atomscope.errors import CalibrationError, InputError

#: By how much times of frames may differ from a steady pace.
_UNEVEN = 0.01


def table_of(sites: Sites | pd.DataFrame, verb: str, wanted: tuple[str, ...]) -> pd.DataFrame:
    """Return the table of sites.

    Parameters
    ----------
    sites : Sites or DataFrame
    verb : str
        Who asks, for errors.
    wanted : tuple of str
        Columns it must have.

    Raises
    ------
    InputError
        If a column is missing, or the table is empty.
    """
    table = sites.table if isinstance(sites, Sites) else sites
    missing = [name for name in wanted if name not in table.columns]
    if missing:
        hint = "link the sites first" if "track" in missing else f"it has {', '.join(map(str, table.columns))}"
        raise InputError(f"{verb}: the table has no column {', '.join(missing)}; {hint}")
    if not len(table):
        raise InputError(f"{verb}: the table is empty")
    return table


def frame_time(sites: Sites | pd.DataFrame, given: float | None, column: str | None) -> float | None:
    """Return the time of a frame in s: as given, of the times in the table, of the time axis; None where unknown.

    Parameters
    ----------
    sites : Sites or DataFrame
    given : float, optional
        s.
    column : str, optional
        Which column holds the times in s.

    Raises
    ------
    InputError
        If the column is missing.
    CalibrationError
        If the time is not positive, times are uneven or do not increase, or the axis is in another unit.
    """
    if given is not None:
        if not (np.isfinite(given) and given > 0):
            raise CalibrationError(f"frame_time_s: wanted a positive time of a frame, got {given}")
        return float(given)
    if column is not None:
        table = table_of(sites, "time of a frame", ("frame", column))
        times = table.groupby("frame")[column].median().sort_index()
        pace = np.diff(times.to_numpy(np.float64)) / np.diff(times.index.to_numpy(np.float64))
        if not len(pace) or not (pace > 0).all():
            raise CalibrationError(f"times in column {column!r} do not increase from frame to frame; give frame_time_s")
        if np.ptp(pace) > _UNEVEN * np.median(pace):
            raise CalibrationError(
                f"times in column {column!r} are uneven: {pace.min():.4g} to {pace.max():.4g} s a frame; "
                "number the frames so that missing ones are left out, or give frame_time_s"
            )
        return float(np.median(pace))
    if not isinstance(sites, Sites) or len(sites.axes) != 3 or not sites.axes[0].calibrated:
        return None
    axis = sites.axes[0]
    if axis.unit != "s":
        raise CalibrationError(f"axis {axis.name!r} is in {axis.unit}, which is no time in s; give frame_time_s")
    return axis.scale


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
        size = np.broadcast_to(np.asarray(given, np.float64), 2)
        if not (np.isfinite(size) & (size > 0)).all():
            raise CalibrationError(f"pixel_nm: wanted a positive size, or two (along rows, along columns), got {given}")
        return float(size[0]), float(size[1])
    if not isinstance(sites, Sites) or not all(axis.calibrated for axis in sites.axes[-2:]):
        return None
    row, col = (axis.to("nm").scale for axis in sites.axes[-2:])
    return row, col
