"""Where an unfinished run keeps its work, so that the next try goes on from there."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from atomscope.data import Sites, Stack
from atomscope.pipeline.recipe import Step


class Workspace:
    """A folder beside the run folder, named after what is being computed.

    Each record is kept under a key that is a hash of the source file's identity (path, size, time) and of every
    step up to it: another recipe or a changed file never picks up old work. Without a folder nothing is kept.
    """

    def __init__(self, run_folder: Path | None, sites: Sites | None = None) -> None:
        self._root = None if run_folder is None else run_folder.with_name(f".{run_folder.name}.work")
        self._hash = hashlib.sha256()
        self._stack: Stack | None = None
        self._layers: tuple[Stack, ...] = ()
        if sites is not None:
            self._hash.update(sites.table[["site", "frame", "row", "col"]].to_numpy(float).tobytes())

    def extend(self, step: Step, stack: Stack) -> None:
        """Take another step into the key."""
        if self._stack is not stack:
            self._stack = stack
            self._hash.update(_identity(stack).encode())
        self._hash.update(json.dumps(step.to_dict(), sort_keys=True).encode())

    def add_layers(self, layers: Sequence[Stack]) -> None:
        """Take registered images into the key, from the step on that reads them."""
        self._layers = tuple(layers)
        for stack in layers:
            self._hash.update(_identity(stack).encode())

    def know(self, sites: Sites, columns: list[str | None]) -> None:
        """Take columns of the sites into the key: what is known of them is part of what is computed."""
        for name in columns:
            if name is not None and name in sites.table.columns:
                self._hash.update("\n".join(map(str, sites.table[name])).encode())

    def _place(self, suffix: str) -> Path | None:
        # Data made in memory has no identity that survives the process: nothing to resume from.
        if self._root is None or self._stack is None:
            return None
        if not all(stack.source for stack in (self._stack, *self._layers)):
            return None
        return self._root / f"{self._hash.hexdigest()[:16]}{suffix}"

    @property
    def checkpoint(self) -> Path | None:
        """Folder for the checkpoints of the current step."""
        return self._place("-model")

    @property
    def patches(self) -> Path | None:
        """Folder for patches that are too large for memory."""
        return self._place("-patches.zarr")

    def read_sites(self) -> Sites | None:
        """Return the sites of the current step, when an earlier try finished it."""
        from atomscope import io

        place = self._place(".parquet")
        return io.read_table(place) if place is not None and place.exists() else None

    def write_sites(self, sites: Sites) -> None:
        """Keep the sites of the current step."""
        from atomscope import io

        place = self._place(".parquet")
        if place is not None:
            place.parent.mkdir(parents=True, exist_ok=True)
            io.write_table(sites, place)

    def clear(self) -> None:
        """Remove what is no longer needed, after the run folder was written."""
        if self._root is not None and self._root.exists():
            shutil.rmtree(self._root, ignore_errors=True)


def _identity(stack: Stack) -> str:
    path = Path(stack.source) if stack.source else None
    if path is None or not path.exists():
        return f"{stack.source}:{stack.shape}"
    info = path.stat()
    return f"{path.resolve()}:{stack.shape}:{info.st_size}:{info.st_mtime_ns}"
