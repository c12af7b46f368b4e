"""Where windows are collected: an array in memory, or a Zarr group on disk written a shard at a time."""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import zarr

from atomscope.data import Normalisation, Patches, Provenance
from atomscope.errors import DamagedFileError, SaveError, Stopped
from atomscope.patches.ahead import MemoryAhead

log = logging.getLogger(__name__)

_SHARD_BYTES = 32 * 2**20
_CHUNK_BYTES = 2**20
_MARK = "atomscope-patches"


class Sink(Protocol):
    """Takes windows one after the other."""

    def reserve(self, wanted: int) -> np.ndarray:
        """Return room for 1 to ``wanted`` windows, shape (k, rows, cols), float32."""

    def commit(self, count: int) -> None:
        """Keep the first ``count`` windows of the room that was reserved last."""

    def finish(self) -> Any:
        """Return the array of all windows, shape (n, rows, cols)."""

    def transform(self, offset: np.ndarray, scale: np.ndarray) -> None:
        """Normalise everything that was committed, after :meth:`finish`."""

    def seal(self, patches: Patches) -> Patches:
        """Keep what belongs to the windows beside them, and put all in its place."""

    def discard(self) -> None:
        """Leave nothing behind."""


@contextlib.contextmanager
def collecting(sink: Sink, made: Callable[[], Patches]) -> Iterator[None]:
    """Leave nothing behind when what is done inside fails; a stop carries what was made, if that lies in memory."""
    try:
        yield
    except BaseException as failure:
        if isinstance(failure, Stopped) and isinstance(sink, MemorySink):
            failure.partial = made()
        sink.discard()
        raise


class MemorySink:
    """An array in memory, made once at its full size."""

    def __init__(self, n: int, window: tuple[int, int]) -> None:
        self._values = np.empty((n, *window), np.float32)
        self._ahead = MemoryAhead(self._values)
        self._done = 0

    def reserve(self, wanted: int) -> np.ndarray:
        """Return the next ``wanted`` windows of the array."""
        return self._values[self._done : self._done + wanted]

    def commit(self, count: int) -> None:
        """Move on."""
        self._done += count
        self._ahead.written(self._done * self._values.strides[0])

    def finish(self) -> np.ndarray:
        """Return the windows that were committed."""
        self._ahead.close()
        return self._values[: self._done]

    def transform(self, offset: np.ndarray, scale: np.ndarray) -> None:
        """Normalise in place."""
        from atomscope.patches.normalise import apply

        apply(self.finish(), offset, scale)

    def seal(self, patches: Patches) -> Patches:
        """Nothing to do."""
        return patches

    def discard(self) -> None:
        """Let go of the array."""
        self._ahead.close()


