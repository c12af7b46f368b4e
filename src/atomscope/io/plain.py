"""Plain data for JSON and YAML: numpy scalars, tuples, paths and the like become numbers, lists and text."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np

from atomscope.errors import InputError


def plain(value: Any, where: str = "value") -> Any:
    """Return ``value`` made of dict, list, str, int, float, bool and None only.

    Raises
    ------
    InputError
        If something inside has no plain form; the message says where it is.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return plain(value.item(), where)
    if isinstance(value, np.ndarray):
        return plain(value.tolist(), where)
    if isinstance(value, Mapping):
        return {str(k): plain(v, f"{where}.{k}") for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=repr) if isinstance(value, set | frozenset) else value
        return [plain(v, f"{where}[{i}]") for i, v in enumerate(items)]
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if hasattr(value, "model_dump"):
        return plain(value.model_dump(), where)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain(dataclasses.asdict(value), where)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise InputError(f"{where}: a {type(value).__name__} cannot be written as text; give numbers, text, lists or dicts")


def to_json(value: Any, where: str = "value", *, indent: int | None = None) -> str:
    """Return JSON text of anything that :func:`plain` takes."""
    return json.dumps(plain(value, where), indent=indent, ensure_ascii=False)
