"""Raw frames of Merlin (R64): pixels packed into words of 64 bits, chips beside each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from atomscope.io.readers.fold import Fold
from atomscope.io.readers.merlin_header import MerlinHeader

#: Pixels along the side of a chip.
_SIDE = 256


def raw_shape(header: MerlinHeader) -> tuple[int, int] | None:
    """Return (rows, cols) of a decoded raw frame, or None when its layout is not known."""
    rows, cols = header.stored
    layout = header.layout.upper().rstrip("G")
    if header.bits not in (1, 6, 12, 24):
        return None
    if header.chips == 1:
        if header.bits == 24:  # the two halves of the counters, one after the other
            rows, cols = (rows // 2, cols) if rows > cols else (rows, cols // 2)
        return (rows, cols) if cols % 64 == 0 else None
    if header.chips == 4 and layout == "2X2" and header.bits < 24 and (rows, cols) == (_SIDE, 4 * _SIDE):
        return 2 * _SIDE, 2 * _SIDE
    return None


def decode(stored: np.ndarray, header: MerlinHeader) -> np.ndarray:
    """Return a frame from the bytes of a raw one, first stored row first.

    Parameters
    ----------
    stored : numpy.ndarray, shape (bytes,), uint8
    header : MerlinHeader

    Returns
    -------
    numpy.ndarray, shape (rows, cols)

    Notes
    -----
    Each word of 64 bits holds its pixels from the last to the first; with its bytes turned round they stand in order:
    bits, bytes, or words of 16 bits, lowest first. A frame of 24 bits is two of 12, the upper half first. Of four
    chips each row holds those at the bottom right, bottom left, top right and top left; the two at the bottom are
    turned by half a turn.
    """
    shape = raw_shape(header)
    assert shape is not None  # asked when the file was opened
    ordered = np.ascontiguousarray(stored.reshape(-1, 8)[:, ::-1])
    if header.bits == 1:
        pixels = np.unpackbits(ordered, bitorder="little")
    elif header.bits == 6:
        pixels = ordered.reshape(-1)
    else:
        pixels = ordered.view("<u2").reshape(-1)
    if header.bits == 24:
        upper, lower = pixels.reshape(2, -1).astype("<u4")
        return ((upper << np.uint32(12)) + lower).reshape(shape)
    if header.chips == 1:
        return pixels.reshape(shape)
    chips = pixels.reshape(_SIDE, 4, _SIDE)
    out = np.empty(shape, pixels.dtype)
    out[:_SIDE, :_SIDE], out[:_SIDE, _SIDE:] = chips[:, 3], chips[:, 2]
    out[_SIDE:, :_SIDE], out[_SIDE:, _SIDE:] = chips[::-1, 1, ::-1], chips[::-1, 0, ::-1]
    return out


class RawFrames:
    """Reads and decodes raw frames one by one; picklable."""

    def __init__(self, path: Path, header: MerlinHeader, fold: Fold | None) -> None:
        self.path, self.header, self.fold = path, header, fold

    def __call__(self, where: tuple[int, ...]) -> np.ndarray:
        """Return one frame, rows turned over as those of processed files."""
        n = 0
        if self.fold is not None:
            n = self.fold.frame((0, *where) if len(where) < len(self.fold.shape) else where)
        size = self.header.pixel_bytes
        with self.path.open("rb") as handle:
            handle.seek(n * (self.header.bytes + size) + self.header.bytes)
            stored = handle.read(size)
        if len(stored) < size:
            raise EOFError(f"frame {n} ends after {len(stored)} of {size} bytes")
        return decode(np.frombuffer(stored, np.uint8), self.header)[::-1]
