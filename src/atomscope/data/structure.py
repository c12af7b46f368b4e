"""Structure: what the sites of every frame say of each other."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from atomscope.data.sites import Sites

#: Columns of the tables beside the sites, in their order.
BOND_COLUMNS = ("frame", "site_a", "site_b", "length_px", "length_nm", "direction")
ANGLE_COLUMNS = ("frame", "site", "site_a", "site_b", "bond_angle")
RING_COLUMNS = ("frame", "ring", "size", "row", "col", "area_px", "minimal", "pattern", "sites")
DEFECT_COLUMNS = ("frame", "defect", "name", "formula", "row", "col", "n_sites", "sites", "around", "rings")


@dataclass(frozen=True)
class Structure:
    """Sites with what their neighbours say of them, and the tables of what lies between sites.

    Parameters
    ----------
    sites : Sites
        Every row that came in, in its order, then a row for each vacancy that was found and, where the image was
        looked at, for each column that the finder missed. New columns: see :mod:`atomscope.data.columns`.
    bonds : pandas.DataFrame
        A row a bond: ``frame``, ``site_a`` < ``site_b`` (ids), ``length_px`` (of square pixels of equal area),
        ``length_nm`` (NaN without calibration), ``direction`` (rad, from a to b, 0 along +col, +pi/2 along +row).
    angles : pandas.DataFrame
        A row a pair of adjacent bonds of a site: ``frame``, ``site``, ``site_a``, ``site_b``, ``bond_angle`` (rad).
    rings : pandas.DataFrame
        A row a ring: ``frame``, ``ring`` (number in the frame), ``size``, ``row``, ``col`` (px, centre), ``area_px``
        (px**2), ``minimal`` (no path through the lattice is shorter than the ring), ``pattern`` ("stone-wales",
        "5-7", ... for rings that are unlike those of the lattice, else empty), ``sites`` (tuple of ids, in order).
    defects : pandas.DataFrame
        A row a defect, that is a group of neighbouring odd sites or odd rings: ``frame``, ``defect`` (number in the
        frame), ``name`` ("vacancy", "substitution", "adatom", "stone-wales", "5-7", or several joined by "+"),
        ``formula`` ("Si1C3"), ``row``, ``col`` (px), ``n_sites``, ``sites`` and ``around`` (tuples of ids), ``rings``
        (tuple of ring numbers).
    """

    sites: Sites
    bonds: pd.DataFrame
    angles: pd.DataFrame
    rings: pd.DataFrame
    defects: pd.DataFrame

    def counts(self) -> dict[str, pd.Series]:
        """Return how often each kind, coordination, ring size, formula and defect occurs, most frequent first.

        Coordination and formula are counted away from the edges.
        """
        table = self.sites.table
        inner = table[~table["at_edge"].astype(bool)]
        out = {
            "kind": table["kind"].astype(str),
            "species": table["species"][table["species"] != ""],
            "coordination": inner["coordination"].dropna().astype(int),
            "ring size": self.rings["size"],
            "formula": inner["formula"][inner["formula"] != ""],
            "defect": self.defects["name"].astype(str) + " " + self.defects["formula"].astype(str),
        }
        return {name: values.value_counts() for name, values in out.items()}
