"""The image, its sites as points, their angles as lines."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from atomscope.data import Sites, Stack
from atomscope.data.columns import angle_order
from atomscope.data.params import ShowParams
from atomscope.display import colors
from atomscope.display.spatial import LayerData, coordinates, note, spatial_kwargs
from atomscope.errors import InputError

log = logging.getLogger(__name__)

_SAMPLE_PIXELS = 1 << 20


def layers(
    stack: Stack,
    sites: Sites | None = None,
    table: pd.DataFrame | None = None,
    params: ShowParams | None = None,
    **fields: Any,
) -> list[LayerData]:
    """Return the image, its sites coloured by a column, and on demand their angles as lines.

    Parameters
    ----------
    stack : Stack
    sites : Sites, optional
    table : pandas.DataFrame, optional
        More columns for the sites, indexed by ``site`` or with a column ``site``.
    params : ShowParams, optional
    **fields
        Fields of ShowParams that replace those of ``params``.

    Returns
    -------
    list of (data, kwargs, layer type)
    """
    params = (params or ShowParams()).replace(**fields)
    out = [image_layer(stack)]
    if sites is not None:
        known = sites if table is None else sites.join(table)
        out.append(points_layer(stack, known, params))
        if params.vectors:
            out.append(vectors_layer(stack, known, params))
    return out


def image_layer(stack: Stack, *, samples: int = 8, cache: bool = True) -> LayerData:
    """Return the Stack as a lazy Image layer with robust contrast.

    Parameters
    ----------
    stack : Stack
    samples : int
        Frames that are read for the contrast limits (0.1 and 99.9 percentile).
    cache : bool
        False keeps napari's shared dask cache away from this layer.
    """
    kwargs = {
        "name": stack.name,
        "contrast_limits": contrast_limits(stack, samples),
        "colormap": "gray",
        "metadata": note("image", stack),
        "cache": cache,
        **spatial_kwargs(stack.axes),
    }
    return stack.data, kwargs, "image"


def contrast_limits(stack: Stack, samples: int = 8) -> tuple[float, float]:
    """Return the 0.1 and 99.9 percentile of a few frames spread over the stack."""
    count = min(max(samples, 1), stack.n_frames)
    middle = (np.arange(count) + 0.5) * stack.n_frames / count  # one frame: the middle one, seldom a dark one
    pixels = []
    for _, frame in stack.frames(middle.astype(int).tolist()):
        flat = frame.ravel()[:: max(1, frame.size // _SAMPLE_PIXELS)].astype(np.float64)
        pixels.append(flat[np.isfinite(flat)])
    values = np.concatenate(pixels)
    if not len(values):
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(values, (0.1, 99.9)))
    if not high > low:
        low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low, low + max(abs(low) * 1e-3, 1e-3))


def points_layer(stack: Stack, sites: Sites, params: ShowParams | None = None) -> LayerData:
    """Return the sites as a Points layer, a point a row in the order of the table, coloured by a column.

    A site without a position is there and hidden. Where the column has no value the point is transparent (number)
    or grey (class). A column that is not there gives one plain colour.
    """
    params = params or ShowParams()
    table = sites.table.reset_index(drop=True)
    data, shown = coordinates(table, stack.navigation_shape)
    size = params.size_px or dot_size(table, stack.frame_shape)
    kwargs: dict[str, Any] = {
        "name": f"{stack.name} {_plural(table)}",
        "features": table,
        "size": size,
        "border_width": 0.0,
        "opacity": 0.85,
        "shown": shown,
        "canvas_size_limits": (2, 200),
        "metadata": note("sites", stack, color=params.color, step=sites.provenance.as_dict()),
        **spatial_kwargs(stack.axes),
    }
    if params.color in table.columns and len(table):
        order = params.symmetry_order
        kwargs.update(colors.recolor(table, params.color, params.colormap, symmetry_order=order, direct=False))
    else:
        if len(table):
            log.info("no column %r: sites are shown in one colour", params.color)
        kwargs["face_color"] = colors.PLAIN
    return data, kwargs, "points"


def _plural(table: pd.DataFrame) -> str:
    kinds = table["kind"].astype(str).unique().tolist()
    names = {"atom": "atoms", "grid": "grid", "wall": "walls", "particle": "particles", "candidate": "candidates"}
    return names.get(str(kinds[0]), "sites") if len(kinds) == 1 else "sites"


def dot_size(table: pd.DataFrame, frame_shape: tuple[int, ...]) -> float:
    """Return a diameter for the sites of a table, px: a gap between neighbours, and no more than a site needs.

    A few sites far from each other would otherwise get rings as large as the space between them.
    """
    size = 0.6 * (spacing(table) or 8.0)
    wide = pd.to_numeric(table["sigma"], errors="coerce").median() if "sigma" in table.columns else np.nan
    most = max(8.0, 0.03 * min(frame_shape), 6.0 * wide if np.isfinite(wide) else 0.0)
    return float(min(max(size, 3.0), most))


def spacing(table: pd.DataFrame) -> float | None:
    """Return the median distance of nearest neighbours in the first frames, px; None with fewer than two sites."""
    found: list[np.ndarray] = []
    frame = table["frame"].to_numpy(np.int64)
    where = table[["row", "col"]].to_numpy(np.float64)
    good = np.isfinite(where).all(axis=1)
    for index in np.unique(frame[good])[:4]:
        here = where[good & (frame == index)][:20_000]
        if len(here) > 1:
            found.append(cKDTree(here).query(here, k=2)[0][:, 1])
    distance = float(np.median(np.concatenate(found))) if found else 0.0
    return distance if distance > 0 else None


def vectors_layer(
    stack: Stack, sites: Sites, params: ShowParams | None = None, *, length_px: float | None = None
) -> LayerData:
    """Return the angle of each site as a short line through it.

    Parameters
    ----------
    stack : Stack
    sites : Sites
        With a column ``angle`` (rad, 0 along +col, towards +row). Sites without an angle have no line.
    params : ShowParams, optional
    length_px : float, optional
        Length in (geometric mean) pixels; by default 0.6 spacings. The line has its angle and length in physical
        space, also where pixels are not square.

    Raises
    ------
    InputError
        If there is no column ``angle``.
    """
    params = params or ShowParams()
    table = sites.table.reset_index(drop=True)
    if "angle" not in table.columns:
        raise InputError(
            f"vectors: wanted a column 'angle', the table has {list(map(str, table.columns))}; "
            "encode with a model that has rotation=True"
        )
    data, shown = coordinates(table, stack.navigation_shape)
    order = angle_order(table, params.symmetry_order)
    angle = colors.fold(table["angle"].to_numpy(np.float64), order)
    keep = shown & np.isfinite(angle)
    start, angle = data[keep], angle[keep]
    length = length_px or 0.6 * (spacing(table) or 8.0)
    rows, cols = (a.scale for a in stack.pixel_axes)
    unit = length * np.sqrt(rows * cols)
    direction = np.zeros_like(start)
    direction[:, -2] = np.sin(angle) * unit / rows
    direction[:, -1] = np.cos(angle) * unit / cols
    features = pd.DataFrame(
        {
            "site": table["site"].to_numpy(np.int64)[keep],
            "angle": angle.astype(np.float32),
        }
    )
    kwargs: dict[str, Any] = {
        "name": f"{stack.name} angle",
        "features": features,
        "edge_width": max(length / 8, 0.25),
        "vector_style": "line",
        "metadata": note("vectors", stack, color="angle"),
        **spatial_kwargs(stack.axes),
    }
    if len(start):
        kwargs.update(
            edge_color="angle",
            edge_colormap=colors.default_colormap("angle"),
            edge_contrast_limits=colors.limits(angle, "angle", order),
        )
    return np.stack([start - direction / 2, direction], axis=1), kwargs, "vectors"
