"""Crystals as plain data: projected unit cells in nm, what shines how brightly, what may replace it.

Brightness follows the Z-contrast rule I ~ Z**1.7 of high-angle annular dark field, summed along a column and
relative to the brightest regular column of the crystal.

References
----------
.. [1] Pennycook & Jesson, Ultramicroscopy 37 (1991) 14: Z-contrast.
.. [2] Lattice constants: graphene a = 0.2461 nm; 1H-MoS2 0.3160 nm; 1H-WS2 0.3153 nm; SrTiO3 0.3905 nm; Au 0.4078 nm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from atomscope.errors import ParameterError

Vector = tuple[float, float]

_Z = {
    "C": 6,
    "N": 7,
    "O": 8,
    "Si": 14,
    "S": 16,
    "Ti": 22,
    "Sr": 38,
    "Nb": 41,
    "Mo": 42,
    "Ag": 47,
    "La": 57,
    "W": 74,
    "Au": 79,
}
_EXPONENT = 1.7


@dataclass(frozen=True)
class Column:
    """One atomic column of the unit cell.

    Parameters
    ----------
    position : tuple of float
        Fractional coordinates along the two cell vectors.
    sublattice : str
        A, B, ...
    atoms : tuple of str
        Elements along the beam; the first names the species.
    substitute : tuple of str
        Elements along the beam when the column is a substitution.
    dimming : float
        Factor on the brightness that is not Z-contrast (scanning tunnelling sees HOPG's sublattices unlike).
    """

    position: Vector
    sublattice: str
    atoms: tuple[str, ...]
    substitute: tuple[str, ...]
    dimming: float = 1.0


@dataclass(frozen=True)
class Lattice:
    """A projected crystal.

    Parameters
    ----------
    name : str
    cell : tuple of two (row, col) vectors, nm
        At rotation 0; the first lies along +col.
    columns : tuple of Column
    hollows : tuple of fractional coordinates
        Where adatoms rest.
    adatom : str
        Element of an adatom.
    pixel_size_nm, blur_nm : float
        Sampling and probe that suit it: about ten pixels between neighbours.
    mirror_twin : bool
        Whether mirroring across the line of the first cell vector makes a coherent twin.
    """

    name: str
    cell: tuple[Vector, Vector]
    columns: tuple[Column, ...]
    hollows: tuple[Vector, ...]
    adatom: str
    pixel_size_nm: float
    blur_nm: float
    mirror_twin: bool = False

    def brightness(self, atoms: tuple[str, ...]) -> float:
        """Return the peak height of a column over that of the brightest regular column."""
        return _raw(atoms) / max(_raw(c.atoms) for c in self.columns)

    @property
    def nearest_nm(self) -> float:
        """Distance between nearest columns, nm."""
        (ar, ac), (br, bc) = self.cell
        points = [
            ((u + i) * ar + (v + j) * br, (u + i) * ac + (v + j) * bc)
            for u, v in (c.position for c in self.columns)
            for i in (-1, 0, 1)
            for j in (-1, 0, 1)
        ]
        u, v = self.columns[0].position
        here = (u * ar + v * br, u * ac + v * bc)
        return min(d for d in (math.dist(here, p) for p in points) if d > 1e-9)


def get_lattice(name: str, oxygen: bool = False) -> Lattice:
    """Return the crystal of that name.

    Raises
    ------
    ParameterError
        If there is no such crystal.
    """
    if name == "fcc_grain_boundary":
        name = "fcc"
    if name not in LATTICES:
        raise ParameterError(f"lattice: wanted one of {sorted(LATTICES)}, got {name!r}")
    lattice = LATTICES[name]
    if oxygen and name == "perovskite":
        return replace(lattice, columns=lattice.columns + _STO_OXYGEN, hollows=((0.25, 0.25),))
    return lattice


def _raw(atoms: tuple[str, ...]) -> float:
    return float(sum(_Z[a] ** _EXPONENT for a in atoms))


def _oblique(a: float, b: float, angle_deg: float) -> tuple[Vector, Vector]:
    t = math.radians(angle_deg)
    return (0.0, a), (b * math.sin(t), b * math.cos(t))


def _mx2(name: str, metal: str, other: str, a: float) -> Lattice:
    # 1H seen along c: metal on one corner of a honeycomb, two chalcogens above each other on the other.
    third = (1 / 3, 1 / 3)
    columns = (
        Column((0.0, 0.0), "A", (metal,), (other,)),
        Column(third, "B", ("S", "S"), ("O", "S")),
    )
    return Lattice(name, _oblique(a, a, 60.0), columns, ((2 / 3, 2 / 3),), metal, 0.018, 0.045)


def _honeycomb(name: str, dimming: float) -> Lattice:
    a = 0.2461
    columns = (
        Column((0.0, 0.0), "A", ("C",), ("Si",)),
        Column((1 / 3, 1 / 3), "B", ("C",), ("Si",), dimming),
    )
    return Lattice(name, _oblique(a, a, 60.0), columns, ((2 / 3, 2 / 3),), "Si", 0.014, 0.038)


_AU = 0.4078
# Gold along [110]: rows of the {111} planes run along the first vector, so a mirror across it is the
# coherent twin (Sigma 3); the angle between the two {111} traces is acos(1/3) = 70.53 degrees.
_FCC_CELL = _oblique(_AU * math.sqrt(3 / 8), _AU * math.sqrt(3 / 8), math.degrees(math.acos(1 / 3)))
_FCC_COLUMN = (Column((0.0, 0.0), "A", ("Au",), ("Ag",)),)

_STO = (
    Column((0.0, 0.0), "A", ("Sr",), ("La",)),
    Column((0.5, 0.5), "B", ("Ti", "O"), ("Nb", "O")),
)
_STO_OXYGEN = (Column((0.5, 0.0), "O", ("O",), ("Ti",)), Column((0.0, 0.5), "O", ("O",), ("Ti",)))

LATTICES: dict[str, Lattice] = {
    "graphene": _honeycomb("graphene", 1.0),
    "HOPG": _honeycomb("HOPG", 0.4),
    "MoS2": _mx2("MoS2", "Mo", "W", 0.3160),
    "WS2": _mx2("WS2", "W", "Mo", 0.3153),
    "perovskite": Lattice(
        "perovskite", _oblique(0.3905, 0.3905, 90.0), _STO, ((0.5, 0.0), (0.0, 0.5)), "Sr", 0.020, 0.050
    ),
    "fcc": Lattice("fcc", _FCC_CELL, _FCC_COLUMN, ((0.5, 0.5),), "Au", 0.020, 0.050, mirror_twin=True),
    "square": Lattice(
        "square",
        _oblique(0.30, 0.30, 90.0),
        (Column((0.0, 0.0), "A", ("Au",), ("Ag",)),),
        ((0.5, 0.5),),
        "Au",
        0.025,
        0.060,
    ),
}
