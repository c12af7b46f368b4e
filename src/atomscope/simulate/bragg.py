"""The beams of a crystal on a zone axis: where they go, how strong they are, what is scattered between them.

References
----------
.. [1] Howie & Whelan, Proc. R. Soc. A 263 (1961) 217; Bethe, Ann. Phys. 392 (1928) 55: many beams as eigenvalues.
.. [2] Williams & Carter, Transmission Electron Microscopy (2009), ch. 13: extinction distance, excitation error.
.. [3] Hall & Hirsch, Proc. R. Soc. A 286 (1965) 158: thermal diffuse scattering.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np

from atomscope.simulate.electrons import atom_phase, diffuse_area, diffuse_density, wavelength_nm
from atomscope.simulate.lattices import Lattice

#: Length along the beam that the atoms of a column of :mod:`lattices` stand for, nm; of monolayers: their thickness.
REPEAT_NM = {
    "graphene": 0.335,
    "HOPG": 0.335,
    "MoS2": 0.615,
    "WS2": 0.616,
    "perovskite": 0.3905,
    "fcc": 0.2884,
    "square": 0.30,
}
MONOLAYERS = ("graphene", "HOPG", "MoS2", "WS2")
#: Turns by 1/n of a full one leave the strengths of the beams as they are.
ORDER = {"graphene": 6, "HOPG": 6, "MoS2": 6, "WS2": 6, "perovskite": 4, "square": 4, "fcc": 2}
#: Beams that would hold less than this share if they were alone with the direct one are left out, and so many are kept.
_FAINT, _MOST_BEAMS = 1e-6, 200


@dataclass(frozen=True)
class Beams:
    """Beams of a crystal, the direct one first.

    Attributes
    ----------
    g : numpy.ndarray, shape (beams, 2), 1/nm
        (row, col) reciprocal vectors; the first is 0.
    coupling : numpy.ndarray, shape (beams, beams), complex128, 1/nm
        Half of one over the extinction distance between two beams, with its phase; Hermitian, 0 on the diagonal.
    wavelength_nm : float
    diffuse_per_nm : float
        Thermal diffuse scattering, share a nm of thickness.
    atoms : tuple of (element, count)
        Of a cell.
    energy_kev, thermal_nm : float
    """

    g: np.ndarray
    coupling: np.ndarray
    wavelength_nm: float
    diffuse_per_nm: float
    atoms: tuple[tuple[str, int], ...]
    energy_kev: float
    thermal_nm: float

    def shares(self, thickness_nm: np.ndarray, tilt: np.ndarray) -> np.ndarray:
        """Return the share of the electrons in each beam; with the diffuse part they sum to 1.

        All beams scatter into each other (Howie and Whelan's equations, solved by Bethe's eigenvalues): a thin crystal
        is kinematic, (pi t / xi)^2 sinc^2(t s), a thick one has fringes, and no electron is lost.

        Parameters
        ----------
        thickness_nm : array, shape (n,)
        tilt : array, shape (2,), rad
            Tilt of the beam against the zone axis, (row, col). The Laue circle is centred at minus the tilt.

        Returns
        -------
        numpy.ndarray, shape (n, beams), float64
        """
        t = np.asarray(thickness_nm, np.float64)
        # How far a lattice vector lies inside the Ewald sphere: s = -g . tilt - wavelength g^2 / 2.
        miss = -self.g @ np.asarray(tilt, np.float64) - self.wavelength_nm * (self.g**2).sum(1) / 2
        values, waves = np.linalg.eigh(self.coupling + np.diag(miss))
        excited = np.exp(2j * np.pi * t[:, None] * values) * waves[0].conj()
        return np.abs(excited @ waves.T) ** 2 * (1 - self.diffuse(t))[:, None]

    def diffuse(self, thickness_nm: np.ndarray) -> np.ndarray:
        """Return the share of thermal diffuse scattering, shape (n,)."""
        return 1 - np.exp(-np.asarray(thickness_nm, np.float64) * self.diffuse_per_nm)

    def haze(self, k: np.ndarray) -> np.ndarray:
        """Return how the diffuse part spreads over spatial frequencies k (1/nm), nm^2; its integral is 1."""
        density = sum(n * diffuse_density(e, k, self.energy_kev, self.thermal_nm) for e, n in self.atoms)
        area = sum(n * diffuse_area(e, self.energy_kev, self.thermal_nm) for e, n in self.atoms)
        return np.asarray(density / area) if area > 0 else np.zeros_like(k)


def make_beams(
    lattice: Lattice,
    energy_kev: float,
    thermal_nm: float,
    *,
    k_max: float,
    thickness_nm: float,
    tilt: float = 0.0,
    rotation: float = 0.0,
) -> Beams:
    """Return the beams of a crystal up to a spatial frequency.

    Parameters
    ----------
    lattice : Lattice
    energy_kev, thermal_nm : float
    k_max : float, 1/nm
    thickness_nm, tilt : float
        The greatest, nm and rad: beams that are faint at any of those are left out.
    rotation : float, rad
        Of the lattice, clockwise on screen.
    """
    cell = np.array(lattice.cell) @ turn_matrix(rotation).T
    reciprocal = np.linalg.inv(cell).T
    n = math.ceil(k_max * max(np.linalg.norm(cell, axis=1))) + 1
    hk = np.stack(np.meshgrid(*[np.arange(-n, n + 1)] * 2, indexing="ij"), -1).reshape(-1, 2)
    g = hk @ reciprocal
    length = np.linalg.norm(g, axis=1)
    keep = length <= k_max
    order = np.lexsort((g[keep][:, 1], g[keep][:, 0], np.round(length[keep], 9)))
    hk, g, length = (a[keep][order] for a in (hk, g, length))
    volume = abs(np.linalg.det(cell)) * REPEAT_NM[lattice.name]

    def per_extinction(hk: np.ndarray) -> np.ndarray:
        length = np.linalg.norm(hk @ reciprocal, axis=-1)
        phase = np.zeros(length.shape, np.complex128)
        for column in lattice.columns:
            wave = np.exp(-2j * np.pi * (hk @ np.array(column.position)))
            for element in column.atoms:
                phase += wave * atom_phase(element, length, energy_kev, thermal_nm)
        return phase / (np.pi * volume)

    miss = np.maximum(wavelength_nm(energy_kev) * length**2 / 2 - length * tilt, 0.0)
    strong = (np.pi * np.abs(per_extinction(hk)) * thickness_nm) ** 2 / (1 + (np.pi * thickness_nm * miss) ** 2)
    strong[0] = np.inf
    kept = np.sort(np.argsort(-strong, kind="stable")[: min(_MOST_BEAMS, int((strong > _FAINT).sum()))])
    coupling = per_extinction(hk[kept][:, None] - hk[kept]) / 2
    np.fill_diagonal(coupling, 0.0)
    atoms = Counter(e for column in lattice.columns for e in column.atoms)
    area = sum(count * diffuse_area(e, energy_kev, thermal_nm) for e, count in atoms.items())
    return Beams(
        g[kept],
        coupling,
        wavelength_nm(energy_kev),
        area / volume,
        tuple(atoms.items()),
        energy_kev,
        thermal_nm,
    )


def turn_matrix(angle: float | np.ndarray) -> np.ndarray:
    """Return the matrix that turns (row, col) column vectors clockwise on screen, shape (..., 2, 2)."""
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([np.stack([c, s], -1), np.stack([-s, c], -1)], -2)
