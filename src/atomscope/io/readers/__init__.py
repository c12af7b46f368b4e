"""One small protocol, one module per family of formats, and the list of them."""

from __future__ import annotations

from atomscope.io.readers.base import DatasetInfo, LazyFrames, Reader
from atomscope.io.readers.empad import EmpadReader
from atomscope.io.readers.hdf import HdfReader
from atomscope.io.readers.merlin import MerlinReader
from atomscope.io.readers.npy import NpyReader, NpzReader
from atomscope.io.readers.picture import FolderReader, PictureReader
from atomscope.io.readers.raw import RawReader
from atomscope.io.readers.rosetta import RosettaReader
from atomscope.io.readers.tiff import TiffReader
from atomscope.io.readers.zarrs import ZarrReader

__all__ = ["RAW", "READERS", "DatasetInfo", "LazyFrames", "Reader", "extensions"]

_NPY, _TIFF, _PICTURE = NpyReader(), TiffReader(), PictureReader()
#: Takes what is left by its name, or any file when the user says what a frame is.
RAW = RawReader()

#: In the order in which they are asked: those that know a file by its content come first.
READERS: tuple[Reader, ...] = (
    _NPY,
    NpzReader(),
    _TIFF,
    _PICTURE,
    ZarrReader(),
    HdfReader(),
    MerlinReader(),
    EmpadReader(),
    RosettaReader(),
    RAW,
    FolderReader((_PICTURE, _TIFF, _NPY)),
)


def extensions() -> list[str]:
    """Return every file name ending that some reader takes, sorted."""
    return sorted({e for r in READERS for e in r.extensions})
