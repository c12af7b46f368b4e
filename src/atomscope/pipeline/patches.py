"""The verbs of windows round sites: cut them, and say beforehand how much that is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from atomscope.data import OnProgress, Patches, ShouldStop, Sites, Stack
from atomscope.data.params import CropParams
from atomscope.errors import ShapeError
from atomscope.pipeline.fields import with_fields
from atomscope.pipeline.records import as_sites, as_stack


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

    if isinstance(source, (list, tuple)) and all(hasattr(s, "shape") or isinstance(s, (str, Path)) for s in source):
        hooks: dict[str, Any] = {"on_progress": on_progress, "should_stop": should_stop}
        return _crop_layers([as_stack(s) for s in source], sites, with_fields(CropParams, params, fields), out, hooks)
    stack = as_stack(source)
    return patches.crop(
        stack,
        as_sites(sites, stack),
        with_fields(CropParams, params, fields),
        out=None if out is None else Path(out),
        on_progress=on_progress,
        should_stop=should_stop,
    )


def _crop_layers(
    stacks: list[Stack], sites: Sites | pd.DataFrame, params: CropParams, out: str | Path | None, hooks: dict[str, Any]
) -> Patches:
    """Cut windows of registered layers at the same sites, a channel each."""
    from atomscope import patches

    shapes = [stack.shape for stack in stacks]
    if len(set(shapes)) > 1:
        raise ShapeError(f"crop: wanted registered layers of one shape, got {', '.join(map(str, shapes))}")
    layers = []
    for i, stack in enumerate(stacks):
        folder = None if out is None else Path(out) / f"layer_{i + 1}"
        layers.append(patches.crop(stack, as_sites(sites, stack), params, out=folder, **hooks))
    return patches.as_channels(layers)


def estimate_patches(
    source: Any, sites: Sites | pd.DataFrame, params: CropParams | None = None, **fields: Any
) -> tuple[int, int]:
    """Return how many windows :func:`crop` would cut and how many bytes they need."""
    from atomscope import patches

    stack = as_stack(source)
    return patches.estimate(stack, as_sites(sites, stack), with_fields(CropParams, params, fields))
