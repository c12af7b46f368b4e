"""Merlin (Medipix): ``.mib`` with a header before each frame, and a ``.hdr`` beside it that may tell the scan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from atomscope.data import Stack
from atomscope.data.params import ScanFileParams
from atomscope.errors import DamagedFileError, FileError, UnknownFormatError
from atomscope.io.readers.base import DatasetInfo, head, lazy_stack
from atomscope.io.readers.fold import Fold, choose, fit, scan_axes
from atomscope.io.readers.mapped import Records
from atomscope.io.readers.merlin_header import MerlinHeader, hdr_scan, parse_hdr, parse_header
from atomscope.io.readers.merlin_raw import RawFrames, raw_shape
from atomscope.io.readers.raw import mapped_stack
from atomscope.io.scan_shape import clues_of, guess_scan_shapes


class MerlinReader:
    """``.mib`` of Quantum Detectors' Merlin: 1, 6, 12 and 24 bit, processed (U08, U16, U32) or raw (R64).

    Rows are turned over: the detector's first row is stored last, and drawn at the bottom by its own program.
    """

    name = "merlin"
    extensions: tuple[str, ...] = (".mib", ".hdr")

    def can_read(self, path: Path) -> bool:
        """Tell by the first bytes of the ``.mib``, or of the ``.hdr`` that has one beside it."""
        if not path.is_file():
            return False
        if path.suffix.lower() == ".hdr":
            return head(path, 3) == b"HDR" and path.with_suffix(".mib").is_file()
        return path.suffix.lower() == ".mib" and head(path, 3) == b"MQ1"

    def list_datasets(self, path: Path) -> list[DatasetInfo]:
        """Return the frames; as a scan when the ``.hdr`` says one."""
        mib = _pixels(path)
        header = parse_header(mib)
        shape = _frame_shape(mib, header)
        frames = mib.stat().st_size // (header.bytes + header.pixel_bytes)
        scan, _ = hdr_scan(parse_hdr(mib.with_suffix(".hdr")))
        navigation = scan if scan is not None and scan[0] * scan[1] == frames else (frames,) if frames > 1 else ()
        return [DatasetInfo("", (*navigation, *shape), str(np.dtype(header.dtype).newbyteorder("=")), header.layout)]

    def open(self, path: Path, key: str | None = None) -> Stack:
        """Open the scan that the ``.hdr`` tells of."""
        return self.open_as(path, key, ScanFileParams())

    def open_as(self, path: Path, key: str | None, params: ScanFileParams) -> Stack:
        """Open lazily; a scan shape that is given replaces that of the ``.hdr``.

        Raises
        ------
        DamagedFileError
            If a frame is cut off or frames are missing; ``truncated`` opens what is whole.
        ChoiceNeededError
            If nothing says which scan the frames are.
        """
        mib = _pixels(path)
        header = parse_header(mib)
        shape = _frame_shape(mib, header)
        step = header.bytes + header.pixel_bytes
        size = mib.stat().st_size
        frames, rest = divmod(size, step)
        if frames < 1 or (rest and not params.truncated):
            raise DamagedFileError(
                f"{mib}: truncated, {size} bytes are {frames} whole frames of {step} bytes and a part of one"
                + ("; truncated=True opens those that are whole" if frames else "")
            )
        said = _with_hdr(mib, frames, params)
        fold = fit(mib, frames, said)
        if fold is None and said.scan_shape is None and frames > 1:
            guesses = guess_scan_shapes(frames, clues_of(mib))
            if guesses:
                raise choose(mib, frames, guesses)
        metadata = {**_facts(header), **({"opened": params.said} if params.said else {})}
        records = Records(frames, shape, header.dtype, header.bytes, step, flip=True)
        if header.kind == "R64":
            navigation = fold.shape if fold is not None else (frames,) if frames > 1 else ()
            whole = (*navigation, *shape)
            read = RawFrames(mib, header, fold if fold is not None else Fold((1, frames)) if frames > 1 else None)
            return lazy_stack(mib, read, whole, np.dtype(header.dtype), scan_axes(whole), metadata=metadata)
        return mapped_stack(mib, records, fold, metadata)


def _pixels(path: Path) -> Path:
    if path.suffix.lower() != ".hdr":
        return path
    mib = path.with_suffix(".mib")
    if not mib.is_file():
        raise FileError(f"{path}: the file of its pixels, {mib.name}, is not beside it")
    return mib


def _frame_shape(path: Path, header: MerlinHeader) -> tuple[int, int]:
    if header.kind != "R64":
        return header.stored
    shape = raw_shape(header)
    if shape is None:
        raise UnknownFormatError(
            f"{path}: raw (R64) frames of {header.chips} chips laid out {header.layout} with "
            f"{header.bits or 'unknown'} bits; of raw files only one chip (1, 6, 12, 24 bit) and four chips as 2x2 "
            "(1, 6, 12 bit) are known; "
            "let the detector's program write processed frames (U08, U16, U32)"
        )
    return shape


def _with_hdr(mib: Path, frames: int, params: ScanFileParams) -> ScanFileParams:
    """Return the parameters with the scan that the ``.hdr`` tells, if none was given.

    Raises
    ------
    DamagedFileError
        If it tells of more frames than there are.
    """
    if params.scan_shape is not None:
        return params
    hdr = mib.with_suffix(".hdr")
    scan, told = hdr_scan(parse_hdr(hdr))
    if told > frames and not params.truncated:
        raise DamagedFileError(
            f"{mib}: {hdr.name} tells of {told} frames, {frames} whole ones are there; truncated=True opens them, "
            "scan_shape= says which scan they are (a series of several .mib files is not put together)"
        )
    if scan is None or (scan[0] * scan[1] != frames and not params.truncated):
        return params  # the user is asked, with what fits
    return params.replace(scan_shape=scan) if scan[1] <= frames else params


def _facts(header: MerlinHeader) -> dict[str, Any]:
    facts: dict[str, Any] = {"format": "mib", "detector_layout": header.layout, "pixel_kind": header.kind}
    if header.bits:
        facts["counter_bits"] = header.bits
    if header.exposure_s is not None and header.exposure_s > 0:
        facts["exposure_s"] = header.exposure_s
    if header.date:
        facts["date"] = header.date
    return facts
