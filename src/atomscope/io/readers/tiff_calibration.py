"""Calibration and axis names that TIFF dialects carry: ImageJ, OME, FEI, Zeiss, DigitalMicrograph, plain tags."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from typing import Any

from atomscope.data import Axis
from atomscope.io.units import calibrated_axis, normalise_unit, same_signal_unit

_NAMES = {"T": "frame", "Z": "z", "C": "channel", "I": "frame", "Q": "frame"}

#: A plain resolution tag is believed when a pixel is smaller than this: printers' dots are 25 to 350 um.
_LARGEST_PLAIN_PIXEL_NM = 1000.0

_Found = dict[str, tuple[Any, Any]]


def tiff_axes(tif: Any, series: Any, shape: tuple[int, ...], source: str) -> tuple[tuple[Axis, ...], dict[str, Any]]:
    """Return the axes of a series and the metadata worth keeping.

    Parameters
    ----------
    tif, series : tifffile.TiffFile, tifffile.TiffPageSeries
    shape : tuple of int
        (*navigation, rows, cols).
    source : str
        File, for warnings.
    """
    found: _Found = {}
    metadata: dict[str, Any] = {"format": series.kind}
    if tif.is_ome:
        found = _ome(tif.ome_metadata)
    elif tif.is_imagej:
        metadata["imagej"] = {k: v for k, v in (tif.imagej_metadata or {}).items() if isinstance(v, str | int | float)}
        found = _imagej(tif, series)
    elif getattr(tif, "is_fei", False):
        found = _fei(tif.fei_metadata or {})
    elif getattr(tif, "is_sem", False):
        found = _zeiss(tif.sem_metadata or {})
    if not found:
        found = _gatan(series) or _plain(series)
    letters = [a for a in series.axes if a not in "SYX"]
    axes: list[Axis] = []
    for i, letter in enumerate(letters):
        name = _NAMES.get(letter, f"axis_{i}") if letters.count(letter) == 1 else f"axis_{i}"
        if len(letters) == 1 and letter in "Z":  # ImageJ calls the frames of a movie slices unless told otherwise
            name = "z" if "Z" in found else "frame"
        if name in [a.name for a in axes]:
            name = f"axis_{i}"
        step, unit = found.get(letter, (None, None))
        axes.append(calibrated_axis(name, step, unit, kind="navigation", source=source))
    for letter, name in (("Y", "row"), ("X", "col")):
        step, unit = found.get(letter, (None, None))
        axes.append(calibrated_axis(name, step, unit, source=source))
    return same_signal_unit(axes, source), metadata


def _ratio(page: Any, tag: str) -> float | None:
    value = page.tags.valueof(tag)
    if isinstance(value, tuple) and len(value) == 2 and value[0] and value[1]:
        return value[0] / value[1]
    return None


def _imagej(tif: Any, series: Any) -> _Found:
    meta = tif.imagej_metadata or {}
    found: _Found = {}
    unit = meta.get("unit")
    known = normalise_unit(unit)
    if str(unit).lower() in ("inch", "cm"):  # what ImageJ says of a picture with a printer's resolution
        found |= {k: v for k, v in _plain(series).items() if k in "XY"}
    elif known is None or known[0] != "pixel":
        for letter, tag in (("X", "XResolution"), ("Y", "YResolution")):
            per_unit = _ratio(series.keyframe, tag)
            if per_unit:
                own = meta.get("yunit", unit) if letter == "Y" else unit
                found[letter] = (1.0 / per_unit, own)
        if "spacing" in meta:
            found["Z"] = (meta["spacing"], meta.get("zunit", unit))
    interval = meta.get("finterval") or (1.0 / meta["fps"] if meta.get("fps") else None)
    if interval:
        found["T"] = (interval, meta.get("tunit", "s"))
    return found


def _ome(xml: str | None) -> _Found:
    if not xml:
        return {}
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return {}
    pixels = next((e for e in root.iter() if e.tag.rsplit("}", 1)[-1] == "Pixels"), None)
    if pixels is None:
        return {}
    found: _Found = {}
    for letter in "XYZ":
        size = pixels.get(f"PhysicalSize{letter}")
        if size is not None:  # the standard's default unit is the micrometre
            found[letter] = (size, pixels.get(f"PhysicalSize{letter}Unit", "µm"))
    if pixels.get("TimeIncrement") is not None:
        found["T"] = (pixels.get("TimeIncrement"), pixels.get("TimeIncrementUnit", "s"))
    return found


def _fei(meta: dict[str, Any]) -> _Found:
    scan = meta.get("Scan", {})
    width, height = scan.get("PixelWidth"), scan.get("PixelHeight")
    return {"X": (width, "m"), "Y": (height or width, "m")} if width else {}


def _zeiss(meta: dict[str, Any]) -> _Found:
    entry = meta.get("ap_image_pixel_size") or meta.get("ap_pixel_size")
    if isinstance(entry, tuple) and len(entry) >= 3:
        return {"X": (entry[1], entry[2]), "Y": (entry[1], entry[2])}
    return {}


def _gatan(series: Any) -> _Found:
    """Private tags of DigitalMicrograph's export: 65003, 65004 units and 65009, 65010 steps of x and y."""
    found: _Found = {}
    for letter, unit_tag, step_tag in (("X", 65003, 65009), ("Y", 65004, 65010)):
        unit, step = series.keyframe.tags.valueof(unit_tag), series.keyframe.tags.valueof(step_tag)
        if isinstance(unit, tuple):
            unit = bytes(unit).decode("utf-16-le", "ignore") if all(isinstance(c, int) for c in unit) else None
        if isinstance(unit, bytes):
            unit = unit.decode("utf-16-le" if b"\0" in unit[:-1] else "latin-1", "ignore")
        if unit and step:
            found[letter] = (step, unit.strip("\0"))
    return found


def _plain(series: Any) -> _Found:
    """Resolution tags, when they cannot be a printer's."""
    tags = series.keyframe.tags
    unit_nm = {2: 2.54e7, 3: 1e7}.get(int(tags.valueof("ResolutionUnit") or 1))
    if unit_nm is None:
        return {}
    found: _Found = {}
    for letter, tag in (("X", "XResolution"), ("Y", "YResolution")):
        per_unit = _ratio(series.keyframe, tag)
        if per_unit and math.isfinite(per_unit) and 0 < unit_nm / per_unit <= _LARGEST_PLAIN_PIXEL_NM:
            found[letter] = (unit_nm / per_unit, "nm")
    return found if len(found) == 2 else {}
