"""Frames that Dectris detectors (Arina, Eiger) spread over many data sets behind one master file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from atomscope.io.readers.base import DatasetInfo
from atomscope.io.readers.hdf_layouts import Found, is_numbers, text

_GROUP = "entry/data"


def dectris(file: Any) -> list[Found]:
    """Dectris: ``entry/data`` holds links ``data_000001``, ``data_000002``, ... to some thousand frames each."""
    group = file.get(_GROUP)
    if not hasattr(group, "keys"):
        return []
    names = sorted(n for n in group if n.startswith("data_"))
    if not names:
        return []
    missing = [n for n in names if group.get(n, getlink=True) is not None and n not in group]
    if missing:
        link = group.get(missing[0], getlink=True)
        raise OSError(f"{missing[0]} lies in {getattr(link, 'filename', '?')}, which is not beside it")
    parts = [group[n] for n in names]
    if not all(is_numbers(p) and p.ndim == 3 and p.shape[1:] == parts[0].shape[1:] for p in parts):
        return []
    counts = tuple(int(p.shape[0]) for p in parts)
    shape = (sum(counts), *(int(n) for n in parts[0].shape[1:]))
    about = DatasetInfo(_GROUP, shape, str(parts[0].dtype), f"{len(names)} parts")
    facts: dict[str, Any] = {"format": "dectris", "parts": len(names)}
    for name, place in (("frame_time_s", "frame_time"), ("exposure_s", "count_time")):
        node = file.get(f"entry/instrument/detector/{place}")
        if node is not None and is_scalar(node):
            facts[name] = float(node[()])
    date = file.get("entry/instrument/detector/detectorSpecific/data_collection_date")
    if date is not None and date.shape == ():
        facts["date"] = text(date[()])
    return [Found(about, metadata=facts, opener=lambda path: OpenShards(path, tuple(names), counts))]


def is_scalar(node: Any) -> bool:
    """Tell whether a node is one number."""
    return getattr(node, "shape", None) == () and node.dtype.kind in "iuf"


class OpenShards:
    """Opens the parts of a master file as one array; picklable."""

    def __init__(self, path: Path, names: tuple[str, ...], counts: tuple[int, ...]) -> None:
        self.path, self.names, self.counts = path, names, counts

    def __call__(self) -> Any:
        """Return the array of all frames."""
        return _Shards(self)


class _Shards:
    """An array-like over several data sets, one frame a read; parts are opened when they are asked for."""

    def __init__(self, told: OpenShards) -> None:
        self.told = told
        self.ends = np.cumsum(told.counts)
        self.parts: dict[int, Any] = {}
        first = self._part(0)
        self.shape = (int(self.ends[-1]), *first.shape[1:])
        self.dtype = first.dtype

    def _part(self, n: int) -> Any:
        from atomscope.io.readers.hdf import OpenDataset

        if n not in self.parts:
            self.parts[n] = OpenDataset(self.told.path, f"{_GROUP}/{self.told.names[n]}")()
        return self.parts[n]

    def __getitem__(self, index: Any) -> np.ndarray:
        frame, *rest = index
        part = int(np.searchsorted(self.ends, frame, side="right"))
        start = int(self.ends[part]) - self.told.counts[part]
        return np.asarray(self._part(part)[(frame - start, *rest)])
