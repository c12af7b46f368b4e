"""The networks that find: the one that is shipped, and those of the user."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from atomscope.data.params import FindParams

if TYPE_CHECKING:
    import numpy as np

    from atomscope.models.finder import Finder

#: The finder that comes with the program.
SHIPPED = Path(__file__).parent.parent / "weights" / "finder.safetensors"


def load_finder(params: FindParams) -> Finder | WhenAsked | None:
    """Return the network that the parameters ask for; None when they ask for none.

    Raises
    ------
    FileError, UnknownFormatError, DamagedFileError
        If there is no such file, or it is not a model or damaged.
    InputError
        If it holds another kind of model.
    """
    if params.method == "peaks":
        return None
    path = SHIPPED if params.model is None else Path(params.model).expanduser().resolve()
    if params.method == "auto" and params.model is None:
        return WhenAsked(path)
    return _load(path, path.stat().st_mtime_ns if path.exists() else 0)


class WhenAsked:
    """A finder that is read, and torch with it, when the first frame needs it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def _finder(self) -> Finder:
        return _load(self.path, self.path.stat().st_mtime_ns)

    @property
    def unit_px(self) -> float:
        """Column width at which it was trained, px."""
        return self._finder.unit_px

    def answer(self, image: np.ndarray) -> np.ndarray:
        """Return a map with a spot at every column of an image, shape (rows, cols)."""
        return self._finder.answer(image)

    def probability(self, height: np.ndarray) -> np.ndarray:
        """Return the probability that maxima of these heights are columns."""
        return self._finder.probability(height)


@lru_cache(maxsize=4)
def _load(path: Path, changed: int) -> Finder:
    from atomscope import io
    from atomscope.models.finder import Finder

    return Finder.from_state(io.read_model(path))
