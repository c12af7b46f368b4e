"""Read the structure of every frame into one table."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pandas as pd

from atomscope.data import OnProgress, Provenance, ShouldStop, Sites, check_stop, report
from atomscope.data.params import StructureParams
from atomscope.data.sites import add_flags
from atomscope.data.structure import ANGLE_COLUMNS, BOND_COLUMNS, DEFECT_COLUMNS, RING_COLUMNS, Structure
from atomscope.errors import CalibrationError, InputError, ParameterError
from atomscope.neighbours.consensus import Field
from atomscope.neighbours.frame import ATOM, VACANCY, FrameStructure, read_frame
from atomscope.neighbours.intensity import read_intensity, species_of
from atomscope.neighbours.rows import blank_columns, vacancy_rows, write_frame

logger = logging.getLogger(__name__)

NO_POSITION, DUPLICATE, TOO_FEW = "no position", "duplicate position", "too few sites in the frame"
GONE = "vacancy not found again"


def structure(
    sites: Sites,
    params: StructureParams | None = None,
    *,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Structure:
    """Read bonds, rings, species, defects and strain from the sites of every frame.

    Each frame is read on its own: neither the other frames nor their number change its result.

    Parameters
    ----------
    sites : Sites
    params : StructureParams, optional
    on_progress : callable, optional
        Gets a Progress per frame.
    should_stop : callable, optional
        Asked before each frame.

    Returns
    -------
    Structure
        ``sites`` holds every row that came in, then the vacancies.

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
    work = _Work(sites, table, params, unit, nm)
    frames = np.unique(table["frame"].to_numpy(np.int64))
    for done, frame in enumerate(frames.tolist(), start=1):
        check_stop(should_stop, work.result)
        rows = work.usable(frame)
        if len(rows) >= 2:
            points = table[["row", "col"]].to_numpy(np.float64)[rows] * unit
            species = species_of(values, names, rows, table, params)
            work.add(frame, rows, read_frame(points, species, names, _field(sites, points, unit), params, shortest))
        else:
            work.flag(rows, TOO_FEW)
            logger.warning("structure: frame %d has %d usable sites: nothing can be said of it", frame, len(rows))
        report(on_progress, done, len(frames), "frames")
    result = work.result()
    if params.cage and not (result.sites.table["species"] == params.cage).any():
        known = ", ".join(sorted(set(result.sites.table["species"].astype(str)) - {""})) or "none"
        raise ParameterError(f"cage: no frame has the species {params.cage!r}; there are: {known}")
    return result


