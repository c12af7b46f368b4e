"""HDF5: the known layouts, and a picker for all others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from atomscope.data import Stack
from atomscope.data.params import ScanFileParams
from atomscope.errors import MissingExtraError
from atomscope.io.readers import hdf_layouts, hdf_shards, velox
from atomscope.io.readers.base import DatasetInfo, check_shape, head, lazy_stack, reading
from atomscope.io.readers.blocks import ArrayFrames
from atomscope.io.readers.choose import pick
from atomscope.io.readers.fold import choose, folded
from atomscope.io.readers.hdf_layouts import Found
from atomscope.io.readers.layout import FileAxis, arrange
from atomscope.io.scan_shape import clues_of, guess_scan_shapes

_MAGIC = b"\x89HDF\r\n\x1a\n"

#: Asked in turn; the first that finds something says what the file holds.
_LAYOUTS: tuple[Callable[[Any], list[Found]], ...] = (
    velox.images,
    hdf_layouts.hyperspy,
    hdf_layouts.emd,
    hdf_shards.dectris,
    hdf_layouts.nexus,
    hdf_layouts.anything,
)


class HdfReader:
    """HDF5 of Velox, HyperSpy, Berkeley EMD, py4DSTEM and NeXus, and of anybody."""

    name = "hdf5"
    extensions: tuple[str, ...] = (".h5", ".hdf5", ".emd", ".hspy", ".nxs", ".de5", ".hdf", ".he5")

    def can_read(self, path: Path) -> bool:
        """Tell by the magic bytes."""
        return path.is_file() and head(path, 8) == _MAGIC

    def list_datasets(self, path: Path) -> list[DatasetInfo]:
        """Return what can be opened, best guess first."""
        with reading(path), _open(path) as file:
            return [f.info for f in _find(file)]

    def open_as(self, path: Path, key: str | None, params: ScanFileParams) -> Stack:
        """Open one data set lazily; frames of a detector that only takes scans are asked about."""
        stack = self.open(path, key)
        if stack.metadata.get("format") == "dectris" and params.scan_shape is None:
            guesses = guess_scan_shapes(stack.n_frames, clues_of(path))
            if guesses:
                raise choose(path, stack.n_frames, guesses)
        return folded(stack, params) if params.said else stack

    def open(self, path: Path, key: str | None = None) -> Stack:
        """Open one data set lazily."""
        with reading(path), _open(path) as file:
            found = _find(file)
            if key is not None and not any(f.info.key.strip("/") == key.strip("/") for f in found):
                found += hdf_layouts.named(file, key)
            by_key = {f.info.key: f for f in found}
            chosen = by_key[pick(path, [f.info for f in found], key).key]
            shape = chosen.info.shape
            check_shape(path, shape if len(shape) != 1 else (1, *shape), chosen.info.dtype)
            axes = chosen.axes or [FileAxis(navigate=i < len(shape) - 2) for i in range(len(shape))]
            layout = arrange(axes, str(path))
            if chosen.squeeze:
                layout = layout.without(chosen.squeeze)
        opener = chosen.opener or OpenDataset(path, chosen.info.key)
        return lazy_stack(
            path,
            ArrayFrames(opener, layout),
            layout.shape(shape),
            chosen.info.dtype,
            layout.axes,
            metadata={**chosen.metadata, "dataset": chosen.info.key},
        )


def _open(path: Path) -> Any:
    import h5py

    # Reading only: no lock, so that files on network drives and files being read elsewhere open.
    return h5py.File(path, "r", locking=False, rdcc_nbytes=64 * 2**20)


def _find(file: Any) -> list[Found]:
    for layout in _LAYOUTS:
        found = layout(file)
        if found:
            path = Path(file.filename)
            return [f if f.opener is None else f.at(path) for f in found]
    return []


class OpenDataset:
    """Opens a data set of an HDF5 file; picklable."""

    def __init__(self, path: Path, key: str) -> None:
        self.path, self.key = path, key

    def __call__(self) -> Any:
        """Return the open data set, which keeps its file open while it lives."""
        dataset = _open(self.path)[self.key]
        filters = dataset.id.get_create_plist()
        for i in range(filters.get_nfilters()):
            code = filters.get_filter(i)[0]
            if not _has_filter(code):
                raise MissingExtraError(
                    f"{self.path}: {self.key!r} is compressed by HDF5 filter {code}, which is not installed; "
                    "try: pip install hdf5plugin"
                )
        return dataset


def _has_filter(code: int) -> bool:
    import h5py

    if h5py.h5z.filter_avail(code):
        return True
    try:
        import hdf5plugin  # noqa: F401 - importing it registers its filters
    except ImportError:
        return False
    return bool(h5py.h5z.filter_avail(code))
