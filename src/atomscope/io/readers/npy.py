"""NumPy ``.npy`` files, memory-mapped; ``.npz`` archives, one array of several."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from atomscope.data import Stack
from atomscope.data.params import ScanFileParams
from atomscope.errors import DamagedFileError, InputError
from atomscope.io.readers.base import DatasetInfo, head, lazy_stack, reading
from atomscope.io.readers.choose import pick
from atomscope.io.readers.fold import Fold, fit

_MAGIC = b"\x93NUMPY"


class NpyReader:
    """``.npy``: one array, mapped into memory."""

    name = "npy"
    extensions: tuple[str, ...] = (".npy",)

    def can_read(self, path: Path) -> bool:
        """Tell by the magic bytes."""
        return path.is_file() and head(path, 6) == _MAGIC

    def list_datasets(self, path: Path) -> list[DatasetInfo]:
        """Return the one array."""
        array = _map(path)
        return [DatasetInfo("", array.shape, str(array.dtype))]

    def open(self, path: Path, key: str | None = None) -> Stack:
        """Open lazily; pixel axes, since the format has no calibration."""
        return self.open_as(path, key, ScanFileParams())

    def open_as(self, path: Path, key: str | None, params: ScanFileParams) -> Stack:
        """Open lazily, with the frames laid out as a scan if that is asked for."""
        array = _map(path)
        if params.raw:
            raise InputError(f"{path}: says itself what a frame is; leave out {', '.join(params.raw)}")
        fold = None if array.ndim < 3 else fit(path, int(np.prod(array.shape[:-2], dtype=np.int64)), params)
        if fold is None:
            return lazy_stack(path, _Mapped(path, array), array.shape, array.dtype)
        shape = (*fold.shape, *array.shape[-2:])
        metadata = {"opened": params.said}
        return lazy_stack(path, _Mapped(path, _laid(array, fold), fold), shape, array.dtype, metadata=metadata)


class _Mapped:
    """Reads a frame through a memory map that is made again after pickling."""

    def __init__(self, path: Path, array: np.ndarray | None = None, fold: Fold | None = None) -> None:
        self.path, self.fold = path, fold
        self._array = array

    @property
    def array(self) -> np.ndarray:
        if self._array is None:
            array = _map(self.path)
            self._array = array if self.fold is None else _laid(array, self.fold)
        return self._array

    def __call__(self, where: tuple[int, ...]) -> np.ndarray:
        return np.array(self.array[where])

    def __reduce__(self) -> tuple[type, tuple[Path, None, Fold | None]]:
        return _Mapped, (self.path, None, self.fold)


def _laid(array: np.ndarray, fold: Fold) -> np.ndarray:
    """Return the mapped frames as a scan, without copying."""
    frames = array if array.ndim == 3 else array.reshape(-1, *array.shape[-2:])
    return fold.view(frames)


def _map(path: Path) -> np.ndarray:
    with reading(path):
        with path.open("rb") as handle:
            version = np.lib.format.read_magic(handle)
            header = (
                np.lib.format.read_array_header_1_0(handle)
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0(handle)
            )
            offset = handle.tell()
        shape, fortran, dtype = header
        if dtype.hasobject:
            raise InputError(
                f"{path}: holds Python objects (dtype {dtype}), which are never loaded; save plain numbers"
            )
        wanted = offset + int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        size = path.stat().st_size
        if size < wanted:
            raise DamagedFileError(f"{path}: truncated, {size} bytes of the {wanted} that shape {shape} needs")
        if 0 in shape:
            raise DamagedFileError(f"{path}: an axis is empty, shape {shape}; there is nothing to open")
        return np.memmap(path, dtype, "r", offset, tuple(shape), "F" if fortran else "C")


class NpzReader:
    """``.npz``: a zip of arrays, one of which is loaded whole (a compressed archive cannot be mapped)."""

    name = "npz"
    extensions: tuple[str, ...] = (".npz",)

    def can_read(self, path: Path) -> bool:
        """Tell by the name and the magic bytes of zip."""
        return path.is_file() and path.suffix.lower() == ".npz" and head(path, 2) == b"PK"

    def list_datasets(self, path: Path) -> list[DatasetInfo]:
        """Return the arrays with at least two axes, largest first."""
        found = []
        with reading(path), zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                if not member.endswith(".npy"):
                    continue
                with archive.open(member) as handle:
                    version = np.lib.format.read_magic(handle)
                    shape, _, dtype = (
                        np.lib.format.read_array_header_1_0(handle)
                        if version == (1, 0)
                        else np.lib.format.read_array_header_2_0(handle)
                    )
                if len(shape) >= 2 and not dtype.hasobject and dtype.kind in "buif":
                    found.append(DatasetInfo(member[:-4], tuple(shape), str(dtype)))
        return sorted(found, key=lambda d: (-int(np.prod(d.shape, dtype=np.int64)), d.key))

    def open(self, path: Path, key: str | None = None) -> Stack:
        """Open one array."""
        info = pick(path, self.list_datasets(path), key)
        return lazy_stack(path, _Zipped(path, info.key), info.shape, np.dtype(info.dtype), name=info.key)


class _Zipped:
    def __init__(self, path: Path, key: str) -> None:
        self.path, self.key = path, key
        self.array: np.ndarray | None = None

    def __call__(self, where: tuple[int, ...]) -> np.ndarray:
        if self.array is None:
            with np.load(self.path, allow_pickle=False) as archive:
                self.array = archive[self.key]
        return self.array[where]

    def __reduce__(self) -> tuple[type, tuple[Path, str]]:
        return _Zipped, (self.path, self.key)
