"""Zarr arrays and groups, versions 2 and 3, sharded or not; OME-Zarr 0.4 and 0.5; HyperSpy zspy."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from atomscope.data import Stack
from atomscope.errors import UnknownFormatError
from atomscope.io.readers import ngff
from atomscope.io.readers.base import DatasetInfo, check_shape, head, lazy_stack, reading
from atomscope.io.readers.blocks import ArrayFrames
from atomscope.io.readers.choose import pick
from atomscope.io.readers.layout import FileAxis, Layout, arrange
from atomscope.io.readers.zarr_check import CheckedZarr


class ZarrReader:
    """Zarr version 2 and 3, arrays and groups, on disk or zipped."""

    name = "zarr"
    extensions: tuple[str, ...] = (".zarr", ".zspy", ".zip")

    def can_read(self, path: Path) -> bool:
        """Tell by the metadata file inside."""
        if path.is_dir():
            return any((path / n).is_file() for n in ("zarr.json", ".zarray", ".zgroup", ".zattrs"))
        return path.suffix.lower() in (".zarr", ".zip") and path.is_file() and head(path, 2) == b"PK"

    def list_datasets(self, path: Path) -> list[DatasetInfo]:
        """Return the arrays that can be stacks, best guess first."""
        with reading(path):
            node = _open(path)
            return [_info(k, a, note) for k, a, note in _candidates(node, str(path))]

    def open(self, path: Path, key: str | None = None) -> Stack:
        """Open one array lazily."""
        with reading(path):
            node = _open(path)
        return open_node(node, path, key)


def open_node(node: Any, path: Path, key: str | None) -> Stack:
    """Open a zarr array or group that is at hand."""
    with reading(path):
        found = _candidates(node, str(path))
        listed = {k.strip("/") for k, _, _ in found}
        if key is not None and key.strip("/") not in listed and hasattr(node, "members"):
            inner = node.get(key)  # any array may be asked for by name, a lower resolution for instance
            if inner is not None and hasattr(inner, "chunks"):
                found = [(key, inner, "")]
        by_key = {k: a for k, a, _ in found}
        info = pick(path, [_info(k, a, note) for k, a, note in found], key)
        array = by_key[info.key]
        check_shape(path, array.shape if len(array.shape) != 1 else (1, *array.shape), array.dtype)
        layout, metadata = _layout(node, array, info.key, str(path))
        read = ArrayFrames(CheckedZarr(array), layout)
        name = path.name.split(".")[0] or path.name
        return lazy_stack(path, read, layout.shape(array.shape), array.dtype, layout.axes, name=name, metadata=metadata)


def _open(path: Path) -> Any:
    import zarr

    try:
        return zarr.open(zarr.storage.ZipStore(path, mode="r") if path.is_file() else str(path), mode="r")
    except FileNotFoundError as error:
        raise UnknownFormatError(f"{path}: no Zarr array or group found in it ({error})") from error


def _info(key: str, array: Any, note: str) -> DatasetInfo:
    return DatasetInfo(key, tuple(int(n) for n in array.shape), str(array.dtype), note)


def _candidates(node: Any, where: str) -> list[tuple[str, Any, str]]:
    """Return (key, array, description), best guess first."""
    if not hasattr(node, "members"):
        return [("", node, "")]
    record = ngff.multiscales(node.attrs)
    if record is not None:
        level = ngff.level_path(record, where)
        return [(level, node[level], str(record.get("name") or "OME-Zarr"))]
    found: list[tuple[str, Any, str]] = []
    lower: set[str] = set()
    # A broken or foreign hierarchy may be large: look at the first thousand members only.
    for key, member in itertools.islice(node.members(max_depth=4), 1000):
        if hasattr(member, "members"):
            inner = ngff.multiscales(member.attrs)
            if inner is not None:  # a picture of several resolutions counts once
                lower |= {f"{key}/{d['path']}" for d in inner["datasets"][1:] if "path" in d}
        elif len(member.shape) >= 2 and np.dtype(member.dtype).kind in "buif" and 0 not in member.shape:
            found.append((key, member, ""))
    found = [f for f in found if f[0] not in lower]
    return sorted(found, key=lambda f: (-int(np.prod(f[1].shape, dtype=np.int64)), f[0]))


def _layout(node: Any, array: Any, key: str, source: str) -> tuple[Layout, dict[str, Any]]:
    ndim = len(array.shape)
    parent = _parent(node, key)
    metadata: dict[str, Any] = {"format": f"zarr v{array.metadata.zarr_format}"}
    for holder in (array, parent):
        attributes = dict(holder.attrs) if holder is not None else {}
        record = attributes.get("atomscope")
        if isinstance(record, Mapping) and isinstance(record.get("metadata"), Mapping):
            metadata = {**record["metadata"], **metadata}
        ours = ngff.our_axes(attributes, ndim)
        if ours is not None:
            return Layout(tuple(range(ndim)), ours), metadata
    for group, inner in _ancestors(node, key):
        record = ngff.multiscales(group.attrs)
        level = None if record is None else ngff.level_of(record, inner)
        if record is not None and level is not None:
            metadata["format"] = "OME-Zarr"
            return _squeeze(arrange(ngff.ome_axes(record, ndim, level), source), array.shape), metadata
    if parent is not None:
        groups = [dict(parent[f"axis-{i}"].attrs) for i in range(ndim) if f"axis-{i}" in parent]
        if len(groups) == ndim:
            metadata["format"] = "zspy"
            return arrange(ngff.hyperspy_axes(groups), source), metadata
    names = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS") or ()
    if len(names) != ndim:
        names = ("",) * ndim
    names = [str(n or "") for n in names]
    lower = [n.lower() for n in names]
    image = ("y", "x") if lower.count("y") == lower.count("x") == 1 else tuple(lower[-2:])
    by_name = len(set(lower)) == ndim
    told = [FileAxis(n, navigate=(n.lower() not in image) if by_name else i < ndim - 2) for i, n in enumerate(names)]
    return arrange(told, source), metadata


def _parent(node: Any, key: str) -> Any:
    if not hasattr(node, "members"):
        return None
    return node[key.rsplit("/", 1)[0]] if "/" in key else node


def _ancestors(node: Any, key: str) -> Iterator[tuple[Any, str]]:
    """Yield each group above an array with the array's path inside it, the outermost first."""
    parts = key.split("/")
    for depth in range(len(parts)) if hasattr(node, "members") else ():
        yield node["/".join(parts[:depth])] if depth else node, "/".join(parts[depth:])


def _squeeze(layout: Layout, shape: tuple[int, ...]) -> Layout:
    """Leave out axes of one step that OME-Zarr writers add to come to five; a movie of one frame stays a movie."""
    movie = len(layout.order) == 3 and layout.axes[0].name == "frame"
    drop = [i for i in layout.order[:-2] if shape[i] == 1 and not movie]
    return layout.without(drop) if drop else layout
