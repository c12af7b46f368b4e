"""The verbs of the rVAE: train it on patches, encode by it, sort sites by their latents."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from atomscope.data import Given, ModelState, OnProgress, Patches, ShouldStop, Sites
from atomscope.data.params import ClusterParams, FitParams, VAESpec
from atomscope.pipeline.boundaries import given_neighbours
from atomscope.pipeline.fields import with_fields

if TYPE_CHECKING:
    from atomscope.models import Model


def fit(
    patches: Patches | Any,
    spec: VAESpec | None = None,
    params: FitParams | None = None,
    *,
    table: Sites | None = None,
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
    table : Sites, optional
        Where the patches lie: which are neighbours, for a model that asks for short walls (:func:`PhyVAE`).
    given : Given, optional
        What is known of the patches beside their pixels, as arrays.
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
    given = given_neighbours(spec, table, patches, given)
    before: ModelState | None = None
    keep = None
    if checkpoint is not None:
        folder = Path(checkpoint)
        if resume and (folder / "model.safetensors").exists():
            before = io.read_model(folder)

        def keep(state: ModelState) -> None:
            io.write_model(state, folder)

    return models.fit(
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


def encode(
    model: Model | ModelState,
    patches: Patches | Any,
    *,
    table: Sites | None = None,
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
    table : Sites, optional
        Where the patches lie: a model that asks for short walls then says the latents of the whole image, where
        neighbours matter; without, of each patch alone.
    given : Given, optional
        The same as arrays.

    Returns
    -------
    pandas.DataFrame
        A row per patch in order, indexed by ``site``: ``z1``, ``z2``, ..., ``angle`` (rad), ``shift_row``,
        ``shift_col`` (px) and ``*_sd``.
    """
    from atomscope import models

    if not isinstance(patches, Patches):
        patches = Patches.from_array(patches)
    model = as_model(model)
    given = given_neighbours(model.spec, table, patches, given)
    hooks: dict[str, Any] = {"on_progress": on_progress, "should_stop": should_stop}
    return models.encode(model, patches, given=given, device=device, **hooks)


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
