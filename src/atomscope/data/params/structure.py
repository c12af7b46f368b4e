"""Parameters of reading the structure: bonds, rings, species, defects, strain."""

from __future__ import annotations

from typing import Literal

from atomscope.data.params.base import Params, field


class StructureParams(Params):
    """Bonds, rings, species and defects of the sites, each frame on its own."""

    bonds: Literal["cut", "delaunay"] = field(
        "cut",
        "Bonds",
        "cut: sites closer than a distance. delaunay: neighbours in the Delaunay graph without the diagonals of its "
        "round cells, for lattices whose sides are unlike.",
    )
    spacing_px: float | None = field(
        None,
        "Spacing",
        "Nearest-neighbour distance; empty: the first peak of the frame's radial distribution.",
        unit="px",
        gt=0.0,
    )
    cut: float | None = field(
        None,
        "Bond cut",
        "Longest bond over the spacing; empty: the gap after the first peak (delaunay: 1.6).",
        gt=0.5,
        le=3.0,
    )
    intensity: str | None = field(
        None, "Intensity", "Column that tells species apart; empty: the amplitude of the fit, when it is there."
    )
    n_species: int | None = field(
        None, "Species", "How many species; empty: found (least BIC, peaks that stand apart).", ge=1, le=8
    )
    elements: str = field(
        "",
        "Names",
        "Names of the species, with commas: first those of the lattice from bright to dim, then the rare ones "
        "(graphene with silicon: C, Si). Empty: A, B, ...",
    )
    vacancies: bool = field(True, "Vacancies", "Look for lattice places without a site; each becomes a row.")
    look: bool = field(
        True,
        "Look at the image",
        "Where the lattice wants a site and there is none, look at the image: a faint column that the finder missed is "
        "added, and a site without a column is a vacancy. Off: the list of sites alone is read.",
    )
    cage: str = field(
        "",
        "Cage",
        "Species whose nearest sites are the cage from whose centre displacements are measured "
        "(the A sites of a perovskite); empty: all bonded neighbours.",
        advanced=True,
    )
    reference_nm: float | None = field(
        None,
        "Unstrained spacing",
        "Shortest translation of the unstrained lattice; empty: strain is against the median of the frame.",
        unit="nm",
        advanced=True,
        gt=0.0,
    )
    largest_ring: int = field(12, "Largest ring", "Rings of more sites are holes.", advanced=True, ge=3, le=24)
