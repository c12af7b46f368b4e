"""What to show: layer tuples, colours, vectors and the manifold, from records of any room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from atomscope.data import Sites
from atomscope.data.params import FindParams, ShowParams
from atomscope.pipeline.fields import with_fields
from atomscope.pipeline.records import as_sites, as_stack

if TYPE_CHECKING:
    from atomscope.find.trust.comparison import Comparison
    from atomscope.find.trust.quality import Quality

LayerData = tuple[Any, dict[str, Any], str]


def layers(
    source: Any,
    sites: Sites | pd.DataFrame | None = None,
    table: pd.DataFrame | None = None,
    params: ShowParams | None = None,
    **fields: Any,
) -> list[LayerData]:
    """Return napari layer-data tuples: the image, and its sites coloured by what was learnt.

    Parameters
    ----------
    source : Stack, array or path
    sites : Sites or DataFrame, optional
    table : DataFrame, optional
        More columns for the sites, indexed by ``site`` (what :func:`encode` returned).
    **fields
        Fields of :class:`~atomscope.data.params.ShowParams` (``color``, ``colormap``, ``vectors`` ...).

    Returns
    -------
    list of (data, kwargs, layer type)
    """
    from atomscope import display

    stack = as_stack(source)
    known = None if sites is None else as_sites(sites, stack)
    return display.layers(stack, known, table, with_fields(ShowParams, params, fields))


def dot_size(sites: Sites) -> float:
    """Return the diameter that sites are drawn with, px."""
    from atomscope import display

    return display.dot_size(sites.table, sites.shape[-2:])


def image_layer(source: Any, samples: int = 1) -> LayerData:
    """Return the lazy Image layer tuple of a Stack; reads ``samples`` frames for the contrast.

    napari's shared dask cache is kept away from it: it is not safe beside worker threads.
    """
    from atomscope import display

    return display.image_layer(as_stack(source), samples=samples, cache=False)


def overlay(source: Any, sites: Sites | pd.DataFrame, column: str, colormap: str | None = None) -> LayerData:
    """Return a lazy Image layer tuple that paints a column over the cells round the sites."""
    from atomscope import display

    stack = as_stack(source)
    return display.overlay_layer(stack, as_sites(sites, stack), column, colormap=colormap)


def recolor(table: pd.DataFrame, column: str, colormap: str | None = None, *, direct: bool = True) -> dict[str, Any]:
    """Return the Points keywords that colour a table's rows by a column (not ``direct``: by the name of a feature)."""
    from atomscope import display

    return display.recolor(table, column, colormap, direct=direct)


def vectors(source: Any, sites: Sites | pd.DataFrame, table: pd.DataFrame | None = None) -> LayerData:
    """Return a Vectors layer tuple with the angle of each site as a short line."""
    from atomscope import display

    stack = as_stack(source)
    known = as_sites(sites, stack)
    return display.vectors_layer(stack, known if table is None else known.join(table))


def quality_layers(source: Any, sites: Sites | pd.DataFrame, found: Quality) -> list[LayerData]:
    """Return the gaps and the pairs too close of :func:`~atomscope.pipeline.quality` as layer tuples."""
    from atomscope.display import trust

    stack = as_stack(source)
    return trust.quality_layers(stack, as_sites(sites, stack).table, found.pairs, found.gaps)


def comparison_layers(source: Any, sites: Sites | pd.DataFrame, found: Comparison) -> list[LayerData]:
    """Return what :func:`~atomscope.pipeline.compare` says was missed and is false as layer tuples."""
    from atomscope.display import trust

    stack = as_stack(source)
    return trust.comparison_layers(stack, as_sites(sites, stack).table, found.missed, found.false)


def uncertainty_layer(source: Any, params: FindParams | None = None, **fields: Any) -> LayerData:
    """Return how unsure a network is as a lazy Image layer tuple; fields as for :func:`uncertainty_map`."""
    from atomscope import display
    from atomscope.pipeline.trust import uncertainty_map

    stack = uncertainty_map(source, params, **fields)
    data, kwargs, kind = display.image_layer(stack, samples=1, cache=False)
    high = kwargs["contrast_limits"][1]
    kwargs |= {
        "colormap": "magma",
        "blending": "additive",
        "contrast_limits": (0.0, max(high, 1e-6)),
        "metadata": {key: {**value, "kind": "overlay"} for key, value in kwargs["metadata"].items()},
    }
    return data, kwargs, kind
