"""One image, or a few, to a file that other programs open: calibrated TIFF, or the bare numbers as npy."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from atomscope.data import Stack, compute
from atomscope.errors import SaveError
from atomscope.io.atomic import writing_file
from atomscope.io.save_zarr import save_stack

#: Units as ImageJ writes them.
_IMAGEJ = {"nm": "nm", "um": "um", "pm": "pm"}


def write_image(stack: Stack, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write a stack that fits into memory, by the extension.

    Parameters
    ----------
    stack : Stack
        Shape (rows, cols) or (n, rows, cols).
    path : path
        ``.tif``: float32, with pixel size and unit as ImageJ keeps them; ``.npy``: the numbers as they are; ``.zarr``:
        calibrated OME-Zarr.
    overwrite : bool
        Replace a Zarr that is there.

    Raises
    ------
    SaveError
        If the extension is another one, or it cannot be written; what was there before is untouched.
    """
    where = Path(path).expanduser()
    ending = where.suffix.lower()
    if ending == ".zarr":
        return Path(save_stack(stack, where, overwrite=overwrite))
    if ending not in (".tif", ".tiff", ".npy"):
        raise SaveError(f"{where}: wanted a name that ends in .tif, .npy or .zarr")
    values = compute(stack.data)
    with writing_file(where) as beside:
        if ending == ".npy":
            with beside.open("wb") as file:
                np.save(file, values)
        else:
            _write_tiff(stack, values, beside)
    return where


def _write_tiff(stack: Stack, values: np.ndarray, path: Path) -> None:
    import tifffile

    row, col = stack.pixel_axes
    metadata = {"axes": "YX" if values.ndim == 2 else "TYX"}
    resolution = (1.0, 1.0)
    if row.unit == col.unit and col.unit in _IMAGEJ:
        metadata["unit"] = _IMAGEJ[col.unit]
        resolution = (1 / col.scale, 1 / row.scale)
    tifffile.imwrite(path, values.astype(np.float32), imagej=True, resolution=resolution, metadata=metadata)
