"""The networks that find: the one that is shipped, and those of the user."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from atomscope.data.params import FindParams
from atomscope.errors import FileError, InputError, ParameterError
from atomscope.pipeline.model_files import read_once

if TYPE_CHECKING:
    import numpy as np

    from atomscope.models.committee import DropoutCommittee, Ensemble
    from atomscope.models.finder import Finder

#: The finder that comes with the program.
SHIPPED = Path(__file__).parent.parent / "weights" / "finder.safetensors"
#: What stands between the files of an ensemble.
_BETWEEN = ";"


def load_finder(params: FindParams) -> Finder | WhenAsked | DropoutCommittee | Ensemble | None:
    """Return the network that the parameters ask for; None when they ask for none.

    A folder, or several files separated by ";", is an ensemble.

    Raises
    ------
    FileError, UnknownFormatError, DamagedFileError
        If there is no such file, or it is not a model or damaged.
    InputError
        If it holds another kind of model, or finders that cannot work together.
    ParameterError
        If uncertainty by an ensemble is asked of one network, or by dropout of several.
    """
    ask = params.uncertainty != "none"
    if params.method == "peaks" and not ask:
        return None
    paths = finder_files(params.model)
    if params.method == "auto" and params.model is None and not ask:
        return WhenAsked(paths[0])
    if params.uncertainty == "ensemble" and len(paths) < 2:
        raise ParameterError(
            f"find: uncertainty='ensemble' wants at least two finders, got {', '.join(p.name for p in paths)}; "
            "set model to a folder of finders or to files separated by ';', or take uncertainty='dropout'"
        )
    if params.uncertainty == "dropout" and len(paths) > 1:
        raise ParameterError(
            f"find: uncertainty='dropout' asks one finder, got {len(paths)}; take uncertainty='ensemble'"
        )
    finders = tuple(read_finder(p) for p in paths)
    if len(finders) > 1:
        from atomscope.models.committee import Ensemble

        if any(f.taught is not None for f in finders):
            raise ParameterError("find: a finder that was taught works alone; give its file only")

        try:
            return Ensemble(finders)
        except InputError as error:
            raise InputError(f"{params.model}: {error}") from None
    if ask and any(f.taught is not None for f in finders):
        raise ParameterError("find: uncertainty is not for a finder that was taught; its score is its probability")
    if params.uncertainty == "dropout":
        from atomscope.models.committee import DropoutCommittee

        return DropoutCommittee(finders[0], params.passes)
    return finders[0]


def read_finder(path: str | Path) -> Finder:
    """Return the finder of a file (public name: ``load_finder``).

    Raises
    ------
    FileError, UnknownFormatError, DamagedFileError, InputError
        As :func:`load_finder`.
    """
    from atomscope.models.finder import Finder

    return read_once(path, Finder.from_state)


def save_finder(finder: Finder, path: str | Path) -> Path:
    """Write a finder to ``name.safetensors`` (``name.json`` beside it says what is in it); return its path.

    Raises
    ------
    SaveError
        If writing failed; an older file is untouched.
    """
    from atomscope import io

    return io.write_model(finder.to_state(), path)


def finder_files(model: str | None) -> list[Path]:
    """Return the files of a finder or of an ensemble, in a fixed order.

    Raises
    ------
    FileError
        If a folder holds no model.
    """
    if model is None:
        return [SHIPPED]
    given = [Path(part.strip()).expanduser().resolve() for part in model.split(_BETWEEN) if part.strip()]
    if len(given) != 1 or not given[0].is_dir():
        return given
    folder = given[0]
    found = sorted(p for p in folder.glob("*.safetensors") if p.name != "checkpoint.safetensors")
    if not found:
        raise FileError(f"{folder}: wanted a folder of finders, it holds no .safetensors file")
    return found


class WhenAsked:
    """A finder that is read, and torch with it, when the first frame needs it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def _finder(self) -> Finder:
        return read_finder(self.path)

    @property
    def unit_px(self) -> float:
        """Column width at which it was trained, px."""
        return self._finder.unit_px

    def strips(self, image: np.ndarray) -> Iterator[np.ndarray]:
        """Yield a map with a spot at every column of an image, shape (some rows, cols)."""
        return self._finder.strips(image)

    def probability(self, height: np.ndarray) -> np.ndarray:
        """Return the probability that maxima of these heights are columns."""
        return self._finder.probability(height)

    def place_error(self, height: np.ndarray) -> np.ndarray:
        """Return the standard error of the place of maxima of these heights, px at ``unit_px``."""
        return self._finder.place_error(height)
