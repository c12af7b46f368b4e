"""Models of several window sizes of the same sites: what they are, and how they are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from atomscope.data import ModelState, Run
from atomscope.data.params import CropParams
from atomscope.errors import InputError

if TYPE_CHECKING:
    from atomscope.models import Model

_META = "zoom"


@dataclass(frozen=True)
class Level:
    """One window size and its model.

    Attributes
    ----------
    name : str
        As a person says it: ``96 px``, or in the unit of the axes.
    crop : CropParams
        How its windows are cut; the finer ones turned and shifted by the pose of the coarsest.
    model : Model
    """

    name: str
    crop: CropParams
    model: Model


@dataclass(frozen=True)
class Scales:
    """Models of several window sizes of the same sites, coarsest first.

    Attributes
    ----------
    levels : tuple of Level
    """

    levels: tuple[Level, ...]

    @property
    def columns(self) -> dict[str, list[str]]:
        """Which latents of :func:`encode_scales` are of which level, by its name."""
        counts = np.cumsum([0, *(level.model.spec.latent_dim for level in self.levels)])
        return {
            level.name: [f"z{i + 1}" for i in range(counts[k], counts[k + 1])] for k, level in enumerate(self.levels)
        }

    def to_states(self) -> list[ModelState]:
        """Return the models as plain data that says of which window each is."""
        states = [level.model.to_state() for level in self.levels]
        zooms = [
            {"name": level.name, "levels": len(self.levels), "crop": level.crop.model_dump(mode="json")}
            for level in self.levels
        ]
        return [replace(s, meta={**s.meta, _META: zoom}) for s, zoom in zip(states, zooms, strict=True)]

    @classmethod
    def of_states(cls, states: Sequence[ModelState], where: str = "scales") -> Scales:
        """Return the chain that :meth:`to_states` told of.

        Raises
        ------
        InputError
            If a model is of no such chain, or one is missing.
        """
        from atomscope import models

        levels = []
        for state in states:
            zoom = state.meta.get(_META)
            if zoom is None:
                raise InputError(f"{where}: a model, but not one of a chain of window sizes")
            if int(zoom["levels"]) != len(states):
                raise InputError(f"{where}: wanted the models of {zoom['levels']} window sizes, got {len(states)}")
            how = {k: tuple(v) if isinstance(v, list) else v for k, v in zoom["crop"].items()}
            levels.append(Level(str(zoom["name"]), CropParams(**how), models.Model.from_state(state)))
        return cls(tuple(levels))

    def save(self, folder: str | Path) -> Path:
        """Write a model file for each level into a folder; :func:`load_scales` reads it."""
        from atomscope import io

        for i, state in enumerate(self.to_states(), 1):
            io.write_model(state, Path(folder) / f"level_{i}.safetensors")
        return Path(folder)


def load_scales(folder: str | Path) -> Scales:
    """Read what :meth:`Scales.save` wrote, or the models of a run folder of several window sizes.

    Raises
    ------
    InputError
        If a level is missing, or the files are of no such chain.
    """
    from atomscope import io

    where = Path(folder)
    if (where / "run.json").is_file():
        return scales_of(io.read_run(where))
    first = io.read_model(where / "level_1.safetensors")
    count = int(first.meta.get(_META, {}).get("levels", 1))
    rest = [io.read_model(where / f"level_{i}.safetensors") for i in range(2, count + 1)]
    return Scales.of_states([first, *rest], str(where))


def scales_of(run: Run) -> Scales:
    """Return the chain of models of a run of several window sizes.

    Raises
    ------
    InputError
        If it has no such models.
    """
    states = [state for state in (run.model, *run.finer) if state is not None]
    if not states:
        raise InputError(f"run {run.name!r} holds no model; train one first")
    return Scales.of_states(states, f"run {run.name!r}")
