"""Cut-off chunks of Zarr: Blosc decodes a truncated chunk to wrong numbers without a word, so its length is checked."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from atomscope.errors import DamagedFileError
from atomscope.io.readers.zarr_direct import DirectZarr

#: A Blosc buffer starts with 16 bytes, the last four of which are its own length (little-endian).
_BLOSC_HEADER = 16


class CheckedZarr:
    """A zarr array on disk that looks at the length of each Blosc chunk before it is decoded.

    Slices like the array itself; ``shape``, ``dtype``, ``chunks`` and ``shards`` are the array's. Sharded arrays carry
    checksums and other stores are other people's business: for these nothing is added.

    References
    ----------
    Blosc1 header: https://github.com/Blosc/c-blosc/blob/main/README_CHUNK_FORMAT.rst
    """

    def __init__(self, array: Any) -> None:
        self.array = array
        self.shape, self.dtype, self.chunks = tuple(array.shape), array.dtype, tuple(array.chunks)
        self.shards = getattr(array, "shards", None)
        root = getattr(array.store, "root", None)
        self.direct = DirectZarr.of(array)
        self.folder = Path(root) / array.path if root is not None and _ends_in_blosc(array) else None

    def __call__(self) -> CheckedZarr:
        """Return itself: a zarr array is its own opener, cheap to pickle."""
        return self

    def __reduce__(self) -> tuple[type, tuple[Any]]:
        return CheckedZarr, (self.array,)

    def block(self, index: tuple[slice, ...]) -> Any:
        """Return a block: a slice per axis. Chunks are decoded in the calling thread where that can be done."""
        return self[index] if self.direct is None else self.direct.read(index)

    def __getitem__(self, index: Any) -> Any:
        if self.folder is not None:
            self._check(index if isinstance(index, tuple) else (index,))
        return self.array[index]

    def _check(self, index: tuple[Any, ...]) -> None:
        index = (*(i for i in index if i is not Ellipsis), *(slice(None) for _ in self.shape))[: len(self.shape)]
        spans = []
        for i, n, chunk in zip(index, self.shape, self.chunks, strict=True):
            start, stop, _ = i.indices(n) if isinstance(i, slice) else (int(i), int(i) + 1, 1)
            spans.append(range(start // chunk, -(-stop // chunk)))
        for where in itertools.product(*spans):
            file = self.folder / self.array.metadata.encode_chunk_key(where)
            try:
                with file.open("rb") as handle:
                    header = handle.read(_BLOSC_HEADER)
                size = file.stat().st_size
            except FileNotFoundError:  # a chunk that is not there is the fill value
                continue
            wanted = int.from_bytes(header[12:16], "little")
            if len(header) < _BLOSC_HEADER or size < wanted:
                raise DamagedFileError(
                    f"{file}: truncated, {size} bytes of {max(wanted, _BLOSC_HEADER)}; copy it again"
                )


def _ends_in_blosc(array: Any) -> bool:
    metadata = array.metadata
    if metadata.zarr_format == 2:
        last = metadata.compressor
    else:
        last = metadata.codecs[-1] if metadata.codecs else None
    return "blosc" in type(last).__name__.lower()
