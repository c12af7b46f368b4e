"""The verb of linking: sites of a movie become tracks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from atomscope.data import OnProgress, ShouldStop, Sites
from atomscope.data.params.link import LinkParams
from atomscope.pipeline.fields import with_fields


def link(
    sites: Sites | pd.DataFrame,
    params: LinkParams | None = None,
    *,
    drift: Any = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    **fields: Any,
) -> Sites:
    """Link the sites of a movie into tracks, one-to-one from frame to frame.

    By motion, a track goes on in the site nearest to where it is expected; where several want the same, the sum of
    squared distances decides, with radius^2 for each that is left alone. A track may be missing for ``memory`` frames;
    the radius is not larger then. By lattice, sites are at places that persist through the movie: atoms are known by
    their place, and what hops (vacancies, substitutions: every kind but ``atom``) is followed from place to place, so
    that noise makes no hops. What comes out does not depend on the order of the rows.

    Parameters
    ----------
    sites : Sites or DataFrame
        Sites of several frames. Frames without sites and sites without a position do no harm. When only every other
        frame has sites (a movie that was found in with a stride), those count as consecutive.
    params : LinkParams, optional
    drift : object with ``shift_px``, or array, shape (frames, 2), px, optional
        By which (row, col) the content of each frame has moved against frame 0; taken out before linking.
    on_progress, should_stop : callables, optional
        Told and asked frame by frame.
    **fields
        Fields of :class:`~atomscope.data.params.link.LinkParams`.

    Returns
    -------
    Sites
        The same rows in the same order, with ``track`` (int64; -1: none) and, by lattice, ``lattice_site`` (int64, the
        place; -1: at none). A hop is a change of ``lattice_site`` along a track. With a drift, ``row_still`` and
        ``col_still``: where the sites would be in frame 0.

    Raises
    ------
    ParameterError
        If a field is unknown or out of bounds, no site is of a kind that was asked for, or no radius is given and no
        frame has two sites.
    InputError
        If a column is missing, or a frame is no whole number.
    CalibrationError
        If the radius is in nm and the pixel size is not known.
    ShapeError
        If the drift does not have all frames.
    Stopped
        When asked to; ``partial`` holds the sites with what was linked so far (None while places are looked for).
    """
    from atomscope.dynamics.link_table import link_sites

    known = sites if isinstance(sites, Sites) else Sites(sites)
    linked = link_sites(known, with_fields(LinkParams, params, fields), drift, on_progress, should_stop)
    if drift is None or "row_still" in linked.table.columns:
        return linked
    path = np.asarray(getattr(drift, "shift_px", drift), np.float64)
    frame = pd.to_numeric(linked.table["frame"]).to_numpy(np.float64, na_value=np.nan)
    inside = (frame >= 0) & (frame < len(path))  # sites without a place may lie anywhere
    shift = np.full((len(frame), 2), np.nan)
    shift[inside] = path[frame[inside].astype(np.int64)]
    still = linked.positions - shift
    return linked.with_table(linked.table.assign(row_still=still[:, 0], col_still=still[:, 1]))
