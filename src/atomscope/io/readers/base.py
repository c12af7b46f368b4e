"""What a reader is, and the lazy array that every reader hands out: one frame a read."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from atomscope.data import Axis, Stack
from atomscope.errors import AtomscopeError, DamagedFileError, InputError


@dataclass(frozen=True)
class DatasetInfo:
    """One data set of a file.

    Attributes
    ----------
    key : str
        What ``open_stack(path, key=...)`` takes.
    shape : tuple of int
    dtype : str
    description : str
        Words for a person who has to choose.
    """

    key: str
    shape: tuple[int, ...]
    dtype: str
    description: str = ""

    def __str__(self) -> str:
        text = f"{self.key!r} ({' x '.join(str(n) for n in self.shape)}, {self.dtype}"
        return f"{text}, {self.description})" if self.description else f"{text})"


class Reader(Protocol):
    """A family of file formats.

    ``can_read`` looks at the name and at a few bytes, never raises and imports no heavy package.
    ``list_datasets`` and ``open`` read no pixel data; damaged files give DamagedFileError.
    """

    name: str
    extensions: tuple[str, ...]

    def can_read(self, path: Path) -> bool:
        """Tell whether this reader takes the file."""

    def list_datasets(self, path: Path) -> list[DatasetInfo]:
        """Return what the file holds, best guess first."""

    def open(self, path: Path, key: str | None) -> Stack:
        """Open one data set lazily; ChoiceNeededError when several are plausible and ``key`` is None."""


class LazyFrames:
    """An array-like whose frames are read one by one when they are asked for.

    Parameters
    ----------
    read : callable
        Takes the tuple of navigation indices and returns one frame, shape (rows, cols).
    shape : sequence of int
        (*navigation, rows, cols).
    dtype : numpy.dtype
    path : Path
        Named when a frame cannot be read.

    Notes
    -----
    Reads are serialised by a lock: file handles are not safe to share between threads. The object can be
    pickled when ``read`` can, so that a dask cluster can open the file anew.

    What goes through all of a file wants more than frames. ``read`` may have ``array``, the whole stack as a memory
    map; or ``chunks``, what is stored together, as a size along each axis of the stack, and ``block(index)``, which
    takes a slice per axis and may be called from several threads.
    """

    def __init__(
        self, read: Callable[[tuple[int, ...]], np.ndarray], shape: Sequence[int], dtype: Any, path: Path
    ) -> None:
        self._read = read
        self.shape = tuple(int(n) for n in shape)
        self.dtype = np.dtype(dtype).newbyteorder("=")
        self.ndim = len(self.shape)
        self.path = path
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def read_frame(self, where: tuple[int, ...]) -> np.ndarray:
        """Read one frame, shape (rows, cols)."""
        with self._lock, reading(self.path, f"frame {list(where)}" if where else ""):
            frame = np.asarray(self._read(where))
            if frame.shape != self.shape[-2:]:
                raise DamagedFileError(
                    f"{self.path}: frame {list(where)} has shape {frame.shape}, the first one said {self.shape[-2:]}"
                )
        if frame.flags.owndata and frame.flags.writeable and frame.flags.c_contiguous and frame.dtype == self.dtype:
            return frame
        return np.array(frame, dtype=self.dtype, order="C")  # not a view of what the reader keeps

    @property
    def mapped(self) -> np.ndarray | None:
        """The whole stack as a memory map, where there is one."""
        array = getattr(self._read, "array", None)
        return array if isinstance(array, np.ndarray) and array.shape == self.shape else None

    @property
    def chunks(self) -> tuple[int, ...] | None:
        """What is stored together, as a size along each axis; None when that is single frames."""
        with reading(self.path):
            chunks = getattr(self._read, "chunks", None)
        return None if chunks is None else tuple(int(n) for n in chunks)

    def block(self, index: tuple[slice, ...]) -> np.ndarray:
        """Read a block: a slice per axis."""
        read = getattr(self._read, "block", None)
        if read is None:
            return self[index]
        with reading(self.path):
            return np.asarray(read(index))

    def __getitem__(self, index: Any) -> np.ndarray:
        index = index if isinstance(index, tuple) else (index,)
        if any(i is Ellipsis for i in index):
            at = next(n for n, i in enumerate(index) if i is Ellipsis)
            index = index[:at] + (slice(None),) * (self.ndim - len(index) + 1) + index[at + 1 :]
        index = index + (slice(None),) * (self.ndim - len(index))
        n_nav = self.ndim - 2
        picked = [_positions(i, n) for i, n in zip(index[:n_nav], self.shape, strict=False)]
        lengths = tuple(len(p) for p in picked)
        kept = tuple(0 if isinstance(i, int | np.integer) else slice(None) for i in index[:n_nav])
        if all(n == 1 for n in lengths):  # the common case: one frame and no copy
            out = self.read_frame(tuple(p[0] for p in picked)).reshape(lengths + self.shape[-2:])
        else:
            out = np.empty(lengths + self.shape[-2:], self.dtype)
            for where in np.ndindex(*lengths):
                out[where] = self.read_frame(tuple(p[i] for p, i in zip(picked, where, strict=True)))
        return out[kept][(..., *index[n_nav:])]


def _positions(index: Any, n: int) -> list[int]:
    if isinstance(index, slice):
        return list(range(*index.indices(n)))
    if isinstance(index, int | np.integer):
        i = int(index) + (n if index < 0 else 0)
        if not 0 <= i < n:
            raise IndexError(f"index {index} out of range for an axis of {n}")
        return [i]
    return [int(i) for i in np.arange(n)[np.asarray(index)]]


@contextlib.contextmanager
def reading(path: Path, what: str = "") -> Iterator[None]:
    """Turn whatever a library raises on a broken file into DamagedFileError that names the file."""
    try:
        yield
    except (AtomscopeError, MemoryError):
        raise
    except PermissionError as error:
        raise DamagedFileError(f"{path}: no permission to read it ({error})") from error
    except Exception as error:
        part = f", {what}," if what else ""
        raise DamagedFileError(
            f"{path}:{part} cannot be read, it looks truncated or damaged ({type(error).__name__}: {error})"
        ) from error


def check_shape(path: Path, shape: Sequence[int], dtype: Any) -> None:
    """Refuse data that cannot be a stack of images.

    Raises
    ------
    DamagedFileError
        If an axis is empty.
    InputError
        If there are fewer than two axes or the numbers are not real.
    """
    if 0 in tuple(shape):
        raise DamagedFileError(f"{path}: an axis is empty, shape {tuple(shape)}; there is nothing to open")
    if len(shape) < 2:
        raise InputError(f"{path}: wanted an image or a stack of images, got an array of shape {tuple(shape)}")
    if np.dtype(dtype).kind not in "buif":
        raise InputError(f"{path}: wanted real numbers, got dtype {np.dtype(dtype)}; save the magnitude or one channel")


def lazy_stack(
    path: Path,
    read: Callable[[tuple[int, ...]], np.ndarray],
    shape: Sequence[int],
    dtype: Any,
    axes: Sequence[Axis] | None = None,
    *,
    name: str = "",
    metadata: dict[str, Any] | None = None,
) -> Stack:
    """Return a Stack with one frame a chunk, read by ``read(navigation indices)``."""
    check_shape(path, shape, dtype)
    frames = LazyFrames(read, shape, dtype, path)
    return Stack.from_array(
        frames, axes, name=name or path.stem.removesuffix(".ome"), source=str(path), metadata=metadata
    )


def head(path: Path, n: int = 64) -> bytes:
    """Return the first bytes of a file, empty when it cannot be read."""
    try:
        with path.open("rb") as handle:
            return handle.read(n)
    except OSError:
        return b""
