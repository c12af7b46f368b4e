"""Saving a stack as OME-Zarr 0.5: one frame a chunk, many frames a file, one such file in memory at a time."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from atomscope.data import Axis, OnProgress, ShouldStop, Stack, check_stop, report
from atomscope.errors import InputError, SaveError
from atomscope.io.atomic import writing_folder
from atomscope.io.plain import plain

#: Frames in one shard (one file) when the caller does not say, and the most bytes that they may take in memory.
_SHARD_FRAMES = 64
_SHARD_BYTES = 128 * 2**20

_UNIT_NAMES = {"nm": "nanometer", "um": "micrometer", "pm": "picometer", "angstrom": "angstrom", "s": "second"}


def save_stack(
    stack: Stack,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    shard_frames: int | None = None,
) -> Path:
    """Save a stack as Zarr version 3 that ``open_stack`` reads back with equal axes.

    Images and movies are OME-Zarr 0.5. What OME-Zarr cannot say (scans with two navigation axes) is a plain
    Zarr array with dimension names and our calibration in its attributes.

    Parameters
    ----------
    stack : Stack
    path : str or Path
        A name ending in ``.zarr``.
    overwrite : bool
        Replace what is there, once the new one is complete.
    on_progress, should_stop : callable, optional
        Called after and before each frame.
    shard_frames : int, optional
        Frames in one file; one file's worth of frames is held in memory. 64, or fewer when frames are large.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If the name does not end in ``.zarr`` or ``shard_frames`` is below 1.
    SaveError
        If something of that name exists, or writing failed; nothing half-written is left under the name.
    Stopped
        If asked to stop; nothing is left under the name.

    References
    ----------
    OME-NGFF specification 0.5, https://ngff.openmicroscopy.org/0.5/
    """
    where = Path(path).expanduser()
    if where.suffix.lower() != ".zarr":
        raise InputError(f"{where}: wanted a name ending in .zarr, for example {where.with_suffix('.zarr').name}")
    if shard_frames is not None and shard_frames < 1:
        raise InputError(f"shard_frames: wanted at least 1, got {shard_frames}")
    if where.exists() and not overwrite:
        raise SaveError(f"{where}: already there; choose another name or allow overwriting")
    with writing_folder(where) as beside:
        array, shard = _create(stack, beside, shard_frames)
        _copy(stack, array, shard, on_progress, should_stop)
    return where


def _create(stack: Stack, folder: Path, shard_frames: int | None) -> tuple[Any, tuple[int, ...]]:
    """Make the empty array; return it and the frames of a shard along each navigation axis."""
    import zarr
    from zarr.codecs import BloscCodec

    dtype = stack.data.dtype.newbyteorder("=")
    navigation, frame = stack.navigation_shape, stack.frame_shape
    shard = _shard(navigation, int(np.prod(frame)) * dtype.itemsize, shard_frames)
    named = _ngff_axes(stack.axes)
    names = [a["name"] for a in named] if named else _unique([a.name for a in stack.axes])
    common = {
        "shape": stack.shape,
        "dtype": dtype,
        "chunks": (*(1 for _ in navigation), *frame),
        "shards": (*shard, *frame) if int(np.prod(shard, dtype=np.int64)) > 1 else None,
        "compressors": BloscCodec(cname="zstd", clevel=5),
        "dimension_names": names,
    }
    ours: dict[str, Any] = {"atomscope": _our_record(stack)}
    if not named:
        return zarr.create_array(str(folder), attributes=ours, overwrite=True, **common), shard
    scales = [{"type": "scale", "scale": [a.scale for a in stack.axes]}]
    if any(a.offset for a in stack.axes):
        scales.append({"type": "translation", "translation": [a.offset for a in stack.axes]})
    record = {
        "name": stack.name,
        "axes": named,
        "datasets": [{"path": "0", "coordinateTransformations": scales}],
    }
    group = zarr.create_group(
        str(folder), overwrite=True, attributes={"ome": {"version": "0.5", "multiscales": [record]}, **ours}
    )
    return group.create_array("0", **common), shard


def _shard(navigation: Sequence[int], frame_bytes: int, wanted: int | None) -> tuple[int, ...]:
    """Frames of a shard along each navigation axis: the last axis is filled first."""
    room = wanted if wanted is not None else max(1, min(_SHARD_FRAMES, _SHARD_BYTES // max(1, frame_bytes)))
    shard = [1] * len(navigation)
    for i in reversed(range(len(navigation))):
        shard[i] = min(navigation[i], room)
        room //= shard[i]
        if room < 2:
            break
    return tuple(shard)


def _copy(
    stack: Stack,
    array: Any,
    shard: tuple[int, ...],
    on_progress: OnProgress | None,
    should_stop: ShouldStop | None,
) -> None:
    navigation = stack.navigation_shape
    done = 0
    for block in _blocks(navigation, shard):
        buffer = np.empty((*(s.stop - s.start for s in block), *stack.frame_shape), array.dtype)
        for where in np.ndindex(buffer.shape[: len(block)]):
            check_stop(should_stop)
            at = tuple(s.start + i for s, i in zip(block, where, strict=True))
            flat = int(np.ravel_multi_index(at, navigation)) if navigation else 0
            buffer[where] = stack.frame(flat)
            done += 1
            report(on_progress, done, stack.n_frames, "frames")
        array[(*block, slice(None), slice(None))] = buffer


def _blocks(navigation: Sequence[int], shard: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    ranges = [[slice(a, min(a + s, n)) for a in range(0, n, s)] for n, s in zip(navigation, shard, strict=True)]
    return itertools.product(*ranges)


def _ngff_axes(axes: Sequence[Axis]) -> list[dict[str, str]]:
    """Return the axes as OME-NGFF names them, or nothing when the specification has no place for them."""
    named = []
    for axis in axes[:-2]:
        if axis.unit == "s" or axis.name in ("frame", "time", "t"):
            named.append({"name": "t", "type": "time"})
        elif axis.name == "z":
            named.append({"name": "z", "type": "space"})
        elif axis.name in ("channel", "c"):
            named.append({"name": "c", "type": "channel"})
        else:
            named.append({"name": axis.name, "type": "channel" if axis.name == "energy" else "other"})
    rank = {"time": 0, "channel": 1, "other": 1, "space": 2}
    ranks = [rank[a["type"]] for a in named]
    if sorted(set(ranks)) != ranks:  # at most one of each, in this order
        return []
    if {a["name"] for a in named} & {"x", "y"}:
        return []
    named += [{"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
    for entry, axis in zip(named, axes, strict=True):
        if axis.unit in _UNIT_NAMES:
            entry["unit"] = _UNIT_NAMES[axis.unit]
    return named


def _our_record(stack: Stack) -> dict[str, Any]:
    metadata = {}
    for name, value in stack.metadata.items():
        try:
            metadata[str(name)] = plain(value)
        except InputError:  # what the source said about itself is a courtesy: no reason not to save the pixels
            metadata[str(name)] = str(value)
    return {
        "version": 1,
        "name": stack.name,
        "source": stack.source,
        "axes": [
            {"name": a.name, "scale": a.scale, "unit": a.unit, "offset": a.offset, "kind": a.kind} for a in stack.axes
        ],
        "metadata": metadata,
    }


def _unique(names: Sequence[str]) -> list[str]:
    out: list[str] = []
    for i, name in enumerate(names):
        out.append(name if name not in out else f"{name}_{i}")
    return out
