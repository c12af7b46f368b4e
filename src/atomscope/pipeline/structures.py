"""The verb ``structure``: bonds, rings, species, defects and strain from the sites and what the image says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from atomscope.data import OnProgress, ShouldStop, Sites, Structure
from atomscope.data.params import StructureParams
from atomscope.errors import ShapeError
from atomscope.pipeline.fields import with_fields


def structure(
    sites: Sites | pd.DataFrame | str | Path,
    params: StructureParams | None = None,
    *,
    image: Any = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    **fields: Any,
) -> Structure:
    """Read what the sites of every frame say of each other.

    Parameters
    ----------
    sites : Sites, DataFrame, or path
        A path is that of a site table or of a run folder.
    params : StructureParams, optional
    image : Stack, array or path, optional
        What the sites were found in. Every place where the lattice wants a site and there is none is then looked at:
        a faint column that the finder missed is added (``flag`` "missed by the finder"), and a site at which the image
        shows nothing is a vacancy (``flag`` "no column in the image"). Species come from the heights in the image.
    on_progress, should_stop : callables, optional
        See :mod:`atomscope.data.progress`; a stop raises :class:`~atomscope.errors.Stopped` with the frames so far.
    **fields
        Fields of :class:`~atomscope.data.params.StructureParams`.

    Returns
    -------
    Structure
        ``sites`` with new columns and a row for each vacancy, ``bonds``, ``angles``, ``rings``, ``defects``.

    Raises
    ------
    ParameterError
        If a field is unknown or out of bounds.
    InputError
        If there are no sites, or the intensity column is not there.
    ShapeError
        If the image has not the shape of what the sites were found in.
    """
    from atomscope import neighbours as room

    params, known = with_fields(StructureParams, params, fields), as_known_sites(sites)
    look = _look(image, known) if image is not None and params.look else None
    return room.structure(known, params, look=look, on_progress=on_progress, should_stop=should_stop)


def _look(image: Any, sites: Sites) -> Any:
    from atomscope.find.second_look import second_look
    from atomscope.pipeline.records import as_stack

    stack = as_stack(image)
    if sites.shape and tuple(sites.shape[-2:]) != stack.frame_shape:
        raise ShapeError(
            f"structure: the sites were found in frames of shape {tuple(sites.shape[-2:])}, the image has frames of "
            f"shape {stack.frame_shape}; give the image that they were found in"
        )
    return second_look(stack, sites)


def structure_layers(source: Any, found: Structure) -> list[tuple[Any, dict[str, Any], str]]:
    """Return napari layer-data tuples: bonds, odd rings, displacements, strain, defects.

    Parameters
    ----------
    source : Stack, array or path
        What the sites lie in.
    found : Structure
    """
    from atomscope import display
    from atomscope.pipeline.records import as_stack

    return display.structure_layers(as_stack(source), found)


def as_known_sites(sites: Sites | pd.DataFrame | str | Path) -> Sites:
    """Return Sites from a record, a bare table, or the path of a table or a run folder.

    Raises
    ------
    InputError
        If the run holds no sites.
    """
    from atomscope.errors import InputError
    from atomscope.pipeline.records import load, read_sites

    if isinstance(sites, Sites):
        return sites
    if isinstance(sites, pd.DataFrame):
        return Sites(sites)
    path = Path(sites)
    if path.is_dir() and (path / "run.json").exists():
        found = load(path).sites
        if found is None:
            raise InputError(f"run {path}: it holds no sites; run one with a find step")
        return found
    return read_sites(path)


def save_structure(found: Structure, folder: str | Path) -> Path:
    """Write ``sites.parquet`` and the tables ``bonds``, ``angles``, ``rings``, ``defects`` as CSV into a folder.

    Lists of sites are written with spaces between the ids. The folder is there whole, or as it was before.

    Raises
    ------
    SaveError
        If the folder cannot be written.
    """
    from atomscope import io

    return Path(io.write_structure(found, Path(folder)))
