"""Pictures on disk: numbers as float TIFF, to look at as PNG, and a JSON that says what they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from atomscope.io.atomic import writing_file
from atomscope.io.plain import to_json


def write_pictures(pictures: Mapping[str, np.ndarray], about: Mapping[str, Any], folder: str | Path) -> Path:
    """Write pictures into a folder: ``name.tif`` (float32), ``name.png`` (8 bit, robust contrast), ``about.json``.

    Parameters
    ----------
    pictures : mapping of str to numpy.ndarray, shape (rows, cols)
        NaN is black in the PNG.
    about : mapping
        JSON-able.
    folder : path

    Raises
    ------
    SaveError
        If writing failed; files that were there are untouched.
    """
    import tifffile
    from PIL import Image

    where = Path(folder).expanduser()
    for name, picture in pictures.items():
        picture = np.asarray(picture, np.float32)
        with writing_file(where / f"{name}.tif") as beside:
            tifffile.imwrite(beside, picture, photometric="minisblack")
        finite = picture[np.isfinite(picture)]
        low, high = np.percentile(finite, (0.5, 99.5)) if len(finite) else (0.0, 1.0)
        grey = np.clip(np.nan_to_num((picture - low) / max(float(high - low), 1e-12)), 0, 1)
        with writing_file(where / f"{name}.png") as beside:
            Image.fromarray((255 * grey).astype(np.uint8)).save(beside, format="png")
    write_json(about, where / "about.json")
    return where


def write_json(about: Mapping[str, Any], path: str | Path) -> Path:
    """Write plain data as JSON."""
    where = Path(path).expanduser()
    with writing_file(where) as beside:
        beside.write_text(to_json(dict(about), where.stem, indent=2) + "\n", encoding="utf-8")
    return where
