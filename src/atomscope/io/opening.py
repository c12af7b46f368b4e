"""Opening: which reader takes a file, and what it says about it without reading pixels."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import numpy as np

from atomscope.data import Stack
from atomscope.data.params import ScanFileParams
from atomscope.errors import ChoiceNeededError, DamagedFileError, FileError, InputError, UnknownFormatError
from atomscope.io.readers import RAW, READERS, DatasetInfo, Reader, extensions
from atomscope.io.readers.fold import ScanReader, folded
from atomscope.io.scan_shape import clues_of, guess_scan_shapes

#: A Zarr of a million chunks is described without counting their bytes.
_MANY_FILES = 20_000
#: A movie of so many frames is told with the scans that it may be.
_MAY_BE_A_SCAN = 256


def open_stack(path: Any, *, key: str | None = None, reader: str | None = None, **scan: Any) -> Stack:
    """Open an image, a movie or a scan lazily: one frame is read when it is asked for.

    Parameters
    ----------
    path : str or Path, or array
        A file, a folder of numbered frames or a Zarr folder; or an array (numpy, dask, zarr, h5py, xarray),
        shape (*navigation, row, col), which is wrapped.
    key : str, optional
        Which data set, for files that hold several.
    reader : str, optional
        Name of the reader, for files whose content does not tell (see ``reader_names()``).
    **scan
        Fields of :class:`~atomscope.data.params.ScanFileParams`: ``scan_shape``, ``flyback``, ``skip_frames`` and
        ``truncated`` lay frames out as a scan; ``dtype``, ``frame_shape``, ``offset`` and ``gap`` say what a frame of
        a raw file is.

    Returns
    -------
    Stack
        Navigation axes first, then (row, col), or (det_row, det_col) of a scan; lengths in nm, times in s; one chunk
        a frame.

    Raises
    ------
    FileError
        If there is no such file.
    UnknownFormatError
        If no reader takes it.
    DamagedFileError
        If it is empty, truncated or contradicts itself.
    ChoiceNeededError
        If it holds several data sets and no ``key`` names one; or if it holds frames of a scan and nothing says which:
        its ``options`` are what can be said.
    ShapeError
        If its frames are not those of ``scan_shape``.
    MissingExtraError
        If the format needs a package that is not installed.

    Warns
    -----
    CalibrationWarning
        If the calibration of the file makes no sense; the axis is then in pixels.
    """
    params = ScanFileParams(**scan)
    if isinstance(path, Stack):
        return folded(path, params) if params.said else path
    if not isinstance(path, str | os.PathLike):
        stack = _wrap(path, key)
        return folded(stack, params) if params.said else stack
    where = _existing(path)
    return _open(reader_named(reader) if reader is not None else _reader_for(where, params), where, key, params)


def _reader_for(where: Path, params: ScanFileParams) -> Reader:
    """Return the reader that takes the file; that of raw files when no other does and a frame is described."""
    try:
        return find_reader(where)
    except UnknownFormatError:
        if params.dtype is None or params.frame_shape is None or not where.is_file():
            raise
        return RAW


def _open(reader: Reader, where: Path, key: str | None, params: ScanFileParams) -> Stack:
    if isinstance(reader, ScanReader):
        return reader.open_as(where, key, params)
    stack = reader.open(where, key)
    return folded(stack, params) if params.said else stack


def _wrap(array: Any, key: str | None) -> Stack:
    if type(array).__module__.split(".")[0] == "zarr":
        from atomscope.io.readers.zarrs import open_node

        name = getattr(array, "name", "") or ""
        store = getattr(getattr(array, "store", None), "root", None)
        return open_node(array, Path(str(store)) if store else Path(name.strip("/") or "zarr"), key)
    name = getattr(array, "name", None)  # dask names are hashes: no use to a person
    plain = isinstance(name, str) and type(array).__module__.split(".")[0] == "xarray"
    return Stack.from_array(getattr(array, "data", array) if plain else array, name=str(name) if plain else "data")


def list_datasets(path: str | os.PathLike[str], *, reader: str | None = None) -> list[DatasetInfo]:
    """Return the data sets of a file, best guess first; their ``key`` is for ``open_stack``."""
    where = _existing(path)
    return (reader_named(reader) if reader else find_reader(where)).list_datasets(where)


def describe(
    path: str | os.PathLike[str], *, key: str | None = None, reader: str | None = None, **scan: Any
) -> dict[str, Any]:
    """Return what a file holds, reading no pixels; ``**scan`` as :func:`open_stack` takes it.

    Returns
    -------
    dict
        JSON-able: ``path, reader, bytes, datasets`` and, when one data set can be told,
        ``shape, dtype, axes, frames, frame_bytes, metadata``; else ``choices``. A movie of many frames may be a scan:
        ``scan_shapes`` are likely ones.
    """
    where, params = _existing(path), ScanFileParams(**scan)
    chosen = reader_named(reader) if reader else _reader_for(where, params)
    found = chosen.list_datasets(where)
    said: dict[str, Any] = {
        "path": str(where),
        "reader": chosen.name,
        "bytes_on_disk": _size(where),  # None: too many files to count quickly
        "datasets": [
            {"key": d.key, "shape": list(d.shape), "dtype": d.dtype, "description": d.description} for d in found
        ],
    }
    try:
        stack = _open(chosen, where, key, params)
    except ChoiceNeededError as error:
        return {**said, "choices": error.choices}
    if len(stack.navigation_shape) == 1 and stack.n_frames >= _MAY_BE_A_SCAN:
        said["scan_shapes"] = [str(g) for g in guess_scan_shapes(stack.n_frames, clues_of(where), 5)]
    return {
        **said,
        "name": stack.name,
        "shape": list(stack.shape),
        "dtype": str(stack.data.dtype),
        "frames": stack.n_frames,
        "bytes": int(np.prod(stack.shape, dtype=np.int64)) * stack.data.dtype.itemsize,
        "axes": [
            {"name": a.name, "size": n, "scale": a.scale, "unit": a.unit, "offset": a.offset, "kind": a.kind}
            for a, n in zip(stack.axes, stack.shape, strict=True)
        ],
        "metadata": dict(stack.metadata),
    }


def find_reader(path: Path) -> Reader:
    """Return the first reader that takes the file.

    Raises
    ------
    UnknownFormatError, DamagedFileError
    """
    if path.is_file() and path.stat().st_size == 0:
        raise DamagedFileError(f"{path}: the file is empty (0 bytes)")
    for reader in READERS:
        if reader.can_read(path):
            return reader
    known = ", ".join(extensions())
    if path.is_dir():
        raise UnknownFormatError(f"{path}: a folder with no Zarr inside and no numbered frames; readable are {known}")
    if path.suffix.lower() in extensions():
        raise UnknownFormatError(
            f"{path}: named {path.suffix} but its content is something else, or cut off; was it copied completely?"
        )
    raise UnknownFormatError(f"{path}: no reader for {path.suffix or 'a name without ending'!r}; readable are {known}")


def reader_named(name: str) -> Reader:
    """Return a reader by its name."""
    for reader in READERS:
        if reader.name == name:
            return reader
    raise InputError(f"no reader is called {name!r}; there are {', '.join(reader_names())}")


def reader_names() -> list[str]:
    """Return the names of all readers."""
    return [r.name for r in READERS]


def _existing(path: str | os.PathLike[str]) -> Path:
    where = Path(path).expanduser()
    if not where.exists():
        near = sorted(p.name for p in where.parent.iterdir())[:5] if where.parent.is_dir() else []
        hint = f"; its folder holds {', '.join(near)}" if near else "; its folder does not exist either"
        raise FileError(f"{where}: no such file{hint}")
    return where


def _size(path: Path) -> int | None:
    if path.is_file():
        return path.stat().st_size
    files = list(itertools.islice((f for f in path.rglob("*") if f.is_file()), _MANY_FILES + 1))
    return sum(f.stat().st_size for f in files) if len(files) <= _MANY_FILES else None
