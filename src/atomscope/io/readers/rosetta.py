"""The formats of the trade through RosettaSciIO: dm3, dm4, blo, ser, emi, mrc and others.

RosettaSciIO is GPL-3.0, an optional extra, and imported only when one of its files is opened.
"""

from __future__ import annotations

import importlib
import inspect
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

from atomscope.data import Stack
from atomscope.errors import DamagedFileError, MissingExtraError, UnknownFormatError
from atomscope.io.readers.base import DatasetInfo, check_shape, head, lazy_stack, reading
from atomscope.io.readers.blocks import ArrayFrames
from atomscope.io.readers.choose import pick
from atomscope.io.readers.layout import FileAxis, Layout, arrange
from atomscope.io.readers.ngff import hyperspy_axes
from atomscope.io.units import normalise_unit

#: name ending -> module of RosettaSciIO. Endings that only hold tables or logs are left out.
_MODULES = {
    ".dm3": "digitalmicrograph",
    ".dm4": "digitalmicrograph",
    ".blo": "blockfile",
    ".ser": "tia",
    ".emi": "tia",
    ".mrc": "mrc",
    ".ali": "mrc",
    ".mrcz": "mrcz",
    ".tvips": "tvips",
    ".app5": "topspin",
    ".prz": "pantarhei",
    ".bcf": "bruker",
    ".rpl": "ripple",
    ".unf": "semper",
    ".spd": "edax",
    ".sur": "digitalsurf",
    ".pro": "digitalsurf",
    ".wdf": "renishaw",
    ".msa": "msa",
    ".emsa": "msa",
    ".pts": "jeol",
    ".gif": "image",
}

_MAGIC = {
    ".dm3": b"\0\0\0\3",
    ".dm4": b"\0\0\0\4",
    ".blo": b"IMGBLO",
    ".ser": b"II\x97\x01",
    ".gif": b"GIF8",
    ".prz": b"PK",
    ".app5": b"\x89HDF",
}


class RosettaReader:
    """Vendors' formats through the extra ``[formats]``."""

    name = "rosettasciio"
    extensions: tuple[str, ...] = tuple(_MODULES)

    def can_read(self, path: Path) -> bool:
        """Tell by the name, and by the first bytes where a format has such."""
        kind = path.suffix.lower()
        return kind in _MODULES and path.is_file() and head(path, 8).startswith(_MAGIC.get(kind, b""))

    def list_datasets(self, path: Path) -> list[DatasetInfo]:
        """Return the images of the file, in its order."""
        return [i for i, _, _ in _found(path)]

    def open(self, path: Path, key: str | None = None) -> Stack:
        """Open one data set lazily, whatever chunks the library would have made: one frame a read."""
        found = _found(path)
        chosen = pick(path, [i for i, _, _ in found], key)
        record, layout = next((r, y) for i, r, y in found if i.key == chosen.key)
        shape = layout.shape(record["data"].shape)
        check_shape(path, shape, record["data"].dtype)
        opener = OpenRosetta(path, int(chosen.key), _chunks(layout, len(record["data"].shape)))
        metadata = {"format": path.suffix.lower().strip("."), **_extract(record)}
        return lazy_stack(
            path, ArrayFrames(opener, layout), shape, record["data"].dtype, layout.axes, metadata=metadata
        )


class OpenRosetta:
    """Opens one data set of a file as a dask array with one frame a chunk; picklable."""

    def __init__(self, path: Path, index: int, chunks: tuple[int, ...]) -> None:
        self.path, self.index, self.chunks = path, index, chunks

    def __call__(self) -> Any:
        """Return the array.

        A reader that drops axes of one step itself wants chunks for them as well; one that wants something else
        again gets none: right still, though a frame may then cost more than a frame.
        """
        for chunks in (self.chunks, (1, *self.chunks)):
            try:
                return _read(self.path, chunks)[self.index]["data"]
            except DamagedFileError as error:
                if not isinstance(error.__cause__, ValueError):
                    raise
        return _read(self.path)[self.index]["data"]


