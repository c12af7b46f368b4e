"""Read the structure of every frame into one table."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np

from atomscope.data import OnProgress, ShouldStop, Sites, check_stop, report
from atomscope.data.params import StructureParams
from atomscope.data.structure import Structure
from atomscope.errors import CalibrationError, InputError, ParameterError
from atomscope.neighbours.consensus import Field
from atomscope.neighbours.evidence import Evidence, Look, Witness
from atomscope.neighbours.frame import read_frame
from atomscope.neighbours.gather import Gathered
from atomscope.neighbours.intensity import read_intensity, species_of, species_seen

logger = logging.getLogger(__name__)

TOO_FEW = "too few sites in the frame"
#: Fewer sites say too little of a lattice for the image to be asked about it.
_FEWEST = 12


def structure(
    sites: Sites,
    params: StructureParams | None = None,
    *,
    look: Callable[[int], Look | None] | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Structure:
    """Read bonds, rings, species, defects and strain from the sites of every frame.

    Each frame is read on its own: neither the other frames nor their number change its result.

    Parameters
    ----------
    sites : Sites
    params : StructureParams, optional
    look : callable, optional
        Gives for a frame what can be asked of its image (None: nothing): then columns that were missed are added, and
        a site where the lattice wants one and the image has none is a vacancy.
    on_progress : callable, optional
        Gets a Progress per frame.
    should_stop : callable, optional
        Asked before each frame.

    Returns
    -------
    Structure
        ``sites`` holds every row that came in, then the vacancies and the columns that were missed.

    Raises
    ------
    InputError
        If there are no sites, or the intensity column is not there.
    CalibrationError
        If an unstrained spacing is given in nm and the pixels have no size.
    ParameterError
        If the cage's species occurs in no frame.
    Stopped
        When asked to; ``partial`` holds the Structure of the frames done.
    """
    params = params or StructureParams()
    if not len(sites):
        raise InputError("structure: wanted a table with sites, it has no rows; find atoms first")
    unit, nm = _pixel(sites)
    shortest = None
    if params.reference_nm is not None:
        if not np.isfinite(nm):
            raise CalibrationError(
                f"structure: an unstrained spacing of {params.reference_nm:g} nm was given, but the pixels have no "
                "size in nm; calibrate the image, or leave it empty"
            )
        shortest = params.reference_nm / nm
    table = sites.table.reset_index(drop=True)
    values, names = read_intensity(table, params)
    work = Gathered(sites, table, params, unit, nm)
    frames = np.unique(table["frame"].to_numpy(np.int64))
    for done, frame in enumerate(frames.tolist(), start=1):
        check_stop(should_stop, work.result)
        rows = work.usable(frame)
        if len(rows) >= 2:
            points = table[["row", "col"]].to_numpy(np.float64)[rows] * unit
            field = _field(sites, points, unit)
            seen: Evidence | None = None
            asked = look(frame) if look is not None and len(rows) >= _FEWEST else None
            if asked is not None:
                seen = Witness(asked, unit, field).testify(points, params.spacing_px)
                species = species_seen(seen, values, names, rows, table, params)
                points = np.concatenate([points[~seen.ghost], seen.added])
            else:
                species = species_of(values, names, rows, table, params)
            work.add(frame, rows, read_frame(points, species, names, field, params, shortest), seen)
        else:
            work.flag(rows, TOO_FEW)
            logger.warning("structure: frame %d has %d usable sites: nothing can be said of it", frame, len(rows))
        report(on_progress, done, len(frames), "frames")
    result = work.result()
    if params.cage and not (result.sites.table["species"] == params.cage).any():
        known = ", ".join(sorted(set(result.sites.table["species"].astype(str)) - {""})) or "none"
        raise ParameterError(f"cage: no frame has the species {params.cage!r}; there are: {known}")
    return result


def _pixel(sites: Sites) -> tuple[np.ndarray, float]:
    """Return (row, col) factors to square pixels of equal area, and the side of one in nm (NaN: unknown)."""
    row, col = sites.axes[-2:]
    if row.unit != col.unit:
        return np.ones(2), np.nan
    side = float(np.sqrt(row.scale * col.scale))
    unit = np.array([row.scale, col.scale]) / side
    try:
        return unit, side * col.to("nm").scale / col.scale
    except CalibrationError:
        return unit, np.nan


def _field(sites: Sites, points: np.ndarray, unit: np.ndarray) -> Field:
    """Return the measured rectangle: the image, or the rectangle round the sites when its size is unknown."""
    if len(sites.shape) >= 2:
        return Field(np.full(2, -0.5) * unit, (np.array(sites.shape[-2:]) - 0.5) * unit)
    return Field(points.min(axis=0), points.max(axis=0))
