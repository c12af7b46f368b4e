"""The verbs of windows round sites: cut them, and say beforehand how much that is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from atomscope.data import OnProgress, Patches, ShouldStop, Sites
from atomscope.data.params import CropParams
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
