"""Windows that someone else cuts, collected as patches: in memory or on disk, normalised, flagged."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from atomscope.data import Normalisation, Patches
from atomscope.errors import InputError
from atomscope.patches import normalise as norm
from atomscope.patches.store import MemorySink, Sink, ZarrSink, collecting

#: Patches larger than this are not held in memory: they want a folder.
IN_MEMORY_BYTES = 2**30


def collect(
    windows: Iterable[np.ndarray],
    like: Patches,
    *,
    shown: np.ndarray | None = None,
    out: Path | None = None,
) -> Patches:
    """Collect windows as they come.

    Parameters
    ----------
    windows : iterable of numpy.ndarray, each shape (k, rows, cols), float32
        In the order of the sites; may be overwritten. Pixels that are not finite become the mean of the others.
    like : Patches
        What is to be made: the shape of its ``values``, its ``site`` ids, the mode of its normalisation ("none",
        "patch" or "dataset"), pixel size and provenance. Its values are not read.
    shown : numpy.ndarray of bool, shape (rows, cols), optional
        Pixels that count for mean and standard deviation; the others are 0 in each patch ("dataset": one value).
    out : pathlib.Path, optional
        Folder of a Zarr group to write; only one shard is in memory.

    Returns
    -------
    Patches
        ``flags``: ``nan`` where pixels were not finite, ``constant`` where all were equal.

    Raises
    ------
    InputError
        If they would need more than :data:`IN_MEMORY_BYTES` and there is no ``out``.
    Stopped
        What ``windows`` raises; ``partial`` holds the patches so far (None with ``out``).
    """
    n, shape = len(like), like.window
    size = n * shape[0] * shape[1] * 4
    if out is None and size > IN_MEMORY_BYTES:
        raise InputError(
            f"patches: {n} of {shape[0]} x {shape[1]} px are {size / 1e9:.1f} GB, more than is held in memory; give a "
            "folder (out=...) to write them to, bin more, or take fewer positions"
        )
    sink: Sink = MemorySink(n, shape) if out is None else ZarrSink(out, n, shape)
    work = _Work(like, sink, None if shown is None or shown.all() else shown)
    with collecting(sink, work.patches):
        for some in windows:
            work.add(some)
        return sink.seal(work.patches())


class _Work:
    def __init__(self, like: Patches, sink: Sink, shown: np.ndarray | None) -> None:
        self.like, self.sink, self.shown = like, sink, shown
        self.mode = like.normalisation.mode
        self.mean, self.deviation = np.zeros(len(like)), np.ones(len(like))
        self.bad: list[int] = []
        self.done = 0

    def add(self, windows: np.ndarray) -> None:
        """Take some windows, at most as many as are missing."""
        at = 0
        while at < len(windows):
            room = self.sink.reserve(len(windows) - at)
            room[:] = windows[at : at + len(room)]
            self._one(room)
            self.sink.commit(len(room))
            at += len(room)

    def _one(self, room: np.ndarray) -> None:
        held = ~np.isfinite(room).all((1, 2))
        for k in np.flatnonzero(held):
            good = np.isfinite(room[k]) if self.shown is None else np.isfinite(room[k]) & self.shown
            room[k][~np.isfinite(room[k])] = room[k][good].mean(dtype=np.float64) if good.any() else 0.0
            self.bad.append(self.done + int(k))
        if self.mode != "none":
            counted = room if self.shown is None else np.ascontiguousarray(room[:, None, self.shown])
            mean, deviation = norm.moments(counted)
            this = slice(self.done, self.done + len(room))
            self.mean[this], self.deviation[this] = mean, deviation
            if self.mode == "patch":
                offset, scale, _ = norm.offset_and_scale(mean, deviation)
                norm.apply(room, offset, scale)
                if self.shown is not None:
                    room[:, ~self.shown] = 0.0
        self.done += len(room)

    def patches(self) -> Patches:
        """Finish."""
        values, n = self.sink.finish(), self.done
        mean, deviation = self.mean[:n], self.deviation[:n]
        flags = {int(self.like.site[i]): "nan" for i in self.bad}
        if self.mode != "none":
            for i in np.flatnonzero(norm.is_constant(mean, deviation)):
                site = int(self.like.site[i])
                flags[site] = f"{flags[site]};constant" if site in flags else "constant"
        if self.mode == "dataset" and n:
            mean, deviation = (np.full(n, v) for v in norm.pooled_moments(mean, deviation, np.ones(n)))
        offset, scale, _ = norm.offset_and_scale(mean, deviation)
        if self.mode == "dataset" and n:
            self.sink.transform(offset, scale)
        return dataclasses.replace(
            self.like,
            values=values,
            site=self.like.site[:n],
            normalisation=Normalisation(self.mode, offset, scale),
            flags={**self.like.flags, **flags},
        )
