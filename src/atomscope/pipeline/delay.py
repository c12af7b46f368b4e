"""The verbs of time-delay and of layers: the same place at two times, and registered images as channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from atomscope.data import OnProgress, Patches, Provenance, ShouldStop, Sites
from atomscope.data.params import CropParams, DelayParams
from atomscope.errors import InputError, Stopped
from atomscope.pipeline.fields import with_fields
from atomscope.pipeline.parts import part_of
from atomscope.pipeline.patches import crop as cut_windows
from atomscope.pipeline.records import as_sites, as_stacks, several
from atomscope.pipeline.track_units import frame_time, table_of


def delayed(
    source: Any,
    sites: Sites | pd.DataFrame,
    params: DelayParams | None = None,
    *,
    crop: CropParams | None = None,
    drift: Any = None,
    out: str | Path | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    **fields: Any,
) -> tuple[Patches, Patches]:
    """Cut each site's window twice: in its own frame, and at the same place ``lag`` frames later or earlier.

    Train with ``fit(patches, DelayVAE(), given=Given(target=target))`` to read the one and draw the other, or make
    both channels of one patch with :func:`channels`.

    Parameters
    ----------
    source : Stack, array or path, or a list or tuple of them
        A movie; several are registered layers of one field: each becomes a channel of both windows.
    sites : Sites or DataFrame
    params : DelayParams, optional
    crop : CropParams, optional
        How windows are cut; each is normalised by itself.
    drift : array, shape (frames, 2), px, optional
        (row, col) of each frame against the first. When absent it is found from the sites themselves.
    out : path, optional
        Folder to stream the windows to (Zarr, ``patches`` and ``target``) instead of memory.
    **fields
        Fields of :class:`~atomscope.data.params.DelayParams` (``lag``, ``lag_s``, ``follow``) and of
        :class:`~atomscope.data.params.CropParams` (``window_px``, ...).

    Returns
    -------
    patches, target : Patches
        Of the same sites in the same order. The flags of both tell which sites have no pair and why: sites of the last
        frames (of the first ones when the lag is negative) have none.

    Raises
    ------
    ShapeError, CalibrationError, InputError
        If the source is no movie, the lag does not fit into it, or what should be followed is not there.
    Stopped
        When asked to; ``partial`` is the pairs finished (None when there is none).
    """
    from atomscope import patches as rooms

    stacks = as_stacks(source)
    stack, source = stacks[0], stacks if several(source) else stacks[0]
    known = as_sites(sites, stack)
    own = {name: fields.pop(name) for name in list(fields) if name in DelayParams.model_fields}
    params, how = with_fields(DelayParams, params, own), with_fields(CropParams, crop, fields)
    lag, lag_s = rooms.lag_in_frames(stack, params)
    places, flags = rooms.later_places(known, lag, stack.n_frames, params.follow, drift)
    first = known.with_table(known.table[known.table["site"].isin(places.table["site"])])
    folder = None if out is None else Path(out)

    def cut(what: Sites, name: str, part: int) -> Patches:
        hooks: dict[str, Any] = {"on_progress": part_of(on_progress, part, 2), "should_stop": should_stop}
        return cut_windows(source, what, how, out=None if folder is None else folder / name, **hooks)

    def told(one: Patches, other: Patches) -> tuple[Patches, Patches]:
        one, other = rooms.pair(one, other)
        more = {**params.model_dump(mode="json"), "lag": lag, "lag_s": lag_s}
        both = []
        for p in (one, other):
            said = Provenance("delayed", {**p.provenance.params, **more}, p.provenance.source)
            both.append(replace(p, flags={**p.flags, **flags}, provenance=said))
        return both[0], both[1]

    try:
        now = cut(first, "patches", 0)
    except Stopped as stop:
        stop.partial = None
        raise
    try:
        return told(now, cut(places, "target", 1))
    except Stopped as stop:
        stop.partial = None if stop.partial is None else told(now, stop.partial)
        raise


def channels(*layers: Patches | Sequence[Patches]) -> Patches:
    """Put patches of the same sites together: each becomes a channel, with the normalisation that it has.

    Two times of a place (of :func:`delayed`), or windows of several registered images. A model of such patches has
    one pose and one set of latents for all channels.

    Parameters
    ----------
    *layers : Patches
        Joined by site id. What lies on disk stays there and is read when asked for.

    Returns
    -------
    Patches
        Shape (n, channels, rows, cols). Sites that a layer lacks are flagged.

    Raises
    ------
    ShapeError
        If the windows differ.
    """
    from atomscope import patches as rooms

    flat: list[Patches] = []
    for layer in layers:
        flat.extend([layer] if isinstance(layer, Patches) else layer)
    return rooms.as_channels(flat)


def implied_timescales(
    sites: Sites | pd.DataFrame,
    lags: int | Sequence[int] = 1,
    *,
    column: str = "cluster",
    frame_time_s: float | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Return how long states last, from the jumps of tracked sites between them: ``t = -lag / ln(lambda_2)``.

    Parameters
    ----------
    sites : Sites or DataFrame
        With ``track``, ``frame`` and a column of states, as :func:`cluster` writes it.
    lags : int or sequence of int
        Frames. Trust a timescale that is the same for several lags.
    column : str
        Which column holds the states; negative numbers are none.
    frame_time_s : float, optional
        Time of a frame; taken from a calibrated time axis of the sites when absent.
    seed : int
        Of the resampling of tracks for the standard error.

    Returns
    -------
    pandas.DataFrame
        A row a lag: ``lag``, ``timescale``, ``timescale_sd`` (frames), ``eigenvalue``, ``jumps``; with a known time of
        a frame also ``lag_s``, ``timescale_s``, ``timescale_sd_s``.

    Raises
    ------
    InputError
        If a column is missing, a lag is not positive, or a track is twice in a frame.
    CalibrationError
        If the time of a frame is not positive, or the axis is in no unit of time.
    """
    from atomscope import latent

    if not isinstance(lags, int) and not len(lags):
        raise InputError("timescale: wanted one lag or more, got none")
    table = table_of(sites, "timescale", ("track", "frame", column))
    return latent.implied_timescales(table, lags, column, frame_time(sites, frame_time_s, None), seed)
