"""Find atom columns: one frame for the live preview, a whole stack frame by frame."""

from __future__ import annotations

import logging
from typing import cast

import numpy as np
import pandas as pd

from atomscope.data import OnProgress, ShouldStop, Sites, Stack
from atomscope.data.params import FindParams
from atomscope.data.taught import Taught
from atomscope.errors import ParameterError
from atomscope.find.backing import weigh
from atomscope.find.detect import detect, is_lattice
from atomscope.find.doubt import QUANTITIES, Committee, doubt_at
from atomscope.find.frames import sites_by_frame
from atomscope.find.heatmap import LIKELY, Network, detect_by_network
from atomscope.find.hidden import can_hide, with_hidden
from atomscope.find.prepare import prepare
from atomscope.find.rows import fitted_rows, no_rows, unfitted_rows
from atomscope.find.taught import TaughtNetwork, find_taught

logger = logging.getLogger(__name__)

#: A fit whose amplitude has so many times the usual error has not settled.
_VAGUE = 4.0


def find_in_frame(
    frame: np.ndarray,
    params: FindParams | None = None,
    *,
    network: Network | TaughtNetwork | None = None,
    pixel_nm: float | None = None,
) -> pd.DataFrame:
    """Find the columns of one frame, as the live preview does.

    Parameters
    ----------
    frame : array, shape (rows, cols)
        Any real dtype or bool; NaN and infinite pixels are left out.
    params : FindParams, optional
    network : Network, optional
        What ``method="network"`` finds with.
    pixel_nm : float, optional
        Size of a pixel, nm: a taught network then knows how large its sites are here.

    Returns
    -------
    pandas.DataFrame
        The columns of :func:`find_atoms` without ``site`` and ``frame`` (and ``kind``, unless the network was taught
        classes), in raster order. Empty, with a
        warning in the log, when the frame has no finite pixel or is constant.

    Raises
    ------
    ShapeError
        If the frame is not 2-D.
    ParameterError
        If a network is asked for and none is given, or its threshold is no probability.
    """
    params = params or FindParams()
    if params.method == "network" and network is None:
        raise ParameterError(f"find: method={params.method!r} wants a trained network; pipeline.find_atoms loads one")
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
    taught = _taught(network, params)
    ready = prepare(frame, params.polarity if taught is None else taught.polarity)
    if ready is None:
        logger.warning("a frame has no finite pixels, or all its pixels are equal: no sites in it")
        return no_rows(ask)
    if taught is not None:
        return find_taught(ready, params, cast(TaughtNetwork, network), taught, pixel_nm)
    network = cast("Network | None", network)
    probability: np.ndarray | None = None
    spacing, level, apart = params.spacing_px, params.threshold, params.min_separation
    # A threshold above 1 is a height and asks for peaks; else it is a probability.
    high = (
        level if level is not None and (params.method == "peaks" or (params.method == "auto" and level > 1)) else None
    )
    found = detect(ready, spacing_px=spacing, threshold=high, min_separation=apart)
    hiding = level is None and can_hide(found)
    wanted = params.method == "network" or (params.method == "auto" and high is None and is_lattice(found))
    if network is not None and wanted:
        found, probability = detect_by_network(
            ready, network, spacing_px=spacing, threshold=level, min_separation=apart, seen=found
        )
    if not len(found.row):
        return no_rows(ask)
    if hiding:
        found, probability, table = with_hidden(
            ready, found, probability, lambda d: fitted_rows(ready, d, params), network if wanted else None
        )
    elif params.refine:
        table = fitted_rows(ready, found, params)
    if not params.refine:
        table = unfitted_rows(ready, found)
    if probability is not None:
        table["score"] = probability[table.index.to_numpy()]
        if params.refine:
            table["score"] = weigh(_fitted_heights(table), table["score"].to_numpy())
            table = table[table["score"] > (LIKELY if level is None else level)]
    if ask:
        doubt = doubt_at(ready, cast(Committee, network), np.c_[found.row, found.col], found.sigma)
        for name in QUANTITIES:
            table[name] = doubt[name].to_numpy()[table.index.to_numpy()]
    return table.reset_index(drop=True)


def _fitted_heights(table: pd.DataFrame) -> np.ndarray:
    """Return amplitudes over their standard errors; the frame's median where the fit says nothing, shape (n,)."""
    error = table["amplitude_sd"].to_numpy(np.float64)
    z = np.abs(table["amplitude"].to_numpy(np.float64)) / error
    known = np.isfinite(z)
    usual = float(np.median(error[known])) if known.any() else 0.0
    known &= error < _VAGUE * usual
    return np.where(known, z, np.median(z[known]) if known.any() else 0.0)


def find_atoms(
    stack: Stack,
    params: FindParams | None = None,
    *,
    network: Network | TaughtNetwork | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Sites:
    """Find the atom columns of an image or a movie, frame by frame.

    Every frame is treated on its own: noise and scale from its spectrum, maxima of the Laplacian of Gaussian and a
    threshold from their heights, or, by ``params.method`` and where there is a lattice, a network's answer; then all
    columns are fitted together with 2-D Gaussians on a local plane. Neither the chunks of the data nor the other frames
    change a frame's result.

    Parameters
    ----------
    stack : Stack
    params : FindParams, optional
    network : Network, optional
        What "network" finds with, and "auto" where it sees a lattice; without it "auto" takes peaks.
    on_progress : callable, optional
        Gets a Progress per frame; its payload is the DataFrame of that frame's rows.
    should_stop : callable, optional
        Asked before each frame.

    Returns
    -------
    Sites
        A row per column, ``kind`` "atom" (or what a network was taught), numbered in frame order from 0. ``score`` is
        ``S Q``, 0 to 1: with t the height over its own standard error, ``S = t**2 / (t**2 + 25)`` says how surely there
        is something (one half at five deviations), and ``Q = 1 / (1 + (residual / amplitude)**2)`` how well a Gaussian
        describes it.
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
    taught = _taught(network, params)
    pixel_nm = stack.pixel_axes[1].scale if stack.pixel_axes[1].unit == "nm" else None
    return sites_by_frame(
        stack,
        params,
        "find",
        lambda index: find_in_frame(stack.frame(index), params, network=network, pixel_nm=pixel_nm),
        lambda: no_rows(params.uncertainty != "none"),
        kinds=["atom"] if taught is None else taught.classes,
        called="sites",
        on_progress=on_progress,
        should_stop=should_stop,
    )


def _taught(network: object, params: FindParams) -> Taught | None:
    """Return what a network was taught, if it is one of those and is to be used."""
    return getattr(network, "taught", None) if params.method != "peaks" else None
