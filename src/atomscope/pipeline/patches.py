"""The verbs of windows round sites: cut them, and say beforehand how much that is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from atomscope.data import OnProgress, Patches, ShouldStop, Sites, Stack
from atomscope.data.params import CropParams
from atomscope.errors import Stopped
from atomscope.pipeline.fields import with_fields
from atomscope.pipeline.parts import part_of
from atomscope.pipeline.records import as_sites, as_stacks, several


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
    source : Stack, array or path, or a list or tuple of them
        Several are registered layers of one field: each becomes a channel, normalised by itself.
    sites : Sites or DataFrame
    params : CropParams, optional
        With finer windows (``finer_px``) the largest are cut, binned as the first model of the chain reads them.
    out : path, optional
        Stream the windows to a Zarr array there instead of memory.
    **fields
        Fields of :class:`~atomscope.data.params.CropParams`.

    Returns
    -------
    Patches
        ``patches.flags`` tells which sites have no whole window and why.

    Raises
    ------
    ShapeError
        If several images are not of one shape.
    Stopped
        When asked to; ``partial`` is the patches cut so far (of several images: None).
    """
    from atomscope import patches

    stacks, params = as_stacks(source), with_fields(CropParams, params, fields).coarsest
    folder = None if out is None else Path(out)
    if several(source):
        return _crop_layers(stacks, sites, params, folder, on_progress, should_stop)
    hooks: dict[str, Any] = {"on_progress": on_progress, "should_stop": should_stop}
    return patches.crop(stacks[0], as_sites(sites, stacks[0]), params, out=folder, **hooks)


def _crop_layers(
    stacks: list[Stack],
    sites: Sites | pd.DataFrame,
    params: CropParams,
    out: Path | None,
    on_progress: OnProgress | None,
    should_stop: ShouldStop | None,
) -> Patches:
    """Cut windows of registered layers at the same sites, a channel each."""
    from atomscope import patches

    layers = []
    for i, stack in enumerate(stacks):
        folder = None if out is None else out / f"layer_{i + 1}"
        hooks: dict[str, Any] = {"on_progress": part_of(on_progress, i, len(stacks)), "should_stop": should_stop}
        try:
            layers.append(patches.crop(stack, as_sites(sites, stack), params, out=folder, **hooks))
        except Stopped as stop:
            stop.partial = None  # windows of one layer are not windows of all
            raise
    return patches.as_channels(layers)


def estimate_patches(
    source: Any, sites: Sites | pd.DataFrame, params: CropParams | None = None, **fields: Any
) -> tuple[int, int]:
    """Return how many windows :func:`crop` would cut and how many bytes they need, of all layers together."""
    from atomscope import patches

    stacks = as_stacks(source)
    n, size = patches.estimate(stacks[0], as_sites(sites, stacks[0]), with_fields(CropParams, params, fields).coarsest)
    return n, size * len(stacks)
