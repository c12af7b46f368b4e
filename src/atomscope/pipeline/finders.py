"""The networks that find: the one that is shipped, and those of the user."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from atomscope.data.params import FindParams

if TYPE_CHECKING:
    from atomscope.models.finder import Finder

#: The finder that comes with the program.
SHIPPED = Path(__file__).parent.parent / "weights" / "finder.safetensors"


def load_finder(params: FindParams) -> Finder | None:
    """Return the network that the parameters ask for; None when they ask for none.

    Raises
    ------
    FileError, UnknownFormatError, DamagedFileError
        If there is no such file, or it is not a model or damaged.
    InputError
        If it holds another kind of model.
    """
    if params.method != "network":
        return None
    return read_finder(SHIPPED if params.model is None else params.model)


def read_finder(path: str | Path) -> Finder:
    """Return the finder of a file (public name: ``load_finder``).

    Raises
    ------
    FileError, UnknownFormatError, DamagedFileError, InputError
        As :func:`load_finder`.
    """
    path = Path(path).expanduser().resolve()
    return _load(path, path.stat().st_mtime_ns if path.exists() else 0)


def save_finder(finder: Finder, path: str | Path) -> Path:
    """Write a finder to ``name.safetensors`` (``name.json`` beside it says what is in it); return its path.

    Raises
    ------
    SaveError
        If writing failed; an older file is untouched.
    """
    from atomscope import io

    return io.write_model(finder.to_state(), path)


@lru_cache(maxsize=4)
def _load(path: Path, changed: int) -> Finder:
    from atomscope import io
    from atomscope.models.finder import Finder

    return Finder.from_state(io.read_model(path))
