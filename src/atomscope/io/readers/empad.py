"""EMPAD: ``.xml`` with what was set, ``.raw`` with frames of 128 x 128 float32 and two more rows of readings."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from atomscope.data import Axis, Stack, axis_names
from atomscope.data.params import ScanFileParams
from atomscope.errors import DamagedFileError, FileError
from atomscope.io.readers.base import DatasetInfo, head, reading
from atomscope.io.readers.fold import Fold, choose, fit
from atomscope.io.readers.mapped import Records
from atomscope.io.readers.raw import mapped_stack
from atomscope.io.scan_shape import guess_scan_shapes
from atomscope.io.units import calibrated_axis

_FRAME = (128, 128)
#: Bytes from frame to frame: two more rows hold readings of the detector.
_STEP = 130 * 128 * 4
_NAME = re.compile(r"(?i)x(\d+)_y(\d+)")
_XML_BYTES = 4 * 2**20


class EmpadReader:
    """``.xml`` and ``.raw`` of the EMPAD detector of Cornell and Thermo Fisher, first generation."""

    name = "empad"
    extensions: tuple[str, ...] = (".xml", ".raw")

    def can_read(self, path: Path) -> bool:
        """Tell an ``.xml`` by what it names; a ``.raw`` by the ``.xml`` beside it, or by its name and its size."""
        if not path.is_file():
            return False
        if path.suffix.lower() == ".xml":
            return b"raw_file" in head(path, 65536)
        if path.suffix.lower() != ".raw":
            return False
        named = _NAME.search(path.stem)
        if named is not None and path.stat().st_size == int(named[1]) * int(named[2]) * _STEP:
            return True
        return _xml_beside(path) is not None

    def list_datasets(self, path: Path) -> list[DatasetInfo]:
        """Return the one scan or series."""
        raw, told = _parts(path)
        shape = _told_shape(raw, told) or (raw.stat().st_size // _STEP,)
        return [DatasetInfo("", (*shape, *_FRAME), "float32", raw.name)]

    def open(self, path: Path, key: str | None = None) -> Stack:
        """Open the scan that the file tells of."""
        return self.open_as(path, key, ScanFileParams())

    def open_as(self, path: Path, key: str | None, params: ScanFileParams) -> Stack:
        """Open lazily; a scan shape that is given replaces the one of the file.

        Raises
        ------
        DamagedFileError
            If the frames are fewer or more than the file says; ``truncated`` opens those that are whole.
        ChoiceNeededError
            If nothing says which scan the frames are.
        """
        raw, told = _parts(path)
        frames, rest = divmod(raw.stat().st_size, _STEP)
        if frames < 1 or (rest and not params.truncated):
            raise DamagedFileError(
                f"{raw}: truncated, {raw.stat().st_size} bytes are {frames} whole frames of {_STEP} bytes and {rest} "
                "more; truncated=True opens those that are whole"
            )
        said = params
        shape = _told_shape(raw, told)
        if params.scan_shape is None and shape is not None and len(shape) == 2:
            said = params.replace(scan_shape=shape)
            wanted = Fold(shape, params.flyback).frames + sum(params.skip_frames)
            if frames != wanted and not params.truncated:
                near = guess_scan_shapes(frames, "", 4)
                raise DamagedFileError(
                    f"{raw}: {path.name} says {shape[0]} x {shape[1]} = {wanted} frames, the file holds {frames}; "
                    f"truncated=True opens the rows that are whole, scan_shape= says another shape"
                    + (f" (likely: {', '.join(map(str, near))})" if near else "")
                )
        fold = fit(raw, frames, said)
        if fold is None and shape is None and said.scan_shape is None and frames > 1:
            guesses = guess_scan_shapes(frames, raw.stem)
            if guesses:
                raise choose(path, frames, guesses)
        records = Records(frames, _FRAME, "<f4", 0, _STEP)
        axes = _axes(told, fold.shape if fold is not None else (frames,) if frames > 1 else (), str(path))
        metadata = {"format": "empad", **_facts(told), **({"opened": params.said} if params.said else {})}
        return mapped_stack(raw, records, fold, metadata, axes)


def _parts(path: Path) -> tuple[Path, ElementTree.Element | None]:
    """Return the file of the pixels, and what the ``.xml`` says, if there is one."""
    if path.suffix.lower() != ".xml":
        beside = _xml_beside(path)
        return path, None if beside is None else _parse(beside)
    told = _parse(path)
    name = _raw_name(told)
    for raw in ((path.parent / name) if name else path.with_suffix(".raw"), path.with_suffix(".raw")):
        if raw.is_file():
            return raw, told
    raise FileError(f"{path}: the file of its pixels, {name or path.stem + '.raw'}, is not beside it")


def _xml_beside(raw: Path) -> Path | None:
    name = raw.name.encode()
    for beside in (raw.with_suffix(".xml"), *sorted(raw.parent.glob("*.xml"))[:20]):
        if beside.is_file() and b"raw_file" in (first := head(beside, 65536)) and name in first:
            return beside
    return None


def _parse(path: Path) -> ElementTree.Element:
    with reading(path):
        text = head(path, _XML_BYTES + 1)
        if len(text) > _XML_BYTES or b"<!ENTITY" in text:
            raise DamagedFileError(f"{path}: no description of a scan: too long, or it defines entities")
        return ElementTree.fromstring(text)


def _raw_name(told: ElementTree.Element) -> str:
    node = told.find("raw_file")
    name = "" if node is None else node.get("filename") or (node.findtext("filename") or "").strip()
    return re.split(r"[/\\]", name)[-1]  # a name in this folder, whatever it says


def _number(told: ElementTree.Element, place: str) -> float:
    try:
        return float(told.findtext(place) or "nan")
    except ValueError:
        return math.nan


def _told_shape(raw: Path, told: ElementTree.Element | None) -> tuple[int, ...] | None:
    """Return (rows, cols) of a scan or (frames,) of a series, or None when nothing says it."""
    if told is not None:
        series = _number(told, "scan_parameters/series_count")
        if series >= 1:
            return (int(series),)
        for col, row in (
            ("pix_x", "pix_y"),
            (
                "scan_parameters[@mode='acquire']/scan_resolution_x",
                "scan_parameters[@mode='acquire']/scan_resolution_y",
            ),
            ("scan_parameters/scan_resolution_x", "scan_parameters/scan_resolution_y"),
        ):
            rows, cols = _number(told, row), _number(told, col)
            if rows >= 1 and cols >= 1:
                return int(rows), int(cols)
    named = _NAME.search(_raw_name(told) if told is not None else raw.stem) or _NAME.search(raw.stem)
    return (int(named[2]), int(named[1])) if named else None


def _axes(told: ElementTree.Element | None, navigation: tuple[int, ...], source: str) -> tuple[Axis, ...]:
    names = axis_names(len(navigation) + 2)
    steps: list[float] = [math.nan] * len(navigation)
    unit, pixel = "", math.nan
    if told is not None:
        if len(navigation) >= 2:
            steps[-2:] = _scan_steps(told, navigation[-2:])
        pixel, unit = _number(told, "iom_measurements/calibrated_pixelsize") * 1e9, "1/nm"
        if not pixel > 0:
            pixel, unit = _number(told, "iom_measurements/calibrated_diffraction_angle"), "rad"
    axes = [
        calibrated_axis(n, s if s > 0 else None, "m", kind="navigation", source=source)
        for n, s in zip(names[:-2], steps, strict=True)
    ]
    axes += [calibrated_axis(n, pixel if pixel > 0 else None, unit, source=source) for n in names[-2:]]
    return tuple(axes)


def _scan_steps(told: ElementTree.Element, shape: tuple[int, ...]) -> tuple[float, float]:
    """Return metres from position to position along rows and columns; NaN when the file does not say.

    A field of view that is the same both ways is that of the longer side; newer files multiply it by a factor.
    """
    place = "iom_measurements/full_scan_field_of_view"
    across, down, factor = (_number(told, f"{place}/{name}") for name in ("x", "y", "scale_factor"))
    if factor > 0:
        across, down = across / factor, down / factor
    if not across > 0:
        try:
            across, down = (
                float(v) for v in json.loads(told.findtext("iom_measurements/optics.get_full_scan_field_of_view") or "")
            )
        except (TypeError, ValueError):
            return math.nan, math.nan
    if across == down or not down > 0:
        step = across / max(shape)
        return step, step
    return down / shape[0], across / shape[1]


def _facts(told: ElementTree.Element | None) -> dict[str, Any]:
    if told is None:
        return {}
    facts: dict[str, Any] = {}
    for name, place in (
        ("camera_length_m", "iom_measurements/nominal_camera_length"),
        ("camera_length_m", "iom_measurements/optics.get_cameralength"),
        ("beam_energy_ev", "iom_measurements/source.get_voltage"),
        ("exposure_ms", "exposure_time"),
    ):
        value = _number(told, place)
        if math.isfinite(value):
            facts.setdefault(name, value)
    stamp = told.find("timestamp")
    if stamp is not None and (date := stamp.get("isoformat") or stamp.findtext("isoformat")):
        facts["date"] = date
    return facts
