"""Recipes: a YAML list of steps. Errors name the line."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from atomscope.errors import DamagedFileError, FileError, InputError
from atomscope.io.atomic import writing_file
from atomscope.io.plain import plain

_HEADER = "# A recipe of napari-atomscope: the steps in order. Run it with: atomscope run {name}\n"


def write_recipe(steps: Sequence[Mapping[str, Any]], path: str | os.PathLike[str]) -> Path:
    """Write a list of steps as YAML.

    Raises
    ------
    InputError
        If a step is not a table of plain values.
    SaveError
        If writing failed; an older file is untouched.
    """
    where = Path(path).expanduser()
    for i, step in enumerate(steps):
        if not isinstance(step, Mapping):
            raise InputError(f"recipe: step {i + 1} is a {type(step).__name__}, wanted a table of names and values")
    listed = [plain(step, f"step {i + 1}") for i, step in enumerate(steps)]
    text = yaml.safe_dump(listed, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)
    with writing_file(where) as beside:
        beside.write_text(_HEADER.format(name=where.name) + text, encoding="utf-8")
    return where


def read_recipe(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Read a list of steps; only plain values are made, never Python objects.

    Parameters
    ----------
    path : str or Path
        YAML: a list of tables, or a table with such a list under ``steps``.

    Raises
    ------
    FileError
        If there is no such file.
    DamagedFileError
        If it is not YAML, or not a list of tables, or a name occurs twice; the message names the line.
    """
    where = Path(path).expanduser()
    return [_value(where, node) for node in _step_nodes(where)]


def recipe_lines(path: str | os.PathLike[str]) -> list[int]:
    """Return the line (from 1) at which each step of a recipe starts, for error messages."""
    return [node.start_mark.line + 1 for node in _step_nodes(Path(path).expanduser())]


def _step_nodes(where: Path) -> list[yaml.MappingNode]:
    if not where.is_file():
        raise FileError(f"{where}: no such recipe file")
    try:
        root = yaml.compose(where.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise DamagedFileError(f"{where}{line}: not YAML: {error.problem or error.context}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DamagedFileError(f"{where}: not a text file of YAML ({error})") from error
    if root is None:
        raise DamagedFileError(f"{where}: the recipe is empty; wanted a list of steps")
    if isinstance(root, yaml.MappingNode):
        steps = [value for key, value in root.value if key.value == "steps"]
        if not steps:
            raise DamagedFileError(f"{where}, line 1: wanted a list of steps, or a table with the name 'steps'")
        root = steps[0]
    if not isinstance(root, yaml.SequenceNode):
        raise DamagedFileError(f"{where}, line {root.start_mark.line + 1}: wanted a list of steps (lines with '- ')")
    for i, node in enumerate(root.value):
        if not isinstance(node, yaml.MappingNode):
            raise DamagedFileError(
                f"{where}, line {node.start_mark.line + 1}: step {i + 1} must be a table of names and values, "
                f"got {getattr(node, 'value', '')!r}"
            )
        _refuse_twice(where, node)
    return list(root.value)


def _refuse_twice(where: Path, node: yaml.Node) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if str(key.value) in seen:
                raise DamagedFileError(f"{where}, line {key.start_mark.line + 1}: the name {key.value!r} occurs twice")
            seen.add(str(key.value))
            _refuse_twice(where, value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _refuse_twice(where, value)


def _value(where: Path, node: yaml.Node) -> dict[str, Any]:
    loader = yaml.SafeLoader("")
    try:
        made = loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or node.start_mark
        raise DamagedFileError(f"{where}, line {mark.line + 1}: {error.problem}") from error
    finally:
        loader.dispose()
    return {str(k): v for k, v in made.items()}
