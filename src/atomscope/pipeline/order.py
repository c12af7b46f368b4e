"""The verbs of order: of angles and bonds in every frame, and how far sites are from each other."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import pandas as pd

from atomscope.data import Sites
from atomscope.errors import InputError
from atomscope.pipeline.track_units import frame_time, pixel_size, table_of

Neighbours = Literal["delaunay", "nearest"]


def order_over_time(
    sites: Sites | pd.DataFrame,
    *,
    folds: tuple[int, ...] | int = (6,),
    neighbours: Neighbours = "delaunay",
    column: str | None = None,
    edges: bool = False,
    frame_time_s: float | None = None,
    pixel_nm: float | tuple[float, float] | None = None,
) -> pd.DataFrame:
    """Return the order of every frame: of angles where there are any, of bonds, and how many sites of each class.

    Parameters
    ----------
    sites : Sites or DataFrame
        With ``frame``, ``row``, ``col``; ``angle`` for the order of angles.
    folds : tuple of int, or int
        Symmetries of bonds: 6 gives ``psi6``; empty: none.
    neighbours : {"delaunay", "nearest"}
        Which sites are bonded: neighbours in a triangulation, or the n nearest for ``psi{n}``.
    column : str, optional
        Classes to count.
    edges : bool
        Whether angles of particles that the edge of the image cuts count.
    frame_time_s, pixel_nm
        As for :func:`~atomscope.pipeline.dynamics.diffusion`.

    Returns
    -------
    pandas.DataFrame
        A row a frame: ``frame``, ``time_s`` where times are known, ``sites``; ``order``, ``order_unbiased`` (without
        what chance adds), ``order_sd``, ``director``, ``particles``; ``psi6``, ``psi6_local``, ``psi6_sites``;
        ``count_...``, ``fraction_...``.

    Raises
    ------
    InputError
        If a column is missing, or a symmetry is below 2.
    """
    from atomscope.dynamics import order
    from atomscope.dynamics.dwell import known_states
    from atomscope.pipeline.particles import order_parameter

    folds = (folds,) if isinstance(folds, int) else tuple(folds)
    names = ("frame", *(("row", "col") if folds else ()), *(() if column is None else (column,)))
    table = table_of(sites, "order over time", names)
    if any(n < 2 or n != int(n) for n in folds):
        raise InputError(f"order over time: wanted symmetries of 2 or more, got {folds}")
    if neighbours not in get_args(Neighbours):
        raise InputError(f"order over time: wanted neighbours 'delaunay' or 'nearest', got {neighbours!r}")
    frames = table["frame"].to_numpy(np.int64)
    values, count = np.unique(frames, return_counts=True)
    out = pd.DataFrame({"frame": values})
    time, pixel = frame_time(sites, frame_time_s, None), pixel_size(sites, pixel_nm)
    if time is not None:
        out["time_s"] = values * time
    out["sites"] = count
    if "angle" in table.columns:
        nematic = order_parameter(table, edges=edges)
        chance = order.without_chance(nematic["order"].to_numpy(), nematic["particles"].to_numpy())
        nematic.insert(2, "order_unbiased", chance)
        out = out.merge(nematic, on="frame")
    if folds:
        points = table[["row", "col"]].to_numpy(np.float64) * np.asarray(pixel or (1.0, 1.0))
        out = out.merge(order.bond_order_over_time(frames, points, folds, neighbours), on="frame")
    if column is not None:
        out = out.merge(order.class_shares(frames, table[column], known_states(table[column])), on="frame")
    return out


def pair_correlation(
    sites: Sites | pd.DataFrame,
    frame: int = 0,
    *,
    r_max: float | None = None,
    bins: int = 100,
    pixel_nm: float | tuple[float, float] | None = None,
) -> pd.DataFrame:
    """Return g(r) of the sites of one frame, corrected for the edges of the field.

    Parameters
    ----------
    sites : Sites or DataFrame
    frame : int
    r_max : float, optional
        Longest distance, nm (px where the pixel size is unknown); a quarter of the shorter side when absent.
    bins : int
    pixel_nm
        As for :func:`~atomscope.pipeline.dynamics.diffusion`.

    Returns
    -------
    pandas.DataFrame
        ``r_nm`` or ``r_px``, ``g``, ``g_sd``, ``pairs``.

    Raises
    ------
    InputError
        If there is no such frame, it has fewer than three sites, or distances are longer than the field.
    """
    from atomscope.dynamics import order

    table, pixel = table_of(sites, "pair correlation", ("frame", "row", "col")), pixel_size(sites, pixel_nm)
    size = np.asarray(pixel or (1.0, 1.0))
    if not (table["frame"] == frame).any():
        there = f"{table['frame'].min()} to {table['frame'].max()}"
        raise InputError(
            f"pair correlation: no site lies in frame {frame}, wanted three sites or more; the table has frames {there}"
        )
    points = table.loc[table["frame"] == frame, ["row", "col"]].to_numpy(np.float64) * size
    field = None
    if isinstance(sites, Sites) and len(sites.shape) >= 2:
        height, width = np.asarray(sites.shape[-2:]) * size
        field = (float(height), float(width))
    found = order.pair_correlation(points, field, r_max, bins)
    return found.rename(columns={"r": "r_px" if pixel is None else "r_nm"})
