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
    path = SHIPPED if params.model is None else Path(params.model).expanduser().resolve()
    return _load(path, path.stat().st_mtime_ns if path.exists() else 0)


@lru_cache(maxsize=4)
def _load(path: Path, changed: int) -> Finder:
    from atomscope import io
    from atomscope.models.finder import Finder

    return Finder.from_state(io.read_model(path))
