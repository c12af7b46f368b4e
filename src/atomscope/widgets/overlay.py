"""Sites on the image: the Points layer, its colours, and the vectors, placed exactly on the image layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from napari.layers import Layer

from atomscope import pipeline
from atomscope.data import Sites, Stack
from atomscope.widgets.bridge import KEY, coordinates, placement

if TYPE_CHECKING:
    from napari.layers import Image, Points

#: What a colour bar can be made of: columns that say where a site is or who it is are left out.
NOT_COLOURS = ("site", "row", "col", "flag")


def is_image(layer: Any) -> bool:
    """Whether a layer is an image that sites can be found in (not one of our pictures)."""
    return type(layer).__name__ == "Image" and _role(layer) not in ("manifold",)


def is_points(layer: Any) -> bool:
    """Whether a layer holds points that can be sites (not the preview)."""
    return type(layer).__name__ == "Points" and _role(layer) != "preview"


def has_latents(layer: Any) -> bool:
    """Whether a Points layer has latents."""
    return is_points(layer) and any(is_latent(str(name)) for name in layer.features.columns)


def is_latent(name: str) -> bool:
    """Whether a column is a latent variable: z1, z2, ..."""
    return name.startswith("z") and name[1:].isdigit()


def _role(layer: Any) -> str:
    return str(layer.metadata.get(KEY, {}).get("role", "")) if isinstance(layer.metadata, dict) else ""


def points_layer(
    stack: Stack, sites: Sites, image: Image | None, name: str, color: str = "score", role: str = "sites"
) -> Points:
    """Build a Points layer of sites (safe in a worker thread); it lies on ``image`` if that is given."""
    wanted = [item for item in pipeline.layers(stack, sites, color=color) if item[2] == "points"]
    _, kwargs, _ = wanted[0]
    ndim = len(stack.shape)
    kwargs = {**kwargs, "name": name, "features": sites.table.reset_index(drop=True)}
    if image is not None and image.ndim == ndim:
        kwargs |= placement(image)
    kwargs["metadata"] = {
        **dict(kwargs.get("metadata") or {}),
        KEY: {"role": role, "source": stack.source, "step": sites.provenance.step, "params": sites.provenance.params},
    }
    layer = Layer.create(coordinates(sites, ndim), kwargs, "points")
    return layer


def add_or_replace(viewer: Any, layer: Any, old: Any = None) -> Any:
    """Add a layer in the place of an older one, keeping its name."""
    if old is not None and old in viewer.layers:
        index, name = viewer.layers.index(old), old.name
        viewer.layers.insert(index + 1, layer)
        viewer.layers.selection.active = layer
        viewer.layers.remove(old)
        layer.name = name
    else:
        viewer.add_layer(layer)
    return layer


def colour_columns(features: pd.DataFrame) -> list[str]:
    """Return the columns worth colouring by: what was learnt first, then what was measured."""
    names = [str(c) for c in features.columns if c not in NOT_COLOURS]
    usable = [
        c
        for c in names
        if c in ("kind", "cluster") or (features[c].dtype.kind in "fiub" and bool(features[c].notna().any()))
    ]
    first = [c for c in usable if is_latent(c)]
    first += [c for c in ("angle", "cluster", "shift_row", "shift_col") if c in usable]
    middle = [c for c in usable if c not in first and not c.endswith("_sd")]
    return first + middle + [c for c in usable if c.endswith("_sd") and c not in first]


def colour_by(points: Points, column: str, colormap: str | None = None, bar: bool = True) -> None:
    """Colour points by a feature column: cyclic colours for angles, one colour a class for classes."""
    kwargs = pipeline.recolor(points.features, column, colormap)
    features = kwargs.pop("features", None)
    if features is not None:
        points.features = features
    colormap_name = kwargs.pop("face_colormap", None)
    limits = kwargs.pop("face_contrast_limits", None)
    cycle = kwargs.pop("face_color_cycle", None)
    if colormap_name is not None:
        points.face_colormap = colormap_name
    if cycle is not None:
        points.face_color_cycle = cycle
    face = kwargs.pop("face_color", None)
    if face is not None:
        points.face_color = face
    if limits is not None and isinstance(face, str) and points.face_color_mode == "colormap":
        points.face_contrast_limits = limits
    for name, value in kwargs.items():
        if hasattr(points, name):
            setattr(points, name, value)
    colourbar = getattr(points, "face_colorbar", None)  # napari 0.9
    if colourbar is not None:
        colourbar.visible = bool(bar and points.face_color_mode == "colormap")


def vectors_layer(stack: Stack, sites: Sites, image: Image | None, name: str) -> Any:
    """Build the Vectors layer with the angle of each site as a short line."""
    data, kwargs, kind = pipeline.vectors(stack, sites)
    kwargs = {**kwargs, "name": name}
    ndim = np.asarray(data).shape[-1]
    if image is not None and image.ndim == ndim:
        kwargs |= placement(image)
    kwargs["metadata"] = {**dict(kwargs.get("metadata") or {}), KEY: {"role": "vectors", "source": stack.source}}
    return Layer.create(data, kwargs, kind)
