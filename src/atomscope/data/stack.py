"""Stack: a lazy array with calibrated axes, read frame by frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import dask.array as da
import numpy as np

from atomscope.data.ahead import Ahead
from atomscope.data.axes import Axis, default_axes
from atomscope.data.lazy import compute, frame_chunks
from atomscope.data.part import Part
from atomscope.errors import InputError, ShapeError

_SOURCE = "_atomscope_source"
_AHEAD = "_atomscope_ahead"


@dataclass(frozen=True)
class Stack:
    """An image, a movie or a 4D scan: lazy, calibrated, never loaded whole.

    Parameters
    ----------
    data : dask.array.Array, shape (*navigation, row, col)
        Real numbers or booleans, at least two axes.
    axes : tuple of Axis
        One per array axis; navigation axes first, the last two are signal.
    name : str
        Short name for layers and files.
    source : str
        Where it was read from (empty when made in memory).
    metadata : mapping
        What else the file said, JSON-able.

    Raises
    ------
    ShapeError
        If there are fewer than two axes, an axis is empty, or ``axes`` does not match.
    InputError
        If the numbers are complex or not numbers.
    """

    data: da.Array
    axes: tuple[Axis, ...]
    name: str = "data"
    source: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.data.ndim < 2:
            raise ShapeError(f"{self.name}: wanted at least 2 axes (row, col), got shape {self.data.shape}")
        if len(self.axes) != self.data.ndim:
            raise ShapeError(f"{self.name}: {self.data.ndim} array axes but {len(self.axes)} calibrated axes")
        if 0 in self.data.shape:
            raise ShapeError(f"{self.name}: an axis is empty, shape {self.data.shape}")
        if self.data.dtype.kind not in "buif":
            raise InputError(
                f"{self.name}: wanted real numbers, got dtype {self.data.dtype}; "
                "take the magnitude or one channel first"
            )

    @classmethod
    def from_array(
        cls,
        array: Any,
        axes: Sequence[Axis] | None = None,
        *,
        name: str = "data",
        source: str = "",
        metadata: Mapping[str, Any] | None = None,
    ) -> Stack:
        """Wrap a numpy, dask or zarr array (or anything that slices like one): a frame a chunk, or a few of very many.

        Parameters
        ----------
        array : array-like, shape (*navigation, row, col)
        axes : sequence of Axis, optional
            Pixel axes when absent.
        """
        if isinstance(array, Stack):
            return array
        if not isinstance(array, da.Array):
            if not (hasattr(array, "shape") and hasattr(array, "dtype")):
                array = np.asarray(array)
            if array.ndim < 2:
                raise ShapeError(f"{name}: wanted at least 2 axes (row, col), got shape {array.shape}")
            chunks = frame_chunks(tuple(array.shape), np.dtype(array.dtype).itemsize)
            # asarray=True: zarr and h5py data sets hand back numpy frames when sliced.
            ahead = Ahead(array) if array.ndim == 3 and not isinstance(array, np.ndarray) else None
            lazy = da.from_array(ahead or array, chunks=chunks, asarray=True, name=False)
            setattr(lazy, _AHEAD, ahead)
            # Slicing a dask array costs time for each of all its chunks: frame() asks the array itself. Arrays derived
            # from this one do not carry the attribute.
            setattr(lazy, _SOURCE, array)
            array = lazy
        return cls(
            array,
            tuple(axes) if axes is not None else default_axes(array.ndim),
            name=name,
            source=source,
            metadata=dict(metadata or {}),
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return tuple(int(n) for n in self.data.shape)

    @property
    def frame_shape(self) -> tuple[int, int]:
        """Shape (rows, cols) of one frame."""
        return self.shape[-2], self.shape[-1]

    @property
    def navigation_shape(self) -> tuple[int, ...]:
        """Shape of the navigation axes; empty for one image."""
        return self.shape[:-2]

    @property
    def n_frames(self) -> int:
        """Number of frames (product of the navigation axes)."""
        return int(np.prod(self.navigation_shape, dtype=np.int64))

    @property
    def pixel_axes(self) -> tuple[Axis, Axis]:
        """The (row, col) axes."""
        return self.axes[-2], self.axes[-1]

    def frame(self, index: int) -> np.ndarray:
        """Read one frame.

        Parameters
        ----------
        index : int
            Flat index over the navigation axes, C order.

        Returns
        -------
        numpy.ndarray, shape (rows, cols), the stack's dtype
        """
        if not 0 <= index < self.n_frames:
            raise InputError(f"{self.name}: frame {index} asked for, but there are {self.n_frames}")
        where = np.unravel_index(index, self.navigation_shape) if self.navigation_shape else ()
        at = tuple(int(i) for i in where)
        source = getattr(self.data, _SOURCE, None)
        # A copy: whoever gets a frame may write into it.
        return compute(self.data[at]) if source is None else np.array(source[at])

    def frames(self, indices: Sequence[int] | None = None) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (index, frame) one at a time, in order."""
        for index in range(self.n_frames) if indices is None else indices:
            yield int(index), self.frame(int(index))

    @property
    def mapped(self) -> np.ndarray | None:
        """The array in memory, or mapped from a file, that the frames come from; None when there is none.

        For reading only. It has the shape of the stack; its byte order and its order in memory are the file's.
        """
        source = getattr(self.data, _SOURCE, None)
        array = source if isinstance(source, np.ndarray) else getattr(source, "mapped", None)
        return array if isinstance(array, np.ndarray) and array.shape == self.shape else None

    @property
    def derived(self) -> bool:
        """Whether the array was computed from something else, so that the source does not say what it is."""
        return getattr(self.data, _SOURCE, None) is None

    @property
    def stored_chunks(self) -> tuple[int, ...]:
        """What is best read at once, as a size along each axis: chunks of the file, of dask, or single frames."""
        source = getattr(self.data, _SOURCE, None)
        if source is None:
            return tuple(int(n) for n in self.data.chunksize)
        chunks = getattr(source, "shards", None) or getattr(source, "chunks", None)
        if chunks is None or len(chunks) != len(self.shape) or not all(isinstance(c, int) for c in chunks):
            return (1,) * (len(self.shape) - 2) + self.frame_shape
        return tuple(min(int(c), n) for c, n in zip(chunks, self.shape, strict=True))

    def block(self, index: tuple[slice, ...]) -> np.ndarray:
        """Read a block of many frames, or of parts of them, at once.

        Parameters
        ----------
        index : tuple of slice
            One per axis, with a step of one.

        Returns
        -------
        numpy.ndarray
            For reading only. Blocks may be read from several threads.
        """
        source = getattr(self.data, _SOURCE, None)
        if source is None:
            return compute(self.data[index])
        read = getattr(source, "block", None)
        return np.asarray(source[index] if read is None else read(index))

    def part(self, index: int) -> Stack:
        """Return one item of the first axis: a scan of a series, read the way the series is.

        Raises
        ------
        InputError
            If there is no such item, or the stack is one image.
        """
        if len(self.shape) < 3 or not 0 <= index < self.shape[0]:
            raise InputError(f"{self.name}: item {index} of the first axis asked for, shape {self.shape}")
        source = getattr(self.data, _SOURCE, None)
        if isinstance(source, np.ndarray):
            source = source[index]
        elif source is not None:
            source = Part(source, index)
        data = self.data[index] if source is None else source
        told = {**self.metadata, "part": index}
        return Stack.from_array(
            data, self.axes[1:], name=f"{self.name} {self.axes[0].name} {index}", source=self.source, metadata=told
        )

    def with_axes(self, axes: Sequence[Axis]) -> Stack:
        """Return the same data with other axes (a new calibration)."""
        return replace(self, axes=tuple(axes))

    def __repr__(self) -> str:
        parts = [
            f"{a.name} {n}" + (f" x {a.scale:.4g} {a.unit}" if a.calibrated else "")
            for a, n in zip(self.axes, self.shape, strict=True)
        ]
        return f"Stack({self.name!r}: {', '.join(parts)}; {self.data.dtype})"


def ahead_of(array: Any) -> Ahead | None:
    """Return what reads frames of a lazy array ahead; None for arrays in memory, and those derived from others."""
    found = getattr(array, _AHEAD, None)
    return found if isinstance(found, Ahead) else None
