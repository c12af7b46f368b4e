"""Units as files spell them, brought to one spelling and one size; senseless calibration is refused."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from atomscope.data import Axis
from atomscope.data.axes import PIXEL, AxisKind
from atomscope.errors import CalibrationWarning

#: spelling (lower case, no spaces) -> (unit that we keep, factor to it)
_SPELLINGS: dict[str, tuple[str, float]] = {}


def _add(unit: str, factor: float, *spellings: str) -> None:
    for spelling in spellings:
        _SPELLINGS[spelling] = (unit, factor)


_add("nm", 1.0, "nm", "n_m", "nanometer", "nanometre", "nanometers", "nanometres")
_add("nm", 1e-3, "pm", "p_m", "picometer", "picometre", "picometers", "picometres")
_add("nm", 0.1, "a", "å", "angstrom", "angstroms", "ångström", "ångstrom", "angström", "ang", "a.")
_add("nm", 1e3, "um", "µm", "u_m", "micron", "microns", "micrometer", "micrometre", "micrometers", "micrometres")
_add("nm", 1e6, "mm", "m_m", "millimeter", "millimetre", "millimeters", "millimetres")
_add("nm", 1e7, "cm", "centimeter", "centimetre", "centimeters", "centimetres")
_add("nm", 1e9, "m", "meter", "metre", "meters", "metres")
_add("nm", 2.54e7, "in", "inch", "inches", '"')
_add("1/nm", 1.0, "1/nm", "1/n_m", "1/nanometer")
_add("1/nm", 1e3, "1/pm")
_add("1/nm", 10.0, "1/a", "1/å", "1/angstrom", "1/angstroms")
_add("1/nm", 1e-3, "1/um", "1/µm")
_add("1/nm", 1e-9, "1/m")
_add("s", 1.0, "s", "sec", "secs", "second", "seconds")
_add("s", 1e-3, "ms", "msec", "millisecond", "milliseconds")
_add("s", 1e-6, "us", "µs", "usec", "microsecond", "microseconds")
_add("s", 1e-9, "ns", "nsec", "nanosecond", "nanoseconds")
_add("s", 60.0, "min", "minute", "minutes")
_add("s", 3600.0, "h", "hr", "hour", "hours")
_add("mrad", 1.0, "mrad", "milliradian", "milliradians")
_add("mrad", 1e3, "rad", "radian", "radians")
_add("mrad", 1e-3, "urad", "µrad")
_add("deg", 1.0, "deg", "degree", "degrees", "°")
_add("eV", 1.0, "ev", "electronvolt", "electronvolts")
_add("eV", 1e3, "kev")
_add("eV", 1e-3, "mev")

_NO_UNIT = {
    "",
    "none",
    "null",
    "pixel",
    "pixels",
    "px",
    "pix",
    "<undefined>",
    "undefined",
    "arb",
    "a.u.",
    "au",
    "dimensionless",
}

#: Steps outside these bounds are not microscopy: (smallest, largest) in the unit that we keep.
_SANE = {"nm": (1e-4, 1e6), "1/nm": (1e-7, 1e4), "s": (1e-12, 1e7), "mrad": (1e-9, 1e4), "deg": (1e-9, 360.0)}


def normalise_unit(text: Any) -> tuple[str, float] | None:
    """Return (unit, factor) for a unit as a file spells it, or None when it is not known.

    Lengths come to ``nm``, reciprocal lengths to ``1/nm``, times to ``s``, angles to ``mrad`` or ``deg``, energies
    to ``eV``; no unit comes to ``pixel``.

    Examples
    --------
    >>> normalise_unit("µm"), normalise_unit("1 / nm"), normalise_unit(None)
    (('nm', 1000.0), ('1/nm', 1.0), ('pixel', 1.0))
    """
    if text is None:
        return PIXEL, 1.0
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    word = str(text)
    if "\\u" in word:  # ImageJ escapes the micro sign
        word = re.sub(r"\\u([0-9a-fA-F]{4})", lambda m: chr(int(m[1], 16)), word)
    word = word.strip().strip("\0").strip("[]()").replace(" ", "").replace("\u03bc", "µ").replace("\u212b", "å")
    word = word.lower() if word not in ("MeV",) else "no such unit here"
    if word in _NO_UNIT:
        return PIXEL, 1.0
    reciprocal = re.fullmatch(r"([a-zµå_]+)(?:\^?\(?-1\)?|\*\*-1|⁻¹)", word)
    if reciprocal:
        word = f"1/{reciprocal[1]}"
    return _SPELLINGS.get(word)


def calibrated_axis(
    name: str,
    scale: Any = None,
    unit: Any = None,
    offset: Any = 0.0,
    *,
    kind: AxisKind = "signal",
    source: str = "",
) -> Axis:
    """Return an axis with the calibration that a file states, or a pixel axis and a warning when it is senseless.

    Parameters
    ----------
    name : str
    scale, offset : float or None
        Step and first coordinate, in ``unit``.
    unit : str or None
        As the file spells it.
    kind : {"navigation", "signal"}
    source : str
        File, for the warning.

    Warns
    -----
    CalibrationWarning
        If the unit is unknown, or the step is zero, negative, not finite or absurdly small or large.
    """
    plain = Axis(name, kind=kind)
    if scale is None:
        return plain
    known = normalise_unit(unit)
    if known is None:
        _refuse(source, name, f"the unit {str(unit)!r} is not known")
        return plain
    kept, factor = known
    try:
        step, start = float(scale) * factor, float(0.0 if offset is None else offset) * factor
    except (TypeError, ValueError):
        _refuse(source, name, f"the step {scale!r} is not a number")
        return plain
    if kept == PIXEL:
        return plain
    low, high = _SANE.get(kept, (0.0, math.inf))
    if not (math.isfinite(step) and step > 0 and low <= step <= high):
        _refuse(source, name, f"a step of {scale!r} {unit} makes no sense")
        return plain
    return Axis(name, step, kept, start if math.isfinite(start) else 0.0, kind)


def same_signal_unit(axes: Sequence[Axis], source: str = "") -> tuple[Axis, ...]:
    """Return the axes with both signal axes in pixels when only one of them has a length.

    A length on one side and pixels on the other would make squares into rectangles on the screen.
    """
    row, col = axes[-2:]
    lengths = {"nm", "1/nm", "mrad"}
    if row.unit != col.unit and PIXEL in (row.unit, col.unit) and lengths & {row.unit, col.unit}:
        bad = row if row.unit == PIXEL else col
        _refuse(source, "row and col", f"only one of the two is calibrated ({bad.name} is not)")
        row, col = (replace(a, scale=1.0, unit=PIXEL, offset=0.0) for a in (row, col))
    return (*axes[:-2], row, col)


def _refuse(source: str, name: str, why: str) -> None:
    where = f"{source}: " if source else ""
    warnings.warn(
        f"{where}calibration of axis {name!r} not used: {why}; the axis is in pixels, give the pixel size by hand",
        CalibrationWarning,
        stacklevel=4,
    )
