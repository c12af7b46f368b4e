"""Frames at even distances in a file, mapped into memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from atomscope.io.readers.base import reading
from atomscope.io.readers.fold import Fold


@dataclass(frozen=True)
class Records:
    """Where the frames of a file lie.

    Attributes
    ----------
    frames : int
    frame_shape : tuple of int
        (rows, cols) of what is shown of a frame: the first ones of those that are stored.
    dtype : str
        With its byte order.
    first : int
        Byte of the first pixel of the first frame.
    step : int
        Bytes from frame to frame.
    flip : bool
        Whether rows are stored from the bottom upwards.
    """

    frames: int
    frame_shape: tuple[int, int]
    dtype: str
    first: int
    step: int
    flip: bool = False

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame."""
        return int(np.prod(self.frame_shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize


class MappedFrames:
    """Reads frames through a memory map that is made when it is needed, and again after pickling.

    Parameters
    ----------
    path : Path
    records : Records
    fold : Fold, optional
        How the frames make a scan; absent: one after another.
    """

    def __init__(self, path: Path, records: Records, fold: Fold | None = None) -> None:
        self.path, self.records, self.fold = path, records, fold
        self._array: np.ndarray | None = None

    @property
    def array(self) -> np.ndarray:
        """The mapped array, shape (*navigation, rows, cols), in the byte order of the file; rows may run backwards."""
        if self._array is None:
            self._array = self._map()
        return self._array

    def __call__(self, where: tuple[int, ...]) -> np.ndarray:
        """Return one frame, shape (rows, cols)."""
        return np.array(self.array[where])

    def __reduce__(self) -> tuple[type, tuple[Path, Records, Fold | None]]:
        return MappedFrames, (self.path, self.records, self.fold)

    def _map(self) -> np.ndarray:
        r = self.records
        rows, cols = r.frame_shape
        item = np.dtype(r.dtype).itemsize
        with reading(self.path):
            raw = np.memmap(self.path, np.uint8, "r", r.first, (r.step * (r.frames - 1) + r.frame_bytes,))
        frame = raw[: r.frame_bytes].view(r.dtype)
        # Strides instead of a structured type: the last frame need not have the gap after it.
        frames = np.lib.stride_tricks.as_strided(
            frame, (r.frames, rows, cols), (r.step, cols * item, item), subok=True, writeable=False
        )
        if r.flip:
            frames = frames[:, ::-1]
        return frames if self.fold is None else self.fold.view(frames)
