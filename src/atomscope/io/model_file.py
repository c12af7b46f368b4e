"""Model files: one safetensors file that is the truth, and a readable JSON copy of what it says about itself.

The specification travels in the header of the safetensors file, so that weights and specification can never come from
two different moments; both files are renamed into place, and nothing is ever unpickled.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from atomscope.data import ModelState
from atomscope.errors import DamagedFileError, FileError, InputError, UnknownFormatError
from atomscope.io.atomic import writing_file
from atomscope.io.plain import to_json

_FORMAT = "atomscope-model"
_VERSION = 1
_KEY = "atomscope"


def model_paths(path: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Return (weights, readable copy): ``name.safetensors`` and ``name.json``, or ``model.*`` inside a folder."""
    where = Path(path).expanduser()
    if where.suffix.lower() in (".safetensors", ".json"):
        return where.with_suffix(".safetensors"), where.with_suffix(".json")
    return where / "model.safetensors", where / "model.json"


def write_model(state: ModelState, path: str | os.PathLike[str]) -> Path:
    """Write a model, replacing an older one only when the new one is complete.

    Parameters
    ----------
    state : ModelState
    path : str or Path
        ``name.safetensors`` (``name.json`` is written beside it), or a folder to hold ``model.safetensors``.

    Returns
    -------
    Path
        Of the safetensors file.

    Raises
    ------
    InputError
        If a tensor is not made of numbers or ``spec`` or ``meta`` cannot be written as JSON.
    SaveError
        If writing failed; the older model is untouched.
    """
    from safetensors.numpy import save

    weights, copy = model_paths(path)
    tensors = {}
    for name, tensor in state.tensors.items():
        array = np.asarray(tensor)
        if array.dtype.kind not in "buif":
            raise InputError(f"{weights}: tensor {name!r} has dtype {array.dtype}, wanted real numbers")
        # safetensors writes the bytes as they lie in memory: they must lie in C order and little-endian.
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        tensors[name] = array if array.flags.c_contiguous else array.copy(order="C")
    head = {
        "format": _FORMAT,
        "version": _VERSION,
        "spec": state.spec,
        "window": list(state.window),
        "channels": state.channels,
        "meta": state.meta,
    }
    text = to_json(head, "model")
    data = save(tensors, metadata={_KEY: text})
    with writing_file(weights) as beside:
        beside.write_bytes(data)
    shapes = {name: {"shape": list(t.shape), "dtype": str(t.dtype)} for name, t in tensors.items()}
    with writing_file(copy) as beside:
        beside.write_text(to_json({**head, "tensors": shapes}, "model", indent=2) + "\n", encoding="utf-8")
    return weights


def read_model(path: str | os.PathLike[str]) -> ModelState:
    """Read a model written by :func:`write_model`.

    Parameters
    ----------
    path : str or Path
        The safetensors file, its JSON copy, or the folder that holds them.

    Raises
    ------
    FileError
        If there is no such file.
    UnknownFormatError
        If it is not a model of atomscope.
    DamagedFileError
        If it is empty, truncated or contradicts itself.
    """
    given = Path(path).expanduser()
    if given.suffix.lower() not in (".safetensors", ".json") and given.is_file():
        raise UnknownFormatError(f"{given}: wanted a .safetensors model or its folder; nothing else is ever unpickled")
    weights, _ = model_paths(given)
    if not weights.is_file():
        raise FileError(f"{weights}: no such model file")
    tensors, head = _load(weights)
    try:
        window = tuple(int(n) for n in head["window"])
        if len(window) != 2 or min(window) < 1:
            raise ValueError(f"window {head['window']}")
        spec, meta = head["spec"], head.get("meta", {})
        if not isinstance(spec, dict) or not isinstance(meta, dict):
            raise TypeError("spec and meta must be tables")
        return ModelState(spec, (window[0], window[1]), int(head["channels"]), tensors, meta)
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedFileError(f"{weights}: its description is incomplete ({type(error).__name__}: {error})") from error


def _load(weights: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(weights), framework="numpy") as file:
            told = (file.metadata() or {}).get(_KEY)
            if told is None:
                raise UnknownFormatError(f"{weights}: a safetensors file, but not a model of atomscope")
            head = json.loads(told)
            tensors = {name: np.array(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, json.JSONDecodeError, RecursionError, ValueError, TypeError, AttributeError) as error:
        raise DamagedFileError(
            f"{weights}: cannot be read, it looks truncated or damaged ({type(error).__name__}: {error})"
        ) from error
    except OSError as error:
        if isinstance(error, FileError):
            raise
        raise DamagedFileError(f"{weights}: cannot be read ({error})") from error
    if not isinstance(head, dict) or head.get("format") != _FORMAT:
        raise UnknownFormatError(f"{weights}: a safetensors file, but not a model of atomscope")
    version = head.get("version")
    if not isinstance(version, int) or version > _VERSION:
        raise UnknownFormatError(
            f"{weights}: written by a newer atomscope (format {version}, this one reads {_VERSION}); update atomscope"
        )
    return tensors, head
