"""Annotations as a person gives them (clicks, tables, painted labels, regions), checked and brought to one form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from atomscope.data import Sites, Stack, counted
from atomscope.errors import InputError, ShapeError


@dataclass(frozen=True)
class Annotations:
    """What a person said.

    Attributes
    ----------
    table : pandas.DataFrame
        Columns ``frame``, ``row``, ``col``, ``kind``; a row per site.
    classes : tuple of str
    regions : dict of int to numpy.ndarray, bool (rows, cols)
        Where the annotation of a frame is complete; frames without regions are absent.
    frames : tuple of int
        Every frame that was annotated: those with sites and those with regions.
    """

    table: pd.DataFrame
    classes: tuple[str, ...]
    regions: dict[int, np.ndarray]
    frames: tuple[int, ...]


def read_annotations(
    stack: Stack,
    annotations: Any,
    regions: Any = None,
    classes: tuple[str, ...] | list[str] | None = None,
    polarity: str = "bright",
) -> Annotations:
    """Check annotations and bring them to one form.

    Parameters
    ----------
    stack : Stack
    annotations : Sites, DataFrame, array or mapping of int to array
        A table with ``row``, ``col`` (``frame``, ``kind`` if there are several); or painted labels: an array of
        integers, shape (rows, cols) for frame 0 or the shape of the stack, or such an array for each painted frame.
        Every painted blob is one site at its intensity-weighted centre; its value is its class.
    regions : DataFrame, sequence, bool array or mapping, optional
        Rectangles ``frame, row0, col0, row1, col1`` (px, ends included), or masks of shape (rows, cols).
    classes : sequence of str, optional
        Names of the classes; needed for a class that must be there, and to name painted values 1, 2, ...

    Raises
    ------
    InputError
        If there is nothing to learn from, or it does not fit the stack; the message says which item.
    """
    if isinstance(annotations, (Sites, pd.DataFrame)):
        table = _from_table(stack, annotations)
    else:
        table = _from_labels(stack, annotations, classes, polarity)
    masks = _regions(stack, regions)
    if not len(table):
        raise InputError(
            "there are no annotations: mark at least one site of every class (a click on it, or a painted spot)"
        )
    names = list(dict.fromkeys(classes)) if classes else sorted(table["kind"].unique())
    unknown = sorted(set(table["kind"]) - set(names))
    if unknown:
        raise InputError(f"annotations of the class {unknown[0]!r}, which is none of {names}")
    for name in names:
        if not (table["kind"] == name).any():
            raise InputError(
                f"class {name!r} has no examples: annotate at least one site of it, or leave the class out"
            )
    frames = tuple(sorted(set(table["frame"].tolist()) | set(masks)))
    return Annotations(table.reset_index(drop=True), tuple(names), masks, frames)


def _from_table(stack: Stack, given: Sites | pd.DataFrame) -> pd.DataFrame:
    table = given.table if isinstance(given, Sites) else given
    missing = [c for c in ("row", "col") if c not in table.columns]
    if missing:
        raise InputError(f"annotations: wanted the columns row and col, missing {missing}; got {list(table.columns)}")
    if "frame" not in table.columns and stack.n_frames > 1 and len(table):
        raise InputError(f"annotations: {stack.name} has {stack.n_frames} frames; add a column 'frame'")
    out = pd.DataFrame(
        {"frame": table["frame"] if "frame" in table.columns else 0, "row": table["row"], "col": table["col"]}
    )
    out["kind"] = table["kind"].astype(object) if "kind" in table.columns else "atom"
    try:
        numbers = out[["frame", "row", "col"]].apply(pd.to_numeric).to_numpy(np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"annotations: frame, row and col must be numbers ({error})") from None
    bad = np.flatnonzero(~np.isfinite(numbers).all(1) | out["kind"].isna().to_numpy())
    if len(bad):
        raise InputError(f"annotations: row {bad[0]} of the table has an empty frame, row, col or kind")
    out["frame"], out["row"], out["col"] = numbers[:, 0].astype(np.int64), numbers[:, 1], numbers[:, 2]
    out["kind"] = out["kind"].astype(str)
    _check_frames(stack, out["frame"].tolist())
    rows, cols = stack.frame_shape
    outside = ~(out["row"].between(-0.5, rows - 0.5) & out["col"].between(-0.5, cols - 0.5)).to_numpy()
    if outside.any():
        first = out[outside].iloc[0]
        some = counted(outside.sum(), "annotation lies", "annotations lie")
        raise InputError(
            f"{some} outside the image of {rows} x {cols} px, the first at row {first['row']:g}, "
            f"col {first['col']:g} of frame {first['frame']}; were row and col swapped?"
        )
    return out.sort_values(["frame"], kind="stable")


def _from_labels(stack: Stack, given: Any, classes: Any, polarity: str) -> pd.DataFrame:
    from atomscope.find.prepare import prepare
    from atomscope.find.spots import centres

    painted = dict(given) if isinstance(given, Mapping) else _by_frame(stack, given)
    _check_frames(stack, list(painted))
    tables = []
    for frame, labels in sorted(painted.items()):
        array = _labels_of(stack, frame, labels)
        if not (array != 0).any():
            continue
        ready = prepare(stack.frame(frame), polarity)
        if ready is None:
            raise InputError(f"frame {frame} of {stack.name} is constant or has no finite pixel: nothing to learn from")
        places, values = centres(array, ready.image)
        tables.append(pd.DataFrame({"frame": frame, "row": places[:, 0], "col": places[:, 1], "kind": values}))
    if not tables:
        return pd.DataFrame({"frame": [], "row": [], "col": [], "kind": []})
    table = pd.concat(tables, ignore_index=True)
    drawn = sorted(table["kind"].unique())
    names = list(classes or ())
    if names and max(drawn) > len(names):
        few = counted(len(names), "class is", "classes are")
        raise InputError(f"labels: value {max(drawn)} is painted, but only {few} named: {names}")
    told = {v: names[v - 1] if names else "atom" if len(drawn) == 1 else f"class {v}" for v in drawn}
    table["kind"] = table["kind"].map(told)
    return table


def _by_frame(stack: Stack, given: Any) -> dict[int, np.ndarray]:
    labels = np.asarray(given)
    if labels.shape == stack.frame_shape:
        if stack.n_frames > 1:
            raise ShapeError(
                f"labels of one frame for {stack.name} with {stack.n_frames} frames: say which, {{frame: labels}}"
            )
        return {0: labels}
    if labels.shape != stack.shape:
        raise ShapeError(f"labels of shape {labels.shape}: wanted {stack.frame_shape} (rows, cols) or {stack.shape}")
    flat = labels.reshape(-1, *stack.frame_shape)
    return {k: flat[k] for k in np.flatnonzero(flat.reshape(len(flat), -1).any(1)).tolist()}


def _labels_of(stack: Stack, frame: int, labels: Any) -> np.ndarray:
    array = np.asarray(labels)
    if array.shape != stack.frame_shape:
        raise ShapeError(f"labels of frame {frame}: wanted shape {stack.frame_shape} (rows, cols), got {array.shape}")
    if array.dtype.kind not in "bui":
        raise InputError(f"labels of frame {frame}: wanted whole numbers (0: nothing), got dtype {array.dtype}")
    if array.dtype.kind == "i" and array.min() < 0:
        raise InputError(f"labels of frame {frame}: wanted 0 or more, got {array.min()}")
    return array.astype(np.int64)


def _regions(stack: Stack, given: Any) -> dict[int, np.ndarray]:
    if given is None or (not isinstance(given, np.ndarray) and len(given) == 0):
        return {}
    rows, cols = stack.frame_shape
    out: dict[int, np.ndarray] = {}
    if isinstance(given, Mapping) or (isinstance(given, np.ndarray) and given.dtype == bool):
        masks = dict(given) if isinstance(given, Mapping) else _by_frame(stack, given)
        _check_frames(stack, list(masks))
        for frame, mask in masks.items():
            array = np.asarray(mask)
            if array.shape != stack.frame_shape:
                raise ShapeError(f"region of frame {frame}: wanted shape {stack.frame_shape}, got {array.shape}")
            out[int(frame)] = array.astype(bool)
    else:
        boxes = (
            given[["frame", "row0", "col0", "row1", "col1"]].to_numpy() if isinstance(given, pd.DataFrame) else given
        )
        for box in boxes:
            if len(box) != 5 or not np.isfinite(np.asarray(box, float)).all():
                raise InputError(f"a region is (frame, row0, col0, row1, col1), got {tuple(box)}")
            frame = int(box[0])
            _check_frames(stack, [frame])
            (r0, r1), (c0, c1) = sorted((float(box[1]), float(box[3]))), sorted((float(box[2]), float(box[4])))
            mask = out.setdefault(frame, np.zeros((rows, cols), bool))
            mask[max(0, round(r0)) : max(0, round(r1) + 1), max(0, round(c0)) : max(0, round(c1) + 1)] = True
    for frame, mask in out.items():
        if not mask.any():
            raise InputError(f"the region of frame {frame} lies outside the image of {rows} x {cols} px")
    return out


def _check_frames(stack: Stack, frames: list[int]) -> None:
    for frame in frames:
        if not 0 <= int(frame) < stack.n_frames:
            raise InputError(
                f"annotations of frame {frame}, but {stack.name} has {counted(stack.n_frames, 'frame')}, counted from 0"
            )
