"""The public verbs: open, find, grid, crop, fit, encode, cluster.

Each takes a record and a parameter class (or its fields by keyword) and returns a record. The window, the
command line and recipes call these same functions.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pandas as pd

from atomscope.data import ModelState, OnProgress, Patches, ShouldStop, Sites, Stack
from atomscope.data.params import RVAE, ClusterParams, CropParams, FindParams, FitParams, GridParams, Params
from atomscope.pipeline.finders import load_finder
from atomscope.pipeline.records import as_stack

if TYPE_CHECKING:
    import numpy as np

    from atomscope.models import Model

P = TypeVar("P", bound=Params)


def with_fields(cls: type[P], params: P | None, fields: dict[str, Any]) -> P:
    """Return ``params`` (or the defaults) with single fields replaced.

    Raises
    ------
    ParameterError
        If a field is unknown or out of bounds.
    """
    if params is None:
        return cls(**fields)
    return params.replace(**fields) if fields else params


def open(source: Any, *, key: str | None = None, reader: str | None = None) -> Stack:
    """Open a file, a folder or an array as a lazy, calibrated Stack.

    Parameters
    ----------
    source : str, Path, array or Stack
        A readable file or folder, or a numpy, dask or zarr array.
    key : str, optional
        Which data set, for files that hold several.
    reader : str, optional
        Name of the reader to use instead of the one that fits.

    Returns
    -------
    Stack

    Raises
    ------
    UnknownFormatError, DamagedFileError, ChoiceNeededError, MissingExtraError
        If the file cannot be opened, or a choice must be made first.
    """
    if isinstance(source, (str, Path)):
        from atomscope import io

        return io.open_stack(source, key=key, reader=reader)
    return as_stack(source)


def find_atoms(
    source: Any,
    params: FindParams | None = None,
    *,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    **fields: Any,
) -> Sites:
    """Find atom columns in every frame.

    Parameters
    ----------
    source : Stack, array or path
    params : FindParams, optional
    on_progress, should_stop : callables, optional
        See :mod:`atomscope.data.progress`; a stop raises :class:`~atomscope.errors.Stopped` with the Sites so far.
    **fields
        Fields of :class:`~atomscope.data.params.FindParams`; ``model`` may also be a Finder.

    Returns
    -------
    Sites

    Raises
    ------
    ParameterError
        If a field is unknown or out of bounds.
    """
    from atomscope import find

    stack = as_stack(source)
    params, network = _network(params, fields)
    return find.find_atoms(stack, params, network=network, on_progress=on_progress, should_stop=should_stop)


def find_in_frame(frame: np.ndarray, params: FindParams | None = None, **fields: Any) -> pd.DataFrame:
    """Find atom columns in one frame, shape (rows, cols): what a live preview shows."""
    from atomscope import find

    params, network = _network(params, fields)
    return find.find_in_frame(frame, params, network=network)


def _network(params: FindParams | None, fields: dict[str, Any]) -> tuple[FindParams, Any]:
    """Return the parameters, and the finder that they name or that was given in the place of a name."""
    from atomscope.data.taught import is_finder

    given = fields.get("model")
    if is_finder(given):
        fields = {**fields, "model": None, "method": "network"}
        return with_fields(FindParams, params, fields), given
    if isinstance(given, Path):
        fields = {**fields, "model": str(given)}
    params = with_fields(FindParams, params, fields)
    return params, load_finder(params)


def grid(source: Any, params: GridParams | None = None, **fields: Any) -> Sites:
    """Lay sites on a regular grid over every frame (a sliding window).

    ``**fields`` are those of :class:`~atomscope.data.params.GridParams`.
    """
    from atomscope import find

    return find.grid_sites(as_stack(source), with_fields(GridParams, params, fields))


def crop(
    source: Any,
    sites: Sites | pd.DataFrame,
    params: CropParams | None = None,
    *,
    out: str | Path | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    **fields: Any,
) -> Patches:
    """Cut a window round each site, centred on its sub-pixel position.

    Parameters
    ----------
    source : Stack, array or path
    sites : Sites or DataFrame
    params : CropParams, optional
    out : path, optional
        Stream the windows to a Zarr array there instead of memory.
    **fields
        Fields of :class:`~atomscope.data.params.CropParams`.

    Returns
    -------
    Patches
        ``patches.flags`` tells which sites have no whole window and why.
    """
    from atomscope import patches

    stack = as_stack(source)
    return patches.crop(
        stack,
        as_sites(sites, stack),
        with_fields(CropParams, params, fields),
        out=None if out is None else Path(out),
        on_progress=on_progress,
        should_stop=should_stop,
    )


def estimate_patches(
    source: Any, sites: Sites | pd.DataFrame, params: CropParams | None = None, **fields: Any
) -> tuple[int, int]:
    """Return how many windows :func:`crop` would cut and how many bytes they need."""
    from atomscope import patches

    stack = as_stack(source)
    return patches.estimate(stack, as_sites(sites, stack), with_fields(CropParams, params, fields))


def fit(
    patches: Patches | Any,
    spec: RVAE | None = None,
    params: FitParams | None = None,
    *,
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
    spec : RVAE, optional
        What to train.
    params : FitParams, optional
        How to train it.
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
    params = with_fields(FitParams, params, fields)
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
        spec or RVAE(),
        params,
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
    device: str = "auto",
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> pd.DataFrame:
    """Encode patches: the latents, the pose and their standard deviations.

    Returns
    -------
    pandas.DataFrame
        A row per patch in order, indexed by ``site``: ``z1``, ``z2``, ..., ``angle`` (rad), ``shift_row``,
        ``shift_col`` (px) and ``*_sd``.
    """
    from atomscope import models

    if not isinstance(patches, Patches):
        patches = Patches.from_array(patches)
    return models.encode(as_model(model), patches, device=device, on_progress=on_progress, should_stop=should_stop)


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


def as_sites(sites: Sites | pd.DataFrame, stack: Stack) -> Sites:
    """Return Sites; a bare table of the same columns gets the axes of the stack."""
    if isinstance(sites, Sites):
        return sites
    return Sites(sites, stack.axes, stack.shape)


def as_model(model: Model | ModelState) -> Model:
    """Return a usable model from a model or from what a checkpoint holds."""
    from atomscope import models

    return models.Model.from_state(model) if isinstance(model, ModelState) else model
