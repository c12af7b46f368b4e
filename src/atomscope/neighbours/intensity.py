"""Where species come from: numbers of a column, or names that are known already."""

from __future__ import annotations

import numpy as np
import pandas as pd

from atomscope.data.params import StructureParams
from atomscope.errors import InputError
from atomscope.neighbours.evidence import Evidence
from atomscope.neighbours.species import Species, sort_species

#: Flags of sites whose intensity shapes no mixture.
_UNSOUND = ("edge", "fit failed")


def read_intensity(table: pd.DataFrame, params: StructureParams) -> tuple[np.ndarray | None, list[str]]:
    """Return the numbers (or codes of given classes) that species come from, and names of the species."""
    elements = [e.strip() for e in params.elements.split(",") if e.strip()]
    name = params.intensity
    if name is None:
        name = next((c for c in ("amplitude", "species") if c in table.columns and table[c].notna().any()), None)
        if name is None:
            return None, elements
    if name not in table.columns:
        numbers = [str(c) for c in table.columns if pd.api.types.is_numeric_dtype(table[c].dtype)]
        raise InputError(f"structure: there is no column {name!r} to tell species by; there are {', '.join(numbers)}")
    if pd.api.types.is_numeric_dtype(table[name].dtype):
        return table[name].to_numpy(np.float64), elements
    words = table[name].astype(object).fillna("").astype(str)
    known = [w for w in words.value_counts().index.tolist() if w]
    codes = pd.Categorical(words, categories=known).codes.astype(np.float64)
    return np.where(codes < 0, np.nan, codes), [*known]


def species_of(
    values: np.ndarray | None, names: list[str], rows: np.ndarray, table: pd.DataFrame, params: StructureParams
) -> Species:
    """Return the species of some rows of the table: of one frame."""
    if values is None:
        n = len(rows)
        return Species(np.full(n, -1, np.int64), np.full(n, np.nan), np.zeros(0))
    here = values[rows]
    column = params.intensity or ("amplitude" if "amplitude" in table.columns else "species")
    if not pd.api.types.is_numeric_dtype(table[column].dtype):
        label = np.where(np.isfinite(here), here, -1).astype(np.int64)
        counts = np.bincount(label[label >= 0], minlength=len(names))
        return Species(label, np.where(label >= 0, 1.0, np.nan), counts / max(1, counts.sum()))
    flag = table["flag"].astype(str).to_numpy()[rows]
    sound = np.array([not any(word in text for word in _UNSOUND) for text in flag], bool)
    return sort_species(here, sound, params.n_species)


def species_seen(
    seen: Evidence,
    values: np.ndarray | None,
    names: list[str],
    rows: np.ndarray,
    table: pd.DataFrame,
    params: StructureParams,
) -> Species:
    """Return the species of the sites of a frame that its image shows, then of those that it adds.

    By the heights in the image, in which all columns have one width: they scatter less than those of free fits.
    A column that the user named is taken as it is; of added sites it says nothing.
    """
    kept = rows[~seen.ghost]
    a = len(seen.added)
    if params.intensity is None and (values is None or "amplitude" in table.columns):
        flag = table["flag"].astype(str).to_numpy()[kept]
        sound = np.array([not any(word in text for word in _UNSOUND) for text in flag], bool)
        return sort_species(seen.height, np.append(sound, np.ones(a, bool)), params.n_species)
    known = species_of(values, names, kept, table, params)
    label, probability = np.full(a, -1, np.int64), np.full(a, np.nan)
    return Species(np.append(known.label, label), np.append(known.probability, probability), known.share)
