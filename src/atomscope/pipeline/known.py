"""What a site table knows of patches: the columns that a model takes as known, and the classes that people named."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from atomscope.data import Given, Patches, Sites, counted
from atomscope.data.params import VAESpec
from atomscope.errors import InputError

log = logging.getLogger(__name__)

Table = Sites | pd.DataFrame


@dataclass(frozen=True)
class Names:
    """How columns became numbers; kept in a model's file, so that other tables are read in the same way.

    Attributes
    ----------
    conditions : dict of str to list of str, or None
        Of each column that is known its categories, each of which is one number, 0 or 1. None: a column of numbers.
    labels : list of str or None
        Name of each class, in order. None: the column holds the numbers of the classes.
    """

    conditions: dict[str, list[str] | None] = field(default_factory=dict)
    labels: list[str] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {"conditions": self.conditions, "labels": self.labels}

    @classmethod
    def of(cls, meta: dict[str, Any]) -> Names | None:
        """Return those of a model's meta, None if it has none."""
        known = meta.get("known")
        return None if known is None else cls(dict(known["conditions"]), known["labels"])


def read_known(
    patches: Patches, spec: VAESpec, table: Table, names: Names | None = None, *, labels: bool = True
) -> tuple[Given, Names]:
    """Return what a table knows of patches, joined by ``site``.

    Parameters
    ----------
    patches : Patches
    spec : VAESpec
        Names the columns.
    table : Sites or DataFrame
        With a column or an index ``site``; more sites than there are patches will do.
    names : Names, optional
        How a trained model reads them; else the table decides.
    labels : bool
        Whether the classes are wanted too.

    Raises
    ------
    InputError
        If a column or a site is missing, a value is empty where one is needed, a category is new to the model, or
        the classes are not those of the model.
    """
    rows = _rows(patches, table, [*spec.conditions, *([spec.labels] if spec.labels and labels else [])])
    read = {} if names is None else names.conditions
    conditions: dict[str, list[str] | None] = {}
    parts = []
    for name in spec.conditions:
        part, conditions[name] = _numbers(rows[name], name, name in read, read.get(name))
        parts.append(part)
    condition = np.concatenate(parts, 1).astype(np.float32) if parts else None
    label, classes = None, None if names is None else names.labels
    if spec.labels and labels:
        label, classes = _classes(rows[spec.labels], spec.labels, spec.classes)
    return Given(condition, label), Names(conditions, classes)


def give(
    given: Given | None, patches: Patches, spec: VAESpec, table: Table | None
) -> tuple[Given | None, Names | None]:
    """Return what is given for a training and what the table adds to it."""
    if table is None or not (spec.conditions or spec.labels):
        return given, None
    read, names = read_known(patches, spec, table)
    return replace(given or Given(), condition=read.condition, label=read.label), names


def named_classes(encoded: pd.DataFrame, names: Names | None) -> pd.DataFrame:
    """Return what a model said, with a column ``class_name`` where its classes have names."""
    if names is None or names.labels is None or "class" not in encoded.columns:
        return encoded
    codes = encoded["class"].to_numpy(np.int64)
    count = max(len(names.labels), int(codes.max(initial=-1)) + 1)
    more = [f"class {i}" for i in range(len(names.labels), count)]  # found, and named by nobody
    column = pd.Series(pd.Categorical.from_codes(codes, categories=pd.Index([*names.labels, *more])), encoded.index)
    encoded.insert(list(encoded.columns).index("class") + 1, "class_name", column)
    return encoded


def _rows(patches: Patches, table: Table, wanted: list[str]) -> pd.DataFrame:
    """Return the rows of the patches, in their order."""
    frame = table.table if isinstance(table, Sites) else table
    if "site" in frame.columns:
        frame = frame.set_index("site")
    elif frame.index.name != "site":
        raise InputError("table: wanted a column or an index 'site' that says which row belongs to which patch")
    missing = [name for name in wanted if name not in frame.columns]
    if missing:
        raise InputError(f"table: no column {missing[0]!r}; there are {', '.join(map(str, frame.columns))}")
    if not frame.index.is_unique:
        raise InputError(f"table: site {frame.index[frame.index.duplicated()][0]} occurs more than once")
    lost = np.setdiff1d(patches.site, frame.index.to_numpy())
    if len(lost):
        some = counted(len(lost), "patch is of a site", "patches are of sites")
        raise InputError(f"table: {some} that it does not hold, the first is site {lost[0]}")
    return frame.loc[patches.site, wanted]


def _numbers(
    column: pd.Series, name: str, decided: bool, categories: list[str] | None
) -> tuple[np.ndarray, list[str] | None]:
    """Return a column as numbers, shape (n, k), and the categories that they stand for (None: it is of numbers)."""
    numeric = pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_bool_dtype(column.dtype)
    if decided and numeric != (categories is None):
        raise InputError(
            f"column {name!r}: the model was trained with {'numbers' if categories is None else 'text'} in it, "
            f"got {'numbers' if numeric else 'text'}"
        )
    if numeric:
        values = column.to_numpy(np.float64, na_value=np.nan)
        empty = ~np.isfinite(values)
    else:
        text = column.astype(object)
        empty = (text.isna() | (text.astype(str).str.strip() == "")).to_numpy()
    if empty.any():
        raise InputError(
            f"column {name!r} is empty for {int(empty.sum())} of {counted(len(column), 'patch')}, the first of site "
            f"{column.index[int(np.flatnonzero(empty)[0])]}; a model must know it of all: fill it in, or leave "
            "these sites out"
        )
    if numeric:
        return values[:, None], None
    words = column.astype(str).str.strip()
    if categories is None:
        categories = sorted(words.unique())
    new = sorted(set(words) - set(categories))
    if new:
        raise InputError(f"column {name!r}: {new[0]!r} is new to the model; it knows {', '.join(categories)}")
    return (words.to_numpy()[:, None] == np.array(categories)).astype(np.float64), categories


def _classes(column: pd.Series, name: str, classes: int) -> tuple[np.ndarray, list[str] | None]:
    """Return the class of each patch, -1 where the column is empty, and the names of the classes."""
    if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype):
        values = column.to_numpy(np.float64, na_value=np.nan)
        known = np.isfinite(values) & (values >= 0)
        if (values[known] % 1).any():
            raise InputError(f"labels: column {name!r} holds numbers that are not whole; wanted classes")
        whole = np.where(known, values, -1).astype(np.int64)
        names = None if whole.max(initial=-1) < classes else np.unique(whole[known]).tolist()
        words: pd.Series[Any] = pd.Series(whole)
    else:
        text = column.astype(object)
        words = text.where(text.notna(), "").astype(str).str.strip().reset_index(drop=True)
        known = (words != "").to_numpy()
        names = sorted(words[known].unique().tolist())
    found = words[known].unique()
    if len(found) < 2:
        raise InputError(
            f"labels: column {name!r} names {'one class' if len(found) else 'no class'} of these patches; wanted at "
            "least two classes on some of the sites, and the others empty (sites near the edge have no patch)"
        )
    if len(found) > classes:
        some = ", ".join(map(str, sorted(found)[:8]))
        raise InputError(f"labels: column {name!r} has {len(found)} classes ({some}), the model {classes}")
    if len(found) < classes:
        log.warning("labels: %d of %d classes are named; the others are found without", len(found), classes)
    if names is None:
        return words.to_numpy(np.int64), None
    numbers = {word: i for i, word in enumerate(names)}
    return words.map(numbers).where(known, -1).to_numpy(np.int64), [str(word) for word in names]
