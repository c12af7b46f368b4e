"""How fast electrons meet atoms: wavelength, what a volt does to them, and how atoms scatter them.

Lengths are nm, spatial frequencies k are cycles per nm (k = angle / wavelength).

References
----------
.. [1] Peng, Ren, Dudarev & Whelan, Acta Cryst. A52 (1996) 257: scattering factors as sums of five Gaussians;
   International Tables for Crystallography C (2006), table 4.3.2.2. Good to k = 40 / nm.
.. [2] Kirkland, Advanced Computing in Electron Microscopy (2010), ch. 2, 5: wavelength, interaction constant, phase.
.. [3] Hall & Hirsch, Proc. R. Soc. A 286 (1965) 158: thermal diffuse scattering of independent (Einstein) atoms.
"""

from __future__ import annotations

import math

import numpy as np

_REST_KEV = 510.99895
_HC_KEV_NM = 1.23984198

#: Five amplitudes in angstrom, five widths in square angstrom: f(s) = sum a exp(-b s^2), s = k / 2 in 1/angstrom.
_PENG: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "C": ((0.0893, 0.2563, 0.7570, 1.0487, 0.3575), (0.2465, 1.7100, 6.4094, 18.6113, 50.2523)),
    "N": ((0.1022, 0.3219, 0.7982, 0.8197, 0.1715), (0.2451, 1.7481, 6.1925, 17.3894, 48.1431)),
    "O": ((0.0974, 0.2921, 0.6910, 0.6990, 0.2039), (0.2067, 1.3815, 4.6943, 12.7105, 32.4726)),
    "Si": ((0.2519, 0.6372, 1.3795, 2.5082, 1.0500), (0.3075, 2.0174, 9.6746, 29.3744, 80.4732)),
    "S": ((0.2497, 0.5628, 1.3899, 2.1865, 0.7715), (0.2681, 1.6711, 7.0267, 19.5377, 50.3888)),
    "Ti": ((0.3825, 1.2598, 2.0008, 3.0617, 2.0694), (0.3040, 2.4863, 9.2783, 39.0751, 109.4583)),
    "Sr": ((0.6703, 1.4926, 3.3368, 4.4600, 3.1501), (0.3190, 2.2287, 10.3504, 52.3291, 151.2216)),
    "Nb": ((0.6123, 1.2677, 3.0348, 3.3841, 2.3683), (0.2709, 1.7683, 7.2489, 27.9465, 98.5624)),
    "Mo": ((0.6773, 1.4798, 3.1788, 3.0824, 1.8384), (0.2920, 2.0606, 8.1129, 30.5336, 100.0658)),
    "Ag": ((0.6377, 1.3790, 2.8294, 2.3631, 1.4553), (0.2466, 1.6974, 5.7656, 20.0943, 76.7372)),
    "La": ((0.8405, 2.3863, 4.6139, 5.1514, 4.7949), (0.2791, 2.1410, 10.3400, 41.9148, 132.0204)),
    "W": ((0.9853, 2.1167, 3.3570, 3.7981, 2.2798), (0.2569, 1.6745, 7.0098, 26.9234, 81.3910)),
    "Au": ((0.9674, 1.8916, 3.3993, 3.0524, 1.2607), (0.2358, 1.4712, 5.6758, 18.7119, 61.5286)),
}

#: Beyond this frequency, 1/nm, thermal diffuse scattering is not followed: the scattering factors end here.
_END = 60.0


def wavelength_nm(energy_kev: float) -> float:
    """Return the relativistic wavelength, nm."""
    return _HC_KEV_NM / math.sqrt(energy_kev * (2 * _REST_KEV + energy_kev))


def lorentz_factor(energy_kev: float) -> float:
    """Return the mass of the electron over its rest mass."""
    return 1 + energy_kev / _REST_KEV


def stiffness_volts(energy_kev: float) -> float:
    """Return momentum times speed over the charge, V: a field of E V/nm over t nm deflects by -E t / this, rad."""
    return 1e3 * energy_kev * (energy_kev + 2 * _REST_KEV) / (energy_kev + _REST_KEV)


def scattering_factor(element: str, k: np.ndarray) -> np.ndarray:
    """Return the elastic scattering factor of an atom at rest, nm, at frequencies k, 1/nm."""
    a, b = _PENG[element]
    s2 = (np.asarray(k, np.float64) / 20.0) ** 2
    return 0.1 * np.sum([ai * np.exp(-bi * s2) for ai, bi in zip(a, b, strict=True)], axis=0)


def atom_phase(element: str, k: np.ndarray, energy_kev: float, thermal_nm: float = 0.0) -> np.ndarray:
    """Return the Fourier transform of the phase that one atom gives to the electrons, rad nm^2.

    Parameters
    ----------
    element : str
    k : array, 1/nm
    energy_kev : float
    thermal_nm : float
        Root mean square displacement along an axis (Debye-Waller factor).
    """
    k = np.asarray(k, np.float64)
    swing = np.exp(-2 * (np.pi * thermal_nm * k) ** 2)
    return wavelength_nm(energy_kev) * lorentz_factor(energy_kev) * scattering_factor(element, k) * swing


def diffuse_density(element: str, k: np.ndarray, energy_kev: float, thermal_nm: float) -> np.ndarray:
    """Return the thermal diffuse scattering of one atom, nm^4: per electron/nm^2 that falls on it, and per k area."""
    at_rest = atom_phase(element, k, energy_kev)
    return at_rest**2 * (1 - np.exp(-4 * (np.pi * thermal_nm * np.asarray(k, np.float64)) ** 2))


def diffuse_area(element: str, energy_kev: float, thermal_nm: float) -> float:
    """Return the cross-section of thermal diffuse scattering of one atom, nm^2."""
    k = np.linspace(0, _END, 4001)
    return float(np.trapezoid(2 * np.pi * k * diffuse_density(element, k, energy_kev, thermal_nm), k))
