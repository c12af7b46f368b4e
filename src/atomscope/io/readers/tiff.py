"""TIFF, ImageJ, OME-TIFF and BigTIFF stacks, read page by page."""

from __future__ import annotations

import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from atomscope.data import Stack
from atomscope.errors import DamagedFileError
from atomscope.io.readers.base import DatasetInfo, check_shape, head, lazy_stack, reading
from atomscope.io.readers.choose import pick
from atomscope.io.readers.colour import luminance, warn_colour
from atomscope.io.readers.tiff_calibration import tiff_axes
from atomscope.io.readers.tiff_chain import walk

#: Key of all pages as one movie, in a file whose writer made a data set of each page.
_ALL = "all"
_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


class TiffReader:
    """TIFF stacks with the calibration of ImageJ, OME, FEI, Zeiss and DigitalMicrograph."""

    name = "tiff"
    extensions: tuple[str, ...] = (".tif", ".tiff", ".btf", ".tf8", ".lsm", ".stk")

    def can_read(self, path: Path) -> bool:
        """Tell by the magic bytes."""
        return path.is_file() and head(path, 4) in _MAGIC

    def list_datasets(self, path: Path) -> list[DatasetInfo]:
        """Return the series of the file (a series is a set of pages of equal size), in the file's order."""
        with reading(path), _open(path) as tif:
            return _listed(tif)

    def open(self, path: Path, key: str | None = None) -> Stack:
        """Open one series lazily."""
        with reading(path), _open(path) as tif:
            found = _listed(tif)
            if key is None and len(found) > 1:
                # A small preview beside the image (Zeiss, FEI) is no reason to ask.
                sizes = [int(np.prod(d.shape, dtype=np.int64)) for d in found]
                if sizes[0] >= 8 * max(sizes[1:]):
                    found = found[:1]
            chosen = pick(path, found, key).key
            index = -1 if chosen == _ALL else int(chosen)
            series: Any = _one_movie(tif) if index < 0 else tif.series[index]
            shape, colour = _frames_shape(series), "S" in series.axes
            check_shape(path, shape, series.dtype)
            _check_complete(path, tif, series)
            axes, metadata = tiff_axes(tif, series, shape, str(path))
            dtype = series.dtype
            if colour:
                warn_colour(str(path))
                dtype = np.dtype(np.float32)
        read = _Pages(path, index, shape[:-2])
        return lazy_stack(path, read, shape, dtype, axes, metadata=metadata)


def _open(path: Path) -> Any:
    import tifffile

    return tifffile.TiffFile(path)


def _listed(tif: Any) -> list[DatasetInfo]:
    movie = _one_movie(tif)
    if movie is not None:
        return [DatasetInfo(_ALL, _frames_shape(movie), str(movie.dtype), "pages written one by one")]
    return [
        DatasetInfo(str(i), _frames_shape(s), str(s.dtype), s.name or s.kind)
        for i, s in enumerate(tif.series)
        if _is_image(s)
    ]


def _one_movie(tif: Any) -> Any | None:
    """Return what stands for a movie that was written page by page with tifffile, all pages of one kind, else None.

    tifffile then notes the shape of each page in it and takes each for a data set of its own.
    """
    page = tif.pages[0]
    if tif.is_ome or tif.is_imagej or not page.is_shaped or page.axes not in ("YX", "YXS", "SYX"):
        return None
    chain = walk(tif)
    if chain.pages < 2 or not chain.uniform or f'"shape": [{", ".join(map(str, page.shape))}]' not in page.description:
        return None
    return SimpleNamespace(
        axes="I" + page.axes,
        shape=(chain.pages, *page.shape),
        dtype=page.dtype,
        kind="pages",
        keyframe=page,
        pages=tif.pages,
        dataoffset=None,
    )


def _is_image(series: Any) -> bool:
    return len(series.shape) >= 2 and "Y" in series.axes and "X" in series.axes


