"""Find atom columns: one frame for the live preview, a whole stack frame by frame."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd

from atomscope.data import OnProgress, Provenance, ShouldStop, Sites, Stack, report
from atomscope.data.params import FindParams
from atomscope.errors import Stopped
from atomscope.find.columns import fit_columns
from atomscope.find.detect import detect
from atomscope.find.prepare import prepare

logger = logging.getLogger(__name__)

COLUMNS = (
    "row", "col", "score", "flag", "row_sd", "col_sd", "sigma", "ellipticity", "amplitude", "amplitude_sd",
    "background", "residual",
)  # fmt: skip


def find_in_frame(frame: np.ndarray, params: FindParams | None = None) -> pd.DataFrame:
    """Find the columns of one frame.

    Parameters
    ----------
    frame : array, shape (rows, cols)
        Any real dtype or bool; NaN and infinite pixels are left out.
    params : FindParams, optional

    Returns
    -------
    pandas.DataFrame
        Columns as in :func:`find_atoms` without ``site``, ``frame`` and ``kind``, in raster order.
    """
    params = params or FindParams()
    ready = prepare(frame, params.polarity)
    if ready is None:
        logger.warning("the frame has no finite pixels or all its pixels are equal: no sites")
        return _table({}, 0)
    image = ready.image
    found = detect(
        ready,
        spacing_px=params.spacing_px,
        threshold=params.threshold,
        min_separation=params.min_separation,
    )
    sub_row, sub_col, snr = found.row, found.col, found.snr
    n = len(snr)
    if not params.refine or n == 0:
        reach = int(3 * found.sigma)
        outside = (
            (sub_row < reach)
            | (sub_col < reach)
            | (sub_row >= image.shape[0] - reach)
            | (sub_col >= image.shape[1] - reach)
        )
        return _table({"row": sub_row, "col": sub_col, "score": _score(snr), "flag": np.where(outside, "edge", "")}, n)
    fit = fit_columns(image, ready.good, sub_row, sub_col, 1.15 * found.sigma)
    sign = -1.0 if params.polarity == "dark" else 1.0
    flag = np.where(fit.edge, "edge", "").astype(object)
    flag[fit.failed] = np.where(fit.edge[fit.failed], "edge;fit failed", "fit failed")
    values = {name: getattr(fit, name) for name in COLUMNS if hasattr(fit, name)}
    offset = float(np.median(np.asarray(frame, np.float64)[np.isfinite(np.asarray(frame, np.float64))]))
    values["background"] = sign * fit.background + offset
    values["amplitude"] = sign * fit.amplitude
    return _table({**values, "score": _score(snr), "flag": flag}, n)


def find_atoms(
    stack: Stack,
    params: FindParams | None = None,
    *,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Sites:
    """Find the atom columns of an image or a movie, frame by frame.

    Parameters
    ----------
    stack : Stack
    params : FindParams, optional
    on_progress : callable, optional
        Gets a Progress per frame whose payload is the DataFrame of that frame's rows.
    should_stop : callable, optional

    Returns
    -------
    Sites
        A row per column, numbered in frame order.

    Raises
    ------
    Stopped
        When ``should_stop`` says so; ``partial`` holds the Sites of the frames done.
    """
    params = params or FindParams()
    last = stack.n_frames - 1 if params.last_frame is None else min(params.last_frame, stack.n_frames - 1)
    wanted = range(params.first_frame, last + 1, params.stride)
    tables: list[pd.DataFrame] = []
    first_site = 0
    for done, index in enumerate(wanted):
        if should_stop is not None and should_stop():
            raise Stopped(partial=_sites(tables, stack, params))
        table = find_in_frame(stack.frame(index), params)
        table.insert(0, "site", np.arange(first_site, first_site + len(table), dtype=np.int64))
        table.insert(1, "frame", np.full(len(table), index, dtype=np.int64))
        table.insert(4, "kind", pd.Series(["atom"] * len(table), dtype=pd.CategoricalDtype(["atom"])))
        if not len(table):
            logger.warning("frame %d: no sites found", index)
        first_site += len(table)
        tables.append(table)
        report(on_progress, done + 1, len(wanted), "frames", table)
    return _sites(tables, stack, params)


def _score(snr: np.ndarray) -> np.ndarray:
    return 1 - np.exp(-snr / 10)


def _table(values: dict[str, np.ndarray], n: int) -> pd.DataFrame:
    data = {
        name: values.get(name, np.full(n, "", dtype=object) if name == "flag" else np.full(n, np.nan))
        for name in COLUMNS
    }
    table = pd.DataFrame(data)
    table["flag"] = table["flag"].astype(object)
    return table


def _sites(tables: list[pd.DataFrame], stack: Stack, params: FindParams) -> Sites:
    if tables:
        filled = [t for t in tables if len(t)] or tables[:1]
        table = pd.concat(filled, ignore_index=True)
    else:
        return Sites.from_positions(np.zeros(0), np.zeros(0), axes=stack.axes, shape=stack.shape)
    provenance = Provenance("find", params.model_dump(), stack.source)
    return Sites(table, stack.axes, stack.shape, provenance)
