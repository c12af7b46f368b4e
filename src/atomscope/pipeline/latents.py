"""The verbs of latents: baselines, layouts, classes that are one, maps, manifolds, traversals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from atomscope.data import Axis, ModelState, OnProgress, Patches, ShouldStop, Sites, Stack
from atomscope.data.columns import angle_order
from atomscope.data.params import ComponentParams, EmbedParams, MergeParams
from atomscope.errors import InputError
from atomscope.pipeline.fields import with_fields
from atomscope.pipeline.records import as_sites, as_stack
from atomscope.pipeline.rvae import as_model

if TYPE_CHECKING:
    from atomscope.latent import Components
    from atomscope.models import Model, Traversal

LayerData = tuple[Any, dict[str, Any], str]
#: Drawings of a model with rotation are compared at every angle, in steps of these.
_ANY_ANGLE = np.radians(np.arange(0, 360, 10))


def components(
    patches: Patches | Any,
    params: ComponentParams | None = None,
    *,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    **fields: Any,
) -> Components:
    """Split patches into linear components: the baseline that a network has to beat.

    Parameters
    ----------
    patches : Patches or array, shape (n, rows, cols)
        Read in blocks: a store larger than memory will do.
    **fields
        Fields of :class:`~atomscope.data.params.ComponentParams` (``method``, ``n_components``, ...).

    Returns
    -------
    Components
        ``table`` (``pc1`` ..., ``nmf1`` ... or ``ica1`` ..., indexed by site), ``pictures``, ``mean``, ``explained``.
    """
    from atomscope import latent

    if not isinstance(patches, Patches):
        patches = Patches.from_array(patches)
    params = with_fields(ComponentParams, params, fields)
    return latent.components(patches.values, params, patches.site, on_progress=on_progress, should_stop=should_stop)


def embed(
    table: pd.DataFrame | Sites, params: EmbedParams | None = None, *, by: str = "z", **fields: Any
) -> pd.DataFrame:
    """Lay sites out by UMAP (``pip install 'napari-atomscope[umap]'``), so that like ones lie together.

    Parameters
    ----------
    table : DataFrame or Sites
    by : str
        Which columns: ``z`` (z1, z2, ...), ``pc``, ``nmf`` or ``ica``.
    **fields
        Fields of :class:`~atomscope.data.params.EmbedParams`.

    Returns
    -------
    pandas.DataFrame
        Indexed by site: ``umap1``, ``umap2``.
    """
    from atomscope import latent

    table = by_site(table)
    names = latent.latent_columns(table, by)
    if not names:
        raise InputError(f"embed: wanted columns {by}1, {by}2, ..., the table has {list(map(str, table.columns))}")
    return latent.embed(
        table[names].to_numpy(), with_fields(EmbedParams, params, fields), table.index.to_numpy(np.int64)
    )


def merge_classes(
    table: pd.DataFrame | Sites,
    source: Patches | Model | ModelState,
    params: MergeParams | None = None,
    **fields: Any,
) -> pd.DataFrame:
    """Make one class of those that are copies of each other, turned by a symmetry of the lattice.

    Parameters
    ----------
    table : DataFrame or Sites
        With ``cluster``; with z1, ... too when ``source`` is a model.
    source : Patches or model
        Patches: the mean patches of the classes are compared, at turns by 360/n degrees. A model with rotation: what
        it draws of the classes, at every turn (the angle of a drawing means nothing).
    **fields
        Fields of :class:`~atomscope.data.params.MergeParams`.

    Returns
    -------
    pandas.DataFrame
        Indexed by site: ``cluster``, ``variant`` (the class as it was), ``variant_turn`` (rad).

    Raises
    ------
    InputError
        If there are no classes, or no patches of them.
    """
    from atomscope import latent

    params, table = with_fields(MergeParams, params, fields), by_site(table)
    if "cluster" not in table.columns:
        raise InputError("merge: the table has no column 'cluster'; sort the sites into classes first")
    if isinstance(source, Patches):
        label = table["cluster"].reindex(source.site, fill_value=-1).to_numpy(np.int64)
        shown = latent.class_pictures(source.values, label)
        number, pictures, noise = shown.number, shown.mean, shown.noise_var
        order = latent.lattice_order(shown.everything, params.symmetry_order)
        turns, free, reach = 2 * np.pi * np.arange(order) / order, False, 2.0
    else:
        number, pictures = _drawn(as_model(source), table)
        noise, turns, free, reach = np.zeros(len(number)), _ANY_ANGLE, True, 4.0
    copies = latent.find_copies(
        pictures,
        turns,
        noise_var=noise,
        any_angle=free,
        mirrors=params.mirrors,
        tolerance=params.tolerance,
        reach_px=reach,
    )
    return latent.merge(table, number, copies)


def _drawn(model: Model, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the classes of a table and what a model draws at the middle of each, channels averaged."""
    names = [f"z{i + 1}" for i in range(model.spec.latent_dim)]
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise InputError(f"merge: the table has no columns {missing}, which the model draws from; encode first")
    known = table[(table["cluster"] >= 0) & table[names].notna().all(axis=1)]
    middle = known.groupby("cluster")[names].median()
    label = None
    if model.spec.classes and "label" in known.columns:
        label = known.groupby("cluster")["label"].agg(lambda x: int(x.mode().iloc[0])).to_numpy()
    drawn = model.decode(middle.to_numpy(), label=label)
    return middle.index.to_numpy(np.int64), drawn if drawn.ndim == 3 else drawn.mean(1)


