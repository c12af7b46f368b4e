"""The column dictionary of the site table: what each name means and its unit."""

from __future__ import annotations

import re

import pandas as pd

#: Columns that every site table has.
CORE = ("site", "frame", "row", "col", "kind", "score", "flag")

#: name -> (unit, meaning). Names that end in ``_sd`` are the standard deviation of the name before.
COLUMNS: dict[str, tuple[str, str]] = {
    "site": ("", "stable id of the site"),
    "frame": ("", "flat index over the navigation axes"),
    "row": ("px", "sub-pixel row, 0 at the centre of the top-left pixel, downwards"),
    "col": ("px", "sub-pixel column, 0 at the centre of the top-left pixel, rightwards"),
    "kind": ("", "what the site is: atom, vacancy, grid, particle, ...; empty: the image shows nothing there"),
    "state": ("", "which of a few shapes the site has in this frame"),
    "score": ("", "quality of the finding, 0 to 1"),
    "probability": ("", "that the site is a column, in the mean of all passes or members"),
    "entropy": ("nats", "entropy of the probability: how open it is, for whatever reason; at most ln 2"),
    "mutual_information": ("nats", "part of the entropy that is the networks' disagreement: they have not learnt this"),
    "nearest_px": ("px", "distance to the nearest other site of the frame"),
    "flag": ("", "why a step could not use the site; empty when all is well"),
    "row_sd": ("px", "standard error of row from the fit"),
    "col_sd": ("px", "standard error of col from the fit"),
    "sigma": ("px", "Gaussian standard deviation of the column (geometric mean of the two axes)"),
    "ellipticity": ("", "major over minor standard deviation of the column"),
    "amplitude": ("counts", "peak height over the local background"),
    "expected": ("counts", "peak height that a column of its kind has, whether one is there or not"),
    "background": ("counts", "local background under the peak"),
    "residual": ("counts", "rms residual of the fit"),
    "angle": ("rad", "orientation, 0 along +col, +pi/2 along +row, in (-pi, pi]"),
    "angle_order": ("", "order n of the symmetry: symmetric sites have the angle up to turns by 1/n of a full one"),
    "angle_sd": ("rad", "circular standard deviation of angle"),
    "shift_row": ("px", "shift along rows in the laboratory frame"),
    "shift_col": ("px", "shift along columns in the laboratory frame"),
    "scale": ("", "magnification of the patch against what is drawn of it"),
    "class": ("", "class that the model found or was taught, 0, 1, ...; -1 is none"),
    "class_name": ("", "name of the class, where those who labelled gave names"),
    "class_probability": ("", "how surely the site is of its class, 0 to 1"),
    "named": ("", "class that a person gave the site; empty: none"),
    "theta": ("rad", "periodic latent (theta1, theta2, ...), in (-pi, pi]"),
    "q": ("", "orientation in space as a unit quaternion q_w, q_x, q_y, q_z with q_w >= 0"),
    "orientation": ("rad", "orientation in space (q_w, ...); its standard deviation is a rotation angle"),
    "z": ("", "latent variable (z1, z2, ...), in standard deviations of its prior"),
    "reconstruction_error": ("", "mean squared error of the normalised patch"),
    "rarity": ("", "distance to other sites in the latent space, over the median; 1 is usual, more is rare"),
    "cluster": ("", "class found in the latent space; -1 is none"),
    "variant": ("", "class as it was before copies turned by a lattice symmetry were merged; -1 is none"),
    "variant_turn": ("rad", "turn of the variant against the first one of its class, clockwise on screen"),
    "track": ("", "id of the track; -1 is none"),
    "lattice_site": (
        "",
        "place on the lattice of the whole movie, -1 is none; a hop is a change along a track",
    ),
    "row_still": ("px", "row with the drift taken out: where the site would be in frame 0"),
    "col_still": ("px", "column with the drift taken out: where the site would be in frame 0"),
    "row_nm": ("nm", "row times the pixel size"),
    "col_nm": ("nm", "col times the pixel size"),
    "species": ("", "element or elements of the column"),
    "species_probability": ("", "how surely the species is this one, 0 to 1"),
    "host": ("", "species that the place on the lattice calls for"),
    "coordination": ("", "number of bonds; of a vacancy: of sites round it"),
    "formula": ("", "species of the site, then those bonded to it: Si1C3; V is a vacancy"),
    "bond_length_px": ("px", "mean length of the bonds of the site, in square pixels of equal area"),
    "rings": ("", "sizes of the rings round the site: 5-6-7"),
    "at_edge": ("", "whether neighbours may lie outside the field or the material ends here"),
    "lattice_fit": ("", "share of like sites whose lattice has a site at this place, 0 to 1"),
    "strain_rr": ("", "strain along rows (downwards) against the reference lattice"),
    "strain_cc": ("", "strain along columns (rightwards) against the reference lattice"),
    "strain_rc": ("", "shear strain (tensor) against the reference lattice"),
    "lattice_rotation": ("rad", "rotation of the lattice against the reference, clockwise on screen"),
    "displacement_row": ("px", "displacement from the centre of the neighbours, along rows"),
    "displacement_col": ("px", "displacement from the centre of the neighbours, along columns"),
    "defect": ("", "number of the defect in the frame; -1 is none"),
    "stone_wales": ("", "number of the Stone-Wales group whose turned bond the site belongs to; -1 is none"),
    "sublattice": ("", "letter of the sublattice"),
    "present": ("", "whether there is an atom; False for a vacancy"),
    "grain": ("", "id of the crystal grain"),
    "phase": ("", "number of the phase that the site lies in"),
    "wall": ("", "number of the wall in its frame"),
    "arc_px": ("px", "place along the wall, from its first end"),
    "arc_nm": ("nm", "place along the wall, from its first end"),
    "length_px": ("px", "length of the piece of wall that the site stands for; sums to the wall's length"),
    "length_nm": ("nm", "length of the piece of wall that the site stands for; sums to the wall's length"),
    "curvature": ("1/px", "curvature of the wall, positive where it turns from +col towards +row"),
    "closed": ("", "whether the wall ends where it begins"),
    "wall_track": ("", "which wall it is through the frames"),
    "normal_angle": ("rad", "direction in which displacements of the wall count as positive"),
    "displacement_px": ("px", "how far the wall moves along its normal until the next frame"),
    "displacement_nm": ("nm", "how far the wall moves along its normal until the next frame"),
    "speed_nm_s": ("nm/s", "speed of the wall along its normal"),
    "lag_px": ("px", "how far the place of the wall is behind its neighbours on it"),
    "dwell_frames": ("frames", "how long walls stay near the place"),
    "retardation_frames": ("frames", "how long the place holds walls back"),
    "retardation_s": ("s", "how long the place holds walls back"),
    "area": ("px", "number of pixels of the particle"),
    "area_nm2": ("nm^2", "area of the particle"),
    "major": ("px", "long axis of the ellipse with the particle's second moments"),
    "minor": ("px", "short axis of the same ellipse"),
    "eccentricity": ("", "of the same ellipse: 0 a circle, towards 1 a needle"),
    "solidity": ("", "area over that of the convex hull; less than 1 where the outline has a bay"),
    "label": ("", "number of the particle in the label image of its frame"),
    "deviation": ("", "how far a candidate differs from its lattice, over the noise of the difference; with sign"),
    "contrast": ("", "whether a candidate is brighter or darker than its lattice"),
    "lattice_angle": ("rad", "rotation of the grain's lattice, clockwise on screen"),
    "grain_share": ("", "how much of the probe lies in the grain, 0 to 1"),
    "com_row": ("px", "centre of mass of the pattern against the beam, along camera rows"),
    "com_col": ("px", "centre of mass of the pattern against the beam, along camera columns"),
    "field_row": ("V/nm", "electric field along rows"),
    "field_col": ("V/nm", "electric field along columns"),
    "potential": ("V", "electric potential; the field is minus its gradient"),
    "phase_rad": ("rad", "phase that the specimen gives the electrons"),
    "phase_seen_rad": ("rad", "the same, averaged by the intensity of the probe"),
    "thickness_nm": ("nm", "thickness of the specimen"),
    "tilt_row_mrad": ("mrad", "tilt of the beam against the zone axis, along rows"),
    "tilt_col_mrad": ("mrad", "tilt of the beam against the zone axis, along columns"),
    "column": ("", "site of the nearest atomic column; -1 where none is near"),
}


def angle_order(table: pd.DataFrame, given: int | None = None) -> int:
    """Return the order of the symmetry up to which angles are known: as given, else as the table says, else 1."""
    if given is not None:
        return given
    if "angle_order" not in table.columns:
        return 1
    known = pd.to_numeric(table["angle_order"], errors="coerce").dropna()
    return max(1, int(known.median())) if len(known) else 1


def folded_name(column: str, order: int) -> str:
    """Return the name of a column of angles modulo a turn by 1/order, made to be looked at and not to be kept."""
    return f"{column}_mod{order}"


def is_folded(name: str) -> bool:
    """Whether a name is one of :func:`folded_name`."""
    return re.fullmatch(r".+_mod\d+", name) is not None


def describe_unit(name: str) -> str:
    """Return the unit of a column (empty when it has none or is unknown)."""
    base = name[:-3] if name.endswith("_sd") and name not in COLUMNS else name
    numbered = re.fullmatch(r"(z|theta)\d+|(q)_[wxyz]", base)
    if numbered and base not in COLUMNS:
        base = numbered[1] or numbered[2]
    return COLUMNS.get(base, ("", ""))[0]
