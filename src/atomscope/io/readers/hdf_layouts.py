"""Layouts inside HDF5: HyperSpy, Berkeley EMD and py4DSTEM, NeXus, and none in particular."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from atomscope.io.readers.base import DatasetInfo
from atomscope.io.readers.layout import FileAxis
from atomscope.io.readers.ngff import hyperspy_axes


@dataclass(frozen=True)
class Found:
    """A data set and what its file tells of it.

    Attributes
    ----------
    info : DatasetInfo
    axes : list of FileAxis
        In the order of the array; empty when the file does not tell.
    metadata : dict
    opener : callable or None
        When the array is not simply the data set of that name: takes the path, returns an opener.
    squeeze : tuple of int
        Array axes of one step that are left out.
    """

    info: DatasetInfo
    axes: list[FileAxis] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    opener: Callable[..., Any] | None = None
    squeeze: tuple[int, ...] = ()

    def at(self, path: Path) -> Found:
        """Return the same with the opener bound to a file."""
        return replace(self, opener=self.opener(path)) if self.opener is not None else self


def text(value: Any) -> str:
    """Return an attribute as text, whatever HDF5 made of it."""
    if isinstance(value, np.ndarray):
        value = value.reshape(-1)[0] if value.size else ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def is_numbers(node: Any) -> bool:
    """Tell whether a node is a data set of real numbers that is not empty."""
    return hasattr(node, "dtype") and node.dtype.kind in "buif" and bool(node.shape) and 0 not in node.shape


def walk(group: Any, depth: int = 6, limit: int = 2000) -> Iterator[tuple[str, Any]]:
    """Yield (path, node) of groups and data sets, in order of names, not following links that lead nowhere."""
    waiting = [(group, depth)]
    while waiting and limit > 0:
        current, left = waiting.pop(0)
        for name in sorted(current):
            try:
                node = current[name]
            except (KeyError, OSError):
                continue
            limit -= 1
            yield node.name.strip("/"), node
            if hasattr(node, "keys") and left > 1:
                waiting.append((node, left - 1))


def info(path: str, data: Any, note: str = "") -> DatasetInfo:
    """Describe a data set."""
    return DatasetInfo(path, tuple(int(n) for n in data.shape), str(data.dtype), note)


def hyperspy(file: Any) -> list[Found]:
    """HyperSpy: ``Experiments/<title>/data`` beside groups ``axis-0``, ``axis-1`` with name, scale, offset, units."""
    experiments = file.get("Experiments")
    found = []
    for title in experiments if hasattr(experiments, "keys") else ():
        group = experiments[title]
        data = group.get("data") if hasattr(group, "get") else None
        if data is None or not is_numbers(data):
            continue
        told = [dict(group[f"axis-{i}"].attrs) for i in range(data.ndim) if f"axis-{i}" in group]
        axes = hyperspy_axes([{k: _scalar(v) for k, v in t.items()} for t in told]) if len(told) == data.ndim else []
        found.append(Found(info(data.name.strip("/"), data, title), axes, {"format": "hspy", "title": title}))
    return sorted(found, key=_largest)


def _scalar(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic | np.ndarray) and getattr(value, "size", 1) == 1 else value


def emd(file: Any) -> list[Found]:
    """Berkeley EMD and py4DSTEM: groups marked ``emd_group_type`` that hold ``data`` and ``dim0``, ``dim1``."""
    found = []
    for path, node in walk(file):
        if not hasattr(node, "keys") or "emd_group_type" not in node.attrs:
            continue
        data = node.get("data")
        if data is None:
            data = node.get("datacube")
        if data is None or not is_numbers(data) or data.ndim < 2:
            continue
        first = 0 if "dim0" in node else 1
        dims = [node.get(f"dim{i + first}") for i in range(data.ndim)]
        axes = [_dim_axis(d, i, data) for i, d in enumerate(dims)]
        axes = _by_name(_calibrated(file, path, axes))
        found.append(Found(info(data.name.strip("/"), data, path.rsplit("/", 1)[-1]), axes, {"format": "emd"}))
    return sorted(found, key=_largest)


def _dim_axis(dim: Any, i: int, data: Any) -> FileAxis:
    if dim is None or not is_numbers(dim):
        return FileAxis()
    name, units = text(dim.attrs.get("name", "")), text(dim.attrs.get("units", ""))
    values = np.asarray(dim[:2], dtype=float) if dim.ndim == 1 else np.zeros(0)
    scale = float(values[1] - values[0]) if len(values) == 2 else None
    return FileAxis(name, scale, units, float(values[0]) if len(values) else 0.0)


def _calibrated(file: Any, path: str, axes: list[FileAxis]) -> list[FileAxis]:
    """Calibration of py4DSTEM, in ``metadatabundle/calibration``: R is the scan, Q the detector."""
    root = path.split("/", 1)[0]
    node = file.get(f"{root}/metadatabundle/calibration")
    if node is None or len(axes) < 4:
        return axes

    def value(name: str) -> Any:
        if name in node.attrs:
            return _scalar(node.attrs[name])
        inner = node.get(name)
        return None if inner is None or not hasattr(inner, "shape") or inner.shape != () else _scalar(inner[()])

    out = []
    for i, axis in enumerate(axes):
        if i < len(axes) - 4:
            out.append(axis)
            continue
        letter = "R" if i < len(axes) - 2 else "Q"
        size, unit = value(f"{letter}_pixel_size"), value(f"{letter}_pixel_units")
        if isinstance(size, int | float) and unit is not None and text(unit) not in ("pixels", "_None"):
            axis = replace(axis, scale=float(size), unit=text(unit), offset=0.0)
        out.append(axis)
    return out


def _by_name(axes: list[FileAxis]) -> list[FileAxis]:
    """Mark the image axes: those called x and y if there are, else the last two.

    Berkeley's files may have x first. py4DSTEM's ``R_x`` and ``Q_x`` are rows and stay where they are.
    """
    names = [a.name.lower() for a in axes]
    n = len(axes)
    if n == 3 and names.count("x") == 1 and names.count("y") == 1:
        return [replace(a, navigate=a.name.lower() not in ("x", "y")) for a in axes]
    return [replace(a, navigate=i < n - 2) for i, a in enumerate(axes)]


def nexus(file: Any) -> list[Found]:
    """NeXus: groups of class ``NXdata``, whose ``signal`` names the data set and ``axes`` its coordinates."""
    found = []
    for path, node in walk(file):
        if not hasattr(node, "keys") or text(node.attrs.get("NX_class", "")) != "NXdata":
            continue
        data = node.get(text(node.attrs.get("signal", "data")))
        if data is None or not is_numbers(data) or data.ndim < 2:
            continue
        names = [text(n) for n in np.atleast_1d(node.attrs.get("axes", []))]
        axes = []
        for i in range(data.ndim):
            axis = node.get(names[i]) if i < len(names) and names[i] != "." else None
            told = FileAxis() if axis is None else _coordinates(names[i], axis)
            axes.append(replace(told, navigate=i < data.ndim - 2))
        found.append(Found(info(data.name.strip("/"), data, path), axes, {"format": "nexus"}))
    return sorted(found, key=_largest)


def _coordinates(name: str, axis: Any) -> FileAxis:
    if not is_numbers(axis) or axis.ndim != 1 or axis.shape[0] < 2:
        return FileAxis(name)
    first, second = (float(v) for v in axis[:2])
    return FileAxis(name, second - first, text(axis.attrs.get("units", "")), first)


def anything(file: Any) -> list[Found]:
    """Every data set that could be an image or a stack, largest first."""
    found = [
        Found(info(path, node), metadata={"format": "hdf5"})
        for path, node in walk(file)
        if is_numbers(node) and node.ndim >= 2
    ]
    # Lists of positions and the like are no images, unless there is nothing else.
    images = [f for f in found if min(f.info.shape[-2:]) >= 8]
    return sorted(images or found, key=_largest)


def named(file: Any, key: str) -> list[Found]:
    """Return the data set that a person named, if it is there."""
    node = file.get(key)
    return [Found(info(key, node), metadata={"format": "hdf5"})] if node is not None and is_numbers(node) else []


def _largest(found: Found) -> tuple[int, str]:
    return -int(np.prod(found.info.shape, dtype=np.int64)), found.info.key
