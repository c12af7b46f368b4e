"""Patches of the same sites side by side: each becomes a channel, or they are brought into one order.

What lies in memory is copied once; what lies on disk is read when it is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from atomscope.data import Normalisation, Patches
from atomscope.errors import InputError, ShapeError

NOT_IN_ALL = "not in every layer"


class SideBySide:
    """Rows of several arrays of patches, channel after channel; slices like an array (n, channels, rows, cols).

    Parameters
    ----------
    parts : sequence of (array, numpy.ndarray)
        Arrays of shape (any, rows, cols) or (any, channels, rows, cols), and which of their rows are wanted, (n,).
    channels : bool
        Whether there is an axis of channels.
    """

    def __init__(self, parts: Sequence[tuple[Any, np.ndarray]], channels: bool = True) -> None:
        self._parts = list(parts)
        first, index = self._parts[0]
        depth = sum(1 if len(values.shape) == 3 else int(values.shape[1]) for values, _ in self._parts)
        self.shape = (len(index), *((depth,) if channels else ()), *(int(n) for n in first.shape[-2:]))
        self.dtype, self.ndim = np.dtype(np.float32), len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def oindex(self) -> SideBySide:
        """Itself: rows are asked for by slices and arrays alike."""
        return self

    def __getitem__(self, index: Any) -> np.ndarray:
        rows = np.atleast_1d(np.arange(self.shape[0])[index])
        out = np.empty((len(rows), *self.shape[1:]), np.float32)
        wide = out if len(self.shape) == 4 else out[:, None]
        at = 0
        for values, where in self._parts:
            part = _take(values, where[rows])
            part = part if part.ndim == 4 else part[:, None]
            wide[:, at : at + part.shape[1]] = part
            at += part.shape[1]
        return out[0] if isinstance(index, int | np.integer) else out


def _take(values: Any, rows: np.ndarray) -> np.ndarray:
    """Read rows of an array; those of a lazy one in one stretch when they lie close together."""
    if isinstance(values, np.ndarray) or not len(rows):
        return np.asarray(values[rows] if len(rows) else values[0:0])
    low, high = int(rows.min()), int(rows.max()) + 1
    if high - low <= 2 * len(rows):
        return np.asarray(values[low:high])[rows - low]
    return np.stack([np.asarray(values[int(i)]) for i in rows])


def as_channels(layers: Sequence[Patches]) -> Patches:
    """Put patches of the same sites together as channels, each with the normalisation that it has.

    Parameters
    ----------
    layers : sequence of Patches
        Joined by site id, in the order of the first; a site that one of them lacks has no patch, and a flag.

    Returns
    -------
    Patches
        Shape (n, channels, rows, cols); read when asked for if any of the layers is.

    Raises
    ------
    InputError
        If there is none.
    ShapeError
        If the windows differ.
    """
    layers = list(layers)
    if not layers:
        raise InputError("layers: wanted patches of at least one layer, got none")
    windows = [p.window for p in layers]
    if len(set(windows)) > 1:
        raise ShapeError(f"layers: wanted windows of one size, got {windows} px; crop all with the same window")
    site, index, flags = common(layers)
    parts = list(zip((p.values for p in layers), index, strict=True))
    values: Any = SideBySide(parts)
    if all(isinstance(p.values, np.ndarray) for p in layers):
        values = values[:]
    columns = [(p.normalisation, i, p.channels) for p, i in zip(layers, index, strict=True)]
    offset, scale = (
        np.concatenate([_per_channel(getattr(n, name)[i], k) for n, i, k in columns], axis=1)
        for name in ("offset", "scale")
    )
    modes = {p.normalisation.mode for p in layers}
    norm = Normalisation(modes.pop() if len(modes) == 1 else "mixed", offset, scale)
    first = layers[0]
    return Patches(values, site, norm, first.pixel_size, first.unit, flags, first.provenance)


def pair(one: Patches, other: Patches) -> tuple[Patches, Patches]:
    """Bring two sets of patches to the sites that both have, in the order of the first; both get all flags."""
    site, index, flags = common([one, other])
    return _ordered(one, index[0], site, flags), _ordered(other, index[1], site, flags)


def common(layers: Sequence[Patches]) -> tuple[np.ndarray, list[np.ndarray], dict[int, str]]:
    """Return the sites that all have, where each has them, and the flags of all."""
    shared = layers[0].site
    for p in layers[1:]:
        shared = shared[np.isin(shared, p.site)]
    index = []
    for p in layers:
        sort = np.argsort(p.site, kind="stable")
        index.append(sort[np.searchsorted(p.site, shared, sorter=sort)] if len(shared) else np.zeros(0, np.int64))
    flags: dict[int, str] = {}
    for p in layers:
        for site, reason in p.flags.items():
            reasons = [r for r in flags.get(site, "").split(";") if r]
            flags[site] = ";".join(reasons + [r for r in reason.split(";") if r and r not in reasons])
    every = np.unique(np.concatenate([p.site for p in layers]))
    for lost in every[~np.isin(every, shared)].tolist():
        flags.setdefault(lost, NOT_IN_ALL)
    return shared, index, flags


def _ordered(p: Patches, index: np.ndarray, site: np.ndarray, flags: dict[int, str]) -> Patches:
    whole = len(index) == len(p) and bool((index == np.arange(len(p))).all())
    values = p.values
    if not whole:
        lazy = not isinstance(values, np.ndarray)
        values = SideBySide([(values, index)], channels=len(values.shape) == 4) if lazy else values[index]
    norm = Normalisation(p.normalisation.mode, p.normalisation.offset[index], p.normalisation.scale[index])
    return Patches(values, site, norm, p.pixel_size, p.unit, flags, p.provenance)


def _per_channel(numbers: np.ndarray, channels: int) -> np.ndarray:
    """Return numbers of patches (n,) or of their channels as (n, channels)."""
    return numbers if numbers.ndim == 2 else np.repeat(numbers[:, None], channels, axis=1)
