"""Patterns in spatial frequencies and detectors in angles, or the other way round."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, TypeVar

from atomscope.data import Stack
from atomscope.data.params import Detector, PatternParams
from atomscope.errors import CalibrationError, ParameterError
from atomscope.pipeline.scan_images import as_scan

#: Where files say the energy of the beam, and what one unit of it is, keV.
_SAID = {"beam_energy": 1.0, "beam_energy_ev": 1e-3}
#: Fields that are in the unit of a detector.
_LENGTHS = ("inner", "outer", "height", "width")

P = TypeVar("P", Detector, PatternParams)


def in_mrad(source: Any, energy_kev: float | None = None) -> Stack:
    """Return a scan whose patterns are calibrated in mrad instead of 1/nm; the data stay as they are.

    Angle = wavelength times spatial frequency, with the relativistic wavelength.

    Parameters
    ----------
    source : Stack, array or path
        Patterns, shape (*navigation, rows, cols), with axes in 1/nm; in mrad they come back as they are.
    energy_kev : float, optional
        Energy of the electrons; what the file says of it when absent.

    Raises
    ------
    CalibrationError
        If the patterns are in another unit, or nothing says the energy.
    ParameterError
        If the energy is not positive.

    References
    ----------
    E. J. Kirkland, Advanced Computing in Electron Microscopy (Springer, 2010), section 2.3.
    """
    stack = as_scan(source)
    units = _units(stack)
    if units == {"mrad"}:
        return stack
    if units != {"1/nm"}:
        raise CalibrationError(
            f"{stack.name}: only patterns in 1/nm can be told in mrad; these are in {' and '.join(sorted(units))}"
        )
    factor = _mrad_per_nm(stack, energy_kev)
    pair = stack.axes[-2:]
    angles = [replace(axis, scale=axis.scale * factor, offset=axis.offset * factor, unit="mrad") for axis in pair]
    return stack.with_axes((*stack.axes[:-2], *angles))


def in_unit_of(params: P, source: Any, energy_kev: float | None = None) -> P:
    """Return a detector whose radii are told in the unit of the patterns: mrad in 1/nm, or the other way round.

    What is saved in a recipe is then right for the file as it is.

    Parameters
    ----------
    params : Detector or PatternParams
        In px, or in the unit of the patterns, it comes back as it is.
    source : Stack, array or path
    energy_kev : float, optional
        Energy of the electrons; what the file says of it when absent.

    Raises
    ------
    CalibrationError
        If nothing says the energy.
    ParameterError
        If the energy is not positive.
    """
    stack = as_scan(source)
    units, given = _units(stack), params.unit
    if {given} == units or {given} | units != {"mrad", "1/nm"}:
        return params
    factor = _mrad_per_nm(stack, energy_kev)
    factor, unit = (1 / factor, "1/nm") if given == "mrad" else (factor, "mrad")
    lengths = {name: getattr(params, name) for name in _LENGTHS if getattr(params, name, None) is not None}
    return params.model_copy(update={name: value * factor for name, value in lengths.items()} | {"unit": unit})


def _units(stack: Stack) -> set[str]:
    """Return the units of patterns."""
    return {axis.unit for axis in stack.axes[-2:]}


def _mrad_per_nm(stack: Stack, energy_kev: float | None) -> float:
    """Return how many mrad 1/nm is."""
    from atomscope.simulate.electrons import wavelength_nm

    if energy_kev is None:
        energy_kev = next((float(stack.metadata[k]) * f for k, f in _SAID.items() if stack.metadata.get(k)), None)
    if energy_kev is None:
        raise CalibrationError(f"{stack.name}: the file does not say the energy of the beam; give energy_kev")
    if not (math.isfinite(energy_kev) and energy_kev > 0):
        raise ParameterError(f"energy_kev: wanted a positive energy in keV, got {energy_kev!r}")
    return 1e3 * wavelength_nm(energy_kev)