class ZarrSink:
    """A Zarr group (values, site, offset, scale), written beside its place and renamed when complete.

    Raises
    ------
    SaveError
        If the place holds something else, or cannot be written.
    """

    def __init__(self, path: Path, n: int, window: tuple[int, int]) -> None:
        self._path, self._window = Path(path), window
        self._beside = self._path.with_name(self._path.name + ".part")
        if self._path.exists() and not _is_ours(self._path):
            raise SaveError(f"{self._path}: exists and holds no patches; give another name for the patches")
        size = window[0] * window[1] * 4
        chunk = max(1, _CHUNK_BYTES // size)
        self._shard = chunk * max(1, _SHARD_BYTES // (chunk * size))
        self._buffer = np.empty((self._shard, *window), np.float32)
        self._filled = self._written = 0
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(self._beside, ignore_errors=True)
            self._group = zarr.open_group(self._beside, mode="w-", zarr_format=3)
            # Noise does not shrink: uncompressed chunks are read several times faster.
            self._values = self._group.create_array(
                "values",
                shape=(n, *window),
                dtype="float32",
                chunks=(chunk, *window),
                shards=(self._shard, *window),
                compressors=None,
            )
        except OSError as error:
            raise SaveError(f"{self._path}: cannot be written ({error}); choose another folder") from error

    def reserve(self, wanted: int) -> np.ndarray:
        """Return room in the shard that is being filled."""
        return self._buffer[self._filled : self._filled + wanted]

    def commit(self, count: int) -> None:
        """Write the shard when it is full."""
        self._filled += count
        if self._filled == self._shard:
            self._flush()

    def _flush(self) -> None:
        if not self._filled:
            return
        try:
            self._values[self._written : self._written + self._filled] = self._buffer[: self._filled]
        except OSError as error:
            raise SaveError(
                f"{self._path}: writing stopped after {self._written} windows ({error}); "
                "free some space or choose another folder, and crop again"
            ) from error
        self._written += self._filled
        self._filled = 0

    def finish(self) -> Any:
        """Write what is left and give the array its true length."""
        self._flush()
        self._values.resize((self._written, *self._window))
        return self._values

    def transform(self, offset: np.ndarray, scale: np.ndarray) -> None:
        """Normalise shard by shard."""
        from atomscope.patches.normalise import apply

        for i in range(0, self._written, self._shard):
            piece = slice(i, min(i + self._shard, self._written))
            values = np.array(self._values[piece])
            apply(values, offset[piece], scale[piece])
            self._values[piece] = values

    def seal(self, patches: Patches) -> Patches:
        """Write ids, normalisation and flags, rename, and open again from the final place."""
        try:
            for name, array in (
                ("site", patches.site),
                ("offset", patches.normalisation.offset),
                ("scale", patches.normalisation.scale),
            ):
                self._group.create_array(name, data=array)
            self._group.attrs.update(
                {
                    "kind": _MARK,
                    "schema": 1,
                    "normalise": patches.normalisation.mode,
                    "pixel_size": list(patches.pixel_size),
                    "unit": patches.unit,
                    "flags": {str(site): reason for site, reason in patches.flags.items()},
                    "provenance": patches.provenance.as_dict(),
                }
            )
            old = self._path.with_name(self._path.name + ".old")
            shutil.rmtree(old, ignore_errors=True)
            if self._path.exists():
                self._path.rename(old)
            self._beside.rename(self._path)
            shutil.rmtree(old, ignore_errors=True)
        except OSError as error:
            raise SaveError(f"{self._path}: cannot be written ({error}); free some space and crop again") from error
        return open_patches(self._path)

    def discard(self) -> None:
        """Remove the unfinished group."""
        shutil.rmtree(self._beside, ignore_errors=True)


def open_patches(path: Path) -> Patches:
    """Open patches that :func:`~atomscope.patches.crop` wrote; windows are read when asked for.

    Raises
    ------
    DamagedFileError
        If the folder is not a complete group of patches.
    """
    try:
        group = zarr.open_group(Path(path), mode="r")
        meta = dict(group.attrs)
        if meta.get("kind") != _MARK:
            raise DamagedFileError(f"{path}: wanted patches written by atomscope, found another Zarr group")
        norm = Normalisation(str(meta["normalise"]), _array(group["offset"]), _array(group["scale"]))
        pixel_size: Any = meta["pixel_size"]
        flags: Any = meta["flags"]
        provenance: Any = meta["provenance"]
        return Patches(
            group["values"],
            _array(group["site"]),
            norm,
            (float(pixel_size[0]), float(pixel_size[1])),
            str(meta["unit"]),
            {int(site): str(reason) for site, reason in flags.items()},
            Provenance.from_dict(provenance),
        )
    except (OSError, KeyError, ValueError) as error:
        if isinstance(error, DamagedFileError):
            raise
        raise DamagedFileError(f"{path}: cannot be read as patches ({error}); crop again") from error


def _array(node: Any) -> np.ndarray:
    return np.asarray(node[...])


def _is_ours(path: Path) -> bool:
    try:
        meta = json.loads((path / "zarr.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(meta.get("attributes", {}).get("kind") == _MARK)
