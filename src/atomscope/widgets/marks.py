"""The layers that annotations are made in: clicks with a class each, painted labels, rectangles of complete regions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from atomscope.data import Stack
from atomscope.errors import InputError
from atomscope.widgets.bridge import KEY, current_frame, note_of, placement, sites_of

#: Colours and symbols of the classes, keys 1 to 9.
COLOURS = ("#ff9f1c", "#2ec4ff", "#ff4f79", "#8ce563", "#c792ea", "#ffe066", "#3ddbd9", "#ff7ad9", "#b0b7c3")
SYMBOLS = ("disc", "square", "triangle_up", "diamond", "star", "triangle_down", "cross", "x", "clobber")
_MARKS, _REGIONS = "marks", "regions"


def is_marks(layer: Any) -> bool:
    """Whether a layer can hold annotations: points made for it, or any labels."""
    return note_of(layer).get("kind") == _MARKS or type(layer).__name__ == "Labels"


def is_regions(layer: Any) -> bool:
    """Whether a layer holds the rectangles in which all is annotated."""
    return note_of(layer).get("kind") == _REGIONS


def add_marks(viewer: Any, image: Any, classes: tuple[str, ...]) -> Any:
    """Add an empty Points layer on an image, ready to click into, and return it."""
    layer = viewer.add_points(
        np.zeros((0, image.ndim)),
        ndim=image.ndim,
        name=f"{image.name} marks",
        features=pd.DataFrame({"kind": pd.Series([], dtype=object)}),
        size=8,
        face_color="transparent",
        border_color=COLOURS[0],
        border_width=0.15,
        canvas_size_limits=(8, 200),
        metadata={KEY: {"kind": _MARKS}},
        **placement(image),
    )
    layer.mode = "add"
    use_class(layer, classes, 0)
    return layer


def add_paint(viewer: Any, image: Any) -> Any:
    """Add an empty Labels layer on an image, ready to paint in, and return it."""
    shape = (image.data[0] if image.multiscale else image.data).shape
    layer = viewer.add_labels(np.zeros(shape, np.uint8), name=f"{image.name} paint", opacity=0.5, **placement(image))
    layer.brush_size = 5
    layer.mode = "paint"
    return layer


def add_regions(viewer: Any, image: Any) -> Any:
    """Add a Shapes layer on an image, ready to draw rectangles in, and return it."""
    layer = viewer.add_shapes(
        ndim=image.ndim,
        name=f"{image.name} regions",
        face_color="transparent",
        edge_color="#8ce563",
        edge_width=1,
        metadata={KEY: {"kind": _REGIONS}},
        **placement(image),
    )
    layer.mode = "add_rectangle"
    return layer


def use_class(layer: Any, classes: tuple[str, ...], index: int) -> None:
    """Let what is clicked or painted from now on be of a class; in select mode, selected points become it.

    In add mode the last click is selected by napari, and nobody means it.
    """
    if type(layer).__name__ == "Labels":
        layer.selected_label = index + 1
        return
    if str(layer.mode) == "select" and layer.selected_data:
        features = layer.features.copy()
        features.loc[sorted(layer.selected_data), "kind"] = classes[index]
        layer.features = features
    else:
        layer.selected_data = set()  # what is chosen next would else be done to it
    layer.feature_defaults = pd.DataFrame({"kind": [classes[index]]})
    layer.current_border_color = COLOURS[index % len(COLOURS)]
    layer.current_symbol = SYMBOLS[index % len(SYMBOLS)]


def rename_classes(layer: Any, names: dict[str, str]) -> None:
    """Give the marks of a Points layer the new names of their classes."""
    kind = layer.features["kind"].astype(str)
    if kind.isin([old for old, new in names.items() if old != new]).any():
        layer.features = layer.features.assign(kind=kind.replace(names).astype(object))


def bind_keys(layer: Any, choose: Any) -> None:
    """Let the keys 1 to 9 choose a class while a layer is active; ``choose(index)``."""
    for index in range(9):
        layer.bind_key(str(index + 1), lambda _layer, k=index: choose(k), overwrite=True)


def annotations_of(layer: Any, image: Any, viewer: Any, stack: Stack, classes: tuple[str, ...]) -> Any:
    """Return what was annotated in a layer, as teaching takes it: a table, or painted labels of each frame."""
    if type(layer).__name__ == "Labels":
        data = np.asarray(layer.data)
        if data.shape == stack.frame_shape:
            return {current_frame(viewer, image): data}
        if data.shape != stack.shape:
            raise InputError(
                f"layer {layer.name!r} has shape {data.shape}, the image {stack.shape}; paint in a layer made here"
            )
        flat = data.reshape(-1, *stack.frame_shape)
        return {int(k): flat[k] for k in np.flatnonzero(flat.reshape(len(flat), -1).any(1))}
    table = sites_of(layer, image, viewer).table
    kind = table["kind"].astype(str)
    strange = kind[~kind.isin(classes)].value_counts()
    if len(strange):
        told = ", ".join(f"{n} of {name!r}" for name, n in strange.items())
        raise InputError(
            f"layer {layer.name!r} holds marks of classes that are not named: {told}; "
            f"named are {', '.join(classes)}. Name them too, or delete these marks"
        )
    return table.assign(kind=kind)[["frame", "row", "col", "kind"]]


def rectangles_of(viewer: Any, image: Any, stack: Stack) -> list[tuple[float, ...]] | None:
    """Return the regions drawn on an image as (frame, row0, col0, row1, col1), px; None when there are none."""
    boxes = []
    for layer in viewer.layers:
        if not is_regions(layer) or layer.ndim != image.ndim:
            continue
        for shape in layer.data:
            corners = np.asarray(shape, float)
            lead = np.rint(corners[0, :-2]).astype(int)
            nav = stack.navigation_shape
            frame = int(np.ravel_multi_index(tuple(np.clip(lead, 0, np.array(nav) - 1)), nav)) if nav else 0
            low, high = corners[:, -2:].min(0), corners[:, -2:].max(0)
            boxes.append((frame, *low.tolist(), *high.tolist()))
    return boxes or None


def show_classes(layer: Any, kinds: Any, classes: tuple[str, ...]) -> None:
    """Draw each point in the colour and with the symbol of its class; what has no class gets those of the first."""
    at = [classes.index(kind) if kind in classes else 0 for kind in kinds]
    layer.border_color = [COLOURS[k % len(COLOURS)] for k in at]
    layer.symbol = [SYMBOLS[k % len(SYMBOLS)] for k in at]


def put_marks(layer: Any, image: Any, stack: Stack, frame: int, table: pd.DataFrame, classes: tuple[str, ...]) -> None:
    """Replace the marks of one frame by the sites of a table (row, col, kind)."""
    nav = stack.navigation_shape
    lead = np.array(np.unravel_index(frame, nav), float) if nav else np.zeros(0)
    lead = np.concatenate([np.zeros(image.ndim - 2 - len(lead)), lead])
    old = np.asarray(layer.data, float)
    stay = ~(np.rint(old[:, :-2]) == lead).all(1) if len(old) else np.zeros(0, bool)
    new = np.c_[np.broadcast_to(lead, (len(table), len(lead))), table[["row", "col"]].to_numpy(float)]
    kinds = [*layer.features["kind"].astype(str)[stay], *table["kind"].astype(str)]
    layer.selected_data = set()
    layer.data = np.concatenate([old[stay], new])
    layer.features = pd.DataFrame({"kind": pd.Series(kinds, dtype=object)})
    if kinds:
        show_classes(layer, kinds, classes)
        layer.face_color = "transparent"
