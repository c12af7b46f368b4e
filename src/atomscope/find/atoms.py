"""Find atom columns: one frame for the live preview, a whole stack frame by frame."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import cast

import numpy as np
import pandas as pd

from atomscope.data import OnProgress, Provenance, ShouldStop, Sites, Stack, report
from atomscope.data.params import FindParams
from atomscope.data.sites import add_flags
from atomscope.errors import ParameterError, Stopped
from atomscope.find.columns import Fit, fit_columns
from atomscope.find.detect import Detection, detect, faint_lattice
from atomscope.find.doubt import QUANTITIES, Committee, doubt_at
from atomscope.find.heatmap import Network, detect_by_network
from atomscope.find.peaks import drop_close
from atomscope.find.prepare import Frame, prepare

logger = logging.getLogger(__name__)

EDGE, FAILED = "edge", "fit failed"
#: Columns that finding writes beside site, frame and kind, in this order.
_NUMBERS = (
    "row_sd",
    "col_sd",
    "sigma",
    "ellipticity",
    "amplitude",
    "amplitude_sd",
    "background",
    "residual",
)
_HALF_SCORE = 5.0  # a column that stands so many deviations over the noise scores one half


def find_in_frame(
    frame: np.ndarray, params: FindParams | None = None, *, network: Network | None = None
) -> pd.DataFrame:
    """Find the columns of one frame, as the live preview does.

    Parameters
    ----------
    frame : array, shape (rows, cols)
        Any real dtype or bool; NaN and infinite pixels are left out.
    params : FindParams, optional
    network : Network, optional
        What ``method="network"`` finds with.

    Returns
    -------
    pandas.DataFrame
        The columns of :func:`find_atoms` without ``site``, ``frame`` and ``kind``, in raster order. Empty, with a
        warning in the log, when the frame has no finite pixel or is constant.

    Raises
    ------
    ShapeError
        If the frame is not 2-D.
    ParameterError
        If a network is asked for and none is given, or its threshold is no probability.
    """
    params = params or FindParams()
    if params.method != "peaks" and network is None:
        raise ParameterError(f"find: method={params.method!r} wants a trained network; pipeline.find_atoms loads one")
    if params.method == "auto" and params.threshold is not None:
        raise ParameterError(
            "find: a threshold means a height to method='peaks' and a probability to method='network'; "
            "choose one of them, or leave the threshold empty"
        )
    if params.method == "network" and params.threshold is not None and params.threshold >= 1:
        raise ParameterError(
            f"find: the threshold of method='network' is a probability, wanted less than 1, got {params.threshold:g}; "
            "leave it empty for .5"
        )
    ask = params.uncertainty != "none"
    if ask and not hasattr(network, "votes"):
        raise ParameterError(
            f"find: uncertainty={params.uncertainty!r} wants networks to ask; pipeline.find_atoms loads them"
        )
    ready = prepare(frame, params.polarity)
    if ready is None:
        logger.warning("a frame has no finite pixels, or all its pixels are equal: no sites in it")
        return _empty(ask)
    probability: np.ndarray | None = None
    spacing, level, apart = params.spacing_px, params.threshold, params.min_separation
    heights = level if params.method == "peaks" else None  # a network's threshold is a probability
    found = detect(ready, spacing_px=spacing, threshold=heights, min_separation=apart)
    if network is not None and (params.method == "network" or (params.method == "auto" and faint_lattice(found))):
        found, probability = detect_by_network(
            ready, network, spacing_px=spacing, threshold=level, min_separation=apart, seen=found
        )
    if not len(found.row):
        return _empty(ask)
    table = _fitted(ready, found, params) if params.refine else _unfitted(ready, found)
    if probability is not None:
        table["score"] = probability[table.index.to_numpy()]
    if ask:
        doubt = doubt_at(ready, cast(Committee, network), np.c_[found.row, found.col], found.sigma)
        for name in QUANTITIES:
            table[name] = doubt[name].to_numpy()[table.index.to_numpy()]
    return table.reset_index(drop=True)


def find_atoms(
    stack: Stack,
    params: FindParams | None = None,
    *,
    network: Network | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Sites:
    """Find the atom columns of an image or a movie, frame by frame.

    Every frame is treated on its own: noise and scale from its spectrum, maxima of the Laplacian of Gaussian, a
    threshold from their heights, then all columns fitted together with 2-D Gaussians on a local plane. Neither the
    chunks of the data nor the other frames change a frame's result.

    Parameters
    ----------
    stack : Stack
    params : FindParams, optional
    network : Network, optional
        What ``method="network"`` finds with.
    on_progress : callable, optional
        Gets a Progress per frame; its payload is the DataFrame of that frame's rows.
    should_stop : callable, optional
        Asked before each frame.

    Returns
    -------
    Sites
        A row per column, ``kind`` "atom", numbered in frame order from 0. ``score`` is ``S Q``, 0 to 1: with t the
        height over its own standard error, ``S = t**2 / (t**2 + 25)`` says how surely there is something (one half at
        five deviations), and ``Q = 1 / (1 + (residual / amplitude)**2)`` how well a Gaussian describes it.
        ``row_sd``, ``col_sd`` (px): standard errors, overlap with neighbours counted in. ``sigma`` (px),
        ``ellipticity``, ``amplitude`` (counts over ``background``; negative for dark columns), ``amplitude_sd``,
        ``background``, ``residual`` (counts). ``flag``: "edge" where the fit's window leaves the image or touches
        unmeasured pixels; "fit failed" where the row keeps the place of the maximum and the fitted numbers are NaN.
        A network's ``score`` is its probability. With ``uncertainty``, ``probability`` is that of all passes or
        members, ``entropy`` and ``mutual_information`` (nats) say how open it is (see ``find.doubt.doubt_of``).

    Raises
    ------
    ParameterError
        If ``first_frame`` or ``last_frame`` leave no frame.
    Stopped
        When ``should_stop`` says so; ``partial`` holds the Sites of the frames done.

    References
    ----------
    Lindeberg, Int. J. Comput. Vis. 30, 79 (1998): scale-normalised blobs.
    """
    params = params or FindParams()
    last = stack.n_frames - 1 if params.last_frame is None else min(params.last_frame, stack.n_frames - 1)
    wanted = range(params.first_frame, last + 1, params.stride)
    if not wanted:
        raise ParameterError(
            f"find: frames {params.first_frame} to {last} asked for, but {stack.name} has {stack.n_frames} frames "
            "(counted from 0); choose first_frame <= last_frame within them"
        )
    tables: list[pd.DataFrame] = []
    first_site = 0
    for done, index in enumerate(wanted, start=1):
        if should_stop is not None and should_stop():
            raise Stopped(partial=_sites(tables, stack, params))
        table = find_in_frame(stack.frame(index), params, network=network)
        if not len(table):
            logger.warning("%s, frame %d: no sites found", stack.name, index)
        table.insert(0, "site", np.arange(first_site, first_site + len(table), dtype=np.int64))
        table.insert(1, "frame", np.full(len(table), index, dtype=np.int64))
        table.insert(4, "kind", pd.Series(["atom"] * len(table), dtype=pd.CategoricalDtype(["atom"])))
        first_site += len(table)
        tables.append(table)
        report(on_progress, done, len(wanted), "frames", table)
    return _sites(tables, stack, params)


def _fitted(frame: Frame, found: Detection, params: FindParams) -> pd.DataFrame:
    fit = _known_places(fit_columns(frame.image, frame.good, found.row, found.col, 1.15 * found.sigma), found)
    sign = -1.0 if params.polarity == "dark" else 1.0
    significance = np.where(fit.failed, found.snr, fit.amplitude / np.maximum(fit.amplitude_sd, 1e-30))
    described = np.where(fit.failed, 0.5, 1 / (1 + (fit.residual / np.maximum(fit.amplitude, 1e-30)) ** 2))
    flag = add_flags(_words(fit.edge, EDGE), _words(fit.failed, FAILED))
    table = pd.DataFrame(
        {
            "row": fit.row,
            "col": fit.col,
            "score": _sure(significance) * described,
            "flag": pd.Series(flag, dtype=object),
            "row_sd": fit.row_sd,
            "col_sd": fit.col_sd,
            "sigma": fit.sigma,
            "ellipticity": fit.ellipticity,
            "amplitude": sign * fit.amplitude,
            "amplitude_sd": fit.amplitude_sd,
            "background": frame.offset + sign * fit.background,
            "residual": fit.residual,
        }
    )
    # Two starts can end on the same column; and what is centred outside the frame is no site of it.
    place = table[["row", "col"]].to_numpy()
    keep = drop_close(place, found.snr, 0.5 * params.min_separation * found.spacing)
    keep &= ((place >= -0.5) & (place <= np.array(frame.image.shape) - 0.5)).all(axis=1)
    return table[keep]


def _known_places(fit: Fit, found: Detection) -> Fit:
    """Weigh fitted places with those of a network that knows its errors.

    A network has seen the lattice round a faint column, the fit only the column. The error of both together is said
    to be that of the better one: they saw the same noise.
    """
    if found.place_sd is None:
        return fit
    known = found.place_sd
    new: dict[str, np.ndarray] = {}
    for name, start in (("row", found.row), ("col", found.col)):
        place, error = getattr(fit, name), getattr(fit, f"{name}_sd")
        use = np.isfinite(error) & np.isfinite(known) & ~fit.failed
        weight = np.where(use, 1 / np.where(use, known, 1.0) ** 2, 0.0)
        own = np.where(use, 1 / np.where(use, np.maximum(error, 1e-6), 1.0) ** 2, 1.0)
        new[name] = np.where(use, (own * place + weight * start) / (own + weight), place)
        new[f"{name}_sd"] = np.where(use, np.minimum(error, known), error)
    return replace(fit, **new)


def _unfitted(frame: Frame, found: Detection) -> pd.DataFrame:
    reach = 3 * found.sigma
    rows, cols = frame.image.shape
    outside = (np.minimum(found.row, rows - 1 - found.row) < reach) | (
        np.minimum(found.col, cols - 1 - found.col) < reach
    )
    n = len(found.row)
    table = pd.DataFrame(
        {
            "row": found.row,
            "col": found.col,
            "score": _sure(found.snr),
            "flag": pd.Series(_words(outside, EDGE), dtype=object),
        }
    )
    return table.assign(**{name: np.full(n, np.nan) for name in _NUMBERS})


def _sure(snr: np.ndarray) -> np.ndarray:
    return snr**2 / (snr**2 + _HALF_SCORE**2)


def _words(where: np.ndarray, word: str) -> np.ndarray:
    out = np.full(len(where), "", dtype=object)
    out[where] = word
    return out


def _empty(doubt: bool = False) -> pd.DataFrame:
    columns: dict[str, pd.Series] = {name: pd.Series([], dtype=np.float64) for name in ("row", "col", "score")}
    columns["flag"] = pd.Series([], dtype=object)
    numbers = (*_NUMBERS, *(QUANTITIES if doubt else ()))
    columns |= {name: pd.Series([], dtype=np.float64) for name in numbers}
    return pd.DataFrame(columns)


def _sites(tables: list[pd.DataFrame], stack: Stack, params: FindParams) -> Sites:
    filled = [table for table in tables if len(table)]
    if filled:
        table = pd.concat(filled, ignore_index=True)
    else:
        table = _empty(params.uncertainty != "none")
        table.insert(0, "site", pd.Series([], dtype=np.int64))
        table.insert(1, "frame", pd.Series([], dtype=np.int64))
        table.insert(4, "kind", pd.Series([], dtype=pd.CategoricalDtype(["atom"])))
    return Sites(table, stack.axes, stack.shape, Provenance("find", params.model_dump(), stack.source))
