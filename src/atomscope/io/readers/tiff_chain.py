"""The chain of pages of a TIFF file, walked by hand: whether it ends, and whether all pages are of one kind.

tifffile makes a series of each page of a movie that was written page by page, in time that grows with the square of
their number; looking at a few tags of each page takes microseconds.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

#: Width, length, bits, samples, sample format: pages that agree in these are frames of one movie.
_KIND_TAGS = (256, 257, 258, 277, 339)


@dataclass(frozen=True)
class Chain:
    """What the walk saw.

    Attributes
    ----------
    pages : int
    uniform : bool
        All pages are of one size and type.
    ends : bool
        The chain comes to its end inside the file; it does not in a truncated file.
    """

    pages: int
    uniform: bool
    ends: bool


def walk(tif: Any) -> Chain:
    """Follow the chain of pages of an open ``tifffile.TiffFile``."""
    form, handle = tif.tiff, tif.filehandle
    offset = tif.pages[0].offset
    seen: set[int] = set()
    kinds: set[tuple[bytes, ...]] = set()
    while offset and offset not in seen and offset < handle.size:
        handle.seek(offset)
        raw = handle.read(form.tagnosize)
        if len(raw) < form.tagnosize:
            return Chain(len(seen), len(kinds) <= 1, False)
        count = struct.unpack(form.tagnoformat, raw)[0]
        raw = handle.read(count * form.tagsize + form.offsetsize)
        if len(raw) < count * form.tagsize + form.offsetsize:
            return Chain(len(seen), len(kinds) <= 1, False)
        seen.add(offset)
        tags = (raw[i : i + form.tagsize] for i in range(0, count * form.tagsize, form.tagsize))
        kinds.add(tuple(_value(t, form, tif.byteorder) for t in tags if _code(t, tif.byteorder) in _KIND_TAGS))
        offset = struct.unpack(form.offsetformat, raw[-form.offsetsize :])[0]
    # Some writers leave rubbish, or a circle, behind the last page: only a way out of the file is a cut.
    return Chain(len(seen), len(kinds) <= 1, offset < handle.size)


def _code(tag: bytes, byteorder: str) -> int:
    return int(struct.unpack(byteorder + "H", tag[:2])[0])


def _value(tag: bytes, form: Any, byteorder: str) -> bytes:
    """Return the tag, without its value when that is an offset (three colours), which differs from page to page."""
    kind, width = struct.unpack(byteorder + "H", tag[2:4])[0], form.offsetsize
    count = int.from_bytes(tag[4 : 4 + width], "little" if byteorder == "<" else "big")
    size = {1: 1, 3: 2, 4: 4}.get(kind, 8) * count
    return tag if size <= width else tag[: 4 + width]
