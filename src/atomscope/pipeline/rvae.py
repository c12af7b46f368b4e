"""The verbs of the VAE family: train a model on patches, encode by it, sort sites by their latents."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from atomscope.data import Given, ModelState, OnProgress, Patches, ShouldStop, Sites
from atomscope.data.params import ClusterParams, FitParams, VAESpec
from atomscope.pipeline.boundaries import given_neighbours
from atomscope.pipeline.fields import with_fields
from atomscope.pipeline.known import Names, Table, give, named_classes, read_known

if TYPE_CHECKING:
    from atomscope.models import Model


def fit(
    patches: Patches | Any,
    spec: VAESpec | None = None,
    params: FitParams | None = None,
    *,
    table: Table | None = None,
    given: Given | None = None,
    checkpoint: str | Path | None = None,
    resume: bool = True,
    init: Model | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    **fields: Any,
) -> Model:
    """Train a model on patches.

    Parameters
    ----------
    patches : Patches or array, shape (n, rows, cols)
    spec : VAESpec, optional
        What to train.
    params : FitParams, optional
        How to train it.
    table : Sites or DataFrame, optional
        Holds the columns that the specification names (``conditions``, ``labels``), joined by ``site``. Text in a
        condition counts as categories. An empty label, or NaN, or a negative number, is a class that is not known.
        Sites also say which patches are neighbours, for a model that asks for short walls (:func:`PhyVAE`).
    given : Given, optional
        The same as arrays, and what to draw instead of the patches.
    checkpoint : path, optional
        Folder for checkpoints. A run that was cancelled or killed goes on from there when ``resume``.
    init : Model, optional
        Start from a trained model's weights.
    **fields
        Fields of :class:`~atomscope.data.params.FitParams` (``epochs``, ``seed``, ...).

    Returns
    -------
    Model
        ``model.history.stopped`` tells whether it was asked to stop early.

    Raises
    ------
    TrainingError
        If the patches cannot be trained on.
    """
    from atomscope import io, models

    if not isinstance(patches, Patches):
        patches = Patches.from_array(patches)
    params, spec = with_fields(FitParams, params, fields), spec or VAESpec()
    given, names = give(given, patches, spec, table)
    given = given_neighbours(spec, table, patches, given)
    meta = {} if names is None else {"known": names.as_dict()}
    before: ModelState | None = None
    keep = None
    if checkpoint is not None:
        folder = Path(checkpoint)
        if resume and (folder / "model.safetensors").exists():
            before = io.read_model(folder)

        def keep(state: ModelState) -> None:
            io.write_model(replace(state, meta={**state.meta, **meta}), folder)

    model = models.fit(
        patches,
        spec,
        params,
        given=given,
        on_checkpoint=keep,
        resume_from=before,
        init=init,
        on_progress=on_progress,
        should_stop=should_stop,
    )
    return replace(model, meta={**model.meta, **meta})


def encode(
    model: Model | ModelState,
    patches: Patches | Any,
    *,
    table: Table | None = None,
    given: Given | None = None,
    device: str = "auto",
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> pd.DataFrame:
    """Encode patches: the latents, the pose and their standard deviations.

    Parameters
    ----------
    model : Model
    patches : Patches or array, shape (n, rows, cols)
    table : Sites or DataFrame, optional
        Needed by a model with ``conditions``: their columns, joined by ``site``. Of sites, a model that
        asks for short walls says the latents of the whole image, where neighbours matter; without, of each patch alone.
    given : Given, optional
        The same as arrays.

    Returns
    -------
    pandas.DataFrame
        A row per patch in order, indexed by ``site``: ``z1``, ``z2``, ..., ``angle`` (rad), ``shift_row``,
        ``shift_col`` (px) and ``*_sd``; ``class``, ``class_probability`` and, when the labels had names,
        ``class_name``.
    """
    from atomscope import models

    if not isinstance(patches, Patches):
        patches = Patches.from_array(patches)
    model = as_model(model)
    names = Names.of(model.meta)
    if table is not None and model.spec.conditions and (given is None or given.condition is None):
        read, _ = read_known(patches, model.spec, table, names, labels=False)
        given = replace(given or Given(), condition=read.condition)
    given = given_neighbours(model.spec, table, patches, given)
    hooks: dict[str, Any] = {"on_progress": on_progress, "should_stop": should_stop}
    return named_classes(models.encode(model, patches, given=given, device=device, **hooks), names)


def cluster(table: pd.DataFrame | Sites, params: ClusterParams | None = None, **fields: Any) -> pd.DataFrame:
    """Sort sites into classes by their latents.

    Parameters
    ----------
    table : DataFrame or Sites
        With latent columns ``z1``, ... and a ``site`` index or column.
    **fields
        Fields of :class:`~atomscope.data.params.ClusterParams`.

    Returns
    -------
    pandas.DataFrame
        Indexed by ``site``, with ``cluster`` and ``cluster_probability``.
    """
    from atomscope import latent

    if isinstance(table, Sites):
        table = table.table
    if "site" in table.columns:
        table = table.set_index("site")
    return latent.cluster(table, with_fields(ClusterParams, params, fields))


def as_model(model: Model | ModelState) -> Model:
    """Return a usable model from a model or from what a checkpoint holds."""
    from atomscope import models

    return models.Model.from_state(model) if isinstance(model, ModelState) else model
