"""What Merlin writes before its frames: a line of text before each, and a ``.hdr`` file beside them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from atomscope.errors import DamagedFileError, UnknownFormatError
from atomscope.io.readers.base import head

_TYPES = {"U08": ">u1", "U16": ">u2", "U32": ">u4"}
_HDR_BYTES = 256 * 1024


@dataclass(frozen=True)
class MerlinHeader:
    """The first frame's header.

    Attributes
    ----------
    bytes : int
        Length of a header.
    chips : int
    stored : tuple of int
        (rows, cols) as the header says; of a raw file, those of the chips in a row.
    kind : str
        ``U08``, ``U16``, ``U32``, or ``R64`` for a raw file.
    layout : str
        How the chips lie: ``1x1``, ``2x2``, ``Nx1``, with a G when there are gaps between them.
    bits : int
        Depth of the counters: 1, 6, 12 or 24; 0 when the header does not say.
    exposure_s : float or None
    date : str
    """

    bytes: int
    chips: int
    stored: tuple[int, int]
    kind: str
    layout: str
    bits: int
    exposure_s: float | None
    date: str

    @property
    def dtype(self) -> str:
        """Type of a pixel in the file, with its byte order; of a raw file, the type after it is decoded."""
        if self.kind == "R64":
            return {1: "u1", 6: "u1", 12: "<u2", 24: "<u4"}[self.bits]
        return _TYPES[self.kind]

    @property
    def pixel_bytes(self) -> int:
        """Bytes of the pixels of one frame."""
        rows, cols = self.stored
        if self.kind != "R64":
            return rows * cols * int(_TYPES[self.kind][2:])
        return rows * cols // 8 if self.bits == 1 else rows * cols * (1 if self.bits == 6 else 2)


def parse_header(path: Path) -> MerlinHeader:
    """Return the header of the first frame.

    Raises
    ------
    UnknownFormatError
        If the file does not begin with one.
    DamagedFileError
        If it makes no sense.
    """
    text = head(path, 4096).decode("ascii", "replace")
    if not text.startswith("MQ1"):
        raise UnknownFormatError(f"{path}: does not begin with MQ1, so it is no file of a Merlin detector")
    fields = [f.strip() for f in text.split(",", 12)]
    try:
        length, chips, cols, rows = (int(fields[i]) for i in (2, 3, 4, 5))
        kind, layout, date = fields[6].upper(), fields[7], fields[9]
    except (IndexError, ValueError):
        raise DamagedFileError(f"{path}: the header of its first frame makes no sense: {text[:120]!r}") from None
    if min(rows, cols, chips) < 1 or not 128 <= length <= 65536 or kind not in (*_TYPES, "R64"):
        raise DamagedFileError(
            f"{path}: the header of its first frame makes no sense: {length} bytes long, {rows} x {cols} pixels of "
            f"type {kind!r} (known: {', '.join(_TYPES)}, R64)"
        )
    last = [f for f in (part.strip(" \0\r\n") for part in text[:length].split(",")) if f][-1]
    bits = int(last) if last.isdigit() and int(last) in (1, 6, 12, 24) else 0
    try:
        exposure: float | None = float(fields[10])
    except (IndexError, ValueError):
        exposure = None
    return MerlinHeader(length, chips, (rows, cols), kind, layout, bits, exposure, date)


def parse_hdr(path: Path) -> dict[str, str]:
    """Return the fields of the ``.hdr`` file of that path; empty when there is none or it is something else."""
    if not path.is_file() or not head(path, 3).startswith(b"HDR"):
        return {}
    fields = {}
    for line in head(path, _HDR_BYTES).decode("utf-8", "replace").splitlines():
        name, tab, value = line.partition("\t")
        if tab:
            fields[name.strip().rstrip(":").strip()] = value.strip()
    return fields


def hdr_scan(fields: dict[str, str]) -> tuple[tuple[int, int] | None, int]:
    """Return the scan shape (rows, cols) that the ``.hdr`` tells, or None; and how many frames it tells, 0 if none.

    A scan that is triggered line by line has a line of frames for each trigger. When each frame or the whole scan has
    one trigger, the lines are not known.
    """

    def number(*names: str) -> int:
        for name in names:
            digits = re.match(r"\s*(\d+)", fields.get(name, ""))
            if digits:
                return int(digits[1])
        return 0

    frames = number("Frames in Acquisition (Number)")
    cols, rows = number("ScanX"), number("ScanY")
    if cols and rows:
        return (rows, cols), frames
    line = number("Frames per Trigger (Number)")
    if 1 < line < frames and frames % line == 0:
        return (frames // line, line), frames
    return None, frames
