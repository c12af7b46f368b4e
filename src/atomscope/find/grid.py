"""Sites on a regular grid: the sliding window."""

from __future__ import annotations

import numpy as np
import pandas as pd

from atomscope.data import OnProgress, Provenance, ShouldStop, Sites, Stack, report
from atomscope.data.params import GridParams
from atomscope.errors import InputError, Stopped


def grid_sites(
    stack: Stack,
    params: GridParams | None = None,
    *,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Sites:
    """Lay the same regular grid of sites on every frame.

    The grid is centred: what the step leaves over is shared between both ends.

    Parameters
    ----------
    stack : Stack
    params : GridParams, optional
    on_progress, should_stop : callable, optional
        Told, and asked, once a frame.

    Returns
    -------
    Sites
        ``kind`` is ``grid``; row and col in px.

    Raises
    ------
    InputError
        If the margins leave no room for a site.
    Stopped
        When ``should_stop`` says so; ``partial`` holds the Sites of the frames done.
    """
    params = params or GridParams()
    lines = [_line(n, params.step_px, params.margin_px) for n in stack.frame_shape]
    if not (len(lines[0]) and len(lines[1])):
        raise InputError(
            f"grid: a margin of {params.margin_px:g} px leaves no room in frames of {stack.frame_shape} px; "
            "give a smaller margin"
        )
    row, col = (a.ravel() for a in np.meshgrid(*lines, indexing="ij"))
    n = len(row)
    provenance = Provenance("grid", params.model_dump(), stack.source)

    def make(frames: int) -> Sites:
        return Sites.from_positions(
            np.tile(row, frames), np.tile(col, frames), np.repeat(np.arange(frames), n),
            kind="grid", axes=stack.axes, shape=stack.shape, provenance=provenance,
        )  # fmt: skip

    for index in range(stack.n_frames):
        if should_stop is not None and should_stop():
            raise Stopped(partial=make(index))
        payload = pd.DataFrame({"row": row, "col": col}) if on_progress is not None else None
        report(on_progress, index + 1, stack.n_frames, "frames", payload)
    return make(stack.n_frames)


def _line(n: int, step: float, margin: float) -> np.ndarray:
    """Return grid coordinates along one axis of ``n`` pixels, centred; float64, px."""
    room = n - 1 - 2 * margin
    if room < 0:
        return np.zeros(0)
    count = int(np.floor(room / step + 1e-9)) + 1
    return margin + (room - (count - 1) * step) / 2 + step * np.arange(count)
