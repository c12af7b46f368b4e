"""What a raw file may hold: ranked guesses of pixel type, frame and scan, from size, name and a few bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from atomscope.data.params import ScanFileParams
from atomscope.io.scan_shape import ScanGuess, guess_scan_shapes, pairs_in

#: Pixel types that detectors write, the commonest first.
TYPES = ("uint16", "float32", "uint8", "uint32", "int16", "int32", ">u2", ">u4", "float64")
#: Frames of detectors and their binned ones, the commonest first.
_FRAMES = (
    *((n, n) for n in (256, 128, 512, 64, 192, 96, 1024, 2048, 32, 514, 515, 4096)),
    *((130, 128), (264, 264), (576, 576), (1030, 1065), (1028, 1062), (1856, 1920)),
)
_WORDS = {
    "uint16": ("uint16", "u16", "u2", "ushort", "16bit"),
    "uint8": ("uint8", "u8", "u1", "8bit"),
    "uint32": ("uint32", "u32", "u4"),
    "int16": ("int16", "i16"),
    "int32": ("int32", "i32"),
    "float32": ("float32", "f32", "f4", "float", "32bit"),
    "float64": ("float64", "f64", "f8", "double"),
}


@dataclass(frozen=True)
class RawGuess:
    """One way to read a raw file.

    Attributes
    ----------
    dtype : str
    frame_shape : tuple of int
    scan : ScanGuess or None
        None: one frame.
    cost : float
    """

    dtype: str
    frame_shape: tuple[int, int]
    scan: ScanGuess | None
    cost: float

    @property
    def options(self) -> dict[str, Any]:
        """The keywords of ``atomscope.open`` that make it."""
        said = {"dtype": self.dtype, "frame_shape": self.frame_shape}
        return {**(self.scan.options if self.scan else {"scan_shape": "movie"}), **said}

    def __str__(self) -> str:
        frame = f"{self.frame_shape[0]} x {self.frame_shape[1]} {self.dtype}"
        return f"scan {self.scan}, frames {frame}" if self.scan else f"one frame {frame}"


def guess_raw(
    size: int, params: ScanFileParams, clues: str = "", sample: bytes = b"", limit: int = 12
) -> list[RawGuess]:
    """Return the likely contents of a raw file, the likeliest first.

    Parameters
    ----------
    size : int
        Bytes of the file.
    params : ScanFileParams
        What is known already is kept.
    clues : str
        See :func:`atomscope.io.scan_shape.clues_of`.
    sample : bytes
        Some of its pixels: they look like one type and not like another.
    """
    named = pairs_in(clues)
    looks = _looks(sample)
    found: list[RawGuess] = []
    for dtype, type_cost in _types(params, clues, looks):
        for frame, frame_cost in _frames(size - params.offset, dtype, params, named):
            step = frame[0] * frame[1] * np.dtype(dtype).itemsize + params.gap
            count, rest = divmod(size - params.offset + params.gap, step)
            if rest or count < 1:
                continue
            cost = type_cost + frame_cost
            if count == 1:
                found.append(RawGuess(dtype, frame, None, cost + 2))
            found += [RawGuess(dtype, frame, scan, cost + scan.cost) for scan in _scans(count, params, clues)]
    return sorted(found, key=lambda g: g.cost)[:limit]


def _scans(count: int, params: ScanFileParams, clues: str) -> list[ScanGuess]:
    shape = params.scan_shape
    if not isinstance(shape, tuple):
        return guess_scan_shapes(count, clues, 3) if count > 1 else []
    wanted = int(np.prod(shape[:-1], dtype=np.int64)) * (shape[-1] + params.flyback) + sum(params.skip_frames)
    if not wanted - params.flyback <= count <= wanted:
        return []
    return [ScanGuess(shape[-2], shape[-1], params.flyback, params.skip_frames)]


def _types(params: ScanFileParams, clues: str, looks: dict[str, float]) -> Iterator[tuple[str, float]]:
    if params.dtype is not None:
        yield params.dtype, 0.0
        return
    words = set(re.split(r"[^a-z0-9>]+", clues.lower()))
    for place, dtype in enumerate(TYPES):
        said = -5.0 if words & set(_WORDS.get(dtype, ())) else 0.0
        yield dtype, 0.05 * place + said + looks.get(dtype, 0.0)


def _frames(
    size: int, dtype: str, params: ScanFileParams, named: list[tuple[int, int]]
) -> Iterator[tuple[tuple[int, int], float]]:
    if params.frame_shape is not None:
        yield params.frame_shape, 0.0
        return
    seen = set()
    for pair in named:
        if pair not in seen and min(pair) > 7:
            seen.add(pair)
            yield pair, -4.0
    if isinstance(params.scan_shape, tuple):  # the scan is known: what is left over is the frame
        count = int(np.prod(params.scan_shape, dtype=np.int64))
        pixels = size // (count * np.dtype(dtype).itemsize)
        side = round(pixels**0.5)
        if side * side == pixels and side > 7:
            yield (side, side), -0.5
            seen.add((side, side))
    for place, frame in enumerate(_FRAMES):
        if frame not in seen:
            yield frame, 0.1 * place


def _looks(sample: bytes) -> dict[str, float]:
    """Return how unlikely each type is for these bytes: counts are small numbers, floats are of ordinary size."""
    raw = np.frombuffer(sample[: len(sample) // 8 * 8], np.uint8)
    if not raw.any():
        return {}
    costs: dict[str, float] = {}
    for dtype in TYPES:
        values = raw.view(dtype)
        if np.dtype(dtype).kind == "f":
            size = np.abs(values[np.isfinite(values)].astype(float))
            ordinary = float(((size == 0) | ((size > 1e-6) & (size < 1e9))).sum()) / len(values)
            costs[dtype] = 4.0 * (1 - ordinary) + (0.0 if ordinary > 0.99 else 1.0)
        else:
            top = 2.0 ** (8 * np.dtype(dtype).itemsize)
            costs[dtype] = 3.0 * float(np.log2(1 + np.abs(values.astype(float))).mean() / np.log2(top))
    if costs["float32"] < 0.1:  # whole numbers of that size are hardly ever floats by chance
        costs = {t: c + (0.0 if t == "float32" else 1.0) for t, c in costs.items()}
    return costs
