"""The verbs of walls in latent images: which sites are neighbours, and how long the walls between phases are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from atomscope.data import Edges, Given, Patches, Sites, counted
from atomscope.errors import CalibrationError, InputError

if TYPE_CHECKING:
    from atomscope.data.params import VAESpec


def neighbour_edges(sites: Sites, patches: Patches | None = None) -> Edges:
    """Return which sites of a frame are neighbours, and how much wall each pair stands for.

    Parameters
    ----------
    sites : Sites
        On a grid or on atoms; nothing is asked of their places but that no two are one.
    patches : Patches, optional
        Number the sites as these patches are; else as the rows of the table.

    Returns
    -------
    Edges
        Lengths in nm where the image is calibrated, else in px.

    Raises
    ------
    InputError
        If a patch has no site, two sites of a frame lie at one place, or all lie on a line.
    """
    from atomscope.neighbours import site_edges

    table = sites.table.set_index("site")
    if patches is not None:
        unknown = np.setdiff1d(patches.site, table.index.to_numpy())
        if len(unknown):
            some = counted(len(unknown), "patch is", "patches are")
            raise InputError(f"edges: {some} of no site of the table, the first of {unknown[0]}")
        table = table.loc[patches.site]
    try:
        pixel, unit = (sites.axes[-2].to("nm").scale, sites.axes[-1].to("nm").scale), "nm"
    except CalibrationError:
        pixel, unit = (1.0, 1.0), "px"
    return site_edges(
        table["row"].to_numpy(), table["col"].to_numpy(), table["frame"].to_numpy(), pixel=pixel, unit=unit
    )


def given_neighbours(
    spec: VAESpec, sites: Sites | pd.DataFrame | None, patches: Patches, given: Given | None
) -> Given | None:
    """Return what is known of patches, and which are neighbours when the model asks for short walls."""
    if not spec.walls or not isinstance(sites, Sites) or (given is not None and given.edges is not None):
        return given
    edges = neighbour_edges(sites, patches)
    return replace(given or Given(), edges=edges)


def phase_walls(sites: Sites, column: str = "cluster") -> pd.DataFrame:
    """Return the length of the walls between the phases of each frame.

    Parameters
    ----------
    sites : Sites
        With a column of phases: ``cluster``, ``label`` or any other; -1 and empty are no phase.
    column : str

    Returns
    -------
    pandas.DataFrame
        Columns ``frame``, ``first``, ``second`` (phases) and ``length_nm`` (``length_px`` where the image is not
        calibrated): a row for each two phases that meet in a frame. Walls are counted inside the outline of the sites.

    Raises
    ------
    InputError
        If there is no such column.
    """
    from atomscope import latent

    if column not in sites.table.columns:
        raise InputError(f"walls of phases: no column {column!r}; cluster the sites first, or name a column of phases")
    edges = neighbour_edges(sites)
    found = latent.phase_walls(sites.table[column].to_numpy(), edges, sites.table["frame"].to_numpy())
    return found.rename(columns={"length": f"length_{edges.unit}"})