def _chunks(layout: Layout, ndim: int) -> tuple[int, ...]:
    signal = layout.order[-2:] if layout.order else (0,)
    return tuple(-1 if i in signal else 1 for i in range(ndim))


def _module(path: Path) -> Any:
    module = _MODULES.get(path.suffix.lower())
    if module is None:
        raise UnknownFormatError(f"{path}: {path.suffix or 'no ending'!r} is no ending of {', '.join(_MODULES)}")
    try:
        return importlib.import_module(f"rsciio.{module}")
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "rsciio":
            raise MissingExtraError(
                f"{path}: reading {path.suffix} files needs the package {error.name}; pip install {error.name}"
            ) from error
        raise MissingExtraError(
            f'{path}: {path.suffix} files need the extra "formats"; pip install "napari-atomscope[formats]"'
        ) from error


def _read(path: Path, chunks: tuple[int, ...] | None = None) -> list[dict[str, Any]]:
    reader = _module(path).file_reader
    options: dict[str, Any] = {"lazy": True}
    if chunks is not None and "chunks" in inspect.signature(reader).parameters:
        options["chunks"] = chunks
    with reading(path), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return list(reader(str(path), **options))
        except NotImplementedError:  # some formats cannot be lazy
            return list(reader(str(path)))
        except MemoryError as error:  # a header of rubbish asks for anything
            raise DamagedFileError(f"{path}: its header makes no sense ({error})") from error


def _found(path: Path) -> list[tuple[DatasetInfo, dict[str, Any], Layout]]:
    records = _read(path)
    found = []
    for i, record in enumerate(records):
        data = record["data"]
        if not getattr(data, "shape", ()) or data.dtype.kind not in "buif":
            continue
        layout = arrange(_axes(record, len(data.shape)), str(path))
        title = str(record.get("metadata", {}).get("General", {}).get("title", ""))
        found.append((DatasetInfo(str(i), layout.shape(data.shape), str(data.dtype), title), record, layout))
    images = [f for f in found if f[2].order]
    return images or found


def _axes(record: dict[str, Any], ndim: int) -> list[FileAxis]:
    told = record.get("axes") or []
    if len(told) != ndim:
        return [FileAxis(navigate=i < ndim - 2) for i in range(ndim)]
    axes = hyperspy_axes(told)
    if ndim == 4 and _kept_detector_first(record, axes):
        axes = [replace(a, navigate=i >= 2) for i, a in enumerate(axes)]
    return axes


def _kept_detector_first(record: dict[str, Any], axes: list[FileAxis]) -> bool:
    """Tell a 4D scan of DigitalMicrograph that is kept as (detector, scan), which the library does not look at.

    Newer scans say ``Data Order Swapped`` and have the scan first. Without it units decide, here or in ``arrange``;
    without units, scans are kept detector first.
    """
    image = record.get("original_metadata", {}).get("ImageList", {}).get("TagGroup0", {})
    about = image.get("ImageTags", {}).get("Meta Data", {})
    if "Format" not in about or str(about.get("Data Order Swapped", "0")).lower() in ("1", "true"):
        return False
    units = [normalise_unit(a.unit) for a in axes]
    return all(u is not None and u[0] == "pixel" for u in units)


def _extract(record: dict[str, Any]) -> dict[str, Any]:
    """Return the few facts of the metadata that are plain values."""
    said: dict[str, Any] = {}
    metadata = record.get("metadata", {})
    for group, names in (("General", ("title", "date", "time")), ("Signal", ("signal_type", "quantity"))):
        for name in names:
            value = metadata.get(group, {}).get(name)
            if isinstance(value, str | int | float) and value != "":
                said[name] = value
    tem = metadata.get("Acquisition_instrument", {}).get("TEM", {})
    for name in ("beam_energy", "magnification", "camera_length", "acquisition_mode", "microscope"):
        if isinstance(tem.get(name), str | int | float):
            said[name] = tem[name]
    return said
