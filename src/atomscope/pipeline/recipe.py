"""Recipes: a list of steps as plain data, the same for window, script and command line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import Field

from atomscope.data import Stack
from atomscope.data.params import (
    ClusterParams,
    CropParams,
    DelayParams,
    Detector,
    DriftParams,
    FindParams,
    FitParams,
    GridParams,
    LinkParams,
    Params,
    ParticleParams,
    PatternParams,
    ScanFileParams,
    ShowParams,
    StructureParams,
    VAESpec,
    WallParams,
)
from atomscope.errors import ParameterError


class LayerParams(Params):
    """Open another image of the same field: the same frames, the same place at the same pixel."""

    path: str = Field(title="File", description="File or folder to open.")
    key: str | None = Field(None, title="Data set", description="Which data set, for files that hold several.")


class OpenParams(ScanFileParams):
    """Open a file."""

    path: str = Field(title="File", description="File or folder to open.")
    key: str | None = Field(None, title="Data set", description="Which data set, for files that hold several.")
    layers: tuple[LayerParams, ...] = Field(
        (), title="Layers", description="Registered images of the same field: windows have a channel of each."
    )

    @property
    def scan(self) -> dict[str, Any]:
        """What else :func:`atomscope.open` is told: the fields of ScanFileParams that are not at their default."""
        return {k: v for k, v in self.said.items() if k in ScanFileParams.model_fields}


class TrainParams(Params):
    """Train a model and encode the patches with it."""

    model: VAESpec = Field(default_factory=VAESpec, title="Model", description="What to train.")
    fit: FitParams = Field(default_factory=FitParams, title="Training", description="How to train it.")


#: step name -> its parameter class
STEPS: dict[str, type[Params]] = {
    "open": OpenParams,
    "virtual": Detector,
    "find": FindParams,
    "grid": GridParams,
    "structure": StructureParams,
    "walls": WallParams,
    "particles": ParticleParams,
    "drift": DriftParams,
    "link": LinkParams,
    "delay": DelayParams,
    "crop": CropParams,
    "patterns": PatternParams,
    "train": TrainParams,
    "cluster": ClusterParams,
    "show": ShowParams,
}


@dataclass(frozen=True)
class Step:
    """One step of a recipe: a name from :data:`STEPS` and its parameters."""

    name: str
    params: Params

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: the step's name and the fields."""
        if isinstance(self.params, OpenParams):  # most files need none of what a raw file does
            p = self.params
            layers = [one.model_dump(mode="json") for one in p.layers]
            return {"step": self.name, "path": p.path, "key": p.key, **({"layers": layers} if layers else {}), **p.scan}
        return {"step": self.name, **self.params.model_dump(mode="json")}

    @classmethod
    def from_dict(cls, d: Any, where: str = "recipe") -> Step:
        """Build from plain data.

        Raises
        ------
        ParameterError
            If the step or one of its fields is unknown, or a value is out of bounds.
        """
        if not isinstance(d, dict) or "step" not in d:
            raise ParameterError(f"{where}: wanted a step such as {{step: find, threshold: 4}}, got {d!r}")
        fields = dict(d)
        name = fields.pop("step")
        if name not in STEPS:
            raise ParameterError(f"{where}: unknown step {name!r}; known: {', '.join(STEPS)}")
        try:
            return cls(name, STEPS[name](**fields))
        except ParameterError as error:
            raise ParameterError(f"{where} ({name}): {error}") from None


@dataclass(frozen=True)
class Recipe:
    """A list of steps.

    A recipe file is YAML, a list of ``step:`` entries with the fields of that step; fields that are left out
    have their defaults. ``Recipe.of(find=..., crop=...)`` makes one from parameter classes.
    """

    steps: Sequence[Step] = field(default_factory=tuple)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    @classmethod
    def of(cls, **steps: Params | None) -> Recipe:
        """Make a recipe from parameters by step name, in the order given; ``None`` is left out."""
        return cls(tuple(Step(name, params) for name, params in steps.items() if params is not None))

    def with_source(
        self,
        path: str | Path,
        key: str | None = None,
        layers: Sequence[tuple[str | Path, str | None]] = (),
        **scan: Any,
    ) -> Recipe:
        """Return the recipe applied to another file, and to layers of (path, key) registered with it.

        ``**scan`` as :func:`atomscope.open` takes it.
        """
        rest = tuple(s for s in self.steps if s.name != "open")
        more = tuple(LayerParams(path=str(where), key=which) for where, which in layers)
        return Recipe((Step("open", OpenParams(path=str(path), key=key, layers=more, **scan)), *rest))

    def of_stacks(self, stacks: Sequence[Stack], key: str | None = None) -> Recipe:
        """Return the recipe applied to a stack and its layers; itself, where one of them has no file to name."""
        if not all(stack.source for stack in stacks):
            return self
        first, *rest = stacks
        layers = [(stack.source, stack.metadata.get("key")) for stack in rest]
        scan = first.metadata.get("opened") or {}
        return self.with_source(first.source, first.metadata.get("key", key), layers, **scan)

    def first(self, name: str) -> Params | None:
        """Return the parameters of the first step of that name."""
        return next((s.params for s in self.steps if s.name == name), None)

    def to_list(self) -> list[dict[str, Any]]:
        """Return plain data."""
        return [s.to_dict() for s in self.steps]

    @classmethod
    def from_list(cls, items: Any, where: str = "recipe") -> Recipe:
        """Build from plain data.

        Raises
        ------
        ParameterError
            If it is no list of known steps; the message names the step.
        """
        if not isinstance(items, list):
            raise ParameterError(f"{where}: wanted a list of steps, got {type(items).__name__}")
        return cls(tuple(Step.from_dict(d, f"{where}, step {i}") for i, d in enumerate(items, 1)))

    def to_yaml(self, path: str | Path) -> Path:
        """Write a recipe file."""
        from atomscope import io

        return Path(io.write_recipe(self.to_list(), Path(path)))

    @classmethod
    def from_yaml(cls, path: str | Path) -> Recipe:
        """Read a recipe file.

        Raises
        ------
        ParameterError
            If a step or a field is unknown.
        FileError
            If the file cannot be read.
        """
        from atomscope import io

        return cls.from_list(io.read_recipe(Path(path)), str(path))
