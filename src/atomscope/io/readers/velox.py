"""Velox ``.emd``: images as (row, col, frame) with JSON metadata per frame, and spectra."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from atomscope.errors import CalibrationWarning
from atomscope.io.readers.base import DatasetInfo
from atomscope.io.readers.hdf_layouts import Found, info, is_numbers
from atomscope.io.readers.layout import FileAxis

#: Detectors in the order in which a person would look at them first.
_FAVOURITES = ("haadf", "df4", "df", "abf", "bf")


def images(file: Any) -> list[Found]:
    """Return the images of a Velox file, or its spectra when there is no image."""
    data = file.get("Data")
    if not hasattr(data, "keys") or not ({"Version", "Info", "Application", "Presentation"} & set(file)):
        return []
    found = []
    for name in data.get("Image", {}) or {}:
        group = data["Image"][name]
        pixels = group.get("Data") if hasattr(group, "get") else None
        if pixels is not None and is_numbers(pixels) and pixels.ndim in (2, 3):
            found.append(_image(group, pixels, file.filename))
    if found:
        return sorted(found, key=_order)
    return _spectra(data)


def _image(group: Any, pixels: Any, source: str) -> Found:
    frames = int(pixels.shape[2]) if pixels.ndim == 3 else 1
    first = _metadata(group, 0)
    step = _pixel_size(first)
    if frames > 1 and step is not None:
        last = _pixel_size(_metadata(group, frames - 1))
        if last is not None and not all(math.isclose(a, b, rel_tol=0.01) for a, b in zip(step, last, strict=True)):
            warnings.warn(
                f"{source}: the magnification changes during the movie ({step[0]:.4g} to {last[0]:.4g} m a pixel); "
                "the axes are in pixels",
                CalibrationWarning,
                stacklevel=2,
            )
            step = None
    rows, cols = (None, None) if step is None else step
    time = _number(first, "Scan", "FrameTime")
    axes = [FileAxis("y", rows, "m", 0.0, False), FileAxis("x", cols, "m", 0.0, False)]
    if pixels.ndim == 3:
        axes.append(FileAxis("time", time, "s", 0.0, True))
    binary = first.get("BinaryResult", {})
    detector = str(binary.get("Detector") or "") if isinstance(binary, dict) else ""
    metadata = {"format": "velox", "detector": detector, **_extract(first)}
    squeeze = (2,) if pixels.ndim == 3 and frames == 1 else ()
    return Found(info(pixels.name.strip("/"), pixels, detector or "image"), axes, metadata, squeeze=squeeze)


def _order(found: Found) -> tuple[int, int, str]:
    detector = found.info.description.lower()
    rank = next((i for i, name in enumerate(_FAVOURITES) if detector.startswith(name)), len(_FAVOURITES))
    return -int(found.info.shape[2] if len(found.info.shape) == 3 else 1), rank, found.info.key


def _spectra(data: Any) -> list[Found]:
    """All spectra of one length as one image, a row a spectrum; then each of them."""
    single = []
    for name in data.get("Spectrum", {}) or {}:
        group = data["Spectrum"][name]
        counts = group.get("Data") if hasattr(group, "get") else None
        if counts is None or not is_numbers(counts):
            continue
        metadata = _metadata(group, 0)
        binary = metadata.get("BinaryResult", {})
        number = str(binary.get("DetectorIndex", "")) if isinstance(binary, dict) else ""
        detector = metadata.get("Detectors", {}).get(f"Detector-{number}", {})
        step, start = _float(detector.get("Dispersion")), _float(detector.get("OffsetEnergy"))
        axis = FileAxis("energy", step, "eV", start or 0.0, False)
        single.append((counts, axis, str(detector.get("DetectorName") or "spectrum")))
    single.sort(key=lambda s: s[2])
    if not single:
        return []
    same = [s for s in single if s[0].shape == single[0][0].shape and s[1] == single[0][1]]
    keys = tuple(s[0].name.strip("/") for s in same)
    length, dtype = int(same[0][0].shape[0]), str(same[0][0].dtype)
    together = Found(
        DatasetInfo("Data/Spectrum", (len(same), length), dtype, f"{len(same)} spectra, a row each"),
        [FileAxis("spectrum", navigate=True), same[0][1]],
        {"format": "velox", "detectors": [s[2] for s in same]},
        opener=_SpectraOf(keys),
    )
    return [together]


class _SpectraOf:
    """Binds the names of spectra to a file."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        self.keys = keys

    def __call__(self, path: Path) -> OpenSpectra:
        return OpenSpectra(path, self.keys)


class OpenSpectra:
    """Reads several spectra as one array, shape (spectra, energies); they are a few kilobytes each."""

    def __init__(self, path: Path, keys: tuple[str, ...]) -> None:
        self.path, self.keys = path, keys

    def __call__(self) -> np.ndarray:
        """Return the array."""
        import h5py

        with h5py.File(self.path, "r", locking=False) as file:
            return np.stack([np.asarray(file[k]).reshape(file[k].shape[0], -1).sum(1) for k in self.keys])


def _metadata(group: Any, frame: int) -> dict[str, Any]:
    stored = group.get("Metadata")
    if stored is None or stored.ndim != 2 or not stored.shape[1]:
        return {}
    raw = stored[:, min(frame, stored.shape[1] - 1)].tobytes().split(b"\0", 1)[0]
    try:
        made = json.loads(raw.decode("utf-8", "replace"))
    except ValueError:
        return {}
    return made if isinstance(made, dict) else {}


def _pixel_size(metadata: dict[str, Any]) -> tuple[float, float] | None:
    """(row, col) size of a pixel in metres; None when it is not a length (a diffraction pattern)."""
    binary = metadata.get("BinaryResult", {})
    size = binary.get("PixelSize", {}) if isinstance(binary, dict) else {}
    if str(binary.get("PixelUnitX", "m") or "m") != "m" or not isinstance(size, dict):
        return None
    width, height = _float(size.get("width")), _float(size.get("height"))
    return None if width is None or height is None else (height, width)


def _extract(metadata: dict[str, Any]) -> dict[str, Any]:
    said = {
        "high_tension_V": _number(metadata, "Optics", "AccelerationVoltage"),
        "dwell_time_s": _number(metadata, "Scan", "DwellTime"),
        "frame_time_s": _number(metadata, "Scan", "FrameTime"),
    }
    return {k: v for k, v in said.items() if v is not None}


def _number(metadata: dict[str, Any], group: str, name: str) -> float | None:
    inner = metadata.get(group, {})
    return _float(inner.get(name)) if isinstance(inner, dict) else None


def _float(value: Any) -> float | None:
    try:
        return None if value in (None, "") else float(value)
    except (TypeError, ValueError):
        return None
