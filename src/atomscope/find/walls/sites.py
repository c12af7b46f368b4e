"""Find walls: one frame for the live preview, any map, a whole stack frame by frame."""

from __future__ import annotations

import contextlib
import logging
from typing import Protocol

import numpy as np
import pandas as pd

from atomscope.data import OnProgress, ShouldStop, Sites, Stack
from atomscope.data.params import WallParams
from atomscope.errors import CalibrationError, ParameterError
from atomscope.find.frames import sites_by_frame
from atomscope.find.prepare import Frame, prepare
from atomscope.find.walls.curves import Curve, smooth_curve
from atomscope.find.walls.evidence import Evidence, by_lines, by_map, by_steps
from atomscope.find.walls.network import bridge, prune, trace
from atomscope.find.walls.table import empty_rows, wall_rows

logger = logging.getLogger(__name__)


class MapsWalls(Protocol):
    """What finding asks of a network."""

    def answer(self, image: np.ndarray) -> np.ndarray:
        """Return how likely each pixel lies on a wall, of an image of shape (rows, cols)."""


def walls_in_frame(
    frame: np.ndarray, params: WallParams | None = None, *, network: MapsWalls | None = None
) -> pd.DataFrame:
    """Find the walls of one frame, as the live preview does.

    Parameters
    ----------
    frame : array, shape (rows, cols)
        Any real dtype or bool; NaN and infinite pixels are left out.
    params : WallParams, optional
    network : MapsWalls, optional
        What ``method="network"`` finds with.

    Returns
    -------
    pandas.DataFrame
        The columns of :func:`find_walls` without ``site``, ``frame``, ``kind`` and those in nm. Empty, with a warning
        in the log, when the frame has no finite pixel or is constant.

    Raises
    ------
    ShapeError
        If the frame is not 2-D.
    ParameterError
        If a network is asked for and none is given, its threshold is no probability, or the smoothing is wider than
        the frame.
    """
    params = params or WallParams()
    seen = evidence(frame, params, network)
    return empty_rows() if seen is None else rows_of(seen, params)


def walls_from_map(
    probability: np.ndarray, params: WallParams | None = None, *, good: np.ndarray | None = None
) -> pd.DataFrame:
    """Return the sites of walls from any map of how likely each pixel lies on one.

    Parameters
    ----------
    probability : numpy.ndarray, shape (rows, cols), 0 to 1
        From a network of any origin, or a painted mask.
    params : WallParams, optional
        Its threshold, spacing and lengths are used.
    good : numpy.ndarray, shape (rows, cols), bool, optional
        Pixels that were measured.

    Returns
    -------
    pandas.DataFrame
        As :func:`walls_in_frame`.
    """
    params = params or WallParams()
    return rows_of(by_map(probability, params.threshold, good), params)


def evidence(frame: np.ndarray, params: WallParams, network: MapsWalls | None = None) -> Evidence | None:
    """Return where walls may be in a frame; None when it holds nothing."""
    if params.method == "network" and network is None:
        raise ParameterError(
            "walls: method='network' wants a trained network; train one on painted walls (train_walls), "
            "or give its file as model"
        )
    ready: Frame | None = prepare(frame)
    if ready is None or min(ready.image.shape) < 4:
        logger.warning("a frame has no finite pixels, all its pixels are equal, or it is too small: no walls in it")
        return None
    if params.method == "network" and network is not None:
        return by_map(network.answer(ready.image), params.threshold, ready.good)
    if params.method == "ridge":
        return by_lines(ready, params.polarity, params.sigma_px, params.threshold)
    return by_steps(ready, params.sigma_px, params.threshold)


def curves_of(seen: Evidence, params: WallParams) -> list[Curve]:
    """Return the walls as smooth lines, split at junctions, in the order of their first pixels."""
    reach = 3 * seen.sigma_px + 3 if params.bridge_px is None else params.bridge_px
    network = prune(trace(bridge(seen.thin, reach)), params.min_length_px, seen.thin.shape)
    branches = sorted(network.branches.values(), key=lambda b: tuple(b.points.min(axis=0)) + tuple(b.points[0]))
    curves = [smooth_curve(branch, seen.strength) for branch in branches]
    return [curve for curve in curves if curve.length_px > 0]


def rows_of(seen: Evidence, params: WallParams) -> pd.DataFrame:
    """Return the rows of a frame's walls."""
    return wall_rows(curves_of(seen, params), seen.score, params.spacing_px)


def find_walls(
    stack: Stack,
    params: WallParams | None = None,
    *,
    network: MapsWalls | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Sites:
    """Find the walls of an image or a movie, frame by frame, and lay sites along them.

    Parameters
    ----------
    stack : Stack
    params : WallParams, optional
    network : MapsWalls, optional
        What ``method="network"`` finds with.
    on_progress : callable, optional
        Gets a Progress per frame; its payload is the DataFrame of that frame's rows.
    should_stop : callable, optional
        Asked before each frame.

    Returns
    -------
    Sites
        A row every ``spacing_px`` of wall, ``kind`` "wall", numbered in frame order from 0. ``wall``: number of the
        line in its frame; lines end at junctions. ``arc_px``, ``arc_nm``: place along it. ``length_px``,
        ``length_nm``: what piece the row stands for; they sum to lengths (:func:`wall_lengths`). ``angle`` (rad): of
        the tangent, with ``angle_order`` 2, for a line has no direction. ``curvature`` (1/px), ``closed``. Those in
        nm are NaN where the stack has no calibration.

    Raises
    ------
    ParameterError
        If ``first_frame`` or ``last_frame`` leave no frame, or as :func:`walls_in_frame`.
    Stopped
        When ``should_stop`` says so; ``partial`` holds the Sites of the frames done.
    """
    params = params or WallParams()
    return sites_by_frame(
        stack,
        params,
        "walls",
        lambda index: _calibrated(walls_in_frame(stack.frame(index), params, network=network), stack),
        lambda: _calibrated(empty_rows(), stack),
        kinds=["wall"],
        called="walls",
        on_progress=on_progress,
        should_stop=should_stop,
    )


def _calibrated(table: pd.DataFrame, stack: Stack) -> pd.DataFrame:
    """Add lengths in nm, which on pixels that are not square depend on the direction."""
    table = table.copy()
    nm = np.full(len(table), np.nan)
    with contextlib.suppress(CalibrationError):  # not a length: there is nothing to say in nm
        row_nm, col_nm = (axis.to("nm").scale for axis in stack.pixel_axes)
        angle = table["angle"].to_numpy(np.float64)
        nm = np.hypot(row_nm * np.sin(angle), col_nm * np.cos(angle))
    where = list(table.columns).index("length_px") + 1
    table.insert(where, "length_nm", table["length_px"] * nm)
    so_far = table.groupby("wall")["length_nm"].cumsum() if len(table) else table["length_nm"]
    table.insert(where - 1, "arc_nm", so_far - 0.5 * table["length_nm"])
    return table