def latent_maps(
    source: Any, sites: Sites | pd.DataFrame, columns: str | Sequence[str] | None = None, *, colormap: str | None = None
) -> list[LayerData]:
    """Return columns of grid sites, or of sites one a scan position, as Image layer tuples: a layer a column.

    Parameters
    ----------
    source : Stack, array or path
    sites : Sites or DataFrame
        On a regular grid of the image; or, of a scan of patterns, one at each scan position.
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


def traversals(model: Model | ModelState, n: int = 9, extent: float = 2.0) -> list[Traversal]:
    """Draw each latent by itself: a row of ``n`` pictures for each, then one for each class."""
    from atomscope import models

    return models.traversals(as_model(model), n, extent)


def manifold_layers(
    source: Any, model: Model | ModelState, n: int = 8, extent: float = 2.0, *, single: bool = False
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
    """
    from atomscope.display import latents

    stack, pictures = as_stack(source), _pictures(model, n, extent)
    if single and "traversals" not in pictures:
        raise InputError("this model has no latent to change: it draws one picture")
    mosaic, about = pictures["traversals" if single else "manifold"]
    name = f"{stack.name} {'latents one by one' if single else 'manifold'}"
    tile = tuple(about["tile_px"])
    return latents.ticked_layers(stack, mosaic, (tile[0], tile[1]), about["rows"], about["columns"], name=name)


def one_by_one(model: Model | ModelState, n: int = 9, extent: float = 2.0) -> np.ndarray | None:
    """Return the traversals as one picture; None of a model that has nothing to change."""
    found = _pictures(model, n, extent).get("traversals")
    return None if found is None else found[0]


def save_pictures(model: Model | ModelState, folder: str | Path, n: int = 9, extent: float = 2.0) -> Path:
    """Write the manifold and the traversals of a model as TIFF and PNG, and what their rows and columns are as JSON."""
    from atomscope import io

    made = _pictures(model, n, extent)
    return io.write_pictures(
        {name: mosaic for name, (mosaic, _) in made.items()}, {name: about for name, (_, about) in made.items()}, folder
    )


def _pictures(model: Model | ModelState, n: int, extent: float) -> dict[str, tuple[np.ndarray, dict[str, Any]]]:
    """Return the manifold and the traversals: a mosaic each, and the names of its rows and columns."""
    from atomscope import latent

    model = as_model(model)
    tiles, line = model.manifold(n, extent), np.linspace(-extent, extent, n)
    ticks = [[f"z{i + 1} = {v:.2g}" for v in line] if k > 1 else [""] for i, k in enumerate(tiles.shape[:2])]
    tile = [tiles.shape[-2], tiles.shape[-1] * (tiles.shape[2] if tiles.ndim == 5 else 1)]
    made = {
        "manifold": (
            latent.manifold_mosaic(tiles),
            {"rows": ticks[0], "columns": ticks[1], "tile_px": tile, "gap_px": 1, "extent": extent},
        )
    }
    rows = traversals(model, n, extent)
    if rows:
        about = {
            "rows": [row.name for row in rows],
            "columns": [f"{k + 1}" for k in range(n)],
            "along": [row.along for row in rows],
            "values": [row.values.tolist() for row in rows],
            "tile_px": tile,
            "gap_px": 1,
        }
        made["traversals"] = (latent.manifold_mosaic(np.stack([row.pictures for row in rows])), about)
    return made


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


def export_onnx(model: Model | ModelState, folder: str | Path) -> Path:
    """Write the encoder and the decoder of a model as ONNX (``pip install 'napari-atomscope[onnx]'``).

    Parameters
    ----------
    model : Model
    folder : path
        Gets ``encoder.onnx``, ``decoder.onnx`` and ``onnx.json``, which names inputs, outputs, columns, units, window
        and the conventions. Patches go in and come out in their own units: the normalisation is inside the graphs.

    Raises
    ------
    MissingExtraError
        If the packages that write ONNX are not installed.
    """
    from atomscope import io
    from atomscope.models.vae.onnx import export

    where = Path(folder).expanduser()
    where.mkdir(parents=True, exist_ok=True)
    about = export(as_model(model), where / "encoder.onnx", where / "decoder.onnx")
    return io.write_json(about, where / "onnx.json")


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


def by_site(table: pd.DataFrame | Sites) -> pd.DataFrame:
    """Return a table indexed by site."""
    if isinstance(table, Sites):
        table = table.table
    return table.set_index("site") if "site" in table.columns else table
