"""Products of a pass over a scan on disk: arrays that are mapped into memory when they are read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from atomscope.io.atomic import recover, writing_folder
from atomscope.io.plain import to_json

_ABOUT = "about.json"


def write_arrays(arrays: Mapping[str, np.ndarray], about: Mapping[str, Any], folder: Path) -> Path:
    """Write arrays as npy and what they are as JSON into a folder, all of it or nothing.

    Raises
    ------
    SaveError
        If it cannot be written; what was there before is untouched.
    """
    with writing_folder(folder) as beside:
        for name, array in arrays.items():
            np.save(beside / f"{name}.npy", array)
        (beside / _ABOUT).write_text(to_json(dict(about), folder.name, indent=2) + "\n", encoding="utf-8")
    return folder


def read_arrays(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """Return what :func:`write_arrays` wrote, mapped into memory; None when it is not there or damaged."""
    recover(folder)
    try:
        about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
        arrays = {p.stem: np.load(p, mmap_mode="r", allow_pickle=False) for p in folder.glob("*.npy")}
    except (OSError, ValueError):
        return None
    return arrays, about
