"""Linking of a whole table: which rows take part, what the radius is, what is written back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from atomscope.data import OnProgress, Progress, Provenance, ShouldStop, Sites
from atomscope.data.params.link import LinkParams
from atomscope.dynamics.lattice_identity import at_places, find_places, spacing_among, spacing_of, usual_value
from atomscope.dynamics.link import Frames, Linker, link_points
from atomscope.dynamics.tracks import frame_step, whole_numbers
from atomscope.errors import CalibrationError, InputError, ParameterError, ShapeError

#: What stays where it is on a lattice; everything else hops.
_STAYS = "atom"
#: Nothing is farther than this from its place, in spacings: there the next place begins.
_HALF = 0.5
#: Columns that tell places of one kind from those of another; the first that the table has. Things hop within a kind.
_LIKE = ("sublattice", "host")


def link_sites(
    sites: Sites,
    params: LinkParams,
    drift: Any = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Sites:
    """Return the sites with ``track`` (and ``lattice_site``, by lattice); see :func:`atomscope.pipeline.link.link`."""
    table = sites.table
    points = _places(table)
    known = np.isfinite(points).all(1)
    good = known & table["frame"].notna().to_numpy()
    frame = np.full(len(table), -1, np.int64)
    frame[good] = whole_numbers(table[good], "frame", "link")
    if drift is not None:
        points -= _moved(drift, frame, good)
    linked = good & _of_kinds(table, params)
    labels = _labels(table, params.agree)
    site = table["site"].to_numpy()
    step = frame_step(frame[good])
    taking = good if params.by == "lattice" else linked
    everything = Frames(frame, points, site, taking)
    track = np.full(len(table), -1, np.int64)
    lattice = np.full(len(table), -1, np.int64)

    def so_far() -> Sites:
        columns = {"track": _long_enough(track, params.least_frames)}
        if params.by == "lattice":
            columns["lattice_site"] = lattice
        said = Provenance("link", params.model_dump(mode="json"), sites.provenance.source)
        return Sites(table.assign(**columns), sites.axes, sites.shape, said)

    spacing = spacing_of(everything, points)
    radius = _radius(sites, params, spacing, 1 < len(everything) == taking.sum())
    if params.by == "motion":
        linker = Linker(radius, params.memory, params.predict, labels.shape[1], params.disagree_cost)
        link_points(everything, points, labels, linker, track, step, on_progress, should_stop, so_far)
        return so_far()

    spacing = spacing if np.isfinite(spacing) else 3 * radius
    places, shifts = find_places(everything, points, spacing, _part(on_progress, 0, 2), should_stop)
    at_places(everything, points, places, shifts, radius, lattice, _part(on_progress, 1, 2), should_stop, so_far)
    kind = table["kind"].astype(object).to_numpy()
    stays = linked & (kind == _STAYS)
    track[stays] = lattice[stays]
    hops = linked & (lattice >= 0) & ~stays
    like = _like(table, lattice, len(places))
    apart = spacing_among(places, like)
    reach = params.hop_spacings * (apart if np.isfinite(apart) else spacing)
    first = len(places)
    for one in sorted({str(k) for k in kind[hops]}):
        which = hops & (kind.astype(str) == one)
        on_lattice = np.where(which[:, None], places[lattice], np.nan)
        linker = Linker(reach, params.memory, "none", labels.shape[1], params.disagree_cost)
        linker.n_tracks = first
        link_points(
            Frames(frame, on_lattice, site, which), on_lattice, labels, linker, track, step, None, should_stop, so_far
        )
        first = linker.n_tracks
    return so_far()


def _places(table: pd.DataFrame) -> np.ndarray:
    try:
        return table[["row", "col"]].to_numpy(np.float64, copy=True)
    except ValueError as error:
        raise InputError(f"link: wanted numbers in the columns row and col ({error})") from None


def _moved(drift: Any, frame: np.ndarray, good: np.ndarray) -> np.ndarray:
    try:
        path = np.asarray(getattr(drift, "shift_px", drift), np.float64)
    except (TypeError, ValueError):
        raise InputError(
            f"link: wanted the drift that atomscope.drift measured, or its shifts (frames, 2), got {drift!r}; a file "
            "is read by atomscope.pipeline.read_drift"
        ) from None
    if path.ndim != 2 or path.shape[1] != 2:
        raise ShapeError(
            f"link: wanted the drift as shift_px of shape (frames, 2), (row, col) a frame, got {path.shape}"
        )
    if good.any() and (frame[good].min() < 0 or frame[good].max() >= len(path)):
        wrong = frame[good].max() if frame[good].max() >= len(path) else frame[good].min()
        raise ShapeError(f"link: the drift is of {len(path)} frames, but sites lie in frame {wrong}")
    if not np.isfinite(path).all():
        raise InputError(f"link: the drift of frame {int(np.flatnonzero(~np.isfinite(path).all(1))[0])} is no number")
    return np.where(good[:, None], path[np.where(good, frame, 0)] if len(path) else 0.0, 0.0)


def _of_kinds(table: pd.DataFrame, params: LinkParams) -> np.ndarray:
    if not params.kinds:
        return np.ones(len(table), bool)
    there = sorted({str(k) for k in table["kind"].dropna().unique()})
    unknown = [k for k in params.kinds if k not in there]
    if unknown and len(table):
        raise ParameterError(f"link: no site is of the kind {', '.join(unknown)}; the table has {', '.join(there)}")
    return table["kind"].isin(list(params.kinds)).to_numpy(bool)


def _labels(table: pd.DataFrame, names: tuple[str, ...]) -> np.ndarray:
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise InputError(f"link: sites should agree in {', '.join(missing)}, but the table has no such column")
    return np.stack([_codes(table[name]) for name in names], 1) if names else np.zeros((len(table), 0), np.int64)


def _codes(column: pd.Series) -> np.ndarray:
    """Return a number for each value; -1 where it is empty, or negative: not known."""
    codes = pd.factorize(column, sort=True)[0].astype(np.int64)
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return np.where(column.to_numpy(np.float64, na_value=np.nan) < 0, -1, codes)
    return np.where((column.astype(object) == "").to_numpy(bool), -1, codes)


def _like(table: pd.DataFrame, lattice: np.ndarray, n: int) -> np.ndarray:
    """Return a number for each place: places between which things hop have the same."""
    for name in _LIKE:
        if name in table.columns:
            return usual_value(lattice, _codes(table[name]), n)
    return np.zeros(n, np.int64)


def _radius(sites: Sites, params: LinkParams, spacing: float, alone: bool) -> float:
    if params.radius_px is not None:
        return params.radius_px
    if params.radius_nm is None:
        share = min(params.radius_share, _HALF) if params.by == "lattice" else params.radius_share
        if alone:
            raise ParameterError(
                "link: no frame has two sites, so nothing says how far one may be from where it is expected; give "
                "radius_px"
            )
        return share * spacing if np.isfinite(spacing) else 1.0
    axes = [axis for axis in sites.axes if axis.kind == "signal"][-2:]
    if len(axes) < 2 or not all(axis.calibrated for axis in axes):
        raise CalibrationError(
            f"link: a radius of {params.radius_nm} nm was asked for, but the pixel size of the sites is not known; "
            "give radius_px"
        )
    scales = [axis.to("nm").scale for axis in axes]
    return float(params.radius_nm / np.sqrt(scales[0] * scales[1]))


def _long_enough(track: np.ndarray, least: int) -> np.ndarray:
    if least <= 1 or not (track >= 0).any():
        return track.copy()
    counts = np.bincount(track[track >= 0])
    return np.where((track >= 0) & (counts[np.maximum(track, 0)] >= least), track, -1)


def _part(on_progress: OnProgress | None, part: int, parts: int) -> Callable[[Progress], None] | None:
    """Return a listener that places the reports of one part of the work within all of it."""
    if on_progress is None:
        return None
    return lambda p: on_progress(Progress(part * p.total + p.done, parts * p.total, p.what, p.payload))
