"""The checkpoint of a run of teaching: one file, kept while it runs."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from pathlib import Path
from typing import Any

import numpy as np

from atomscope.data import ModelState, OnProgress, Progress
from atomscope.errors import AtomscopeError

log = logging.getLogger(__name__)

_KIND = "Teaching"
#: Seconds between two writings of the file.
_EVERY = 10.0


class Log:
    """Keeps every training of a run of teaching in a file.

    Parameters
    ----------
    path : path or None
        Without one nothing is kept.
    key : str
        What makes the run what it is: a file of another run is not gone on from.
    """

    def __init__(self, path: str | Path | None, key: str) -> None:
        from atomscope.io.model_file import model_paths

        self.path = None if path is None else model_paths(path)[0]
        self.key, self._kept, self._written = key, {}, time.monotonic()
        self._kept = self._read()

    def _read(self) -> dict[str, dict[str, Any]]:
        from atomscope import io

        if self.path is None or not self.path.exists():
            return {}
        try:
            state = io.read_model(self.path)
        except AtomscopeError as error:
            log.warning("this checkpoint is not gone on from: %s", error)
            return {}
        if state.spec.get("kind") != _KIND or state.spec.get("key") != self.key:
            log.warning("%s is the checkpoint of another run: starting anew", self.path)
            return {}
        kept: dict[str, dict[str, Any]] = {n: {"meta": m, "tensors": {}} for n, m in state.meta["runs"].items()}
        for name, tensor in state.tensors.items():
            run, _, rest = name.partition("/")
            kept[run]["tensors"][rest] = tensor
        return kept

    def restore(self, name: str, run: Any) -> None:
        """Let a training go on from what is kept of it."""
        if name in self._kept:
            run.restore(self._kept[name]["tensors"], self._kept[name]["meta"])

    def save(self, name: str, run: Any) -> None:
        """Write a training and all that came before it."""
        from atomscope import io

        if self.path is None:
            return
        tensors, meta = run.state()
        self._kept[name] = {"tensors": tensors, "meta": meta}
        every = {f"{n}/{k}": t for n, kept in self._kept.items() for k, t in kept["tensors"].items()}
        meta = {"runs": {n: kept["meta"] for n, kept in self._kept.items()}}
        io.write_model(ModelState({"kind": _KIND, "key": self.key}, (8, 8), 1, every, meta), self.path)
        self._written = time.monotonic()

    def saving(self, name: str, run: Any, tell: OnProgress | None) -> OnProgress:
        """Return an ``on_progress`` that also writes the file now and then."""

        def told(progress: Progress) -> None:
            if self.path is not None and time.monotonic() - self._written > _EVERY:
                self.save(name, run)
            if tell is not None:
                tell(progress)

        return told

    def remove(self) -> None:
        """Take the file away: the run is done."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
            self.path.with_suffix(".json").unlink(missing_ok=True)


def key_of(arrays: list[np.ndarray], told: dict[str, Any]) -> str:
    """Return what tells one run from another."""
    digest = hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:32]
