"""What is read frame by frame, gathered into one table of sites and the tables beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from atomscope.data import Provenance, Sites
from atomscope.data.params import StructureParams
from atomscope.data.sites import add_flags
from atomscope.data.structure import ANGLE_COLUMNS, BOND_COLUMNS, DEFECT_COLUMNS, RING_COLUMNS, Structure
from atomscope.neighbours.evidence import Evidence
from atomscope.neighbours.frame import ATOM, VACANCY, FrameStructure
from atomscope.neighbours.rows import blank_columns, describe_added, new_rows, write_frame

NO_POSITION, DUPLICATE = "no position", "duplicate position"
#: A site at which neither the image shows a column nor the lattice wants one.
EMPTY = "empty"
GONE, UNSEEN = "vacancy not found again", "no column in the image"


class Gathered:
    """What grows frame by frame."""

    def __init__(self, sites: Sites, table: pd.DataFrame, params: StructureParams, unit: np.ndarray, nm: float) -> None:
        self.sites, self.table, self.params, self.unit, self.nm = sites, table, params, unit, nm
        self.columns = blank_columns(table)
        self.flags = np.full(len(table), "", dtype=object)
        self.ghost = np.zeros(len(table), bool)
        self.new: list[pd.DataFrame] = []
        self.next = int(table["site"].max()) + 1
        self.parts: dict[str, list[pd.DataFrame]] = {"bonds": [], "angles": [], "rings": [], "defects": []}

    def flag(self, rows: np.ndarray, word: str) -> None:
        """Say of some rows why they could not be used."""
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
        gone = np.isin(self.table["kind"].astype(str).to_numpy()[rows], (VACANCY, EMPTY))
        if "present" in self.table.columns:
            gone |= ~self.table["present"].fillna(True).to_numpy(bool)[rows]
        return np.asarray(gone | self.ghost[rows])

    def add(self, frame: int, rows: np.ndarray, read: FrameStructure, seen: Evidence | None = None) -> None:
        """Take the result of a frame: columns of its rows, new rows, tables.

        Nodes of the frame are its rows (without those in which the image shows nothing), what the image shows beside
        them, then the vacancies.
        """
        if seen is not None:
            self.ghost[rows[seen.ghost]] = True
            self.flag(rows[seen.ghost], UNSEEN)
            rows = rows[~seen.ghost]
        n, v = len(rows), len(read.empty)
        place = np.concatenate([np.zeros((0, 2)) if seen is None else seen.added, read.empty])
        a = len(place) - v
        all_rows = np.flatnonzero(self.table["frame"].to_numpy() == frame)
        old = all_rows[self._vacant(all_rows)]
        target, fresh = np.full(a + v, -1, np.int64), np.ones(a + v, bool)
        if len(old):
            # A vacancy that is a row already keeps its row and its id, and so does one that has been filled.
            where = self.table[["row", "col"]].to_numpy(np.float64)[old] * self.unit
            near = float(np.median(read.length)) / 2 if len(read.length) else 0.0
            for k in range(a + v):
                away = np.linalg.norm(where - place[k], axis=1)
                if np.nanmin(away, initial=np.inf) <= near:
                    target[k], fresh[k] = old[int(np.nanargmin(away))], False
            if self.params.vacancies:
                vacant = self.table["kind"].astype(str).to_numpy()[old] != EMPTY
                self.flag(np.setdiff1d(old[vacant & ~self.ghost[old]], target), GONE)
        ids = np.empty(n + a + v, np.int64)
        ids[:n] = self.table["site"].to_numpy()[rows]
        ids[n:][~fresh] = self.table["site"].to_numpy()[target[~fresh]]
        ids[n:][fresh] = np.arange(self.next, self.next + fresh.sum())
        self.next += int(fresh.sum())
        known = np.concatenate([np.arange(n), n + np.flatnonzero(~fresh)])
        self.columns["kind"][old] = np.where(self.ghost[old], EMPTY, self.columns["kind"][old])
        write_frame(self.columns, np.concatenate([rows, target[~fresh]]), read.columns, known, self.unit)
        self._move(target[~fresh], (place / self.unit)[~fresh])
        made = new_rows(frame, ids[n:][fresh], (place / self.unit)[fresh], read.columns, n + np.flatnonzero(fresh))
        self.new.append(made if seen is None else describe_added(made, fresh[:a], seen, self.table))
        self._tables(frame, ids, read)

    def _move(self, rows: np.ndarray, place: np.ndarray) -> None:
        """Put sites that turned out to be empty where the lattice has the vacancy, not where noise stood highest."""
        mine = self.ghost[rows]
        for k, name in enumerate(("row", "col")):
            values = self.table[name].to_numpy(np.float64, copy=True)
            values[rows[mine]] = place[mine, k]
            self.table[name] = values

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
        ours = np.isin(plain, (ATOM, "substitution", "adatom", VACANCY, EMPTY)) & (kinds != "")
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