def _frames_shape(series: Any) -> tuple[int, ...]:
    """(*navigation, rows, cols), colour samples left out."""
    navigation = tuple(n for a, n in zip(series.axes, series.shape, strict=True) if a not in "SYX")
    sizes = dict(zip(series.axes, series.shape, strict=True))
    return (*navigation, sizes["Y"], sizes["X"])


def _check_complete(path: Path, tif: Any, series: Any) -> None:
    """Look whether the last page lies inside the file (the pages before it do then too, as files are written)."""
    size = tif.filehandle.size
    page = series.keyframe
    promised = int((tif.imagej_metadata or {}).get("images", 1)) if tif.is_imagej else 1
    frames = int(np.prod(_frames_shape(series)[:-2], dtype=np.int64))
    # ImageJ and tifffile tell how many pages there are: no need to walk a chain of thousands.
    told = series.dataoffset is not None and series.kind in ("imagej", "shaped")
    if promised > frames or not (told or walk(tif).ends):
        raise DamagedFileError(f"{path}: truncated, it promises more pages than the {frames} that are there")
    if series.dataoffset is not None:
        end = series.dataoffset + series.nbytes
    else:
        pages = series.pages
        if any(p is None for p in (pages[0], pages[len(pages) - 1])):
            raise DamagedFileError(f"{path}: pages are missing; of a set of OME-TIFF files all must be present")
        page = pages[len(pages) - 1]
        if page.parent is not tif:  # the pages of a set of files: each file is checked when it is read
            return
        end = max((o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=False)), default=0)
    if end > size:
        raise DamagedFileError(
            f"{path}: truncated, the last page of shape {page.shape} ends at byte {end} but the file has {size}"
        )


class _Pages:
    """Reads one page of a series; the file is opened at the first read and again after pickling."""

    def __init__(self, path: Path, index: int, navigation: tuple[int, ...]) -> None:
        self.path, self.index, self.navigation = path, index, navigation
        self.tif: Any = None

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        return _Pages, (self.path, self.index, self.navigation)

    def __del__(self) -> None:
        if getattr(self, "tif", None) is not None:
            self.tif.close()

    def __call__(self, where: tuple[int, ...]) -> np.ndarray:
        if self.tif is None:
            self.tif = _open(self.path)
            self.series = self.tif.series[self.index] if self.index >= 0 else None
        if self.series is None:
            return self._pixels(self.tif.pages[where[0]])
        series = self.series
        flat = int(np.ravel_multi_index(where, self.navigation)) if self.navigation else 0
        axes = series.axes
        if series.dataoffset is not None and axes.endswith("YX"):  # uncompressed and in one piece
            rows, cols = series.shape[-2:]
            dtype = series.dtype.newbyteorder(self.tif.byteorder)
            self.tif.filehandle.seek(series.dataoffset + flat * rows * cols * dtype.itemsize)
            raw = self.tif.filehandle.read(rows * cols * dtype.itemsize)
            return np.frombuffer(raw, dtype).reshape(rows, cols)
        page_axes = series.keyframe.axes  # "YX", "YXS", "SYX" or, of volumetric pages, "ZYX"
        extra = [n for a, n in zip(page_axes, series.keyframe.shape, strict=True) if a not in "SYX"]
        per_page = int(np.prod(extra, dtype=np.int64))
        page = series.pages[flat // per_page]
        if page is None:
            raise DamagedFileError(f"{self.path}: the page of frame {list(where)} is missing")
        return self._pixels(page, page_axes, len(extra), flat % per_page)

    @staticmethod
    def _pixels(page: Any, axes: str | None = None, extra: int = 0, which: int = 0) -> np.ndarray:
        """Decode a page; of a volumetric page one plane; colour becomes brightness."""
        axes = page.axes if axes is None else axes
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pixels = page.asarray()
        if extra:
            pixels = pixels.reshape(-1, *pixels.shape[extra:])[which]
            axes = "".join(a for a in axes if a in "SYX")
        return luminance(np.moveaxis(pixels, axes.index("S"), -1)) if "S" in axes else pixels
