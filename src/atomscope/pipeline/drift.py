"""The verbs of drift: how far each frame of a movie has moved, and the mean of the frames laid on each other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from atomscope.data import OnProgress, ShouldStop, Sites, Stack
from atomscope.data.params.drift import DriftParams
from atomscope.errors import InputError, Stopped
from atomscope.pipeline.fields import with_fields
from atomscope.pipeline.records import as_sites, as_stack
from atomscope.pipeline.track_units import table_of

if TYPE_CHECKING:
    from atomscope.dynamics.drift import Drift


def drift(
    source: Any,
    params: DriftParams | None = None,
    *,
    sites: Sites | pd.DataFrame | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    **fields: Any,
) -> Drift:
    """Measure how far the content of each frame has moved against the first; nothing is resampled.

    Parameters
    ----------
    source : Stack, array or path
        A movie.
    params : DriftParams, optional
    sites : Sites or DataFrame, optional
        With ``method="sites"``: what was found in the frames; no pixels are read.
    on_progress, should_stop : callables, optional
        Told after, and asked before, each frame.
    **fields
        Fields of :class:`~atomscope.data.params.drift.DriftParams` (``method``, ``spacing_px``, ...).

    Returns
    -------
    Drift
        ``shift_px``, its standard error ``shift_sd``, ``flag`` and ``quality`` of each frame. A flagged step may be
        wrong, by a vector of the lattice for example. Small noisy frames have no flag: ``known_to`` and ``told()`` say
        how well the path is known.

    Raises
    ------
    ShapeError, InputError
        If the source is no movie, or sites are missing or have no frame or place.
    Stopped
        When asked to; ``partial`` is the Drift of the frames done.
    """
    from atomscope.dynamics.drift import check_movie
    from atomscope.dynamics.drift_image import image_drift
    from atomscope.dynamics.drift_sites import sites_drift

    params = with_fields(DriftParams, params, fields)
    stack = as_stack(source)
    check_movie(stack)
    hooks: dict[str, Any] = {"on_progress": on_progress, "should_stop": should_stop}
    if params.method == "image":
        if sites is not None:
            raise InputError("drift: sites were given, but the pixels asked; say method='sites', or leave them out")
        return image_drift(stack, params, **hooks)
    if sites is None:
        raise InputError("drift: method='sites' wants the sites of the movie; find them first, or say method='image'")
    known = as_sites(sites, stack)
    table = table_of(known, "drift", ("frame", "row", "col")) if len(known) else known.table
    known = replace(known, table=table) if known.shape else Sites(table, stack.axes, stack.shape, known.provenance)
    return sites_drift(known, params, stack.n_frames, **hooks)


def registered_mean(
    source: Any,
    drift: Drift,
    *,
    flagged: bool = False,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Stack:
    """Return the mean of all frames, each moved back by its drift, as one image in the place of frame 0.

    Parameters
    ----------
    source : Stack, array or path
        The movie that the drift was measured in; read a frame at a time.
    drift : Drift
    flagged : bool
        Whether frames with a flag are in it too, and those after a new start, of which nobody knows where they lie.
    on_progress, should_stop : callables, optional
        Told after, and asked before, each frame.

    Returns
    -------
    Stack
        Shape (rows, cols), float64; NaN where no frame shows anything.

    Raises
    ------
    ShapeError, InputError
        If the drift is of another movie, no frame shows anything, or every frame has a flag.
    Stopped
        When asked to; ``partial`` is the mean of the frames done.
    """
    from atomscope.dynamics.drift import NEW_START, NO_SIGNAL
    from atomscope.dynamics.drift_mean import mean_of_frames

    stack = as_stack(source)
    if not flagged:
        if len(drift) and (drift.flag == NO_SIGNAL).all():
            raise InputError(
                f"{stack.name}: no frame shows anything (each is constant, or has no numbers), so there is no mean of "
                "what they show; flagged=True takes them all the same"
            )
        lost = np.cumsum(drift.flag == NEW_START) > 0
        drift = replace(drift, flag=np.where(lost, NEW_START, drift.flag))

    def image(mean: Any) -> Stack:
        return Stack.from_array(mean, stack.pixel_axes, name=f"{stack.name} mean", source=stack.source)

    try:
        hooks: dict[str, Any] = {"on_progress": on_progress, "should_stop": should_stop}
        return image(mean_of_frames(stack, drift, flagged=flagged, **hooks))
    except Stopped as stop:
        stop.partial = None if stop.partial is None else image(stop.partial)
        raise


def read_drift(path: str | Path) -> np.ndarray:
    """Read the drift of a movie from the table that `atomscope drift` writes.

    Returns
    -------
    numpy.ndarray, shape (frames, 2), float64
        (row, col), px.

    Raises
    ------
    InputError
        If it is no such table.
    """
    path = Path(path)
    try:
        table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a table of drift ({error})") from None
    missing = [name for name in ("frame", "shift_row_px", "shift_col_px") if name not in table.columns]
    if missing:
        raise InputError(f"{path}: has no column {', '.join(missing)}; wanted what `atomscope drift` writes")
    return table.sort_values("frame")[["shift_row_px", "shift_col_px"]].to_numpy(np.float64)
