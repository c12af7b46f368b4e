"""Patterns that are calibrated in spatial frequencies, in angles."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from atomscope.data import Stack
from atomscope.errors import CalibrationError, ParameterError
from atomscope.pipeline.scan_images import as_scan

#: Where files say the energy of the beam, and what one unit of it is, keV.
_SAID = {"beam_energy": 1.0, "beam_energy_ev": 1e-3}


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
    from atomscope.simulate.electrons import wavelength_nm

    stack = as_scan(source)
    pair = stack.axes[-2:]
    units = {axis.unit for axis in pair}
    if units == {"mrad"}:
        return stack
    if units != {"1/nm"}:
        raise CalibrationError(
            f"{stack.name}: only patterns in 1/nm can be told in mrad; these are in {' and '.join(sorted(units))}"
        )
    if energy_kev is None:
        energy_kev = next((float(stack.metadata[k]) * f for k, f in _SAID.items() if stack.metadata.get(k)), None)
    if energy_kev is None:
        raise CalibrationError(f"{stack.name}: the file does not say the energy of the beam; give energy_kev")
    if not (math.isfinite(energy_kev) and energy_kev > 0):
        raise ParameterError(f"energy_kev: wanted a positive energy in keV, got {energy_kev!r}")
    factor = 1e3 * wavelength_nm(energy_kev)  # mrad for 1/nm
    angles = [replace(axis, scale=axis.scale * factor, offset=axis.offset * factor, unit="mrad") for axis in pair]
    return stack.with_axes((*stack.axes[:-2], *angles))
