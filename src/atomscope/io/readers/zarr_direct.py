"""Chunks of Zarr decoded straight into the array that is asked for.

zarr asks an event loop for every chunk and copies what comes back, which may cost as much as decoding. Arrays in a
folder whose chunks are only compressed by Blosc, Zstandard or gzip, in shards or not, need neither; zarr reads others.

References
----------
.. [1] Zarr core specification 3.0, and its sharding codec: https://zarr-specs.readthedocs.io
.. [2] Blosc1 header: https://github.com/Blosc/c-blosc/blob/main/README_CHUNK_FORMAT.rst
"""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from atomscope.errors import DamagedFileError

#: Decodes bytes into an array of bytes of the right size.
_Decode = Callable[[Any, np.ndarray], None]
#: Offset and length of a chunk that is not in its shard.
_ABSENT = 2**64 - 1


class DirectZarr:
    """Reads blocks of a zarr array in a folder, from any thread.

    Parameters
    ----------
    array : zarr.Array
    folder : Path
        Where its chunks are.
    decode : callable
    dtype : numpy.dtype
        As stored.
    inner : tuple of int or None
        Chunk shape inside of shards.
    """

    def __init__(
        self, array: Any, folder: Path, decode: _Decode, dtype: np.dtype, inner: tuple[int, ...] | None = None
    ) -> None:
        self.folder, self.decode, self.dtype, self.inner = folder, decode, dtype, inner
        self.unit = tuple(array.shards or array.chunks)
        self.name = array.metadata.encode_chunk_key
        self.fill = array.fill_value if array.fill_value is not None else 0

    @classmethod
    def of(cls, array: Any) -> DirectZarr | None:
        """Return a reader, or None when the array has to be read by zarr."""
        root = getattr(getattr(array, "store", None), "root", None)
        if root is None or len(array.shape) == 0:
            return None
        found = _version_2(array) if array.metadata.zarr_format == 2 else _version_3(array)
        return None if found is None else cls(array, Path(root) / array.path, *found)

    def read(self, index: tuple[slice, ...]) -> np.ndarray:
        """Return a block: a slice per axis, with a step of one."""
        out = np.empty([s.stop - s.start for s in index], self.dtype)
        for cell, inside, place in _cells(index, self.unit):
            file = self.folder / self.name(cell)
            try:
                raw = memoryview(file.read_bytes())
            except FileNotFoundError:  # a chunk that is not there is the fill value
                out[place] = self.fill
                continue
            if self.inner is None:
                self._chunk(raw, self.unit, inside, out[place], file)
            else:
                self._shard(raw, inside, out[place], file)
        return out

    def _shard(self, raw: memoryview, inside: tuple[slice, ...], out: np.ndarray, file: Path) -> None:
        assert self.inner is not None  # only shards have chunks inside
        grid = tuple(n // c for n, c in zip(self.unit, self.inner, strict=True))
        size = 16 * int(np.prod(grid)) + 4  # with a checksum
        if len(raw) < size:
            raise DamagedFileError(f"{file}: truncated, {len(raw)} bytes, its index alone has {size}; copy it again")
        table = np.frombuffer(raw[-size:-4], "<u8").reshape(*grid, 2)
        for cell, part, place in _cells(inside, self.inner):
            start, length = (int(n) for n in table[cell])
            if start == length == _ABSENT:
                out[place] = self.fill
                continue
            if start + length > len(raw):
                raise DamagedFileError(f"{file}: a chunk ends at byte {start + length} of {len(raw)}; copy it again")
            self._chunk(raw[start : start + length], self.inner, part, out[place], file)

    def _chunk(
        self, raw: memoryview, shape: tuple[int, ...], inside: tuple[slice, ...], out: np.ndarray, file: Path
    ) -> None:
        whole = out.shape == shape and out.flags.c_contiguous
        chunk = out if whole else np.empty(shape, self.dtype)
        try:
            self.decode(raw, chunk.reshape(-1).view(np.uint8))
        except Exception as error:
            raise DamagedFileError(f"{file}: truncated or damaged ({error}); copy it again") from error
        if not whole:
            out[...] = chunk[inside]


def _cells(
    index: tuple[slice, ...], unit: Sequence[int]
) -> list[tuple[tuple[int, ...], tuple[slice, ...], tuple[slice, ...]]]:
    """Return for each chunk that a block touches its number, the part inside of it, and the place in the block."""
    axes = []
    for part, size in zip(index, unit, strict=True):
        axis = []
        for cell in range(part.start // size, -(-part.stop // size)):
            first, end = max(part.start, cell * size), min(part.stop, (cell + 1) * size)
            inside, place = slice(first - cell * size, end - cell * size), slice(first - part.start, end - part.start)
            axis.append((cell, inside, place))
        axes.append(axis)
    return [
        (tuple(c for c, _, _ in group), tuple(i for _, i, _ in group), tuple(p for _, _, p in group))
        for group in itertools.product(*axes)
    ]


def _version_2(array: Any) -> tuple[_Decode, np.dtype] | None:
    metadata = array.metadata
    compressor = metadata.compressor
    decode = _plain if compressor is None else _DECODERS.get(type(compressor).__name__.lower())
    if decode is None or metadata.filters or metadata.order != "C":
        return None
    return decode, np.dtype(array.dtype)


def _version_3(array: Any) -> tuple[_Decode, np.dtype] | tuple[_Decode, np.dtype, tuple[int, ...]] | None:
    codecs = tuple(array.metadata.codecs)
    inner = None
    if len(codecs) == 1 and type(codecs[0]).__name__ == "ShardingCodec":
        shard = codecs[0]
        names = [type(c).__name__ for c in shard.index_codecs]
        if names != ["BytesCodec", "Crc32cCodec"] or getattr(shard.index_location, "value", "") != "end":
            return None
        inner, codecs = tuple(shard.chunk_shape), tuple(shard.codecs)
    if not 1 <= len(codecs) <= 2 or type(codecs[0]).__name__ != "BytesCodec":
        return None
    decode = _plain if len(codecs) == 1 else _DECODERS.get(type(codecs[1]).__name__.lower())
    if decode is None:
        return None
    endian = getattr(codecs[0].endian, "value", "little")
    dtype = np.dtype(array.dtype).newbyteorder(">" if endian == "big" else "<")
    return (decode, dtype) if inner is None else (decode, dtype, inner)


def _plain(raw: Any, out: np.ndarray) -> None:
    out[:] = np.frombuffer(raw, np.uint8)


def _blosc(raw: Any, out: np.ndarray) -> None:
    from numcodecs import blosc  # zarr needs it

    told, length = int.from_bytes(raw[4:8], "little"), int.from_bytes(raw[12:16], "little")
    if len(raw) < 16 or len(raw) < length or told != out.size:  # Blosc itself would give wrong numbers without a word
        raise ValueError(f"{len(raw)} bytes of {max(length, 16)}")
    blosc.decompress(raw, out)


def _zstd(raw: Any, out: np.ndarray) -> None:
    from numcodecs import zstd

    zstd.decompress(raw, out)


def _gzip(raw: Any, out: np.ndarray) -> None:
    out[:] = np.frombuffer(gzip.decompress(raw), np.uint8)


_DECODERS: dict[str, _Decode] = {
    "blosc": _blosc,
    "blosccodec": _blosc,
    "zstd": _zstd,
    "zstdcodec": _zstd,
    "gzip": _gzip,
    "gzipcodec": _gzip,
}
