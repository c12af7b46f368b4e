"""PNG, JPEG and BMP pictures, and a folder of numbered frames as one movie."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from atomscope.data import Axis, Stack
from atomscope.errors import DamagedFileError, ShapeError, UnknownFormatError
from atomscope.io.readers.base import DatasetInfo, Reader, head, lazy_stack, reading
from atomscope.io.readers.colour import luminance, warn_colour

_MAGIC = {b"\x89PNG\r\n\x1a\n": ".png", b"\xff\xd8\xff": ".jpg", b"BM": ".bmp"}
#: Frames of a folder whose headers are looked at when it is opened.
_LOOK_AT = 300
_GREY = {"1": np.dtype(bool), "L": np.dtype(np.uint8), "I;16": np.dtype(np.uint16), "F": np.dtype(np.float32)}


class PictureReader:
    """One grey or colour picture; colour becomes brightness."""

    name = "picture"
    extensions: tuple[str, ...] = (".png", ".jpg", ".jpeg", ".bmp")

    def can_read(self, path: Path) -> bool:
        """Tell by the magic bytes."""
        first = head(path, 8) if path.is_file() else b""
        if first[:2] == b"BM":
            return path.suffix.lower() == ".bmp"
        return any(first.startswith(m) for m in _MAGIC)

    def list_datasets(self, path: Path) -> list[DatasetInfo]:
        """Return the one picture."""
        shape, dtype, colour = _look(path)
        return [DatasetInfo("", shape, str(dtype), "colour" if colour else "")]

    def open(self, path: Path, key: str | None = None) -> Stack:
        """Open lazily; the dots per inch of a picture are a printer's and are not used."""
        shape, dtype, colour = _look(path)
        if colour:
            warn_colour(str(path))
        return lazy_stack(path, _Picture(path), shape, dtype, metadata={"format": path.suffix.lower().strip(".")})


class _Picture:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, where: tuple[int, ...]) -> np.ndarray:
        from PIL import Image

        with Image.open(self.path) as image:
            image.load()
            mode = image.mode
            grey = mode in ("1", "L", "F") or mode.startswith("I")
            plain = grey or mode in ("RGB", "RGBA", "LA")
            pixels = np.array(image if plain else image.convert("RGB"))
        return pixels if grey else luminance(pixels)


def _look(path: Path) -> tuple[tuple[int, int], np.dtype[Any], bool]:
    """Return (shape, dtype, is colour) from the header alone."""
    from PIL import Image

    with reading(path), Image.open(path) as image:
        cols, rows = image.size
        mode = image.mode
    if mode in _GREY:
        return (rows, cols), _GREY[mode], False
    if mode.startswith("I"):  # 16-bit PNG is "I;16" in new versions of Pillow and "I" in old ones
        return (rows, cols), np.dtype(np.uint16 if mode != "I" else np.int32), False
    return (rows, cols), np.dtype(np.float32), mode not in ("LA",)


class FolderReader:
    """A folder of numbered pictures, TIFF or npy frames: one movie in the order of the numbers."""

    name = "folder of frames"
    extensions: tuple[str, ...] = ()

    def __init__(self, readers: tuple[Reader, ...]) -> None:
        self.readers = readers

    def can_read(self, path: Path) -> bool:
        """Tell whether the folder holds frames that a reader of single files knows."""
        return path.is_dir() and bool(_frames(path, self._extensions()))

    def _extensions(self) -> set[str]:
        return {e for r in self.readers for e in r.extensions}

    def _reader(self, path: Path) -> Reader:
        for reader in self.readers:
            if reader.can_read(path):
                return reader
        raise UnknownFormatError(f"{path}: is named {path.suffix} but is not such a file; move it out of the folder")

    def check(self, file: Path, first: Path, shape: tuple[int, int], dtype: str) -> None:
        """Raise ShapeError, naming the file, when a frame is not of the size and type of the first."""
        got = self._reader(file).list_datasets(file)[0]
        if got.shape[-2:] != shape or int(np.prod(got.shape[:-2], dtype=np.int64)) != 1:
            raise ShapeError(f"{file}: has shape {got.shape}, the first frame {first.name} has {shape}")
        if got.dtype != dtype:
            raise ShapeError(f"{file}: has dtype {got.dtype}, the first frame {first.name} has {dtype}")

    def list_datasets(self, path: Path) -> list[DatasetInfo]:
        """Return the one movie."""
        files = _frames(path, self._extensions())
        info = self._reader(files[0]).list_datasets(files[0])[0]
        return [DatasetInfo("", (len(files), *info.shape[-2:]), info.dtype, f"{len(files)} {files[0].suffix} files")]

    def open(self, path: Path, key: str | None = None) -> Stack:
        """Open lazily; the first frame's header and the sizes of the others are looked at.

        Of thousands of frames a sample is looked at now, and each one again when it is read.

        Raises
        ------
        ShapeError
            If a frame has another size or type than the first one.
        """
        files = _frames(path, self._extensions())
        stacks = self._reader(files[0]).open(files[0], None)
        if stacks.n_frames != 1:
            raise ShapeError(
                f"{files[0]}: wanted one frame in each file of the folder, got {stacks.n_frames}; open the files singly"
            )
        wanted = stacks.frame_shape
        for i in sorted(set(np.linspace(0, len(files) - 1, min(len(files), _LOOK_AT)).astype(int))):
            self.check(files[i], files[0], wanted, str(stacks.data.dtype))
        axes = (Axis("frame", kind="navigation"), *stacks.axes[-2:])
        read = _OneFile(tuple(files), self, wanted, str(stacks.data.dtype))
        metadata = {"format": "folder", "files": [f.name for f in files]}
        return lazy_stack(path, read, (len(files), *wanted), stacks.data.dtype, axes, name=path.name, metadata=metadata)


class _OneFile:
    def __init__(self, files: tuple[Path, ...], folder: FolderReader, shape: tuple[int, int], dtype: str) -> None:
        self.files, self.folder, self.shape, self.dtype = files, folder, shape, dtype

    def __call__(self, where: tuple[int, ...]) -> np.ndarray:
        file = self.files[where[0]]
        if not file.exists():
            raise DamagedFileError(f"{file}: this frame is no longer there")
        self.folder.check(file, self.files[0], self.shape, self.dtype)
        return self.folder._reader(file).open(file, None).frame(0)


def _natural(path: Path) -> list[tuple[int, int, str]]:
    """Sort key under which frame2 comes before frame10."""
    return [(0, int(p), "") if p.isdigit() else (1, 0, p.lower()) for p in re.split(r"(\d+)", path.name) if p]


def _frames(folder: Path, extensions: set[str]) -> list[Path]:
    """Return the frames of the kind that is most common in the folder, in natural order."""
    kinds: dict[str, list[Path]] = {}
    for file in folder.iterdir():
        suffix = file.suffix.lower()
        if suffix in extensions and not file.name.startswith(".") and file.is_file():
            kinds.setdefault(suffix, []).append(file)
    if not kinds:
        return []
    best = max(kinds, key=lambda k: (len(kinds[k]), k))
    return sorted(kinds[best], key=_natural)
