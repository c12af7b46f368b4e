"""Raw binary files: bare pixels, of which only the user knows what they are; guesses are offered."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from atomscope.data import Axis, Stack
from atomscope.data.params import ScanFileParams
from atomscope.errors import ChoiceNeededError, DamagedFileError, ShapeError, UnknownFormatError
from atomscope.io.readers.base import DatasetInfo, head, lazy_stack
from atomscope.io.readers.fold import Fold, choose, fit, scan_axes
from atomscope.io.readers.mapped import MappedFrames, Records
from atomscope.io.readers.raw_guess import RawGuess, guess_raw
from atomscope.io.scan_shape import clues_of, guess_scan_shapes

#: Bytes from the middle of a file that say what type of pixel is likely.
_SAMPLE = 64 * 1024


class RawReader:
    """``.raw``, ``.bin``, ``.dat``: frames of one type, one after another, mapped into memory."""

    name = "raw"
    extensions: tuple[str, ...] = (".raw", ".bin", ".dat")

    def can_read(self, path: Path) -> bool:
        """Tell by the name; text is refused."""
        return path.suffix.lower() in self.extensions and path.is_file() and not _is_text(head(path, 512))

    def list_datasets(self, path: Path) -> list[DatasetInfo]:
        """Return the bytes: what they mean is not known."""
        return [DatasetInfo("", (path.stat().st_size,), "uint8", "bytes of unknown meaning")]

    def open(self, path: Path, key: str | None = None) -> Stack:
        """Ask: a raw file says nothing of itself."""
        return self.open_as(path, key, ScanFileParams())

    def open_as(self, path: Path, key: str | None, params: ScanFileParams) -> Stack:
        """Open lazily as frames of the type, the shape and the scan that are given.

        Raises
        ------
        ChoiceNeededError
            If any of the three is not given; likely ones are offered.
        ShapeError
            If the file has another size than they need; what would fit is named.
        """
        if not params.raw and _is_text(head(path, 512)):
            raise UnknownFormatError(f"{path}: is text, no raw pixels")
        if params.dtype is None or params.frame_shape is None:
            raise _ask(path, params)
        records = _records(path, params)
        fold = fit(path, records.frames, params)
        if fold is None and params.scan_shape is None and records.frames > 1:
            guesses = guess_scan_shapes(records.frames, clues_of(path))
            if guesses:
                raise choose(path, records.frames, guesses)
        return mapped_stack(path, records, fold, {"format": "raw", "opened": params.said})


def _records(path: Path, params: ScanFileParams) -> Records:
    assert params.dtype is not None and params.frame_shape is not None  # the caller has asked
    size = path.stat().st_size - params.offset
    frame = int(np.prod(params.frame_shape, dtype=np.int64)) * np.dtype(params.dtype).itemsize
    count, rest = divmod(size + params.gap, frame + params.gap)
    if count < 1:
        raise ShapeError(f"{path}: {max(size, 0)} bytes after the offset, one frame needs {frame}")
    if rest and not params.truncated:
        text = (
            f"{path}: {size} bytes are {count} whole frames of {frame} bytes ({params.frame_shape[0]} x "
            f"{params.frame_shape[1]} {params.dtype}) and {rest} bytes more; offset={rest} skips them if they are "
            "a header, truncated=True leaves them out if the file was cut off"
        )
        known = {k: v for k, v in params.said.items() if k not in ("dtype", "frame_shape")}
        others = _guess(path, ScanFileParams(**known), 4)
        if others:
            text += f"; what fits: {'; '.join(str(g) for g in others)}"
        raise ShapeError(text)
    return Records(count, params.frame_shape, params.dtype, params.offset, frame + params.gap)


def _ask(path: Path, params: ScanFileParams) -> ChoiceNeededError:
    guesses = _guess(path, params)
    known = {k: v for k, v in params.said.items() if k in ("offset", "gap", "truncated")}
    options = [{**g.options, **known} for g in guesses]
    text = f"{path}: a raw file does not say what it holds; give dtype, frame_shape and scan_shape"
    if guesses:
        words = ", ".join(f"{k}={v!r}" for k, v in options[0].items())
        text += f", for example {words}; likely: {'; '.join(str(g) for g in guesses[:6])}"
    else:
        text += ", for example dtype='uint16', frame_shape=(256, 256), scan_shape=(128, 128)"
        text += f"; it has {path.stat().st_size} bytes"
    return ChoiceNeededError(text, [str(g) for g in guesses], options)


def _guess(path: Path, params: ScanFileParams, limit: int = 12) -> list[RawGuess]:
    size = path.stat().st_size
    with path.open("rb") as handle:
        handle.seek(size // 16 * 8 + params.offset % 8)
        sample = handle.read(_SAMPLE)
    return guess_raw(size, params, clues_of(path), sample, limit)


def mapped_stack(
    path: Path,
    records: Records,
    fold: Fold | None,
    metadata: dict[str, object],
    axes: tuple[Axis, ...] | None = None,
) -> Stack:
    """Return the stack of frames that are mapped into memory.

    Raises
    ------
    DamagedFileError
        If the file is too short for them.
    """
    wanted = records.first + (records.frames - 1) * records.step + records.frame_bytes
    if path.stat().st_size < wanted:
        raise DamagedFileError(f"{path}: truncated, {path.stat().st_size} bytes of {wanted}")
    navigation = fold.shape if fold is not None else (records.frames,) if records.frames > 1 else ()
    shape = (*navigation, *records.frame_shape)
    read = MappedFrames(path, records, fold)
    return lazy_stack(path, read, shape, np.dtype(records.dtype), axes or scan_axes(shape), metadata=metadata)


def _is_text(first: bytes) -> bool:
    return bool(first) and all(32 <= b < 127 or b in b"\t\r\n\f" for b in first)