class _Work:
    """What grows frame by frame."""

    def __init__(self, sites: Sites, table: pd.DataFrame, params: StructureParams, unit: np.ndarray, nm: float) -> None:
        self.sites, self.table, self.params, self.unit, self.nm = sites, table, params, unit, nm
        self.columns = blank_columns(table)
        self.flags = np.full(len(table), "", dtype=object)
        self.new: list[pd.DataFrame] = []
        self.next = int(table["site"].max()) + 1
        self.parts: dict[str, list[pd.DataFrame]] = {"bonds": [], "angles": [], "rings": [], "defects": []}

    def flag(self, rows: np.ndarray, word: str) -> None:
        more = np.full(len(self.flags), "", dtype=object)
        more[rows] = word
        self.flags = add_flags(self.flags, more)

    def usable(self, frame: int) -> np.ndarray:
        """Return the rows of a frame that hold an atom at a place of its own; the others are flagged."""
        rows = np.flatnonzero(self.table["frame"].to_numpy() == frame)
        rows = rows[~self._vacant(rows)]
        place = self.table[["row", "col"]].to_numpy(np.float64)[rows]
        finite = np.isfinite(place).all(axis=1)
        self.flag(rows[~finite], NO_POSITION)
        rows, place = rows[finite], place[finite]
        first = np.zeros(len(rows), bool)
        first[np.unique(np.round(place, 3), axis=0, return_index=True)[1]] = True
        self.flag(rows[~first], DUPLICATE)
        return np.asarray(rows[first])

    def _vacant(self, rows: np.ndarray) -> np.ndarray:
        gone = (self.table["kind"].astype(str).to_numpy() == VACANCY)[rows]
        if "present" in self.table.columns:
            gone |= ~self.table["present"].fillna(True).to_numpy(bool)[rows]
        return np.asarray(gone)

    def add(self, frame: int, rows: np.ndarray, read: FrameStructure) -> None:
        """Take the result of a frame: columns of its rows, rows of its vacancies, tables."""
        n, v = len(rows), len(read.empty)
        all_rows = np.flatnonzero(self.table["frame"].to_numpy() == frame)
        old = all_rows[self._vacant(all_rows)]
        place = read.empty / self.unit
        target, fresh = np.full(v, -1, np.int64), np.ones(v, bool)
        if len(old):
            # A vacancy that is a row already keeps its row and its id.
            where = self.table[["row", "col"]].to_numpy(np.float64)[old] * self.unit
            near = float(np.median(read.length)) / 2 if len(read.length) else 0.0
            for k in range(v):
                away = np.linalg.norm(where - read.empty[k], axis=1)
                if np.nanmin(away, initial=np.inf) <= near:
                    target[k], fresh[k] = old[int(np.nanargmin(away))], False
            if self.params.vacancies:
                self.flag(np.setdiff1d(old, target), GONE)
        ids = np.empty(n + v, np.int64)
        ids[:n] = self.table["site"].to_numpy()[rows]
        ids[n:][~fresh] = self.table["site"].to_numpy()[target[~fresh]]
        ids[n:][fresh] = np.arange(self.next, self.next + fresh.sum())
        self.next += int(fresh.sum())
        seen = np.concatenate([np.arange(n), n + np.flatnonzero(~fresh)])
        write_frame(self.columns, np.concatenate([rows, target[~fresh]]), read.columns, seen, self.unit)
        self.new.append(vacancy_rows(frame, ids[n:][fresh], place[fresh], read.columns, n + np.flatnonzero(fresh)))
        self._tables(frame, ids, read)

    def _tables(self, frame: int, ids: np.ndarray, read: FrameStructure) -> None:
        a, b = ids[read.bonds].T.reshape(2, -1)
        swap = a > b
        direction = np.where(swap, np.angle(-np.exp(1j * read.direction)), read.direction)
        self.parts["bonds"].append(
            _frame_table(
                frame, BOND_COLUMNS, np.minimum(a, b), np.maximum(a, b), read.length, read.length * self.nm, direction
            )
        )
        who, angle = read.angles
        self.parts["angles"].append(_frame_table(frame, ANGLE_COLUMNS, *ids[who].T.reshape(3, -1), angle))
        rings = read.rings
        centre = rings.centre / self.unit
        members = _tuples(ids[m] for m in rings.members)
        self.parts["rings"].append(
            _frame_table(
                frame,
                RING_COLUMNS,
                np.arange(len(rings.size)),
                rings.size,
                centre[:, 0],
                centre[:, 1],
                rings.area,
                rings.minimal,
                read.pattern,
                members,
            )
        )
        found = read.defects
        spot = np.array([d.place for d in found]).reshape(-1, 2) / self.unit
        self.parts["defects"].append(
            _frame_table(
                frame,
                DEFECT_COLUMNS,
                np.arange(len(found)),
                np.array([d.name for d in found], dtype=object),
                np.array([d.formula for d in found], dtype=object),
                spot[:, 0],
                spot[:, 1],
                np.array([len(d.sites) for d in found], np.int64),
                _tuples(ids[d.sites] for d in found),
                _tuples(ids[d.around] for d in found),
                _tuples(d.rings for d in found),
            )
        )

    def result(self) -> Structure:
        """Return what is known so far."""
        table = self.table.drop(columns=[c for c in self.columns if c in self.table.columns and c != "kind"])
        table = table.assign(**{c: v for c, v in self.columns.items() if c != "kind"})
        kinds = self.columns["kind"]
        plain = self.table["kind"].astype(str).to_numpy()
        # Only what is an atom to the finder is sorted further; particles and the like keep their kind.
        ours = np.isin(plain, (ATOM, "substitution", "adatom", VACANCY)) & (kinds != "")
        table["kind"] = np.where(ours, kinds, plain)
        table["flag"] = add_flags(table["flag"].to_numpy(dtype=object), self.flags)
        table = pd.concat([table, *_like(table, self.new)], ignore_index=True)
        table["kind"] = table["kind"].astype("category")
        names = [str(c) for c in self.sites.table.columns]
        table = table[[*names, *[c for c in table.columns if c not in names]]]
        provenance = Provenance("structure", self.params.model_dump(mode="json"), self.sites.provenance.source)
        tables = {
            name: pd.concat(parts, ignore_index=True) if parts else _frame_table(0, columns, *[[]] * (len(columns) - 1))
            for (name, parts), columns in zip(
                self.parts.items(), (BOND_COLUMNS, ANGLE_COLUMNS, RING_COLUMNS, DEFECT_COLUMNS), strict=True
            )
        }
        sites = Sites(table, self.sites.axes, self.sites.shape, provenance)
        return Structure(sites, **tables)


def _like(table: pd.DataFrame, new: list[pd.DataFrame]) -> list[pd.DataFrame]:
    """Return the new rows with the columns and types of the table."""
    filled = [part for part in new if len(part)]
    if not filled:
        return []
    rows = pd.concat(filled, ignore_index=True)
    for name in table.columns:
        if name in rows.columns:
            continue
        kind = table[name].dtype
        if pd.api.types.is_bool_dtype(kind):
            rows[name] = np.zeros(len(rows), bool)  # present: no
        elif name in ("cluster", "track", "grain"):
            rows[name] = np.full(len(rows), -1, np.int64)
        elif pd.api.types.is_numeric_dtype(kind):
            rows[name] = np.full(len(rows), np.nan)
        else:
            rows[name] = np.full(len(rows), "", dtype=object)
    return [rows[list(table.columns)]]


def _frame_table(frame: int, columns: tuple[str, ...], *values: Any) -> pd.DataFrame:
    n = len(values[0])
    return pd.DataFrame(dict(zip(columns, (np.full(n, frame, np.int64), *values), strict=True)))


def _tuples(groups: Any) -> np.ndarray:
    found = [tuple(int(i) for i in group) for group in groups]
    out = np.empty(len(found), dtype=object)
    out[:] = found
    return out


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
