"""Sites on the image: the Points layer, its colours, and the vectors, placed exactly on the image layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from napari.layers import Layer
from qtpy.QtCore import QTimer

from atomscope import pipeline
from atomscope.data import Sites, Stack
from atomscope.data.columns import is_folded
from atomscope.widgets.bridge import KEY, note_of, placement

if TYPE_CHECKING:
    from napari.layers import Image, Points

#: How sites are drawn before anything is learnt of them.
RING, RING_WIDTH = "#ff9f1c", 0.12
#: What a colour bar can be made of: columns that say where a site is or who it is are left out.
NOT_COLOURS = ("site", "row", "col", "flag", "angle_order")
#: Columns of classes, which may be text.
CLASSES = ("kind", "cluster", "class_name")


def is_image(layer: Any) -> bool:
    """Whether a layer is an image that sites can be found in (not one of our pictures)."""
    return type(layer).__name__ == "Image" and note_of(layer).get("kind", "image") == "image"


def is_points(layer: Any) -> bool:
    """Whether a layer holds points that can be sites (not the preview, nor the marks of defects)."""
    return type(layer).__name__ == "Points" and note_of(layer).get("kind") not in ("preview", "defects", "ticks")


def has_latents(layer: Any) -> bool:
    """Whether a Points layer has something that was learnt."""
    return is_points(layer) and any(is_latent(str(name)) or name == "angle" for name in layer.features.columns)


def is_latent(name: str) -> bool:
    """Whether a column is a latent variable: z1, z2, ..."""
    return name.startswith("z") and name[1:].isdigit()


def points_layer(stack: Stack, sites: Sites, image: Image | None, name: str, color: str = "") -> Points:
    """Build a Points layer of sites (safe in a worker thread); it lies on ``image`` if that is given."""
    data, kwargs, kind = next(item for item in pipeline.layers(stack, sites, color=color) if item[2] == "points")
    kwargs = _placed(kwargs, np.asarray(data).shape[-1], image) | {"name": name}
    if color not in sites.table.columns:  # nothing learnt yet: rings, so that the atoms can be seen inside them
        kwargs |= {"face_color": "transparent", "border_color": RING, "border_width": RING_WIDTH}
    return Layer.create(data, kwargs, kind)


def _placed(kwargs: dict[str, Any], ndim: int, image: Image | None) -> dict[str, Any]:
    """Return the keywords with the place of the image layer, which the user may have moved or scaled."""
    return kwargs | placement(image) if image is not None and image.ndim == ndim else kwargs


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
    names = [str(c) for c in features.columns if c not in NOT_COLOURS and not is_folded(str(c))]
    usable = [
        c for c in names if c in CLASSES or (features[c].dtype.kind in "fiub" and bool(features[c].notna().any()))
    ]
    first = [c for c in usable if is_latent(c)]
    first += [c for c in ("angle", "class_name", "class", "cluster", "shift_row", "shift_col") if c in usable]
    middle = [c for c in usable if c not in first and not c.endswith("_sd")]
    return first + middle + [c for c in usable if c.endswith("_sd") and c not in first]


def colour_by(points: Points, column: str, colormap: str | None = None, bar: bool = True) -> None:
    """Colour points by a feature column: cyclic colours for angles, one colour a class for classes."""
    kwargs = pipeline.recolor(points.features, column, colormap, direct=False)
    points.metadata.setdefault(KEY, {})["color"] = column
    if np.allclose(points.border_width, RING_WIDTH):
        points.border_width = 0
    if "face_colormap" not in kwargs:  # classes
        points.face_color = pipeline.recolor(points.features, column)["face_color"]
        show_colour_bar(points, False)
        return
    features, shown = kwargs["features"], kwargs["face_color"]
    points.face_color_mode = "direct"  # else all points are coloured anew by each line below
    if features[shown].dtype.kind != "f":
        # napari takes a column of few whole numbers for classes
        features = features.assign(**{shown: features[shown].astype(np.float32)})
    if features is not points.features:
        points.features = features
    points.face_colormap = kwargs["face_colormap"]
    points.face_contrast_limits = kwargs["face_contrast_limits"]
    points.face_color = shown
    if points.face_color_mode != "colormap":
        points.face_color_mode = "colormap"
    if not np.allclose(points.face_contrast_limits or (np.nan, np.nan), kwargs["face_contrast_limits"], rtol=1e-9):
        points.face_contrast_limits = kwargs["face_contrast_limits"]
    show_colour_bar(points, bar)


def coloured_by(points: Points | None) -> str:
    """Return the column that :func:`colour_by` coloured the points by last; empty when none did."""
    return "" if points is None else str(points.metadata.get(KEY, {}).get("color", ""))


def colourless(points: Points | None) -> bool:
    """Whether points have nothing to show in a plot: rings, whose inside is transparent."""
    return points is not None and len(points.data) > 0 and not np.asarray(points.face_color)[:, 3].any()


def show_colour_bar(points: Points, on: bool) -> None:
    """Show or hide the colour bar of a Points layer, where napari has one (0.9)."""
    bar = getattr(points, "face_colorbar", None)
    if bar is not None:
        bar.visible = bool(on and points.face_color_mode == "colormap")


def show_colour_bar_soon(points: Points) -> None:
    """Show the colour bar of a Points layer in a moment.

    napari needs 0.1 s to make one and 0.2 s to draw it for the first time; together with new colours for the points
    that would stop the window too long. So it is made first, hidden again before it is drawn, and shown later.
    """

    def make() -> None:
        show_colour_bar(points, True)
        show_colour_bar(points, False)

    QTimer.singleShot(50, make)
    QTimer.singleShot(300, lambda: show_colour_bar(points, True))


def tracks_layer(image: Image, linked: pd.DataFrame) -> Any:
    """Build the Tracks layer of linked sites, tracks of one site left out; None when there is no other.

    Where drift was taken out for linking, tracks move with the image all the same.
    """
    longer = linked[linked["track"].map(linked["track"].value_counts()) > 1].sort_values(["track", "frame"])
    if not len(longer):
        return None
    where = {k: v for k, v in placement(image).items() if k in ("scale", "translate", "units", "axis_labels")}
    kwargs = {"name": f"{image.name} tracks", "tail_length": 30, **where}
    return Layer.create(longer[["track", "frame", "row", "col"]].to_numpy(float), kwargs, "tracks")


def vectors_layer(stack: Stack, sites: Sites, image: Image | None, name: str) -> Any:
    """Build the Vectors layer with the angle of each site as a short line."""
    data, kwargs, kind = pipeline.vectors(stack, sites)
    kwargs = _placed(kwargs, np.asarray(data).shape[-1], image) | {"name": name}
    for key in ("edge_colormap", "edge_contrast_limits"):
        kwargs.pop(key, None)
    kwargs["edge_color"] = "white"  # the points have the colours already; the same ones on them would not be seen
    return Layer.create(data, kwargs, kind)


def cells_layer(stack: Stack, sites: Sites, column: str, image: Image | None, name: str) -> Any:
    """Build the lazy Image layer that paints a column over the cells round the sites."""
    data, kwargs, kind = pipeline.overlay(stack, sites, column)
    return Layer.create(data, _placed(kwargs, data.ndim, image) | {"name": name, "cache": False}, kind)
