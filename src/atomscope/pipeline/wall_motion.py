"""The verbs of moving walls: how far each place moves, what walls do frame by frame, where they hang."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from atomscope.data import Axis, OnProgress, ShouldStop, Sites, Stack
from atomscope.data.params.pinning import PinningParams, WallMotionParams
from atomscope.pipeline.fields import with_fields
from atomscope.pipeline.records import as_stack
from atomscope.pipeline.show import LayerData
from atomscope.pipeline.track_units import frame_time, pixel_size

if TYPE_CHECKING:
    from atomscope.dynamics.pinning import Pinning


def wall_motion(
    sites: Sites | pd.DataFrame,
    params: WallMotionParams | None = None,
    *,
    drift: Any = None,
    pixel_nm: float | tuple[float, float] | None = None,
    frame_time_s: float | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    **fields: Any,
) -> Sites:
    """Follow walls through a movie, and measure how far each place of a wall moves until the next frame.

    Through each site goes a ray along the normal of its wall. It is followed, in both directions, to the nearest place
    where it meets the same wall in the next frame; walls are smooth lines through their sites. Walls of two frames are
    the same where they are nearest to each other seen from both. Pieces of a wall that is found broken have one track;
    where walls join, the track of the longer one goes on.

    Parameters
    ----------
    sites : Sites or DataFrame
        From :func:`find_walls`. Frames without walls, and frames left out, do no harm.
    params : WallMotionParams, optional
    drift : Drift, or array of shape (frames, 2), px, optional
        By which (row, col) the content of each frame has moved against frame 0; taken out first.
    pixel_nm, frame_time_s : float, optional
        From the axes of the sites when absent.
    on_progress, should_stop : callables, optional
        Told after, and asked before, each frame.
    **fields
        Fields of :class:`~atomscope.data.params.pinning.WallMotionParams`.

    Returns
    -------
    Sites
        The same rows in the same order, with ``wall_track`` (int64; -1: a site without a place), ``normal_angle``
        (rad, towards +row from +col: the direction in which a displacement is positive; outwards on closed walls, else
        down, or right on walls that run mostly up and down, when a wall is first seen, and then the same side),
        ``displacement_px``, ``displacement_nm`` and ``speed_nm_s``. A displacement is NaN where the wall is not met:
        in the last frame, before an empty or missing frame, where the wall leaves the field or ends. Those in nm and s
        are NaN without a calibration. With a drift also ``row_still`` and ``col_still``. When only every so many
        frames have walls, those count as consecutive.

    Raises
    ------
    InputError
        If the sites are not those of walls.
    ShapeError
        If the drift does not have all frames.
    CalibrationError
        If a unit cannot be used.
    Stopped
        When asked to; ``partial`` has the frames done.
    """
    from atomscope.dynamics.wall_motion import checked, follow_walls

    known = sites if isinstance(sites, Sites) else Sites(sites)
    checked(known)
    shift = None if drift is None else np.asarray(getattr(drift, "shift_px", drift), np.float64)
    return follow_walls(
        known,
        with_fields(WallMotionParams, params, fields),
        shift,
        pixel_size(known, pixel_nm),
        frame_time(known, frame_time_s, None),
        on_progress,
        should_stop,
    )


def wall_steps(sites: Sites | pd.DataFrame) -> pd.DataFrame:
    """Return what each wall does in each frame.

    Parameters
    ----------
    sites : Sites or DataFrame
        From :func:`wall_motion`.

    Returns
    -------
    pandas.DataFrame
        A row a wall and frame: ``wall_track``, ``frame``, ``length_px`` (of what was followed), ``mean_px`` and
        ``sd_px`` of the displacement along the wall, ``largest_px`` (with its sign), ``swept_px2`` (area that the wall
        goes over: by so much the domain on one side grows), and ``speed_nm_s`` (of the mean).

    Raises
    ------
    InputError
        If the walls were not followed.
    """
    from atomscope.dynamics.wall_lag import steps_of_walls

    return steps_of_walls(sites.table if isinstance(sites, Sites) else sites)


def pinning(
    sites: Sites | pd.DataFrame,
    params: PinningParams | None = None,
    *,
    pixel_nm: float | tuple[float, float] | None = None,
    frame_time_s: float | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    **fields: Any,
) -> Pinning:
    """Find the places where walls hang while their own neighbours move on.

    Parameters
    ----------
    sites : Sites or DataFrame
        From :func:`wall_motion`; walls that were not followed yet are, with the usual parameters.
    params : PinningParams, optional
    pixel_nm, frame_time_s : float, optional
        From the axes of the sites when absent; without either, times are in frames and lengths in px.
    on_progress, should_stop : callables, optional
        Told after, and asked before, each frame.
    **fields
        Fields of :class:`~atomscope.data.params.pinning.PinningParams`.

    Returns
    -------
    Pinning
        ``pins`` (a table), ``score``, ``lag_px``, ``dwell_frames``, ``dwell_s`` (maps), ``sites`` (with
        ``lag_px``), ``notes``. Places are those of frame 0 where the drift was taken out.

    Raises
    ------
    InputError
        If the sites are not those of walls, or no wall was met in two consecutive frames.
    Stopped
        When asked to; there is no part of a map that would mean anything, so ``partial`` is None.
    """
    from atomscope.dynamics.pinning import find_pins

    known = sites if isinstance(sites, Sites) else Sites(sites)
    if "displacement_px" not in known.table.columns or "wall_track" not in known.table.columns:
        known = wall_motion(known, pixel_nm=pixel_nm, frame_time_s=frame_time_s, should_stop=should_stop)
    return find_pins(
        known,
        with_fields(PinningParams, params, fields),
        pixel_size(known, pixel_nm),
        frame_time(known, frame_time_s, None),
        on_progress,
        should_stop,
    )


def pinning_map(pins: Pinning) -> Stack:
    """Return the map of the score as an image with the axes of the movie; 0 where no wall came."""
    axes = tuple(
        Axis(a.name, a.scale * pins.grid_px, a.unit, a.offset + a.scale * first)
        for a, first in zip(pins.sites.axes[-2:], pins.origin, strict=True)
    )
    return Stack.from_array(np.nan_to_num(pins.score), axes, name="pinning")


def wall_motion_layers(
    source: Any, sites: Sites, pins: Pinning | None = None, *, drift: Any = None, color_by: str = "displacement_px"
) -> list[LayerData]:
    """Return layer tuples: sites of walls coloured by a column, the map of the score, the pins.

    Parameters
    ----------
    source : Stack, array or path
        The movie.
    sites : Sites
        From :func:`wall_motion`; those of ``pins`` have ``lag_px`` too.
    pins : Pinning, optional
    drift : Drift or array, optional
        The one that was taken out: pins are then drawn in each frame where they lie there.
    color_by : str
        ``displacement_px``, ``displacement_nm``, ``speed_nm_s`` or ``lag_px``.

    Raises
    ------
    InputError
        If the walls were not followed, or the column is unknown.
    """
    from atomscope.display import wall_motion as shown

    stack = as_stack(source)
    if pins is None:
        return shown.wall_motion_layers(stack, sites, color_by=color_by)
    shift = None if drift is None else np.asarray(getattr(drift, "shift_px", drift), np.float64)
    return shown.wall_motion_layers(
        stack,
        sites,
        pins=pins.pins,
        score=pins.score,
        grid_px=pins.grid_px,
        origin=pins.origin,
        shift_px=shift,
        color_by=color_by,
    )
