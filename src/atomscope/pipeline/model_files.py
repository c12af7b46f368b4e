"""Models in files: read once as long as the file stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, cast

from atomscope.data import ModelState
from atomscope.errors import InputError

M = TypeVar("M")


def read_once(path: str | Path, build: Callable[[ModelState], M]) -> M:
    """Return the model of a file.

    Parameters
    ----------
    path : str or Path
    build : callable
        Makes a model of what the file holds.

    Raises
    ------
    FileError, UnknownFormatError, DamagedFileError
        If there is no such file, or it is no model or damaged.
    InputError
        If it holds another kind of model.
    """
    file = Path(path).expanduser().resolve()
    return cast(M, _read(file, file.stat().st_mtime_ns if file.exists() else 0, build))


@lru_cache(maxsize=16)
def _read(path: Path, changed: int, build: Callable[[ModelState], Any]) -> Any:
    from atomscope import io

    try:
        return build(io.read_model(path))
    except InputError as error:
        raise type(error)(f"{path.name}: {error}") from None
