"""Axes out of the metadata that Zarr files carry: OME-Zarr, ours, HyperSpy's, xarray's, dimension names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from atomscope.data import Axis
from atomscope.errors import DamagedFileError, InputError
from atomscope.io.readers.layout import FileAxis


def multiscales(attributes: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the first multiscale record of OME-Zarr 0.1 to 0.5, or None."""
    ome = attributes.get("ome")
    found = (ome if isinstance(ome, Mapping) else attributes).get("multiscales")
    if not isinstance(found, Sequence) or not found or not isinstance(found[0], Mapping):
        return None
    return found[0]


def level_path(record: Mapping[str, Any], where: str) -> str:
    """Return the path of the full-resolution array of a multiscale record."""
    try:
        return str(record["datasets"][0]["path"])
    except (KeyError, IndexError, TypeError):
        raise DamagedFileError(f"{where}: its OME-Zarr metadata names no data set") from None


def level_of(record: Mapping[str, Any], path: str) -> int | None:
    """Return which level of a multiscale record the array of that path is, or None when it is none."""
    for i, entry in enumerate(record.get("datasets") or []):
        if isinstance(entry, Mapping) and str(entry.get("path", "")).strip("/") == path.strip("/"):
            return i
    return None


def ome_axes(record: Mapping[str, Any], ndim: int, level: int = 0) -> list[FileAxis]:
    """Return the axes of the array of one level; 0 is the full resolution.

    References
    ----------
    OME-NGFF specification 0.4 and 0.5, "axes" and "coordinateTransformations": the transformations of the data set
    are applied first, then those of the multiscale record.
    """
    told = record.get("axes")
    if not isinstance(told, list) or len(told) != ndim:
        letters = ("t", "c", "z", "y", "x")  # versions before 0.3 had these five always
        told = [{"name": n} for n in (letters[-ndim:] if ndim <= 5 else [f"axis_{i}" for i in range(ndim)])]
        known = False
    else:
        told = [{"name": a} if isinstance(a, str) else dict(a) for a in told]
        known = True
    scale, offset = [1.0] * ndim, [0.0] * ndim
    datasets = record.get("datasets") or [{}]
    steps = [
        *(datasets[level].get("coordinateTransformations") or []),
        *(record.get("coordinateTransformations") or []),
    ]
    for step in steps:
        values = step.get(step.get("type", ""))
        if not isinstance(values, list) or len(values) != ndim:
            continue
        if step["type"] == "scale":
            scale = [s * float(v) for s, v in zip(scale, values, strict=True)]
            offset = [o * float(v) for o, v in zip(offset, values, strict=True)]
        elif step["type"] == "translation":
            offset = [o + float(v) for o, v in zip(offset, values, strict=True)]
    axes = []
    for i, axis in enumerate(told):
        unit = axis.get("unit")
        axes.append(
            FileAxis(
                str(axis.get("name", "")),
                scale[i] if known and unit else None,
                unit,
                offset[i],
                navigate=str(axis.get("name", "")).lower() not in ("y", "x"),
            )
        )
    if sum(a.navigate is False for a in axes) != 2:
        axes = [FileAxis(a.name, a.scale, a.unit, a.offset, i < ndim - 2) for i, a in enumerate(axes)]
    return axes


def hyperspy_axes(groups: Sequence[Mapping[str, Any]]) -> list[FileAxis]:
    """Return the axes of a HyperSpy file from the attributes of its ``axis-i`` groups, in array order."""
    ordered = sorted(enumerate(groups), key=lambda p: p[1].get("index_in_array", p[0]) or 0)
    axes = []
    for _, told in ordered:
        navigate = told.get("navigate")
        axes.append(
            FileAxis(
                _text(told.get("name")),
                told.get("scale"),  # absent for an axis that is not uniform
                _text(told.get("units")),
                told.get("offset", 0.0),
                None if navigate is None else bool(navigate),
            )
        )
    if all(a.navigate is False for a in axes) and len(axes) != 1:  # nothing marked: the last two are the image
        n = len(axes)
        axes = [FileAxis(a.name, a.scale, a.unit, a.offset, i < n - 2) for i, a in enumerate(axes)]
    if all(a.navigate is True for a in axes):
        n = len(axes)
        axes = [FileAxis(a.name, a.scale, a.unit, a.offset, i < n - 2) for i, a in enumerate(axes)]
    return axes


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    text = "" if value is None else str(value)
    return "" if text in ("_None_", "<undefined>", "None") else text


def our_axes(attributes: Mapping[str, Any], ndim: int) -> tuple[Axis, ...] | None:
    """Return the axes that atomscope itself wrote, or None."""
    record = attributes.get("atomscope")
    told = record.get("axes") if isinstance(record, Mapping) else None
    if not isinstance(told, list) or len(told) != ndim:
        return None
    try:
        return tuple(
            Axis(str(a["name"]), float(a["scale"]), str(a["unit"]), float(a["offset"]), a["kind"]) for a in told
        )
    except (KeyError, TypeError, ValueError, InputError):
        return None
