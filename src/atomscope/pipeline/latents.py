"""The verbs of latents: baselines, layouts, classes that are one, export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from atomscope.data import ModelState, OnProgress, Patches, ShouldStop, Sites
from atomscope.data.params import ComponentParams, EmbedParams, MergeParams
from atomscope.errors import InputError
from atomscope.pipeline.fields import with_fields
from atomscope.pipeline.rvae import as_model

if TYPE_CHECKING:
    from atomscope.latent import Components
    from atomscope.models import Model

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


def rarity(table: pd.DataFrame | Sites, neighbours: int = 10) -> pd.DataFrame:
    """Return how rare each site is: its distance to others in the latent space, over the median; for finding defects.

    Parameters
    ----------
    table : DataFrame or Sites
        With z1, z2, ...
    neighbours : int
        The distance is that to the how manyeth nearest site: more sites than this that are alike are not rare.

    Returns
    -------
    pandas.DataFrame
        Indexed by site: ``rarity``; 1 is usual, NaN where there are no latents.
    """
    from atomscope import latent

    return latent.rarity(by_site(table), neighbours)


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


def by_site(table: pd.DataFrame | Sites) -> pd.DataFrame:
    """Return a table indexed by site."""
    if isinstance(table, Sites):
        table = table.table
    return table.set_index("site") if "site" in table.columns else table
