"""The verbs of pictures of latents: maps of columns, the manifold, each latent by itself, components."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from atomscope.data import Axis, ModelState, Sites, Stack
from atomscope.data.columns import angle_order
from atomscope.errors import InputError
from atomscope.pipeline.known import Names
from atomscope.pipeline.records import as_sites, as_stack
from atomscope.pipeline.rvae import as_model
from atomscope.pipeline.scan_images import scan_shape

if TYPE_CHECKING:
    from atomscope.latent import Components
    from atomscope.models import Model, Traversal

LayerData = tuple[Any, dict[str, Any], str]
#: A class by its number, or all of them.
Label = int | Literal["all"] | None
#: A mosaic, and the names of its rows and columns.
Drawn = tuple[np.ndarray, dict[str, Any]]


def latent_maps(
    source: Any, sites: Sites | pd.DataFrame, columns: str | Sequence[str] | None = None, *, colormap: str | None = None
) -> list[LayerData]:
    """Return columns of grid sites, or of sites one a scan position, as Image layer tuples: a layer a column.

    Parameters
    ----------
    source : Stack, array or path
    sites : Sites or DataFrame
        On a regular grid of the image; or, of a scan of patterns, its positions as :func:`patterns` returns them, or
        one a pattern by ``frame``.
    columns : str or sequence of str, optional
        By default every latent: z1, z2, ..., theta1, ..., and the angle.

    Returns
    -------
    list of (data, kwargs, layer type)
        A pixel of a layer is a cell of the grid (or a scan position), at its place and of its size.

    Raises
    ------
    InputError
        If a column is missing, or the sites lie neither on a grid nor one at each scan position.
    """
    from atomscope import latent
    from atomscope.display import latents

    stack = as_stack(source)
    known = as_sites(sites, stack)
    table = known.table
    if stack.navigation_shape and known.shape == scan_shape(stack):  # rows and columns are those of the scan
        stack = replace(plane_of(known), name=stack.name, source=stack.source)
    if isinstance(columns, str):
        columns = [columns]
    if columns is None:
        columns = [*latent.latent_columns(table), *latent.latent_columns(table, "theta")]
        columns += [name for name in ("angle",) if name in table.columns]
        if not columns:
            raise InputError("latent maps: the sites have no latents; join those of encode first")
    order, out = angle_order(table), []
    for column in columns:
        values, axes = _map(stack, table, column)
        out.append(latents.map_layer(stack, values, axes, column, colormap=colormap, order=order))
    return out


def _map(stack: Stack, table: pd.DataFrame, column: str) -> tuple[np.ndarray, list[Axis]]:
    from atomscope import latent
    from atomscope.display import latents

    scan = stack.navigation_shape
    if len(scan) == 2 and table["frame"].is_unique:
        return latent.scan_map(table, column, scan), list(stack.axes[:2])
    found = latent.latent_map(table, column)
    return found.values, latents.grid_axes(stack, found.origin, found.step, found.frames, found.values.ndim)


def class_names(model: Model | ModelState) -> list[str]:
    """Return what the classes of a model are called: by its labels where they had names; none without classes."""
    spec = model.spec if isinstance(model.spec, dict) else model.spec.model_dump()
    names = Names.of(model.meta)
    known = names.labels if names is not None and names.labels else []
    return [*known, *(f"class {k}" for k in range(len(known), int(spec.get("classes", 0))))]


def traversals(model: Model | ModelState, n: int = 9, extent: float = 2.0, label: int = 0) -> list[Traversal]:
    """Draw each latent by itself: a row of ``n`` pictures for each, of the class ``label``, then one for each class."""
    from atomscope import models

    return models.traversals(as_model(model), n, extent, label)


def manifold(model: Model | ModelState, n: int = 8, extent: float = 2.0, *, label: Label = None) -> np.ndarray:
    """Return one picture of the decoded latent grid (rows are z1, columns are z2).

    Parameters
    ----------
    model : Model
    n : int
        Pictures along each latent.
    extent : float
        Standard deviations of the prior.
    label : int or "all", optional
        Class to draw; ``"all"``: all of them, side by side. Models without classes have one picture.
    """
    return _plane(as_model(model), n, extent, label)[0]


def manifold_layers(
    source: Any,
    model: Model | ModelState,
    n: int = 8,
    extent: float = 2.0,
    *,
    single: bool = False,
    label: Label = None,
) -> list[LayerData]:
    """Return the manifold (rows z1, columns z2) beside the image, with its ticks, as layer tuples.

    Parameters
    ----------
    source : Stack, array or path
        Gives place and pixel size.
    n : int
        Pictures along each latent.
    extent : float
        Standard deviations of the prior.
    single : bool
        Each latent by itself instead (:func:`traversals`).
    label : int or "all", optional
        Class to draw, see :func:`manifold`.
    """
    from atomscope.display import latents

    stack, loaded = as_stack(source), as_model(model)
    made = _rows(loaded, n, extent, label) if single else _plane(loaded, n, extent, label)
    if made is None:
        raise InputError("this model has no latent to change: it draws one picture")
    mosaic, about = made
    name = f"{stack.name} {'latents one by one' if single else 'manifold'}"
    tile = tuple(about["tile_px"])
    return latents.ticked_layers(stack, mosaic, (tile[0], tile[1]), about["rows"], about["columns"], name=name)


def one_by_one(model: Model | ModelState, n: int = 9, extent: float = 2.0, *, label: Label = None) -> np.ndarray | None:
    """Return the traversals as one picture; None of a model that has nothing to change."""
    made = _rows(as_model(model), n, extent, label)
    return None if made is None else made[0]


def save_pictures(
    model: Model | ModelState, folder: str | Path, n: int = 9, extent: float = 2.0, *, label: int | None = None
) -> Path:
    """Write pictures of a model as TIFF and PNG, and what their rows and columns are as JSON.

    ``manifold`` and ``traversals``, of the class ``label`` where there are classes (0 as it comes); then also
    ``manifold_classes``, the manifolds of all of them.
    """
    from atomscope import io

    loaded = as_model(model)
    made = {"manifold": _plane(loaded, n, extent, label), "traversals": _rows(loaded, n, extent, label)}
    if loaded.spec.classes:
        made["manifold_classes"] = _plane(loaded, n, extent, "all")
    found = {name: one for name, one in made.items() if one is not None}
    return io.write_pictures({k: one[0] for k, one in found.items()}, {k: one[1] for k, one in found.items()}, folder)


def _plane(model: Model, n: int, extent: float, label: Label) -> Drawn:
    """Return the manifold, of a class or of all: a mosaic, and the names of its rows and columns."""
    from atomscope import latent

    names, line = class_names(model), np.linspace(-extent, extent, n)
    every = label == "all" and bool(names)
    drawn = [model.manifold(n, extent, k if names else None) for k in _chosen(label, names)]  # (rows, cols, ...) each
    ticks = [[f"z{i + 1} = {v:.2g}" for v in line] if k > 1 else [""] for i, k in enumerate(drawn[0].shape[:2])]
    tiles = drawn[0]
    if every:
        parts: list[np.ndarray] = []
        told: list[str] = []
        for name, one in zip(names, drawn, strict=True):
            if parts and one.shape[1] > 1:  # a column of nothing between two classes
                parts.append(np.full_like(one[:, :1], np.nan))
                told.append("")
            parts.append(one)
            told += [name if k == one.shape[1] // 2 else "" for k in range(one.shape[1])]
        tiles, ticks[1] = np.concatenate(parts, axis=1), told
    about = {"rows": ticks[0], "columns": ticks[1], "tile_px": _tile(tiles), "gap_px": 1, "extent": extent}
    if names:
        about["classes"] = names if every else [names[k] for k in _chosen(label, names)]
    return latent.manifold_mosaic(tiles), about


def _rows(model: Model, n: int, extent: float, label: Label) -> Drawn | None:
    """Return the traversals, of a class: a mosaic, and the names of its rows and columns."""
    from atomscope import latent

    names = class_names(model)
    rows = traversals(model, n, extent, _chosen(label, names)[0])
    if not rows:
        return None
    pictures = np.stack([row.pictures for row in rows])  # (rows, n, ...)
    about = {
        "rows": [row.name for row in rows],
        "columns": [f"{k + 1}" for k in range(n)],
        "along": [row.along for row in rows],
        "values": [row.values.tolist() for row in rows],
        "tile_px": _tile(pictures),
        "gap_px": 1,
    }
    return latent.manifold_mosaic(pictures), about


def _chosen(label: Label, names: list[str]) -> list[int]:
    """Return the classes that a choice stands for."""
    if label == "all":
        return list(range(max(1, len(names))))
    if label is None or not names:
        return [0]
    if not 0 <= int(label) < len(names):
        raise InputError(f"pictures: wanted a class from 0 to {len(names) - 1}, or 'all', got {label}")
    return [int(label)]


def _tile(tiles: np.ndarray) -> list[int]:
    """Return (rows, cols) of a picture, its channels side by side."""
    return [tiles.shape[-2], tiles.shape[-1] * (tiles.shape[2] if tiles.ndim == 5 else 1)]


def component_layers(source: Any, found: Components) -> list[LayerData]:
    """Return the pictures of components, one beside the other, with their names, as layer tuples."""
    from atomscope import latent
    from atomscope.display import latents

    stack, names = as_stack(source), [str(c) for c in found.table.columns]
    pictures = found.pictures / np.maximum(np.abs(found.pictures).reshape(len(names), -1).max(1), 1e-30).reshape(
        -1, *[1] * (found.pictures.ndim - 1)
    )
    mosaic = latent.manifold_mosaic(pictures[None])
    width = pictures.shape[-1] * (pictures.shape[1] if pictures.ndim == 4 else 1)
    return latents.ticked_layers(
        stack, mosaic, (pictures.shape[-2], width), [""], names, name=f"{stack.name} components"
    )


def write_pictures(pictures: dict[str, np.ndarray], folder: str | Path) -> Path:
    """Write pictures, shape (rows, cols), as float TIFF and as PNG to look at."""
    from atomscope import io

    return io.write_pictures(pictures, {name: {"shape": list(p.shape)} for name, p in pictures.items()}, folder)


def plane_of(sites: Sites) -> Stack:
    """Return an empty Stack where sites lie, when their data are not at hand."""
    import dask.array as da

    shape = sites.shape
    if not shape:
        most = sites.table[["frame", "row", "col"]].max()
        shape = tuple(int(np.nan_to_num(k)) + 1 for k in most)[-len(sites.axes) :]
    return Stack(da.zeros(shape, np.uint8, chunks=-1), sites.axes, name="sites")
