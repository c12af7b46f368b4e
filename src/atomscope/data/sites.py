"""Sites: the one table that is the spine. A row per place in the data."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from atomscope.data.axes import Axis, default_axes
from atomscope.data.columns import CORE, describe_unit
from atomscope.data.provenance import Provenance
from atomscope.errors import InputError


@dataclass(frozen=True)
class Sites:
    """A table with a row per site, and the axes of the Stack that the sites lie in.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns ``site`` (int64, unique), ``frame`` (int64, flat navigation index), ``row``, ``col``
        (float64, px, centre of the top-left pixel is 0, 0), ``kind`` (category), ``score`` (float64),
        ``flag`` (str, empty when all is well), then whatever later steps added.
    axes : tuple of Axis
        Axes of the Stack.
    shape : tuple of int
        Shape of the Stack (empty when unknown).
    provenance : Provenance

    Raises
    ------
    InputError
        If a core column is missing or site ids repeat.
    """

    table: pd.DataFrame
    axes: tuple[Axis, ...] = field(default_factory=lambda: default_axes(3))
    shape: tuple[int, ...] = ()
    provenance: Provenance = field(default_factory=Provenance)

    def __post_init__(self) -> None:
        missing = [c for c in CORE if c not in self.table.columns]
        if missing:
            raise InputError(
                f"site table: wanted the columns {list(CORE)}, missing {missing}; "
                "use Sites.from_positions to make a table from coordinates"
            )
        if not self.table["site"].is_unique:
            twice = self.table["site"][self.table["site"].duplicated()].iloc[0]
            raise InputError(f"site table: ids must be unique, {twice} occurs more than once")

    @classmethod
    def from_positions(
        cls,
        rows: np.ndarray,
        cols: np.ndarray,
        frames: np.ndarray | int = 0,
        *,
        kind: str | np.ndarray = "atom",
        score: np.ndarray | float = 1.0,
        axes: tuple[Axis, ...] | None = None,
        shape: tuple[int, ...] = (),
        provenance: Provenance | None = None,
        first_site: int = 0,
        **columns: np.ndarray,
    ) -> Sites:
        """Make Sites from coordinates, numbering them from ``first_site``.

        Parameters
        ----------
        rows, cols : array, shape (n,), px
        frames : array, shape (n,), or int
        columns : arrays, shape (n,)
            More columns, by name.
        """
        n = len(rows)
        table = pd.DataFrame(
            {
                "site": np.arange(first_site, first_site + n, dtype=np.int64),
                "frame": np.broadcast_to(np.asarray(frames, dtype=np.int64), n).copy(),
                "row": np.asarray(rows, dtype=np.float64),
                "col": np.asarray(cols, dtype=np.float64),
                "kind": pd.Categorical(np.broadcast_to(np.asarray(kind, dtype=object), n)),
                "score": np.broadcast_to(np.asarray(score, dtype=np.float64), n).copy(),
                "flag": columns.pop("flag", np.full(n, "", dtype=object)),
                **columns,
            }
        )
        table["flag"] = table["flag"].astype(object)
        if axes is None:
            axes = default_axes(max(len(shape), 3 if not shape else 2))
        return cls(table, axes, tuple(shape), provenance or Provenance())

    def __len__(self) -> int:
        return len(self.table)

    @property
    def positions(self) -> np.ndarray:
        """(row, col) in px, shape (n, 2), float64."""
        return self.table[["row", "col"]].to_numpy(np.float64)

    @property
    def navigation_shape(self) -> tuple[int, ...]:
        """Shape of the navigation axes (empty for one image or when unknown)."""
        return self.shape[:-2]

    def in_frame(self, frame: int) -> pd.DataFrame:
        """Rows of one frame."""
        return self.table[self.table["frame"] == frame]

    def with_table(self, table: pd.DataFrame) -> Sites:
        """Return the same sites with another table (columns added or rows removed on purpose)."""
        return replace(self, table=table)

    def join(self, columns: pd.DataFrame) -> Sites:
        """Add columns by site id; no row is lost and sites not in ``columns`` get NaN.

        Parameters
        ----------
        columns : pandas.DataFrame
            Indexed by site id, or with a column ``site``. Columns that exist are replaced, except that
            a non-empty ``flag`` is appended and the existing flag is kept.

        Raises
        ------
        InputError
            If the ids of ``columns`` repeat or are not all known.
        """
        if "site" in columns.columns:
            columns = columns.set_index("site")
        if not columns.index.is_unique:
            raise InputError("join: the site ids of the new columns repeat")
        unknown = columns.index.difference(pd.Index(self.table["site"]))
        if len(unknown):
            raise InputError(f"join: {len(unknown)} site ids are not in the table, the first is {unknown[0]}")
        keep = [c for c in columns.columns if c not in CORE]
        new = columns[keep].reindex(self.table["site"].to_numpy())
        table = self.table.copy()
        for name in keep:
            table[name] = new[name].array
        if "flag" in columns.columns:
            extra = columns["flag"].reindex(self.table["site"].to_numpy()).fillna("").to_numpy(dtype=object)
            table["flag"] = add_flags(table["flag"].to_numpy(dtype=object), extra)
        return replace(self, table=table)

    def units(self) -> dict[str, str]:
        """Return the unit of each column, for file headers."""
        return {str(c): describe_unit(str(c)) for c in self.table.columns}


def add_flags(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Join flag texts with ``;``, each reason once. Arrays of str, shape (n,)."""
    out = old.copy()
    for i in np.flatnonzero(new != ""):
        reasons = [r for r in str(old[i]).split(";") if r]
        reasons += [r for r in str(new[i]).split(";") if r and r not in reasons]
        out[i] = ";".join(reasons)
    return out
