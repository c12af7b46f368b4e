"""The verb that makes patches of patterns: scan positions are sites, and atoms of a virtual image are, too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from atomscope.data import (
    Normalisation,
    OnProgress,
    Patches,
    Provenance,
    ShouldStop,
    Sites,
    Stack,
    check_stop,
    report,
)
from atomscope.data.params import PatternParams
from atomscope.errors import CalibrationError, InputError, ShapeError
from atomscope.pipeline.fields import with_fields
from atomscope.pipeline.scan_images import as_scan, image_axes, scan_shape

_MODES = {"none": "none", "pattern": "patch", "dataset": "dataset"}


def patterns(
    source: Any,
    params: PatternParams | None = None,
    *,
    sites: Sites | pd.DataFrame | None = None,
    region: np.ndarray | None = None,
    out: str | Path | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    **fields: Any,
) -> tuple[Patches, Sites]:
    """Make patches of the patterns of a scan, and sites of its positions: what models learn from.

    Parameters
    ----------
    source : Stack, array or path
        Patterns, shape (scan rows, scan cols, rows, cols), with more axes before them for a series.
    params : PatternParams, optional
    sites : Sites or DataFrame, optional
        Sites of a virtual image (rows and columns are scan positions): each gets the mean of the patterns round it.
    region : numpy.ndarray of bool, shape (scan rows, scan cols), optional
        Only these positions.
    out : path, optional
        Stream the patches to a Zarr array there; needed when they are larger than 1 GB.
    on_progress, should_stop : callables, optional
    **fields
        Fields of :class:`~atomscope.data.params.PatternParams`.

    Returns
    -------
    patches : Patches
        float32; ``pixel_size`` is that of the camera times the binning.
    sites : Sites
        Without ``sites``: a row a position, ``kind`` "pattern", ``site`` its flat index over the scan, ``row`` and
        ``col`` the place in the scan, with the axes of the scan. Else the sites given, flagged where there is none.

    Raises
    ------
    InputError
        If no position is chosen, or the patches are too large for memory.
    ShapeError, CalibrationError
        If the region, side or radii do not fit the scan.
    Stopped
        When asked to; ``partial`` holds the patches so far and the sites (None with ``out``).

    Examples
    --------
    >>> patches, sites = ats.patterns(stack, intensity="log", blank_disk=True)
    >>> model = ats.fit(patches, ats.RVAE(translation=False))
    >>> sites = sites.join(ats.encode(model, patches))
    """
    from atomscope import patches as rooms
    from atomscope import scan4d
    from atomscope.errors import Stopped

    stack = as_scan(source)
    params = with_fields(PatternParams, params, fields)
    chosen = chosen_positions(stack, params, region)
    preparation = scan4d.prepare(stack, params)
    flags: dict[int, str] = {}
    windows: Iterator[np.ndarray]

    done, total = 0, int(chosen.sum())

    def tick(count: int) -> None:
        nonlocal done
        done += count
        report(on_progress, min(done, total), total, "patterns")
        check_stop(should_stop)

    check_stop(should_stop)
    if sites is None:
        known = _position_sites(stack, chosen, params)
        ids = known.table["site"].to_numpy(np.int64)
        windows = (band.windows for band in scan4d.bands(stack, preparation, chosen, tick))
    else:
        known = _as_image_sites(sites, stack)
        near = _near(stack, known, params)
        kept = near.multiply(chosen.ravel()[None, :]).tocsr() if not chosen.all() else near
        kept.eliminate_zeros()
        used = np.diff(kept.indptr) > 0
        every = known.table["site"].to_numpy(np.int64)
        flags = {int(site): "outside" for site in every[~used]}
        if not used.any():
            raise InputError("patterns: none of the sites lies on a chosen position of the scan")
        order = _scan_order(kept, used)
        ids = every[order]
        total = scan4d.positions_read(preparation, kept[order])
        windows = scan4d.site_means(stack, preparation, kept[order], tick)
    n = len(ids)
    row, col = stack.axes[-2:]
    like = Patches(
        np.broadcast_to(np.float32(0), (n, *preparation.window)),
        ids,
        Normalisation(_MODES[params.normalise], np.zeros(n, np.float32), np.ones(n, np.float32)),
        (row.scale * preparation.binning, col.scale * preparation.binning),
        row.unit,
        flags,
        Provenance("patterns", params.model_dump(mode="json"), stack.source),
    )
    finished = (preparation.finish(some) for some in windows)
    where = None if out is None else Path(out)
    try:
        made = rooms.collect(finished, like, shown=~preparation.blank, out=where)
    except Stopped as stop:
        partial = None if stop.partial is None else (stop.partial, known)
        raise Stopped(str(stop), partial=partial) from None
    return made, known.join(made.flag_table())


def most_bytes(stack: Stack, params: PatternParams, sites: Sites | None = None) -> int:
    """Return how large the patches of a scan can be at most, reading nothing."""
    from atomscope import scan4d

    count = stack.n_frames // params.every**2 if sites is None else len(sites)
    return count * scan4d.longest_side(params, stack.frame_shape) ** 2 * 4


def chosen_positions(stack: Stack, params: PatternParams, region: np.ndarray | None = None) -> np.ndarray:
    """Return the positions of a scan that are taken, bool, shape (*navigation).

    Raises
    ------
    ShapeError
        If the region has another shape than the scan.
    InputError
        If none is chosen.
    """
    shape = stack.navigation_shape
    chosen = np.zeros(shape, bool)
    part = (slice(params.row_from, params.row_to, params.every), slice(params.col_from, params.col_to, params.every))
    chosen[(..., *part[-len(shape) :])] = True
    if region is not None:
        region = np.asarray(region)
        if region.shape != shape[-region.ndim :] or region.ndim not in (min(2, len(shape)), len(shape)):
            raise ShapeError(f"patterns: wanted a region of the shape of the scan, {shape}; got {region.shape}")
        chosen &= region.astype(bool)
    if not chosen.any():
        raise InputError(
            f"patterns: no position of the scan of {' x '.join(map(str, shape))} is chosen; take a larger region"
        )
    return chosen


def _position_sites(stack: Stack, chosen: np.ndarray, params: PatternParams) -> Sites:
    """Return the chosen positions as sites of an image of the scan."""
    shape = scan_shape(stack)
    flat = np.flatnonzero(chosen)
    frame, row, col = np.unravel_index(flat, (int(np.prod(shape[:-2], dtype=np.int64)), *shape[-2:]))
    sites = Sites.from_positions(
        row, col, frame, kind="pattern", axes=image_axes(stack), shape=shape,
        provenance=Provenance("patterns", params.model_dump(mode="json"), stack.source),
    )  # fmt: skip
    return sites.with_table(sites.table.assign(site=flat.astype(np.int64)))


def _as_image_sites(sites: Sites | pd.DataFrame, stack: Stack) -> Sites:
    if isinstance(sites, Sites):
        return sites
    return Sites(sites, image_axes(stack), scan_shape(stack))


def _near(stack: Stack, sites: Sites, params: PatternParams) -> Any:
    from atomscope import scan4d

    radius = None if params.radius_px is None else (params.radius_px, params.radius_px)
    if params.radius_nm is not None:
        try:
            row, col = (axis.to("nm").scale for axis in image_axes(stack)[-2:])
        except CalibrationError:
            raise CalibrationError(
                "patterns: a radius in nm was asked for, but the scan is not calibrated; calibrate its axes or give "
                "radius_px"
            ) from None
        radius = (params.radius_nm / row, params.radius_nm / col)
    table = sites.table
    return scan4d.near_positions(sites.positions, table["frame"].to_numpy(np.int64), scan_shape(stack), radius)


def _scan_order(near: Any, used: np.ndarray) -> np.ndarray:
    """Return the rows that have positions, in the order of the first of them."""
    rows = np.flatnonzero(used)
    first = np.minimum.reduceat(near.indices, near.indptr[:-1][rows])
    return np.asarray(rows[np.argsort(first, kind="stable")])
