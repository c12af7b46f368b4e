"""What *Train rVAE* does off the GUI thread: train on what was cut, then encode it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from atomscope import pipeline
from atomscope.data import Given
from atomscope.data.params import CropParams, FitParams, VAESpec
from atomscope.errors import InputError, Stopped
from atomscope.widgets.state import Work


@dataclass(frozen=True)
class Learnt:
    """What came of a training.

    Attributes
    ----------
    model : Model
        Of several window sizes that of the largest.
    table : pandas.DataFrame
        What is said of the sites, indexed by site.
    picture : numpy.ndarray or None
        The manifold.
    epochs : int
        Of all models.
    early : bool
        Whether it was asked to stop before the end.
    scales : Scales or None
    """

    model: Any
    table: pd.DataFrame
    picture: np.ndarray | None
    epochs: int
    early: bool
    scales: Any = None


def sizes_of(work: Work) -> tuple[int, ...]:
    """Return the window sizes, px, that a model each is wanted of; none for patches of one size."""
    crop = work.steps.get("crop")
    if not isinstance(crop, CropParams) or not crop.finer_px or not isinstance(crop.window_px, int):
        return ()
    return (crop.window_px, *crop.finer_px)


def learn(
    work: Work, spec: VAESpec, params: FitParams, table: pd.DataFrame | None, on_progress: Any, should_stop: Any
) -> Learnt:
    """Train and encode; a cancelled model is a model, and is encoded if anyone is still there to see it.

    Parameters
    ----------
    work : Work
        Its patches, target and sites as they are now.
    spec : VAESpec
    params : FitParams
    table : DataFrame, optional
        Columns that the model is told.

    Raises
    ------
    InputError
        If several window sizes shall be told columns.
    Stopped
        If nothing was finished.
    """
    if sizes := sizes_of(work):
        return _chain(work, sizes, spec, params, on_progress, should_stop)
    assert work.patches is not None
    windows = pipeline.Windows(work.patches, work.target, work.unpaired)
    edges = None  # which patches are neighbours, for a model that asks for short walls
    if spec.walls and work.sites is not None:
        edges = pipeline.neighbour_edges(work.sites, windows.patches)
    given = None if work.target is None and edges is None else Given(target=work.target, edges=edges)
    near = None if edges is None else Given(edges=edges)
    hooks = {"on_progress": on_progress, "should_stop": should_stop}
    model = pipeline.fit(windows.patches, spec, params, table=table, given=given, **hooks)
    said = pipeline.encode_windows(
        model, windows, table=table, given=near, device=params.device, should_stop=should_stop.unwanted
    )
    return Learnt(model, said, _picture(model), len(model.history.table), bool(model.history.stopped))


def _chain(
    work: Work, sizes: tuple[int, ...], spec: VAESpec, params: FitParams, on_progress: Any, should_stop: Any
) -> Learnt:
    if spec.labels is not None or spec.conditions:
        raise InputError("Finer windows know what the larger ones said, and no column: choose none, and no labels.")
    if work.stack is None or work.sites is None:
        raise InputError("Finer windows are cut from the image while training: extract the patches again first.")
    source = [work.stack, *work.layers] if work.layers else work.stack
    hooks = {"on_progress": on_progress, "should_stop": should_stop}
    try:
        scales = pipeline.fit_scales(source, work.sites, sizes, spec, params, crop=work.steps["crop"], **hooks)
    except Stopped as stop:
        if stop.partial is None or should_stop.unwanted():
            raise
        scales = stop.partial
    said = pipeline.encode_scales(scales, source, work.sites, should_stop=should_stop.unwanted)
    epochs = sum(len(level.model.history.table) for level in scales.levels)
    first = scales.levels[0].model
    return Learnt(first, said, _picture(first), epochs, len(scales.levels) < len(sizes), scales)


def _picture(model: Any) -> np.ndarray | None:
    return pipeline.manifold(model) if model.spec.latent_dim > 0 else None
